#include "tiers/training/own_models.h"

#include "lib/base/test.h"

static int set_up(void **state)
{
    return mw_own_models_new((struct mw_own_models **)state, NULL) == MW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    mw_own_models_free(*state);
    return 0;
}

static void commissioned(struct mw_own_models *models, const char *machine)
{
    assert_int_equal(mw_own_models_commissioned(models, mw_span_of(machine), NULL), MW_OK);
}

static void published(struct mw_own_models *models, const char *machine)
{
    assert_int_equal(mw_own_models_published(models, mw_span_of(machine), NULL), MW_OK);
}

static void refused(struct mw_own_models *models, const char *machine, uint64_t gap)
{
    assert_int_equal(mw_own_models_refused(models, mw_span_of(machine), gap, NULL), MW_OK);
}

static void test_each_commissioned_machine_gets_one(void **state)
{
    struct mw_own_models *models = *state;
    assert_null(mw_own_models_next(models));
    commissioned(models, "pump-1");
    commissioned(models, "pump-2");
    assert_string_equal(mw_own_models_next(models), "pump-1");
    published(models, "pump-1");
    assert_string_equal(mw_own_models_next(models), "pump-2");
    published(models, "pump-2");
    assert_null(mw_own_models_next(models));
}

/* A process that starts anew knows the baselines first, and then reads what was published. */
static void test_a_new_process_asks_only_for_what_is_missing(void **state)
{
    struct mw_own_models *models = *state;
    commissioned(models, "pump-1");
    commissioned(models, "pump-2");
    commissioned(models, "pump-3");
    published(models, "pump-3");
    published(models, "pump-1");
    assert_string_equal(mw_own_models_next(models), "pump-2");
}

static void test_what_is_published_before_the_baseline_counts(void **state)
{
    struct mw_own_models *models = *state;
    published(models, "pump-1");
    commissioned(models, "pump-1");
    assert_null(mw_own_models_next(models));
}

static void test_a_refusal_waits_for_records_of_that_machine(void **state)
{
    struct mw_own_models *models = *state;
    commissioned(models, "pump-1");
    commissioned(models, "pump-2");
    refused(models, "pump-1", 2);
    assert_string_equal(mw_own_models_next(models), "pump-2"); /* the next is not held up */
    published(models, "pump-2");
    mw_own_models_record(models, mw_span_of("pump-2"));
    mw_own_models_record(models, mw_span_of("pump-1"));
    mw_own_models_record(models, mw_span_of("never-seen"));
    assert_null(mw_own_models_next(models));
    mw_own_models_record(models, mw_span_of("pump-1"));
    assert_string_equal(mw_own_models_next(models), "pump-1");
}

static void test_what_was_taken_back_is_made_again(void **state)
{
    struct mw_own_models *models = *state;
    commissioned(models, "pump-1");
    published(models, "pump-1");
    refused(models, "pump-1", 1);
    assert_null(mw_own_models_next(models));
    mw_own_models_record(models, mw_span_of("pump-1"));
    assert_string_equal(mw_own_models_next(models), "pump-1");
}

static void test_many_machines(void **state)
{
    struct mw_own_models *models = *state;
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "pump-%d", i);
        commissioned(models, name);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "pump-%d", i);
        assert_string_equal(mw_own_models_next(models), name);
        published(models, name);
    }
    assert_null(mw_own_models_next(models));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_each_commissioned_machine_gets_one),
        ROW(test_a_new_process_asks_only_for_what_is_missing),
        ROW(test_what_is_published_before_the_baseline_counts),
        ROW(test_a_refusal_waits_for_records_of_that_machine),
        ROW(test_what_was_taken_back_is_made_again),
        ROW(test_many_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
