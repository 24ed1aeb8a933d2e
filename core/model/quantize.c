#include "core/model/quantize.h"

#include "core/model/fixedpoint.h"

#include <float.h>
#include <string.h>

/* round(x), halves away from zero, saturating to int32; NaN gives 0. */
static int32_t round_away(double x)
{
    int32_t whole;
    double rest;

    if (!(x < 2147483647.0)) {
        return x >= 2147483647.0 ? INT32_MAX : 0;
    }
    if (x <= -2147483648.0) {
        return INT32_MIN;
    }
    whole = (int32_t)x;
    rest = x - (double)whole;
    if (rest >= 0.5) {
        return whole + 1;
    }
    return rest <= -0.5 ? whole - 1 : whole;
}

void mw_quant_params_int8(float min, float max, float *scale, int32_t *zero_point)
{
    const double low = min < 0.0F ? (double)min : 0.0;
    const double high = max > 0.0F ? (double)max : 0.0;
    double step = (high - low) / 255.0;

    if (high <= low) {
        *scale = 1.0F;
        *zero_point = 0;
        return;
    }
    if (step < (double)FLT_MIN) {
        step = (double)FLT_MIN;
    }
    *scale = (float)step;
    *zero_point = mw_fixed_clamp(round_away(-128.0 - low / (double)*scale), -128, 127);
}

void mw_quant_params_symmetric(float max_abs, int32_t qmax, float *scale)
{
    const float step = max_abs / (float)qmax;

    if (max_abs <= 0.0F) {
        *scale = 1.0F;
        return;
    }
    *scale = step < FLT_MIN ? FLT_MIN : step;
}

int32_t mw_quant_value(float x, float scale, int32_t zero_point, int32_t lo, int32_t hi)
{
    const float quotient = x / scale;
    const int64_t q = (int64_t)round_away((double)quotient) + zero_point;

    if (q < lo) {
        return lo;
    }
    return q > hi ? hi : (int32_t)q;
}

float mw_quant_real(int32_t q, float scale, int32_t zero_point)
{
    return scale * (float)(q - zero_point);
}

int32_t mw_quant_bias(double x, float input_scale, float weight_scale)
{
    return round_away(x / ((double)input_scale * (double)weight_scale));
}

void mw_quant_multiplier(double real, int32_t *multiplier, int *shift)
{
    uint64_t bits;
    uint64_t mantissa;
    int exponent;

    memcpy(&bits, &real, sizeof bits);
    exponent = (int)(bits >> 52 & 0x7FF) - 1022;
    if (exponent < -32) {
        *multiplier = 0;
        *shift = 0;
        return;
    }
    /* real = mantissa * 2^(exponent - 53), mantissa in [2^52, 2^53): keep 31 of its 53 bits. */
    mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    mantissa = (mantissa + (UINT64_C(1) << 21)) >> 22;
    if (mantissa == UINT64_C(1) << 31) {
        mantissa >>= 1;
        exponent++;
    }
    if (exponent < -31) {
        *multiplier = 0;
        *shift = 0;
        return;
    }
    *multiplier = (int32_t)mantissa;
    *shift = exponent;
}

int32_t mw_quant_rescale(int32_t x, int32_t multiplier, int shift)
{
    const int left = shift > 0 ? shift : 0;
    const int right = shift > 0 ? 0 : -shift;
    return mw_fixed_shr(mw_fixed_mul(mw_fixed_shl(x, left), multiplier), right);
}
