#include "lib/kube/backoff.h"

#include "lib/base/clock.h"
#include "lib/base/test.h"

static void waits_double_up_to_half_a_minute(void **state)
{
    (void)state;
    assert_int_equal(mw_kube_backoff(0, 0, -1), MW_SECOND / 10);
    assert_int_equal(mw_kube_backoff(0, UINT32_MAX, -1), MW_SECOND / 5);
    assert_int_equal(mw_kube_backoff(3, UINT32_MAX, -1), MW_SECOND / 5 * 8);
    assert_int_equal(mw_kube_backoff(7, UINT32_MAX, -1), MW_SECOND / 5 * 128);
    assert_int_equal(mw_kube_backoff(8, UINT32_MAX, -1), 30 * MW_SECOND);
    assert_int_equal(mw_kube_backoff(4000000000u, 0, -1), 15 * MW_SECOND);
}

static void what_the_server_asks_for_is_the_least_but_has_a_limit(void **state)
{
    (void)state;
    assert_true(mw_kube_backoff(0, 0, 7 * MW_SECOND) >= 7 * MW_SECOND);
    assert_true(mw_kube_backoff(0, 0, 1) == MW_SECOND / 10);
    assert_true(mw_kube_backoff(20, UINT32_MAX, 80000 * MW_SECOND) <= 310 * MW_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_half_a_minute),
        cmocka_unit_test(what_the_server_asks_for_is_the_least_but_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
