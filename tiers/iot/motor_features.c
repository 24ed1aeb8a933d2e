#include "tiers/iot/motor_features.h"

const char *const mw_motor_feature_names[MW_MOTOR_FEATURES] = {
    "current_rms",      "current_crest",    "current_3x",         "temperature_mean",
    "vibration_rms",    "vibration_crest",  "vibration_kurtosis", "vibration_peak_hz",
    "vibration_peak",   "vibration_band_1", "vibration_band_2",   "vibration_band_3",
    "vibration_band_4", "sound_rms",        "sound_kurtosis",     "sound_band_1",
    "sound_band_2",     "sound_band_3",     "sound_band_4",
};

mw_err mw_motor_measure(struct mw_motor *motor, const struct mw_motor_noise *noise,
                        struct mw_signal *signal, struct mw_gate *gate, float *out)
{
    float window[MW_MOTOR_WINDOW];
    struct mw_signal_features f;

    mw_motor_waveform(motor, noise, MW_MOTOR_CURRENT, window, MW_MOTOR_WINDOW);
    mw_err err = mw_signal_features(signal, window, &f);
    if (err != MW_OK) {
        return err;
    }
    if (mw_gate_add(gate, f.rms) != MW_GATE_PASS) {
        return MW_ERR_AGAIN;
    }
    out[MW_MOTOR_CURRENT_RMS] = f.rms;
    out[MW_MOTOR_CURRENT_CREST] = f.crest_factor;
    out[MW_MOTOR_CURRENT_3X] = mw_signal_line(signal, 150.0F, 4.0F);

    mw_motor_waveform(motor, noise, MW_MOTOR_TEMPERATURE, window, MW_MOTOR_WINDOW);
    err = mw_signal_statistics(signal, window, &f);
    if (err != MW_OK) {
        return err;
    }
    out[MW_MOTOR_TEMPERATURE_MEAN] = f.mean;

    mw_motor_waveform(motor, noise, MW_MOTOR_VIBRATION, window, MW_MOTOR_WINDOW);
    err = mw_signal_features(signal, window, &f);
    if (err != MW_OK) {
        return err;
    }
    out[MW_MOTOR_VIBRATION_RMS] = f.rms;
    out[MW_MOTOR_VIBRATION_CREST] = f.crest_factor;
    out[MW_MOTOR_VIBRATION_KURTOSIS] = f.kurtosis;
    out[MW_MOTOR_VIBRATION_PEAK_HZ] = f.peak_hz[0];
    out[MW_MOTOR_VIBRATION_PEAK] = f.peak_amplitude[0];
    for (int band = 0; band < MW_SIGNAL_BANDS; band++) {
        out[MW_MOTOR_VIBRATION_BAND_1 + band] = f.band_rms[band];
    }

    mw_motor_waveform(motor, noise, MW_MOTOR_SOUND, window, MW_MOTOR_WINDOW);
    err = mw_signal_features(signal, window, &f);
    if (err != MW_OK) {
        return err;
    }
    out[MW_MOTOR_SOUND_RMS] = f.rms;
    out[MW_MOTOR_SOUND_KURTOSIS] = f.kurtosis;
    for (int band = 0; band < MW_SIGNAL_BANDS; band++) {
        out[MW_MOTOR_SOUND_BAND_1 + band] = f.band_rms[band];
    }
    return MW_OK;
}
