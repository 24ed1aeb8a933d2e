#include "tiers/training/moments.h"

#include "lib/base/test.h"

#include <math.h>

static void nothing_is_zero(void **state)
{
    (void)state;
    double sums[4] = {0};
    struct mw_moments moments = {.mean = sums, .squares = sums + 2};
    float mean[2] = {1, 1}, std[2] = {1, 1};
    mw_moments_read(&moments, 2, mean, std);
    assert_true(mean[0] == 0 && mean[1] == 0 && std[0] == 0 && std[1] == 0);
}

/* A record of weight 3 is three records; a constant, also a large one, has no deviation. */
static void weights_are_repetitions(void **state)
{
    (void)state;
    static const float rows[3][2] = {{1, 1e7f}, {4, 1e7f}, {10, 1e7f}};
    static const unsigned times[3] = {1, 3, 2};
    double a[4] = {0}, b[4] = {0};
    struct mw_moments weighted = {.mean = a, .squares = a + 2};
    struct mw_moments repeated = {.mean = b, .squares = b + 2};
    for (size_t i = 0; i < 3; i++) {
        mw_moments_add(&weighted, rows[i], 2, times[i]);
        for (unsigned k = 0; k < times[i]; k++) {
            mw_moments_add(&repeated, rows[i], 2, 1);
        }
    }
    float mean[2], std[2];
    assert_int_equal(weighted.count, 3);
    mw_moments_read(&repeated, 2, mean, std);
    for (size_t pass = 0; pass < 2; pass++) {
        /* (1 + 3 * 4 + 2 * 10) / 6 and sqrt((20.25 + 3 * 2.25 + 2 * 20.25) / 6) */
        assert_true(fabsf(mean[0] - 5.5f) < 1e-6f && fabsf(std[0] - sqrtf(11.25f)) < 1e-6f);
        assert_true(mean[1] == 1e7f && std[1] == 0);
        mw_moments_read(&weighted, 2, mean, std);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_zero),
        cmocka_unit_test(weights_are_repetitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
