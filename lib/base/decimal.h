/* decimal.h - numbers as people and other programs write them, read through the core's JSON
 * numbers. */
#ifndef MW_BASE_DECIMAL_H
#define MW_BASE_DECIMAL_H

#include "core/err.h"
#include "core/span.h"

#include <stdint.h>

/* Parses a number that fills the span. Beyond JSON's form it may have a leading +, leading zeros,
 * and a decimal sign (`sign`, '.' or ',') without digits before or behind it. Hexadecimal,
 * infinities and NaN are no numbers. Errors: PARSE; RANGE when it overflows. */
mw_err mw_decimal_parse(struct mw_span text, char sign, double *value);

/* The same as seconds, to microseconds, exactly. */
mw_err mw_decimal_parse_time(struct mw_span text, char sign, int64_t *microseconds);

#endif
