/* wave.h - level 1 for a recorded waveform: windows of sampled signals become feature records.
 *
 * The recording is a CSV file with one column a signal and one row a sample, all at one rate. Each
 * window gives, for each signal, what core/signal computes: <signal>_rms, _peak, _crest, _kurtosis,
 * _skewness, the strongest spectral peaks _peak_1_hz and _peak_1 .. and the octave bands _band_1
 * .., and its time: seconds from the start of the file to the window's end. */
#ifndef MW_IOT_WAVE_H
#define MW_IOT_WAVE_H

#include "lib/base/error.h"
#include "lib/base/options.h"

#include <stdint.h>
#include <stdio.h>

struct mw_wave_options {
    double rate;            /* samples a second in the file, above 0 */
    size_t window;          /* samples after decimation; as mw_signal_size takes them */
    size_t hop;             /* from one window's start to the next; 0: window */
    unsigned decimate;      /* 1: as they are; else low-pass, then every so many-th sample */
    struct mw_list signals; /* columns; empty: all */
    double minimum_rms; /* level 1's gate: windows of the first signal below this make no record */
};

struct mw_wave_result {
    uint64_t samples; /* rows read */
    uint64_t windows; /* records written */
    uint64_t held;    /* windows that the gate held back */
    size_t features;  /* a record, without the time */
};

/* Reads the file at `path` ("-" is stdin) and writes CSV with a header to `out`. Blocks. Errors: of
 * the CSV reader, with file and line; ARGUMENT for a window, rate or factor that cannot be;
 * NOT_FOUND for a signal that is no column; RANGE when the file is shorter than a window; IO. */
mw_err mw_wave_features(const char *path, const struct mw_wave_options *options, FILE *out,
                        struct mw_wave_result *result, struct mw_error *error);

#endif
