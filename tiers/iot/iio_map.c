#include "tiers/iot/iio_map.h"

#include "core/span.h"
#include "lib/base/decimal.h"

#include <string.h>

const char *const mw_iio_window_names[MW_IIO_WINDOW_FEATURES] = {
    "mean", "rms", "crest", "kurtosis", "peak_hz", "peak", "band_1", "band_2", "band_3", "band_4",
};

static struct mw_span next_word(const char **text)
{
    *text += strspn(*text, " \t");
    struct mw_span word = {*text, strcspn(*text, " \t")};
    *text += word.size;
    return word;
}

static bool copy(char to[MW_IIO_NAME_MAX + 1], struct mw_span from)
{
    if (from.size == 0 || from.size > MW_IIO_NAME_MAX) {
        return false;
    }
    memcpy(to, from.data, from.size);
    to[from.size] = '\0';
    return true;
}

static bool takes_number(struct mw_span word, const char *key, double *value)
{
    size_t size = strlen(key);
    struct mw_span number = {word.data + size, word.size - size};
    return word.size > size && memcmp(word.data, key, size) == 0 &&
           mw_decimal_parse(number, '.', value) == MW_OK;
}

mw_err mw_iio_channel_parse(struct mw_iio_channel *out, const char *text, struct mw_error *error)
{
    struct mw_iio_channel channel = {.scale = 1};
    struct mw_span device = next_word(&text), name = next_word(&text), word;
    if (!copy(channel.device, device) || !copy(channel.channel, name)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "DEVICE CHANNEL was expected, names of 1 to %d bytes", MW_IIO_NAME_MAX);
    }
    while ((word = next_word(&text)).size > 0) {
        if (mw_span_is(word, "window")) {
            channel.window = true;
        } else if (!takes_number(word, "offset=", &channel.offset) &&
                   (!takes_number(word, "scale=", &channel.scale) || channel.scale == 0)) {
            return mw_error_set(error, MW_ERR_PARSE,
                                "\"%.*s\" is not known here: window, scale=S other than 0 or "
                                "offset=O was expected",
                                (int)word.size, word.data);
        }
    }
    *out = channel;
    return MW_OK;
}

void mw_iio_window_values(const struct mw_signal_features *features,
                          float value[MW_IIO_WINDOW_FEATURES])
{
    value[0] = features->mean;
    value[1] = features->rms;
    value[2] = features->crest_factor;
    value[3] = features->kurtosis;
    value[4] = features->peak_hz[0];
    value[5] = features->peak_amplitude[0];
    for (int band = 0; band < MW_SIGNAL_BANDS; band++) {
        value[6 + band] = features->band_rms[band];
    }
}

double mw_iio_sample(const void *samples, size_t at, unsigned bits, bool is_signed)
{
    const uint8_t *from = (const uint8_t *)samples + at * (bits / 8);
    uint16_t half;
    uint32_t word;
    uint64_t wide;
    switch (bits) {
    case 8:
        return is_signed ? (double)(int8_t)*from : (double)*from;
    case 16:
        memcpy(&half, from, sizeof half);
        return is_signed ? (double)(int16_t)half : (double)half;
    case 32:
        memcpy(&word, from, sizeof word);
        return is_signed ? (double)(int32_t)word : (double)word;
    default:
        memcpy(&wide, from, sizeof wide);
        return is_signed ? (double)(int64_t)wide : (double)wide;
    }
}
