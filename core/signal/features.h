/* features.h - numbers that describe a window of a waveform.
 *
 * The spectrum is one-sided, of the window without its mean times a periodic Hann window, from
 * kissfft's real transform; the Hann window is applied in the frequency domain (X[k]/2 - (X[k-1] +
 * X[k+1])/4), so no cosine is computed here. Amplitudes are corrected for the window's coherent
 * gain, band energies for its noise bandwidth, so that both are in the signal's own unit. A peak
 * between two bins is found from the ratio of its two highest bins, which for the Hann window is
 * exact for a pure tone (Grandke, "Interpolation algorithms for discrete Fourier transforms of
 * weighted signals", IEEE Transactions on Instrumentation and Measurement 32, 1983).
 */
#ifndef MW_CORE_SIGNAL_FEATURES_H
#define MW_CORE_SIGNAL_FEATURES_H

#include "core/err.h"

#include <stddef.h>

#define MW_SIGNAL_ALIGN 16 /* bytes that the caller's memory is aligned to */
#define MW_SIGNAL_PEAKS 4  /* spectral peaks, strongest first */
#define MW_SIGNAL_BANDS 4  /* octaves that split 0 .. rate/2: the last is the upper half */

struct mw_signal_features {
    float mean, rms, peak; /* rms and peak of the signal without its mean; peak is max |x - mean| */
    float crest_factor;    /* peak / rms; 0 for a constant window */
    float kurtosis;        /* m4 / m2^2 (3 for Gaussian noise); 0 for a constant window */
    float skewness;        /* m3 / m2^1.5; 0 for a constant window */
    float peak_hz[MW_SIGNAL_PEAKS];        /* 0 when there is none */
    float peak_amplitude[MW_SIGNAL_PEAKS]; /* in the signal's unit */
    float band_rms[MW_SIGNAL_BANDS];       /* root of the band's energy, in the signal's unit */
};

struct mw_signal; /* an FFT plan with its scratch, in the caller's memory */

/* Memory for windows of n samples; n is even, 16 to 65536, with factors 2, 3 and 5 only.
 * Errors: ARGUMENT. */
mw_err mw_signal_size(size_t n, size_t *bytes);

/* Builds the plan in `memory` (MW_SIGNAL_ALIGN-aligned, at least what mw_signal_size said), which
 * must outlive it. sample_rate_hz is above 0. Errors: ARGUMENT, TOO_SMALL; then *signal is NULL. */
mw_err mw_signal_init(void *memory, size_t bytes, size_t n, float sample_rate_hz,
                      struct mw_signal **signal);

/* Computes all features of n samples. Errors: RANGE when a sample is not finite, or so large that
 * the difference of two samples is not. */
mw_err mw_signal_features(struct mw_signal *signal, const float *samples,
                          struct mw_signal_features *out);

/* The same without a transform: peaks and bands are 0. For signals without a spectrum worth its
 * cost, such as a temperature. Keeps no spectrum for mw_signal_line. */
mw_err mw_signal_statistics(struct mw_signal *signal, const float *samples,
                            struct mw_signal_features *out);

/* The highest amplitude within `width_hz` of `hz`, from the window that mw_signal_features saw
 * last, in the signal's unit; at least the nearest bin is looked at. 0 before the first window. For
 * lines whose place is known: the shaft's, the mains', a bearing's. */
float mw_signal_line(const struct mw_signal *signal, float hz, float width_hz);

#endif
