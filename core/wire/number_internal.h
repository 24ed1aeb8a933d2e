/* number_internal.h - what the number files of this folder share; not for other folders. */
#ifndef MW_CORE_WIRE_NUMBER_INTERNAL_H
#define MW_CORE_WIRE_NUMBER_INTERNAL_H

#include "core/err.h"
#include "core/span.h"

#include <stdbool.h>
#include <stdint.h>

/* A decimal taken apart: (-1)^negative * (digits + tail) * 10^exponent with 0 <= tail < 1. At most
 * 19 significant digits fit in `digits`; the tail is what follows them. */
struct mw_number_decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative;
    bool cut;                 /* tail > 0 */
    bool half;                /* tail >= 0.5 */
    int64_t written_exponent; /* what stands behind e, 0 without one; clamped far out of range */
    size_t mantissa_size;     /* bytes of the text before the e, the sign included */
};

/* Takes a JSON number apart. False when the span is not one. */
bool mw_number_scan(struct mw_span text, struct mw_number_decimal *out);

/* Gives a magnitude its sign. Errors: RANGE. */
mw_err mw_number_sign(uint64_t magnitude, bool negative, int64_t *value);

/* A binary significand with its top bit set: (significand + tail) * 2^exponent, 0 <= tail < 1 and
 * tail > 0 only when `sticky`. A significand of 0 is zero. */
struct mw_number_binary {
    uint64_t significand;
    int exponent;
    bool sticky;
};

/* The exact value of a scanned JSON number, read again from its own text. The digits are not 0 and
 * the scanned exponent is from -350 to 310. Takes about 700 bytes of stack. */
struct mw_number_binary mw_number_exact(struct mw_span text,
                                        const struct mw_number_decimal *decimal);

#endif
