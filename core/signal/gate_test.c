#include "core/signal/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

static void standstill_makes_no_record(void **state)
{
    (void)state;
    struct mw_gate gate = {.minimum = 2.0F};
    assert_int_equal(mw_gate_add(&gate, 1.9F), MW_GATE_STANDSTILL);
    assert_int_equal(mw_gate_add(&gate, 2.0F), MW_GATE_PASS);
    assert_int_equal(mw_gate_add(&gate, 2.0F), MW_GATE_PASS); /* delta 0: all is news */
    assert_int_equal(mw_gate_add(&gate, NAN), MW_GATE_STANDSTILL);
}

static void without_news_only_the_heartbeat_passes(void **state)
{
    (void)state;
    struct mw_gate gate = {.minimum = 0.0F, .delta = 0.5F, .heartbeat = 3};
    assert_int_equal(mw_gate_add(&gate, 10.0F), MW_GATE_PASS);
    assert_int_equal(mw_gate_add(&gate, 10.5F), MW_GATE_NO_NEWS);
    assert_int_equal(mw_gate_add(&gate, 9.5F), MW_GATE_NO_NEWS);
    assert_int_equal(mw_gate_add(&gate, 10.25F), MW_GATE_PASS);    /* the third */
    assert_int_equal(mw_gate_add(&gate, 10.75F), MW_GATE_NO_NEWS); /* against 10.25 */
    assert_int_equal(mw_gate_add(&gate, 11.0F), MW_GATE_PASS);
    assert_int_equal(mw_gate_add(&gate, -1.0F), MW_GATE_STANDSTILL);
    assert_int_equal(mw_gate_add(&gate, 11.0F), MW_GATE_PASS); /* started again */
}

static void without_a_heartbeat_it_holds_for_ever(void **state)
{
    (void)state;
    struct mw_gate gate = {.minimum = -INFINITY, .delta = 1.0F};
    assert_int_equal(mw_gate_add(&gate, -5.0F), MW_GATE_PASS);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(mw_gate_add(&gate, -5.5F), MW_GATE_NO_NEWS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standstill_makes_no_record),
        cmocka_unit_test(without_news_only_the_heartbeat_passes),
        cmocka_unit_test(without_a_heartbeat_it_holds_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
