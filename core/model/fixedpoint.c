/* fixedpoint.c - exponential and sigmoids in fixed point.
 *
 * The exponential splits a into a multiple of 1/4 and a rest in [-1/4, 0): a Taylor polynomial of
 * degree 4 around -1/8 for the rest, a product of the constants exp(-2^k) for the multiple. The
 * reciprocal is three steps of Newton and Raphson from 48/17 - 32/17 d (S. Oberman and M. Flynn,
 * "Division Algorithms and Implementations", 1997). The constants and the order of the roundings
 * are those that gemmlowp, the integer library below the reference kernels, documents: they decide
 * the last bit. */
#include "core/model/fixedpoint.h"

#define ONE_Q2 (INT32_C(1) << 29)

/* exp(a) in Q0 for a Q0 number a in [-1/4, 0). */
static int32_t exp_quarter(int32_t a)
{
    const int32_t exp_eighth = 1895147668; /* exp(-1/8) */
    const int32_t third = 715827883;       /* 1/3 */
    const int32_t x = mw_fixed_add(a, INT32_C(1) << 28);
    const int32_t x2 = mw_fixed_mul(x, x);
    const int32_t x3 = mw_fixed_mul(x2, x);
    const int32_t x4 = mw_fixed_mul(x2, x2);
    const int32_t cubic = mw_fixed_mul(mw_fixed_add(mw_fixed_shr(x4, 2), x3), third);
    const int32_t higher = mw_fixed_shr(mw_fixed_add(cubic, x2), 1);
    return mw_fixed_add(exp_eighth, mw_fixed_mul(exp_eighth, mw_fixed_add(x, higher)));
}

/* x * 2^n, saturating. */
static int32_t saturating_shl(int32_t x, int n)
{
    const int64_t wide = (int64_t)x * (INT64_C(1) << n);
    if (wide > INT32_MAX) {
        return INT32_MAX;
    }
    return wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

int32_t mw_fixed_exp(int32_t a, int integer_bits)
{
    static const int32_t exp_power[] = {
        1672461947, /* exp(-1/4) */
        1302514674, /* exp(-1/2) */
        790015084,  /* exp(-1) */
        290630308,  /* exp(-2) */
        39332535,   /* exp(-4) */
        720401,     /* exp(-8) */
        242,        /* exp(-16) */
    };
    const int quarter_bit = 31 - integer_bits - 2;
    const int32_t quarter = INT32_C(1) << quarter_bit;
    const int32_t rest = (a & (quarter - 1)) - quarter;
    const uint32_t multiple = (uint32_t)rest - (uint32_t)a;
    int32_t result = exp_quarter(saturating_shl(rest, integer_bits));

    if (a == 0) {
        return INT32_MAX;
    }
    for (int k = 0; k < integer_bits + 2; k++) {
        if ((multiple >> (quarter_bit + k) & 1U) != 0) {
            result = mw_fixed_mul(result, exp_power[k]);
        }
    }
    return result;
}

/* 2 / (1 + a) in Q2 of a Q0 number a in [0, 1]. */
static int32_t double_reciprocal(int32_t a)
{
    const int32_t c48_17 = 1515870810;
    const int32_t c32_17 = -1010580540;
    const int64_t sum = (int64_t)a + INT32_MAX;
    const int32_t half_denominator = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = mw_fixed_add(c48_17, mw_fixed_mul(half_denominator, c32_17));

    for (int step = 0; step < 3; step++) {
        const int32_t error = mw_fixed_sub(ONE_Q2, mw_fixed_mul(half_denominator, x));
        x = mw_fixed_add(x, saturating_shl(mw_fixed_mul(x, error), 2));
    }
    return x;
}

int32_t mw_fixed_reciprocal(int32_t a)
{
    return saturating_shl(double_reciprocal(a), 1);
}

int32_t mw_fixed_half_ratio(int32_t a)
{
    return saturating_shl(mw_fixed_sub(double_reciprocal(a), ONE_Q2), 2);
}

int32_t mw_fixed_logistic(int32_t a)
{
    const int32_t negative = a > 0 ? mw_fixed_sub(0, a) : a;
    int32_t positive_side;

    if (a == 0) {
        return INT32_C(1) << 30;
    }
    positive_side = mw_fixed_reciprocal(mw_fixed_exp(negative, 4));
    return a > 0 ? positive_side : mw_fixed_sub(INT32_MAX, positive_side);
}

int32_t mw_fixed_tanh(int32_t a)
{
    const int32_t negative = a > 0 ? mw_fixed_sub(0, a) : a;
    int32_t magnitude;

    if (a == 0) {
        return 0;
    }
    /* Twice a Q4 number is the same integer read as Q5. */
    magnitude = mw_fixed_half_ratio(mw_fixed_exp(negative, 5));
    return a < 0 ? mw_fixed_sub(0, magnitude) : magnitude;
}
