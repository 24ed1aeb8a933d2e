#include "tiers/iot/wave.h"

#include "core/signal/decimate.h"
#include "core/signal/features.h"
#include "core/signal/gate.h"
#include "core/wire/number.h"
#include "lib/base/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIGNALS_MAX 16
#define FEATURES (5 + 2 * MW_SIGNAL_PEAKS + MW_SIGNAL_BANDS)

struct channel {
    char *name;
    size_t column;
    void *filter_memory;
    struct mw_decimate *filter; /* NULL: none */
    float *samples;             /* of the window that fills */
    size_t n;
};

struct wave {
    const struct mw_wave_options *options;
    struct mw_wave_result *result;
    struct mw_csv *csv;
    struct channel channel[SIGNALS_MAX];
    size_t n_channels;
    void *signal_memory;
    struct mw_signal *signal;
    struct mw_gate gate;
    uint64_t taken; /* samples after decimation that left the front of the window */
    size_t hop;
    size_t delay; /* samples before decimation that the filter held back at the start */
    FILE *out;
    struct mw_error *error;
};

/* --- making --- */

static mw_err add_channel(struct wave *wave, size_t column)
{
    struct mw_span name = mw_csv_name(wave->csv, column);
    if (wave->n_channels == SIGNALS_MAX) {
        return mw_error_set(wave->error, MW_ERR_TOO_LARGE,
                            "more than %d signals; name the wanted ones", SIGNALS_MAX);
    }
    struct channel *channel = &wave->channel[wave->n_channels++];
    channel->column = column;
    channel->name = strndup(name.data, name.size);
    channel->samples = calloc(wave->options->window, sizeof *channel->samples);
    if (channel->name == NULL || channel->samples == NULL) {
        return mw_error_set(wave->error, MW_ERR_MEMORY, "out of memory");
    }
    if (wave->options->decimate <= 1) {
        return MW_OK;
    }
    size_t bytes = 0;
    mw_err err = mw_decimate_size(wave->options->decimate, &bytes);
    if (err != MW_OK) {
        return mw_error_set(wave->error, err, "samples can be decimated by 2 to %d, not by %u",
                            MW_DECIMATE_FACTOR_MAX, wave->options->decimate);
    }
    channel->filter_memory = malloc(bytes);
    if (channel->filter_memory == NULL) {
        return mw_error_set(wave->error, MW_ERR_MEMORY, "out of memory");
    }
    err =
        mw_decimate_init(channel->filter_memory, bytes, wave->options->decimate, &channel->filter);
    wave->delay = err == MW_OK ? (mw_decimate_taps(channel->filter) - 1) / 2 : 0;
    return err == MW_OK ? MW_OK : mw_error_set(wave->error, err, "the low-pass filter");
}

static mw_err add_channels(struct wave *wave)
{
    const struct mw_list *wanted = &wave->options->signals;
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < wanted->n; i++) {
        size_t column;
        err = mw_csv_column(wave->csv, wanted->item[i], &column, wave->error);
        if (err == MW_OK) {
            err = add_channel(wave, column);
        }
    }
    for (size_t i = 0; err == MW_OK && wanted->n == 0 && i < mw_csv_columns(wave->csv); i++) {
        err = add_channel(wave, i);
    }
    return err;
}

static mw_err make_plan(struct wave *wave)
{
    const struct mw_wave_options *options = wave->options;
    size_t bytes = 0;
    if (!(options->rate > 0) || !isfinite(options->rate)) {
        return mw_error_set(wave->error, MW_ERR_ARGUMENT,
                            "the rate must be a number of samples a second above 0");
    }
    mw_err err = mw_signal_size(options->window, &bytes);
    if (err != MW_OK) {
        return mw_error_set(wave->error, err,
                            "a window of %zu samples cannot be transformed: an even number from 16 "
                            "to 65536 with factors 2, 3 and 5 only was expected",
                            options->window);
    }
    bytes = (bytes + MW_SIGNAL_ALIGN - 1) / MW_SIGNAL_ALIGN * MW_SIGNAL_ALIGN;
    wave->signal_memory = aligned_alloc(MW_SIGNAL_ALIGN, bytes);
    if (wave->signal_memory == NULL) {
        return mw_error_set(wave->error, MW_ERR_MEMORY, "out of memory");
    }
    double rate = options->rate / (options->decimate > 1 ? options->decimate : 1);
    err = mw_signal_init(wave->signal_memory, bytes, options->window, (float)rate, &wave->signal);
    wave->gate = (struct mw_gate){.minimum = (float)options->minimum_rms};
    wave->hop = options->hop == 0 ? options->window : options->hop;
    return err == MW_OK ? MW_OK : mw_error_set(wave->error, err, "the Fourier transform");
}

static void clear(struct wave *wave)
{
    for (size_t i = 0; i < wave->n_channels; i++) {
        free(wave->channel[i].name);
        free(wave->channel[i].samples);
        free(wave->channel[i].filter_memory);
    }
    free(wave->signal_memory);
    mw_csv_close(wave->csv);
}

/* --- writing --- */

static void print_names(struct wave *wave)
{
    static const char *const names[] = {"rms", "peak", "crest", "kurtosis", "skewness"};
    fputs("time", wave->out);
    for (size_t i = 0; i < wave->n_channels; i++) {
        const char *signal = wave->channel[i].name;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            fprintf(wave->out, ",%s_%s", signal, names[k]);
        }
        for (size_t k = 1; k <= MW_SIGNAL_PEAKS; k++) {
            fprintf(wave->out, ",%s_peak_%zu_hz,%s_peak_%zu", signal, k, signal, k);
        }
        for (size_t k = 1; k <= MW_SIGNAL_BANDS; k++) {
            fprintf(wave->out, ",%s_band_%zu", signal, k);
        }
    }
    fputc('\n', wave->out);
    wave->result->features = wave->n_channels * FEATURES;
}

static void print_number(FILE *out, float value)
{
    char text[MW_NUMBER_TEXT];
    mw_number_print_f32(text, value);
    fputc(',', out);
    fputs(text, out);
}

static void print_features(FILE *out, const struct mw_signal_features *f)
{
    const float first[] = {f->rms, f->peak, f->crest_factor, f->kurtosis, f->skewness};
    for (size_t k = 0; k < sizeof first / sizeof *first; k++) {
        print_number(out, first[k]);
    }
    for (size_t k = 0; k < MW_SIGNAL_PEAKS; k++) {
        print_number(out, f->peak_hz[k]);
        print_number(out, f->peak_amplitude[k]);
    }
    for (size_t k = 0; k < MW_SIGNAL_BANDS; k++) {
        print_number(out, f->band_rms[k]);
    }
}

/* The time at which the window's last sample was taken. */
static double window_end(const struct wave *wave)
{
    double factor = wave->options->decimate > 1 ? wave->options->decimate : 1;
    double last = (double)(wave->taken + wave->options->window) * factor + (double)wave->delay;
    return last / wave->options->rate;
}

static mw_err write_window(struct wave *wave)
{
    struct mw_signal_features features;
    for (size_t i = 0; i < wave->n_channels; i++) {
        mw_err err = mw_signal_features(wave->signal, wave->channel[i].samples, &features);
        if (err != MW_OK) {
            return mw_error_set(wave->error, err, "signal %s, window that ends before line %llu",
                                wave->channel[i].name,
                                (unsigned long long)mw_csv_line(wave->csv) + 1);
        }
        if (i == 0 && wave->options->minimum_rms > 0 &&
            mw_gate_add(&wave->gate, features.rms) != MW_GATE_PASS) {
            wave->result->held++;
            return MW_OK;
        }
        if (i == 0) {
            fprintf(wave->out, "%.6f", window_end(wave));
        }
        print_features(wave->out, &features);
    }
    fputc('\n', wave->out);
    wave->result->windows++;
    return MW_OK;
}

/* --- reading --- */

/* One sample more of a channel. False while the filter has nothing to give, or none is wanted yet.
 */
static mw_err take_sample(struct wave *wave, struct channel *channel, float value)
{
    float out[2];
    size_t n = 1;
    out[0] = value;
    if (channel->filter != NULL) {
        mw_err err = mw_decimate_run(channel->filter, &value, 1, out, 2, &n);
        if (err != MW_OK) {
            return mw_error_set(wave->error, err, "decimation of %s", channel->name);
        }
    }
    for (size_t i = 0; i < n && channel->n < wave->options->window; i++) {
        channel->samples[channel->n++] = out[i];
    }
    return MW_OK;
}

/* All channels are at one rate, so all their windows fill at once. Windows that do not touch leave
 * samples between them out; those that overlap keep the rest. */
static mw_err end_window(struct wave *wave, size_t *skip)
{
    size_t window = wave->options->window;
    mw_err err = write_window(wave);
    size_t keep = wave->hop < window ? window - wave->hop : 0;
    for (size_t i = 0; i < wave->n_channels; i++) {
        float *samples = wave->channel[i].samples;
        memmove(samples, samples + (window - keep), keep * sizeof *samples);
        wave->channel[i].n = keep;
    }
    wave->taken += wave->hop;
    *skip = wave->hop > window ? wave->hop - window : 0;
    return err;
}

static mw_err take_row(struct wave *wave, size_t *skip)
{
    mw_err err = MW_OK;
    size_t before = wave->channel[0].n;
    for (size_t i = 0; err == MW_OK && i < wave->n_channels; i++) {
        double value;
        err = mw_csv_number(wave->csv, wave->channel[i].column, &value, wave->error);
        if (err == MW_OK) {
            err = take_sample(wave, &wave->channel[i], (float)value);
        }
    }
    if (err == MW_OK && *skip > 0 && wave->channel[0].n > before) {
        for (size_t i = 0; i < wave->n_channels; i++) {
            wave->channel[i].n = before;
        }
        *skip -= 1;
    }
    wave->result->samples++;
    return err == MW_OK && wave->channel[0].n == wave->options->window ? end_window(wave, skip)
                                                                       : err;
}

static mw_err read_all(struct wave *wave)
{
    size_t skip = 0;
    mw_err err;
    print_names(wave);
    while ((err = mw_csv_next(wave->csv, wave->error)) == MW_OK) {
        err = take_row(wave, &skip);
        if (err != MW_OK) {
            return err;
        }
    }
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

mw_err mw_wave_features(const char *path, const struct mw_wave_options *options, FILE *out,
                        struct mw_wave_result *result, struct mw_error *error)
{
    struct wave wave = {.options = options, .result = result, .out = out, .error = error};
    *result = (struct mw_wave_result){0};
    mw_err err = make_plan(&wave);
    if (err == MW_OK) {
        err = mw_csv_open(&wave.csv, path, mw_csv_default, error);
    }
    if (err == MW_OK) {
        err = add_channels(&wave);
    }
    if (err == MW_OK) {
        err = read_all(&wave);
    }
    if (err == MW_OK && result->windows + result->held == 0) {
        err = mw_error_set(error, MW_ERR_RANGE, "%s: %llu samples do not fill one window of %zu%s",
                           path, (unsigned long long)result->samples, options->window,
                           options->decimate > 1 ? " after decimation" : "");
    }
    if (err == MW_OK && (fflush(out) != 0 || ferror(out))) {
        err = mw_error_errno(error, MW_ERR_IO, "the feature file");
    }
    clear(&wave);
    return err;
}
