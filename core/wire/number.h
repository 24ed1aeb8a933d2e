/* number.h - decimal text to numbers and back, without libc's printf and strtod.
 *
 * newlib's versions bring malloc and 43 KB; these need neither, never look at the locale, and give
 * the same bytes on every target. */
#ifndef MW_CORE_WIRE_NUMBER_H
#define MW_CORE_WIRE_NUMBER_H

#include "core/err.h"
#include "core/span.h"

#include <stdint.h>

#define MW_NUMBER_TEXT 32 /* bytes that any number printed here fits in, with its NUL */

/* Parses a JSON number (RFC 8259: no leading +, no hex, no inf or nan) that fills the whole span,
 * rounded to the nearest float32, ties to even. Errors: PARSE; RANGE when it overflows to infinity.
 */
mw_err mw_number_parse_f32(struct mw_span text, float *value);

/* The same to the nearest float64. */
mw_err mw_number_parse_f64(struct mw_span text, double *value);

/* Parses a decimal integer that fills the whole span. Errors: PARSE, RANGE. */
mw_err mw_number_parse_u64(struct mw_span text, uint64_t *value);
mw_err mw_number_parse_i64(struct mw_span text, int64_t *value);

/* Seconds in decimal text to int64 microseconds, exactly, ties away from zero beyond the sixth
 * digit. An exponent is allowed. Errors: PARSE, RANGE. */
mw_err mw_number_parse_time(struct mw_span text, int64_t *microseconds);

/* Each prints to `text` (at least MW_NUMBER_TEXT bytes), adds a NUL and returns the length.
 * f32: the shortest decimal that reads back to the same float32; among the shortest the nearest.
 * Not finite: "nan", "inf", "-inf" (which are not JSON; callers decide). */
size_t mw_number_print_f32(char *text, float value);
size_t mw_number_print_u64(char *text, uint64_t value);
size_t mw_number_print_i64(char *text, int64_t value);
/* Microseconds as seconds, with no more digits than needed: 1500000 -> "1.5". */
size_t mw_number_print_time(char *text, int64_t microseconds);

#endif
