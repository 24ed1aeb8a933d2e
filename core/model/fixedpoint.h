/* fixedpoint.h - 32-bit fixed-point arithmetic as the reference kernels define it.
 *
 * A Qm number holds value * 2^(31 - m) in an int32_t. Products are rounded to nearest with halves
 * towards plus infinity, right shifts to nearest with halves away from zero. Sums wrap as two's
 * complement does: a hostile model may overflow, but never into undefined behaviour.
 */
#ifndef MW_CORE_MODEL_FIXEDPOINT_H
#define MW_CORE_MODEL_FIXEDPOINT_H

#include <stdint.h>

static inline int32_t mw_fixed_add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t mw_fixed_sub(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

/* x * 2^n, n in [0, 31]. */
static inline int32_t mw_fixed_shl(int32_t x, int n)
{
    return (int32_t)((uint32_t)x << n);
}

/* The high half of 2*a*b, rounded; Qm times Qn gives Q(m+n). Only -2^31 squared saturates. */
static inline int32_t mw_fixed_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* x / 2^n, n in [0, 31], halves away from zero. */
static inline int32_t mw_fixed_shr(int32_t x, int n)
{
    const int32_t mask = (int32_t)((INT64_C(1) << n) - 1);
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> n) + ((x & mask) > threshold ? 1 : 0);
}

static inline int32_t mw_fixed_clamp(int32_t x, int32_t lo, int32_t hi)
{
    const int32_t low = x < lo ? lo : x;
    return low > hi ? hi : low;
}

/* exp(a) in Q0 for a Q(integer_bits) number a <= 0, integer_bits in [1, 5]. */
int32_t mw_fixed_exp(int32_t a, int integer_bits);

/* 1 / (1 + a) and (1 - a) / (1 + a) in Q0 for a Q0 number a in [0, 1]. */
int32_t mw_fixed_reciprocal(int32_t a);
int32_t mw_fixed_half_ratio(int32_t a);

/* The logistic function and the hyperbolic tangent in Q0 of a Q4 number. */
int32_t mw_fixed_logistic(int32_t a);
int32_t mw_fixed_tanh(int32_t a);

#endif
