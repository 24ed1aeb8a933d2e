#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/model/quantize.h"

#include <float.h>
#include <math.h>

static void asymmetric_range_always_holds_zero(void **state)
{
    static const float range[][2] = {{-1.0F, 1.0F},  {0.0F, 6.0F},  {2.0F, 5.0F},
                                     {-9.0F, -3.0F}, {-0.1F, 7.3F}, {-1e38F, 1e38F}};

    (void)state;
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        const float low = fminf(range[i][0], 0.0F);
        const float high = fmaxf(range[i][1], 0.0F);
        float scale;
        int32_t zero;

        mw_quant_params_int8(range[i][0], range[i][1], &scale, &zero);
        assert_true(scale > 0.0F && isfinite(scale));
        assert_in_range(zero + 128, 0, 255);
        assert_int_equal(mw_quant_value(0.0F, scale, zero, -128, 127), zero);
        /* Both ends come back to within half a step and the rounding of the zero point. */
        assert_true(
            fabs((double)mw_quant_real(mw_quant_value(low, scale, zero, -128, 127), scale, zero) -
                 (double)low) <= (double)scale);
        assert_true(
            fabs((double)mw_quant_real(mw_quant_value(high, scale, zero, -128, 127), scale, zero) -
                 (double)high) <= (double)scale);
    }
}

static void an_empty_range_is_scale_one(void **state)
{
    float scale;
    int32_t zero;

    (void)state;
    mw_quant_params_int8(0.0F, 0.0F, &scale, &zero);
    assert_true(scale == 1.0F);
    assert_int_equal(zero, 0);
    mw_quant_params_symmetric(0.0F, 127, &scale);
    assert_true(scale == 1.0F);
    mw_quant_params_int8(0.0F, 1e-44F, &scale, &zero);
    assert_true(scale >= FLT_MIN);
}

static void symmetric_scale_maps_the_largest_on_qmax(void **state)
{
    float scale;

    (void)state;
    mw_quant_params_symmetric(2.54F, 127, &scale);
    assert_int_equal(mw_quant_value(2.54F, scale, 0, -127, 127), 127);
    assert_int_equal(mw_quant_value(-2.54F, scale, 0, -127, 127), -127);
    mw_quant_params_symmetric(1.0F, 32767, &scale);
    assert_int_equal(mw_quant_value(-1.0F, scale, 0, -32767, 32767), -32767);
}

static void values_round_half_away_and_saturate(void **state)
{
    (void)state;
    assert_int_equal(mw_quant_value(2.5F, 1.0F, 0, -128, 127), 3);
    assert_int_equal(mw_quant_value(-2.5F, 1.0F, 0, -128, 127), -3);
    assert_int_equal(mw_quant_value(2.4999998F, 1.0F, 0, -128, 127), 2);
    assert_int_equal(mw_quant_value(0.49999997F, 1.0F, 0, -128, 127), 0);
    assert_int_equal(mw_quant_value(-1.0F, 0.5F, 10, -128, 127), 8);
    assert_int_equal(mw_quant_value(1e30F, 1e-3F, -5, -128, 127), 127);
    assert_int_equal(mw_quant_value(-1e30F, 1e-3F, 5, -128, 127), -128);
    assert_int_equal(mw_quant_value(INFINITY, 1.0F, -128, -128, 127), 127);
    assert_int_equal(mw_quant_value(-INFINITY, 1.0F, 127, -128, 127), -128);
    assert_int_equal(mw_quant_value(NAN, 1.0F, 7, -128, 127), 7);
    assert_int_equal(mw_quant_bias(0.75, 0.5F, 0.5F), 3);
    assert_int_equal(mw_quant_bias(-0.625, 0.5F, 0.5F), -3);
    assert_int_equal(mw_quant_bias(1e12, 0.5F, 0.5F), INT32_MAX);
}

/* libm's frexp is the definition; core may not call it. */
static void multiplier_equals_frexp(void **state)
{
    double real = 1e-12;

    (void)state;
    for (int i = 0; i < 4000; i++) {
        int32_t multiplier;
        int shift;
        int exponent;
        int64_t rounded = llround(ldexp(frexp(real, &exponent), 31));

        if (rounded == INT64_C(1) << 31) {
            rounded /= 2;
            exponent++;
        }
        if (exponent < -31) {
            rounded = 0;
            exponent = 0;
        }
        mw_quant_multiplier(real, &multiplier, &shift);
        assert_int_equal(multiplier, rounded);
        assert_int_equal(shift, exponent);
        real *= 1.0173;
    }
}

static void multiplier_at_its_edges(void **state)
{
    int32_t multiplier;
    int shift;

    (void)state;
    mw_quant_multiplier(0.0, &multiplier, &shift);
    assert_int_equal(multiplier, 0);
    mw_quant_multiplier(1.0, &multiplier, &shift);
    assert_int_equal(multiplier, 1 << 30);
    assert_int_equal(shift, 1);
    mw_quant_multiplier(1.0 - 0x1p-40, &multiplier, &shift);
    assert_int_equal(multiplier, 1 << 30);
    assert_int_equal(shift, 1);
    mw_quant_multiplier(0x1p-33, &multiplier, &shift);
    assert_int_equal(multiplier, 0);
    assert_int_equal(shift, 0);
}

static void rescale_rounds_twice(void **state)
{
    int32_t multiplier;
    int shift;

    (void)state;
    mw_quant_multiplier(0.25, &multiplier, &shift);
    assert_int_equal(mw_quant_rescale(10, multiplier, shift), 3);
    assert_int_equal(mw_quant_rescale(-10, multiplier, shift), -3);
    /* 4/10 of 1 is 0 rounded once; halved first it is 1, and stays. */
    assert_int_equal(mw_quant_rescale(1, 1717986918, -1), 1);
    assert_int_equal(mw_quant_rescale(100, 1 << 30, 3), 400);
    assert_int_equal(mw_quant_rescale(INT32_MIN, 1 << 30, 0), INT32_MIN / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asymmetric_range_always_holds_zero),
        cmocka_unit_test(an_empty_range_is_scale_one),
        cmocka_unit_test(symmetric_scale_maps_the_largest_on_qmax),
        cmocka_unit_test(values_round_half_away_and_saturate),
        cmocka_unit_test(multiplier_equals_frexp),
        cmocka_unit_test(multiplier_at_its_edges),
        cmocka_unit_test(rescale_rounds_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
