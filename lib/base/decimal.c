#include "lib/base/decimal.h"

#include "core/wire/number.h"

#include <stdbool.h>

enum { LONGEST = 400 }; /* digits enough for any float64 written out in full */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Rewrites the text as JSON spells it. False when it cannot be a number. */
static bool to_json(struct mw_span text, char sign, char json[LONGEST], size_t *size)
{
    size_t i = 0, n = 0;
    if (text.size == 0 || text.size > LONGEST - 2) {
        return false;
    }
    if (text.data[0] == '-') {
        json[n++] = '-';
    }
    if (text.data[0] == '-' || text.data[0] == '+') {
        i++;
    }
    size_t start = i;
    while (i + 1 < text.size && text.data[i] == '0' && is_digit(text.data[i + 1])) {
        i++;
    }
    bool before = i < text.size && is_digit(text.data[i]);
    if (!before) {
        json[n++] = '0';
    }
    while (i < text.size && is_digit(text.data[i])) {
        json[n++] = text.data[i++];
    }
    if (i < text.size && text.data[i] == sign) {
        i++;
        if (i < text.size && is_digit(text.data[i])) {
            json[n++] = '.';
        } else if (!before) {
            return false; /* a sign alone */
        }
    } else if (!before || i == start) {
        return false;
    }
    while (i < text.size) {
        if (text.data[i] == '.' || text.data[i] == ',') {
            return false;
        }
        json[n++] = text.data[i++];
    }
    *size = n;
    return true;
}

mw_err mw_decimal_parse(struct mw_span text, char sign, double *value)
{
    char json[LONGEST];
    size_t size;
    if (sign == '.') {
        /* Nearly all numbers are JSON's already. */
        mw_err err = mw_number_parse_f64(text, value);
        if (err != MW_ERR_PARSE) {
            return err;
        }
    }
    if (!to_json(text, sign, json, &size)) {
        return MW_ERR_PARSE;
    }
    return mw_number_parse_f64((struct mw_span){json, size}, value);
}

mw_err mw_decimal_parse_time(struct mw_span text, char sign, int64_t *microseconds)
{
    char json[LONGEST];
    size_t size;
    if (!to_json(text, sign, json, &size)) {
        return MW_ERR_PARSE;
    }
    return mw_number_parse_time((struct mw_span){json, size}, microseconds);
}
