#include "lib/stream/kafka_gap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#define FAST 6000 /* until the first records of a transaction are delivered */

/* Transactions as soon as the gap allows, on a cluster that is through `busy` after a commit.
 * Returns how many of n were refused. */
static int run(struct mw_kafka_gap *gap, int64_t busy, int n)
{
    static int64_t now = 1;
    int refused = 0;
    for (int i = 0; i < n; i++) {
        now += mw_kafka_gap_left(gap, now);
        bool early = gap->committed > 0 && now - gap->committed < busy;
        refused += early ? 1 : 0;
        gap->began = now;
        now += early ? MW_KAFKA_GAP_REFUSED + FAST : FAST;
        mw_kafka_gap_learn(gap, now);
        now += 1000;
        gap->committed = now;
    }
    return refused;
}

static void the_first_waits_for_nothing(void **state)
{
    (void)state;
    struct mw_kafka_gap gap = {0};
    assert_int_equal(mw_kafka_gap_left(&gap, 5), 0);
    gap.committed = 100000;
    assert_int_equal(mw_kafka_gap_left(&gap, 100000), MW_KAFKA_GAP_FIRST);
    assert_int_equal(mw_kafka_gap_left(&gap, 100000 + MW_KAFKA_GAP_FIRST), 0);
    assert_int_equal(mw_kafka_gap_left(&gap, 900000), 0);
}

static void it_follows_the_cluster(void **state)
{
    (void)state;
    struct mw_kafka_gap gap = {0};
    (void)run(&gap, 7000, 100);
    assert_true(run(&gap, 7000, 1000) <= 20);
    assert_in_range(gap.wait, 6900, 7600);
    (void)run(&gap, 1000, 4000); /* it has become quicker */
    assert_in_range(gap.wait, 900, 1600);
    assert_true(run(&gap, 1000, 1000) <= 20);
}

static void it_stays_within_its_bounds(void **state)
{
    (void)state;
    struct mw_kafka_gap gap = {0};
    (void)run(&gap, 60000, 100);
    assert_int_equal(gap.wait, MW_KAFKA_GAP_MOST);
    (void)run(&gap, 0, 10000);
    assert_int_equal(gap.wait, MW_KAFKA_GAP_LEAST);
}

static void what_comes_later_teaches_nothing(void **state)
{
    (void)state;
    struct mw_kafka_gap gap = {.wait = 4000, .committed = 100000, .began = 200000};
    mw_kafka_gap_learn(&gap, 260000);
    assert_int_equal(gap.wait, 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_waits_for_nothing),
        cmocka_unit_test(it_follows_the_cluster),
        cmocka_unit_test(it_stays_within_its_bounds),
        cmocka_unit_test(what_comes_later_teaches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
