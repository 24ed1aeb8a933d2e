#include "core/signal/decimate.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TAPS_PER_FACTOR 64
#define CUTOFF 0.455 /* middle of the transition, relative to the new rate */
#define PI 3.14159265358979323846

struct mw_decimate {
    unsigned factor;
    size_t taps;
    size_t at;     /* next place in the ring */
    size_t needed; /* inputs to come before the next output */
    float *tap;
    float *ring; /* 2 * taps: each input is written twice, so that the last `taps` lie in one run */
};

/* sin(2 pi turns): reduced to a quarter turn, then a Taylor series, good to 1e-11. */
static double sine(double turns)
{
    turns -= (double)(int64_t)turns;
    if (turns < 0.0) {
        turns += 1.0;
    }
    if (turns > 0.75) {
        turns -= 1.0;
    } else if (turns > 0.25) {
        turns = 0.5 - turns;
    }
    const double x = 2.0 * PI * turns, x2 = x * x;
    double term = x, sum = x;
    for (int i = 2; i <= 16; i += 2) {
        term *= -x2 / (double)(i * (i + 1));
        sum += term;
    }
    return sum;
}

static double cosine(double turns)
{
    return sine(turns + 0.25);
}

static void design(struct mw_decimate *d)
{
    const double cutoff = CUTOFF / (double)d->factor; /* cycles a sample */
    const size_t middle = (d->taps - 1) / 2;
    double sum = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < d->taps; i++) {
            const double place = (double)i / (double)(d->taps - 1);
            const double window = 0.42 - 0.5 * cosine(place) + 0.08 * cosine(2.0 * place);
            const double distance = (double)i - (double)middle;
            const double sinc =
                i == middle ? 2.0 * cutoff : sine(cutoff * distance) / (PI * distance);
            if (pass == 0) {
                sum += sinc * window;
            } else {
                d->tap[i] = (float)(sinc * window / sum);
            }
        }
    }
}

static bool factor_valid(unsigned factor)
{
    return factor >= 2 && factor <= MW_DECIMATE_FACTOR_MAX;
}

mw_err mw_decimate_size(unsigned factor, size_t *bytes)
{
    if (bytes == NULL || !factor_valid(factor)) {
        return MW_ERR_ARGUMENT;
    }
    const size_t taps = (size_t)TAPS_PER_FACTOR * factor + 1;
    *bytes = sizeof(struct mw_decimate) + 3 * taps * sizeof(float);
    return MW_OK;
}

mw_err mw_decimate_init(void *memory, size_t bytes, unsigned factor, struct mw_decimate **decimate)
{
    if (decimate == NULL) {
        return MW_ERR_ARGUMENT;
    }
    *decimate = NULL;
    size_t needed;
    mw_err err = mw_decimate_size(factor, &needed);
    if (err != MW_OK || memory == NULL || (uintptr_t)memory % _Alignof(struct mw_decimate) != 0) {
        return MW_ERR_ARGUMENT;
    }
    if (bytes < needed) {
        return MW_ERR_TOO_SMALL;
    }
    struct mw_decimate *d = memory;
    memset(d, 0, needed);
    d->factor = factor;
    d->taps = (size_t)TAPS_PER_FACTOR * factor + 1;
    d->needed = d->taps;
    d->tap = (float *)(void *)((char *)memory + sizeof *d);
    d->ring = d->tap + d->taps;
    design(d);
    *decimate = d;
    return MW_OK;
}

size_t mw_decimate_taps(const struct mw_decimate *decimate)
{
    return decimate->taps;
}

/* The filter is symmetric, so each tap serves the two inputs that mirror each other. */
static float filter(const struct mw_decimate *d)
{
    const float *oldest = d->ring + d->at;
    const size_t middle = (d->taps - 1) / 2;
    double sum = (double)(d->tap[middle] * oldest[middle]);
    for (size_t i = 0; i < middle; i++) {
        sum += (double)(d->tap[i] * (oldest[i] + oldest[d->taps - 1 - i]));
    }
    return (float)sum;
}

mw_err mw_decimate_run(struct mw_decimate *decimate, const float *samples, size_t n, float *out,
                       size_t capacity, size_t *written)
{
    *written = 0;
    const size_t outputs =
        n >= decimate->needed ? (n - decimate->needed) / decimate->factor + 1 : 0;
    if (outputs > capacity) {
        return MW_ERR_TOO_SMALL;
    }
    for (size_t i = 0; i < n; i++) {
        decimate->ring[decimate->at] = samples[i];
        decimate->ring[decimate->at + decimate->taps] = samples[i];
        decimate->at = decimate->at + 1 == decimate->taps ? 0 : decimate->at + 1;
        if (--decimate->needed == 0) {
            out[(*written)++] = filter(decimate);
            decimate->needed = decimate->factor;
        }
    }
    return MW_OK;
}
