#include "tiers/platform/bridge_pace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Rounds that each take 8 ms to be stored, while so many messages a second come. */
static int64_t settle(int rate, size_t *round)
{
    struct mw_bridge_pace pace = {0};
    int64_t now = 1, rest = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t began = now;
        *round = (size_t)((rest + 8000) * rate / 1000000);
        now += 8000;
        rest = mw_bridge_pace_rest(&pace, *round, began, now);
        now += rest;
    }
    return rest;
}

static void few_do_not_wait(void **state)
{
    (void)state;
    size_t round;
    assert_int_equal(settle(100, &round), 0);
    assert_int_equal(settle(39000, &round), 0);
}

static void many_gather(void **state)
{
    (void)state;
    size_t round;
    assert_in_range(settle(42000, &round), 6000, 9000);
    assert_in_range(settle(46000, &round), 16000, 20000);
    assert_in_range(round, 1100, 1250);
}

static void full_rounds_do_not_wait(void **state)
{
    (void)state;
    size_t round;
    assert_in_range(settle(150000, &round), 0, 500);
    assert_true(round >= 1150);
}

static void after_a_pause_it_is_quick_again(void **state)
{
    (void)state;
    struct mw_bridge_pace pace = {0};
    assert_true(mw_bridge_pace_rest(&pace, 25000, 500000, 501000) > 0);
    assert_int_equal(mw_bridge_pace_rest(&pace, 10, 900000, 901000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_do_not_wait),
        cmocka_unit_test(many_gather),
        cmocka_unit_test(full_rounds_do_not_wait),
        cmocka_unit_test(after_a_pause_it_is_quick_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
