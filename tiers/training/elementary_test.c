#include "tiers/training/elementary.h"

#include "lib/base/test.h"

#include <math.h>

/* Distance in units of the last place of the expected value. */
static double ulps(double got, double expected)
{
    int exponent;
    (void)frexp(expected, &exponent);
    return fabs(got - expected) / ldexp(1.0, exponent - 53);
}

static void test_exp(void **state)
{
    (void)state;
    for (int i = -70700; i < 70700; i++) {
        double x = (double)i / 100.0 + 0.00123;
        assert_true(ulps(mw_math_exp(x), exp(x)) <= 3.0);
    }
    assert_true(mw_math_exp(0.0) == 1.0);
    assert_true(mw_math_exp(-1e300) > 0.0 && mw_math_exp(-1e300) < 1e-300);
    assert_true(isfinite(mw_math_exp(1e300)));
}

static void test_log(void **state)
{
    (void)state;
    for (int i = 1; i < 100000; i++) {
        double x = (double)i / 33333.3;
        assert_true(ulps(mw_math_log(x), log(x)) <= 4.0);
        assert_true(ulps(mw_math_log(x * 1e200), log(x * 1e200)) <= 2.0);
        assert_true(ulps(mw_math_log(x * 1e-200), log(x * 1e-200)) <= 2.0);
    }
    assert_true(mw_math_log(1.0) == 0.0);
}

/* Written down once: another CPU or compiler must give these very bits. */
static void test_pinned_bits(void **state)
{
    (void)state;
    const double x[] = {1.0, -1.0, 0.1, 10.25, -33.3};
    const uint64_t exponential[] = {UINT64_C(0x4005bf0a8b14576a), UINT64_C(0x3fd78b56362cef38),
                                    UINT64_C(0x3ff1aec7b35a00d4), UINT64_C(0x40db9ea2aed2a0f1),
                                    UINT64_C(0x3cef165bb9b59d94)};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        assert_int_equal(mw_math_bits(mw_math_exp(x[i])), exponential[i]);
    }
    const double y[] = {2.0, 0.1, 3.5, 1e10, 0.999};
    const uint64_t logarithm[] = {UINT64_C(0x3fe62e42fefa39ef), UINT64_C(0xc0026bb1bbb55515),
                                  UINT64_C(0x3ff40b512eb53d60), UINT64_C(0x4037069e2aa2aa5b),
                                  UINT64_C(0xbf5064670d979b73)};
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
        assert_int_equal(mw_math_bits(mw_math_log(y[i])), logarithm[i]);
    }
}

static void test_what_follows(void **state)
{
    (void)state;
    for (double x = -40.0; x <= 40.0; x += 0.37) {
        double sigmoid = 1.0 / (1.0 + exp(-x));
        assert_true(fabs(mw_math_sigmoid(x) - sigmoid) <= 1e-15);
        assert_true(fabs(mw_math_softplus(x) - (x > 30.0 ? x : log1p(exp(x)))) <= 1e-12);
    }
    assert_true(fabs(mw_math_logit(0.8) - log(4.0)) < 1e-14);
    assert_true(isfinite(mw_math_logit(0.0)) && isfinite(mw_math_logit(1.0)));
    assert_true(mw_math_softplus(-1000.0) >= 0.0 && mw_math_softplus(1000.0) == 1000.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_pinned_bits),
        cmocka_unit_test(test_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
