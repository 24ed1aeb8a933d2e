/* number.c - integers, and times to text; see number_float.c, number_time.c, number_shortest.c. */
#include "core/wire/number.h"
#include "core/wire/number_internal.h"

#include <string.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* value = value * 10 + digit, false when that does not fit. */
static bool append_digit(uint64_t *value, unsigned digit)
{
    if (*value > (UINT64_MAX - digit) / 10) {
        return false;
    }
    *value = *value * 10 + digit;
    return true;
}

/* The magnitude of an integer whose sign has been read. */
static mw_err parse_magnitude(const char *at, const char *end, uint64_t *value)
{
    if (at == end || (*at == '0' && end - at > 1)) {
        return MW_ERR_PARSE;
    }
    bool fits = true;
    *value = 0;
    for (; at < end; at++) {
        if (!is_digit(*at)) {
            return MW_ERR_PARSE;
        }
        fits = fits && append_digit(value, (unsigned)(*at - '0'));
    }
    return fits ? MW_OK : MW_ERR_RANGE;
}

mw_err mw_number_sign(uint64_t magnitude, bool negative, int64_t *value)
{
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return MW_ERR_RANGE;
    }
    /* -1 - (m - 1): the magnitude of INT64_MIN has no positive counterpart. */
    *value = negative && magnitude > 0 ? -1 - (int64_t)(magnitude - 1) : (int64_t)magnitude;
    return MW_OK;
}

mw_err mw_number_parse_u64(struct mw_span text, uint64_t *value)
{
    return text.size == 0 ? MW_ERR_PARSE : parse_magnitude(text.data, text.data + text.size, value);
}

mw_err mw_number_parse_i64(struct mw_span text, int64_t *value)
{
    if (text.size == 0) {
        return MW_ERR_PARSE;
    }
    bool negative = text.data[0] == '-';
    uint64_t magnitude;
    mw_err err = parse_magnitude(text.data + (negative ? 1 : 0), text.data + text.size, &magnitude);
    return err != MW_OK ? err : mw_number_sign(magnitude, negative, value);
}

size_t mw_number_print_u64(char *text, uint64_t value)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    size_t n = sizeof digits - first;
    memcpy(text, digits + first, n);
    text[n] = '\0';
    return n;
}

/* Prints the sign; returns the magnitude. */
static uint64_t print_sign(char *text, size_t *n, int64_t value)
{
    if (value >= 0) {
        return (uint64_t)value;
    }
    text[(*n)++] = '-';
    return 0 - (uint64_t)value;
}

size_t mw_number_print_i64(char *text, int64_t value)
{
    size_t n = 0;
    uint64_t magnitude = print_sign(text, &n, value);
    return n + mw_number_print_u64(text + n, magnitude);
}

size_t mw_number_print_time(char *text, int64_t microseconds)
{
    size_t n = 0;
    uint64_t magnitude = print_sign(text, &n, microseconds);
    n += mw_number_print_u64(text + n, magnitude / 1000000);
    uint64_t fraction = magnitude % 1000000;
    if (fraction != 0) {
        text[n++] = '.';
        for (uint64_t unit = 100000; fraction != 0; unit /= 10) {
            text[n++] = (char)('0' + fraction / unit);
            fraction %= unit;
        }
        text[n] = '\0';
    }
    return n;
}
