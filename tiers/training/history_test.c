#include "tiers/training/history.h"

#include "lib/base/test.h"

#define HORIZON 100

static struct mw_history *history;

static int set_up(void **state)
{
    (void)state;
    return mw_history_new(&history, NULL) == MW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mw_history_free(history);
    return 0;
}

static void add(const char *id, enum mw_event_type type, enum mw_finding finding, int64_t time)
{
    struct mw_event event = {.id = mw_span_of(id),
                             .machine = mw_span_of("m"),
                             .by = mw_span_of("person"),
                             .type = type,
                             .finding = finding,
                             .time = time};
    assert_int_equal(mw_history_add_event(history, &event, NULL), MW_OK);
}

static void act(int64_t time)
{
    assert_int_equal(mw_history_add_action(history, mw_span_of("m"), time, NULL), MW_OK);
}

static void live(int64_t now)
{
    assert_int_equal(mw_history_add_record(history, mw_span_of("m"), now, NULL), MW_OK);
}

static enum mw_label label(int64_t time)
{
    return mw_history_label(history, mw_span_of("m"), time, HORIZON);
}

static void test_a_failure_makes_its_horizon_positive(void **state)
{
    (void)state;
    add("f", MW_EVENT_FAILURE, MW_FINDING_NONE, 1000);
    add("r", MW_EVENT_REPAIR, MW_FINDING_NONE, 1100);
    live(5000);
    assert_int_equal(label(899), MW_LABEL_NEGATIVE);
    assert_int_equal(label(900), MW_LABEL_POSITIVE);
    assert_int_equal(label(1000), MW_LABEL_POSITIVE);
    assert_int_equal(label(1001), MW_LABEL_EXCLUDED);
    assert_int_equal(label(1100), MW_LABEL_EXCLUDED);
    assert_int_equal(label(1101), MW_LABEL_NEGATIVE);
}

static void test_an_inspection_does_not_end_a_failure(void **state)
{
    (void)state;
    add("f", MW_EVENT_FAILURE, MW_FINDING_NONE, 1000);
    add("i", MW_EVENT_INSPECTION, MW_FINDING_FAULT, 1050);
    add("r", MW_EVENT_REPAIR, MW_FINDING_NONE, 1400);
    live(5000);
    assert_int_equal(label(1200), MW_LABEL_EXCLUDED);
    assert_int_equal(label(1401), MW_LABEL_NEGATIVE);
}

static void test_what_is_too_new_is_unknown(void **state)
{
    (void)state;
    live(1000);
    assert_int_equal(label(900), MW_LABEL_NEGATIVE);
    assert_int_equal(label(901), MW_LABEL_UNKNOWN);
    assert_int_equal(mw_history_label(history, mw_span_of("other"), 900, HORIZON),
                     MW_LABEL_UNKNOWN);
}

static void test_a_time_that_is_not_believed_settles_nothing(void **state)
{
    (void)state;
    live(INT64_MIN);
    assert_int_equal(label(5), MW_LABEL_UNKNOWN);
    assert_int_equal(mw_history_machines(history), 1);
}

static void test_a_prevented_failure_still_teaches(void **state)
{
    (void)state;
    act(500);
    add("i", MW_EVENT_INSPECTION, MW_FINDING_FAULT, 700); /* later than a horizon */
    add("r", MW_EVENT_REPAIR, MW_FINDING_NONE, 750);
    live(5000);
    assert_int_equal(label(399), MW_LABEL_NEGATIVE);
    assert_int_equal(label(400), MW_LABEL_POSITIVE);
    assert_int_equal(label(500), MW_LABEL_POSITIVE);
    assert_int_equal(label(501), MW_LABEL_EXCLUDED);
    assert_int_equal(label(700), MW_LABEL_EXCLUDED);
    assert_int_equal(label(720), MW_LABEL_EXCLUDED); /* found faulty, not repaired */
    assert_int_equal(label(751), MW_LABEL_NEGATIVE);
}

static void test_a_false_alarm_is_no_fault(void **state)
{
    (void)state;
    act(500);
    add("i", MW_EVENT_INSPECTION, MW_FINDING_NO_FAULT, 600);
    live(5000);
    assert_int_equal(label(450), MW_LABEL_NEGATIVE);
    assert_int_equal(label(550), MW_LABEL_EXCLUDED);
    assert_int_equal(label(601), MW_LABEL_NEGATIVE);
}

static void test_an_action_without_finding_leaves_it_open(void **state)
{
    (void)state;
    act(500);
    live(5000);
    assert_int_equal(label(399), MW_LABEL_NEGATIVE);
    assert_int_equal(label(450), MW_LABEL_UNKNOWN);
    assert_int_equal(label(550), MW_LABEL_EXCLUDED);
    add("i", MW_EVENT_INSPECTION, MW_FINDING_FAULT, 900);
    assert_int_equal(label(450), MW_LABEL_POSITIVE);
}

static void test_a_finding_a_row_with_no_horizon(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%d", i);
        add(id, MW_EVENT_INSPECTION, i < 3 ? MW_FINDING_FAULT : MW_FINDING_NO_FAULT, i * 10);
    }
    live(50);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(mw_history_label(history, mw_span_of("m"), i * 10, 0),
                         i < 3 ? MW_LABEL_POSITIVE : MW_LABEL_NEGATIVE);
    }
}

static void test_repetitions_and_order_change_nothing(void **state)
{
    (void)state;
    live(5000);
    add("r", MW_EVENT_REPAIR, MW_FINDING_NONE, 1100);
    add("f", MW_EVENT_FAILURE, MW_FINDING_NONE, 1000);
    add("f", MW_EVENT_FAILURE, MW_FINDING_NONE, 2000); /* the same id: ignored */
    assert_int_equal(label(950), MW_LABEL_POSITIVE);
    assert_int_equal(label(1950), MW_LABEL_NEGATIVE);
    assert_int_equal(label(2050), MW_LABEL_NEGATIVE);
}

static void test_faults_can_be_looked_up(void **state)
{
    (void)state;
    struct mw_span m = mw_span_of("m");
    add("f", MW_EVENT_FAILURE, MW_FINDING_NONE, 1000);
    add("n", MW_EVENT_INSPECTION, MW_FINDING_NO_FAULT, 1500);
    assert_int_equal(mw_history_next_fault(history, m, 0), 1000);
    assert_int_equal(mw_history_next_fault(history, m, 1001), INT64_MAX);
    assert_true(mw_history_next_fault(history, m, 1000) == 1000);
    assert_true(mw_history_next_fault(history, m, 1001) > 2000);
    assert_string_equal(mw_history_machine(history, 0), "m");
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_a_failure_makes_its_horizon_positive),
        ROW(test_an_inspection_does_not_end_a_failure),
        ROW(test_what_is_too_new_is_unknown),
        ROW(test_a_time_that_is_not_believed_settles_nothing),
        ROW(test_a_prevented_failure_still_teaches),
        ROW(test_a_false_alarm_is_no_fault),
        ROW(test_an_action_without_finding_leaves_it_open),
        ROW(test_a_finding_a_row_with_no_horizon),
        ROW(test_repetitions_and_order_change_nothing),
        ROW(test_faults_can_be_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
