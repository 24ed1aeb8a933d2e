#include "cli/command.h"
#include "lib/base/file.h"
#include "tiers/iot/wave.h"

#include <stdio.h>
#include <string.h>

struct values {
    struct mw_list signals;
    char *out;
    double rate, minimum_rms;
    int64_t window, hop, decimate;
    bool json;
};

static const struct mw_option options[] = {
    {"rate", MW_OPTION_FLOAT, NULL, 0, 0, NULL, "Hz", "samples a second in the file",
     offsetof(struct values, rate)},
    {"window", MW_OPTION_INT, NULL, 16, 65536, "1024", "samples",
     "samples that make one record, after decimation", offsetof(struct values, window)},
    {"hop", MW_OPTION_INT, NULL, 0, 1e9, "0", "samples",
     "from one window's start to the next; 0: the window", offsetof(struct values, hop)},
    {"decimate", MW_OPTION_INT, NULL, 1, 64, "1", NULL,
     "low-pass, then keep every so many-th sample", offsetof(struct values, decimate)},
    {"signals", MW_OPTION_LIST, NULL, 0, 0, NULL, "columns", "the signals; left out: all columns",
     offsetof(struct values, signals)},
    {"minimum-rms", MW_OPTION_FLOAT, NULL, 0, 0, "0", NULL,
     "windows of the first signal below this make no record: the machine stands still",
     offsetof(struct values, minimum_rms)},
    {"out", MW_OPTION_STRING, NULL, 0, 0, NULL, "file", "the features, as CSV; left out: stdout",
     offsetof(struct values, out)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print the counts as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static void print(const struct values *v, const struct mw_wave_result *result)
{
    if (v->json) {
        printf("{\"samples\":%llu,\"windows\":%llu,\"held\":%llu,\"features\":%zu}\n",
               (unsigned long long)result->samples, (unsigned long long)result->windows,
               (unsigned long long)result->held, result->features);
        return;
    }
    printf("%llu samples: %llu records of %zu features", (unsigned long long)result->samples,
           (unsigned long long)result->windows, result->features);
    if (result->held > 0) {
        printf(", %llu windows at standstill left out", (unsigned long long)result->held);
    }
    printf("\n");
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_wave_result result;
    if (n != 1 || !(v->rate > 0)) {
        mw_error_set(error, MW_ERR_ARGUMENT, "%s was expected",
                     n != 1 ? "one CSV file of samples" : "--rate, samples a second above 0,");
        return 2;
    }
    struct mw_wave_options with = {.rate = v->rate,
                                   .window = (size_t)v->window,
                                   .hop = (size_t)v->hop,
                                   .decimate = (unsigned)v->decimate,
                                   .signals = v->signals,
                                   .minimum_rms = v->minimum_rms};
    FILE *out = v->out == NULL ? stdout : fopen(v->out, "we");
    if (out == NULL) {
        return mw_error_exit_status(mw_error_errno(error, MW_ERR_IO, "%s", v->out));
    }
    mw_err err = mw_wave_features(argv[0], &with, out, &result, error);
    if (v->out != NULL && fclose(out) != 0 && err == MW_OK) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", v->out);
    }
    if (v->out != NULL && err != MW_OK) {
        mw_file_discard(v->out);
    } else if (v->out != NULL) {
        print(v, &result);
    }
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_features = {
    .name = "features",
    .synopsis = "--rate HZ [--window N] [--hop N] [--decimate N] SAMPLES.csv [--out FEATURES.csv]",
    .summary = "level 1 on a recorded waveform: windows, FFT, features as CSV for replay",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
