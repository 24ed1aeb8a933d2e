#include "tiers/training/facts.h"

#include "lib/base/test.h"

static int set_up(void **state)
{
    return mw_facts_new((struct mw_facts **)state, NULL) == MW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    mw_facts_free(*state);
    return 0;
}

static void tell(struct mw_facts *facts, const char *machine, enum mw_event_type type,
                 enum mw_finding finding, int64_t time)
{
    struct mw_event event = {.id = mw_span_of("e"),
                             .machine = mw_span_of(machine),
                             .type = type,
                             .finding = finding,
                             .time = time};
    assert_int_equal(mw_facts_add(facts, &event, NULL), MW_OK);
}

static void inspect(struct mw_facts *facts, const char *machine, enum mw_finding finding,
                    int64_t time)
{
    tell(facts, machine, MW_EVENT_INSPECTION, finding, time);
}

/* INT64_MAX: not known to be well. */
static int64_t since(const struct mw_facts *facts, const char *machine, int64_t from)
{
    int64_t time;
    return mw_facts_well(facts, mw_span_of(machine), from, &time) ? time : INT64_MAX;
}

static void test_nothing_said_is_nothing_known(void **state)
{
    struct mw_facts *facts = *state;
    assert_true(since(facts, "m-1", 100) == INT64_MAX);
    inspect(facts, "m-1", MW_FINDING_NONE, 110);
    assert_true(since(facts, "m-1", 100) == INT64_MAX);
}

static void test_no_fault_holds_from_the_change_on(void **state)
{
    struct mw_facts *facts = *state;
    inspect(facts, "m-1", MW_FINDING_NO_FAULT, 99); /* before it nobody could know */
    assert_true(since(facts, "m-1", 100) == INT64_MAX);
    inspect(facts, "m-1", MW_FINDING_NO_FAULT, 150);
    assert_int_equal(since(facts, "m-1", 100), 100);
    assert_int_equal(since(facts, "m-1", 150), 150);
    assert_true(since(facts, "m-2", 100) == INT64_MAX);
}

static void test_a_repair_holds_from_itself_on(void **state)
{
    struct mw_facts *facts = *state;
    tell(facts, "m-1", MW_EVENT_REPAIR, MW_FINDING_FAULT, 150);
    assert_int_equal(since(facts, "m-1", 100), 150);
    inspect(facts, "m-1", MW_FINDING_NO_FAULT, 160); /* says nothing of what was before it */
    assert_int_equal(since(facts, "m-1", 100), 150);
    tell(facts, "m-1", MW_EVENT_REPAIR, MW_FINDING_NONE, 170);
    assert_int_equal(since(facts, "m-1", 100), 170);
}

static void test_a_fault_takes_it_back(void **state)
{
    struct mw_facts *facts = *state;
    inspect(facts, "m-1", MW_FINDING_NO_FAULT, 150);
    inspect(facts, "m-1", MW_FINDING_FAULT, 200);
    assert_true(since(facts, "m-1", 100) == INT64_MAX);
    inspect(facts, "m-1", MW_FINDING_NO_FAULT, 210); /* but what was before was no health */
    assert_int_equal(since(facts, "m-1", 100), 210);
    tell(facts, "m-1", MW_EVENT_FAILURE, MW_FINDING_NONE, 220);
    assert_true(since(facts, "m-1", 100) == INT64_MAX);
    tell(facts, "m-1", MW_EVENT_REPAIR, MW_FINDING_NONE, 230);
    assert_int_equal(since(facts, "m-1", 100), 230);
}

static void test_the_order_of_hearing_does_not_matter(void **state)
{
    struct mw_facts *facts = *state;
    tell(facts, "m-1", MW_EVENT_REPAIR, MW_FINDING_NONE, 230);
    inspect(facts, "m-1", MW_FINDING_NO_FAULT, 150);
    inspect(facts, "m-1", MW_FINDING_FAULT, 200);
    assert_int_equal(since(facts, "m-1", 100), 230);
    inspect(facts, "m-1", MW_FINDING_FAULT, 240);
    assert_true(since(facts, "m-1", 100) == INT64_MAX);
}

static void test_any_machine_will_do_for_a_plant(void **state)
{
    struct mw_facts *facts = *state;
    inspect(facts, "m-1", MW_FINDING_FAULT, 120);
    assert_true(since(facts, "", 100) == INT64_MAX);
    tell(facts, "m-2", MW_EVENT_REPAIR, MW_FINDING_NONE, 150);
    assert_int_equal(since(facts, "", 100), 150);
    inspect(facts, "m-3", MW_FINDING_NO_FAULT, 160);
    assert_int_equal(since(facts, "", 100), 100);
}

static void test_the_oldest_are_forgotten(void **state)
{
    struct mw_facts *facts = *state;
    inspect(facts, "m-1", MW_FINDING_FAULT, 10);
    for (int i = 0; i < 3 * MW_FACTS_KEPT; i++) {
        inspect(facts, "m-1", MW_FINDING_NO_FAULT, 1000 + i);
    }
    inspect(facts, "m-1", MW_FINDING_FAULT, 5);
    assert_int_equal(since(facts, "m-1", 100), 100);
    for (int i = 0; i < 30; i++) {
        char name[8];
        snprintf(name, sizeof name, "n-%d", i);
        inspect(facts, name, MW_FINDING_NO_FAULT, i);
    }
    assert_int_equal(since(facts, "n-29", 7), 7);
    assert_true(since(facts, "n-3", 7) == INT64_MAX);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_nothing_said_is_nothing_known),
        ROW(test_no_fault_holds_from_the_change_on),
        ROW(test_a_repair_holds_from_itself_on),
        ROW(test_a_fault_takes_it_back),
        ROW(test_the_order_of_hearing_does_not_matter),
        ROW(test_any_machine_will_do_for_a_plant),
        ROW(test_the_oldest_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
