#include "core/model/kernels.h"

#include <math.h>
#include <string.h>

/* Cody and Waite's reduction x = k ln 2 + r (Software Manual for the Elementary Functions, 1980) in
 * double, and a Taylor polynomial of degree 11 for |r| <= ln(2)/2, whose error is below 1e-14. */
double mw_exp_double(double x)
{
    const double log2_e = 1.4426950408889634;
    const double ln_2 = 0.6931471805599453;
    const double most = 700.0;
    double rest;
    double sum = 1.0;
    double power;
    uint64_t bits;
    int k;

    if (!(x < most)) {
        return x >= most ? INFINITY : x;
    }
    if (x < -most) {
        return 0.0;
    }
    k = (int)(x * log2_e + (x < 0.0 ? -0.5 : 0.5));
    rest = x - (double)k * ln_2;
    for (int n = 11; n > 0; n--) {
        sum = 1.0 + sum * rest / (double)n;
    }
    bits = (uint64_t)(k + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

float mw_exp_float(float x)
{
    return (float)mw_exp_double((double)x);
}
