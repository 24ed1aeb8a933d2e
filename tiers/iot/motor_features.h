/* motor_features.h - level 1 for a motor: windows of its four signals become one feature record. */
#ifndef MW_IOT_MOTOR_FEATURES_H
#define MW_IOT_MOTOR_FEATURES_H

#include "core/err.h"
#include "core/signal/features.h"
#include "core/signal/gate.h"
#include "tiers/iot/motor.h"

enum mw_motor_feature {
    MW_MOTOR_CURRENT_RMS,
    MW_MOTOR_CURRENT_CREST,
    MW_MOTOR_CURRENT_3X, /* amplitude of the mains' third harmonic: an unbalanced supply */
    MW_MOTOR_TEMPERATURE_MEAN,
    MW_MOTOR_VIBRATION_RMS,
    MW_MOTOR_VIBRATION_CREST,
    MW_MOTOR_VIBRATION_KURTOSIS,
    MW_MOTOR_VIBRATION_PEAK_HZ,
    MW_MOTOR_VIBRATION_PEAK,
    MW_MOTOR_VIBRATION_BAND_1, /* 0-128, 128-256, 256-512, 512-1,024 Hz */
    MW_MOTOR_VIBRATION_BAND_2,
    MW_MOTOR_VIBRATION_BAND_3,
    MW_MOTOR_VIBRATION_BAND_4,
    MW_MOTOR_SOUND_RMS,
    MW_MOTOR_SOUND_KURTOSIS,
    MW_MOTOR_SOUND_BAND_1,
    MW_MOTOR_SOUND_BAND_2,
    MW_MOTOR_SOUND_BAND_3,
    MW_MOTOR_SOUND_BAND_4,
    MW_MOTOR_FEATURES
};

/* "current_rms", ..., in the order of the enum. */
extern const char *const mw_motor_feature_names[MW_MOTOR_FEATURES];

/* Takes a window of each signal and fills out[MW_MOTOR_FEATURES]. `signal` is a plan for
 * MW_MOTOR_WINDOW samples at MW_MOTOR_RATE. The gate judges current_rms first: at a standstill, or
 * without news, the other signals are not sampled and the answer is AGAIN. */
mw_err mw_motor_measure(struct mw_motor *motor, const struct mw_motor_noise *noise,
                        struct mw_signal *signal, struct mw_gate *gate, float *out);

#endif
