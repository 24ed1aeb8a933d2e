/* number_time.c - decimal seconds to microseconds, without passing through a float: float64 is off
 * by a microsecond from the year 2242 on and cannot say which way a half rounds. */
#include "core/wire/number.h"
#include "core/wire/number_internal.h"

#define MICROSECOND_DIGITS 6

mw_err mw_number_parse_time(struct mw_span text, int64_t *microseconds)
{
    struct mw_number_decimal d;
    if (!mw_number_scan(text, &d)) {
        return MW_ERR_PARSE;
    }
    uint64_t value = d.digits;
    int64_t exponent = d.exponent + MICROSECOND_DIGITS;
    if (value == 0 || exponent < -20) {
        *microseconds = 0;
        return MW_OK;
    }
    bool half = d.half;
    for (; exponent < 0; exponent++) {
        half = value % 10 >= 5;
        value /= 10;
    }
    value += half ? 1 : 0;
    for (; exponent > 0; exponent--) {
        if (value > (uint64_t)INT64_MAX / 10) {
            return MW_ERR_RANGE;
        }
        value *= 10;
    }
    return mw_number_sign(value, d.negative, microseconds);
}
