#include "tiers/training/compare.h"

#include "lib/base/test.h"

#include <math.h>

static struct mw_sketch even(uint64_t each)
{
    struct mw_sketch sketch = {0};
    for (int i = 0; i < MW_SKETCH_BINS; i++) {
        sketch.count[i] = each;
    }
    return sketch;
}

static void assert_near(double got, double wanted, double relative)
{
    if (!(fabs(got - wanted) <= relative * fabs(wanted))) {
        fail_msg("%.17g is not %.17g", got, wanted);
    }
}

/* Reference values: closed forms (k = 2 is exp(-x/2), k = 1 is erfc(sqrt(x/2)), k = 4 is
 * exp(-x/2)(1 + x/2)). */
static void test_the_tail_of_chi_square(void **state)
{
    (void)state;
    for (double x = 0.01; x < 400; x *= 1.7) {
        assert_near(mw_chi_square_tail(x, 2), exp(-x / 2), 1e-12);
        assert_near(mw_chi_square_tail(x, 1), erfc(sqrt(x / 2)), 1e-10);
        assert_near(mw_chi_square_tail(x, 4), exp(-x / 2) * (1 + x / 2), 1e-12);
    }
    assert_true(mw_chi_square_tail(0, 15) == 1);
    assert_true(mw_chi_square_tail(-3, 15) == 1);
    assert_true(mw_chi_square_tail(1e6, 15) >= 0);
}

static void test_equal_shares_have_not_moved(void **state)
{
    (void)state;
    struct mw_sketch a = even(100), b = even(10);
    struct mw_comparison c = mw_compare(&a, &b);
    assert_true(c.psi < 1e-9);
    assert_near(c.p, 1, 1e-12);
    assert_near(c.shift + 1, 1, 1e-12);
}

static void test_a_shift_is_seen_with_its_direction(void **state)
{
    (void)state;
    struct mw_sketch a = even(100), up = {0}, down = {0};
    for (int i = 0; i < 8; i++) {
        up.count[i + 8] = 50;
        down.count[i] = 50;
    }
    struct mw_comparison c = mw_compare(&a, &up), d = mw_compare(&a, &down);
    assert_true(c.psi > 1 && c.p < 1e-50);
    assert_near(c.shift, 4, 1e-9);
    assert_near(d.shift, -4, 1e-9);
    assert_near(c.psi, d.psi, 1e-12);
}

/* By hand: two bins used, 60:40 against 40:60, 100 each. Statistic 100 (20/100)^2 * 2 = 8, k = 1.
 */
static void test_the_statistic_is_pearsons(void **state)
{
    (void)state;
    struct mw_sketch a = {.count = {60, 40}}, b = {.count = {40, 60}};
    assert_near(mw_compare(&a, &b).p, erfc(sqrt(4.0)), 1e-10);
}

static void test_no_evidence_is_no_finding(void **state)
{
    (void)state;
    struct mw_sketch a = even(100), none = {0};
    struct mw_comparison c = mw_compare(&a, &none);
    assert_true(c.psi == 0 && c.p == 1 && c.adjusted == 1 && !c.moved);
}

/* Holm: the least p times n, the next times n - 1, never falling. */
static void test_many_tests_are_corrected(void **state)
{
    (void)state;
    struct mw_comparison c[4] = {{.psi = 1, .p = 0.01},
                                 {.psi = 1, .p = 0.04},
                                 {.psi = 1, .p = 0.03},
                                 {.psi = 0.1, .p = 0.001}};
    size_t moved = mw_compare_correct(c, 4, 0.25, 0.05);
    assert_near(c[3].adjusted, 0.004, 1e-12);
    assert_near(c[0].adjusted, 0.03, 1e-12);
    assert_near(c[2].adjusted, 0.06, 1e-12);
    assert_near(c[1].adjusted, 0.06, 1e-12); /* 0.04 alone, but never below the one before */
    assert_int_equal(moved, 1);
    assert_true(c[0].moved && !c[1].moved && !c[2].moved);
    assert_false(c[3].moved); /* sure, and too small to matter */
}

/* Samples of one distribution: of 400 comparisons at alpha 0.05 about 20 may be below. */
static void test_false_alarms_come_as_often_as_stated(void **state)
{
    (void)state;
    uint64_t seed = 7;
    int below = 0;
    for (int run = 0; run < 400; run++) {
        struct mw_sketch side[2] = {{{0}, 0}, {{0}, 0}};
        for (int i = 0; i < 1000; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            side[i % 2].count[seed >> 60]++;
        }
        below += mw_compare(&side[0], &side[1]).p < 0.05;
    }
    assert_in_range(below, 8, 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_tail_of_chi_square),
        cmocka_unit_test(test_equal_shares_have_not_moved),
        cmocka_unit_test(test_a_shift_is_seen_with_its_direction),
        cmocka_unit_test(test_the_statistic_is_pearsons),
        cmocka_unit_test(test_no_evidence_is_no_finding),
        cmocka_unit_test(test_many_tests_are_corrected),
        cmocka_unit_test(test_false_alarms_come_as_often_as_stated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
