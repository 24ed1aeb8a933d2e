/* elementary.h - exp, log and what follows from them, with the same bits on any CPU.
 *
 * libm chooses its exp and log by the CPU that it runs on (with or without fused multiply-add), and
 * their last bits differ; a model trained with them would have other bytes on another machine.
 * These use only IEEE 754 additions, multiplications and integer operations in a fixed order.
 * Inline, so that a loop over an array becomes vector code. Error below 2 units in the last place
 * of a double.
 *
 * Source of the range reduction: W. J. Cody, W. Waite, "Software Manual for the Elementary
 * Functions", 1980, chapters 5 and 6; the logarithm is the series of atanh. */
#ifndef MW_TRAINING_ELEMENTARY_H
#define MW_TRAINING_ELEMENTARY_H

#include <stdint.h>
#include <string.h>

static inline uint64_t mw_math_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double mw_math_from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x; x is first limited to [-708, 709], so that the result is a normal number. */
static inline double mw_math_exp(double x)
{
    const double shifter = 0x1.8p52; /* adding it leaves the nearest integer in the low bits */
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    double shifted = x * 0x1.71547652b82fep0 + shifter;
    double k = shifted - shifter;
    double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
    double p = 1.0 / 6227020800.0; /* Taylor: |r| <= ln(2)/2, 13 terms reach 2^-57 */
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = (p * r) * r + r + 1.0;
    return mw_math_from_bits(mw_math_bits(p) + (mw_math_bits(shifted) << 52));
}

/* Natural logarithm of a normal number x > 0. */
static inline double mw_math_log(double x)
{
    /* x = 2^k * m with m in [sqrt(1/2), sqrt(2)) */
    uint64_t bits = mw_math_bits(x) - UINT64_C(0x3fe6a09e667f3bcd);
    uint64_t exponent = bits & UINT64_C(0xfff0000000000000);
    double m = mw_math_from_bits(mw_math_bits(x) - exponent);
    /* the exponent as a double without an integer conversion, which SSE2 lacks for 64 bits */
    double k =
        mw_math_from_bits(((exponent >> 52) ^ UINT64_C(0x800)) | UINT64_C(0x4330000000000000)) -
        (0x1p52 + 2048.0);
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 2.0 / 21.0;
    p = p * z + 2.0 / 19.0;
    p = p * z + 2.0 / 17.0;
    p = p * z + 2.0 / 15.0;
    p = p * z + 2.0 / 13.0;
    p = p * z + 2.0 / 11.0;
    p = p * z + 2.0 / 9.0;
    p = p * z + 2.0 / 7.0;
    p = p * z + 2.0 / 5.0;
    p = p * z + 2.0 / 3.0;
    return k * 0x1.62e42fee00000p-1 + (2.0 * s + (s * z * p + k * 0x1.a39ef35793c76p-33));
}

/* log(1 + e^x), without overflow. */
static inline double mw_math_softplus(double x)
{
    double a = x < 0.0 ? x : -x;
    return (x > 0.0 ? x : 0.0) + mw_math_log(1.0 + mw_math_exp(a));
}

/* 1 / (1 + e^-x), in (0,1) for every |x| below 36. */
static inline double mw_math_sigmoid(double x)
{
    double e = mw_math_exp(x < 0.0 ? x : -x);
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* log(p / (1 - p)); p is first limited to [1e-15, 1 - 1e-15]. */
static inline double mw_math_logit(double p)
{
    p = p < 1e-15 ? 1e-15 : p;
    p = p > 1.0 - 1e-15 ? 1.0 - 1e-15 : p;
    return mw_math_log(p) - mw_math_log(1.0 - p);
}

#endif
