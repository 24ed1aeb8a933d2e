/* iio_map.h - which channels of Linux IIO devices make which features, without libiio.
 *
 * A channel, as words separated by blanks; DEVICE is its name or id, CHANNEL its id or name:
 *
 *   DEVICE CHANNEL [scale=S] [offset=O]          read once a record: x * S + O, x in IIO's own unit
 *   DEVICE CHANNEL window [scale=S] [offset=O]   sampled in windows, for level 1
 *
 * The first makes one feature, called as the channel in the file; the second ten: NAME_mean, _rms,
 * _crest, _kurtosis, _peak_hz, _peak, _band_1 .. _band_4 (core/signal/features.h). */
#ifndef MW_IOT_IIO_MAP_H
#define MW_IOT_IIO_MAP_H

#include "core/signal/features.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_IIO_NAME_MAX 63
#define MW_IIO_WINDOW_FEATURES 10

struct mw_iio_channel {
    char device[MW_IIO_NAME_MAX + 1], channel[MW_IIO_NAME_MAX + 1];
    bool window;
    double scale, offset;
};

/* Errors: PARSE; the message says what was expected. */
mw_err mw_iio_channel_parse(struct mw_iio_channel *out, const char *text, struct mw_error *error);

/* "mean", "rms" ...: in the order of mw_iio_window_values. */
extern const char *const mw_iio_window_names[MW_IIO_WINDOW_FEATURES];
void mw_iio_window_values(const struct mw_signal_features *features,
                          float value[MW_IIO_WINDOW_FEATURES]);

/* Sample number `at` of a run of whole numbers of 8, 16, 32 or 64 bits in the host's order. */
double mw_iio_sample(const void *samples, size_t at, unsigned bits, bool is_signed);

#endif
