#include "tiers/training/own_models.h"

#include "lib/base/test.h"

struct scene {
    struct mw_plant plant;
    struct mw_facts *facts;
    struct mw_own_models *models;
};

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    *state = s;
    if (s == NULL || mw_plant_read(&s->plant, NULL, NULL) != MW_OK ||
        mw_facts_new(&s->facts, NULL) != MW_OK ||
        mw_own_models_new(&s->models, &s->plant, s->facts, NULL) != MW_OK) {
        return -1;
    }
    s->plant.model.kind = MW_MODEL_AUTOENCODER;
    s->plant.retrain.minimum_records = 100;
    s->plant.retrain.minimum_positives = 10;
    s->plant.retrain.fresh_records = 50;
    s->plant.retrain.fresh_positives = 5;
    s->plant.retrain.attempts_gap = 2;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    mw_own_models_free(s->models);
    mw_facts_free(s->facts);
    mw_plant_clear(&s->plant);
    free(s);
    return 0;
}

static void commissioned(struct scene *s, const char *machine)
{
    assert_int_equal(mw_own_models_commissioned(s->models, mw_span_of(machine), NULL), MW_OK);
}

static void published(struct scene *s, const char *machine)
{
    assert_int_equal(mw_own_models_published(s->models, mw_span_of(machine), NULL), MW_OK);
}

static void refused(struct scene *s, const char *machine, struct mw_policy_counts counts)
{
    assert_int_equal(mw_own_models_refused(s->models, mw_span_of(machine), counts, NULL), MW_OK);
}

static void drift(struct scene *s, const char *machine, int64_t onset)
{
    assert_int_equal(mw_own_models_drift(s->models, mw_span_of(machine), onset, NULL), MW_OK);
}

static void record(struct scene *s, const char *machine, int64_t time)
{
    mw_own_models_record(s->models, mw_span_of(machine), time);
}

static void event(struct scene *s, const char *machine, enum mw_event_type type,
                  enum mw_finding finding, int64_t time)
{
    struct mw_event event = {
        .machine = mw_span_of(machine), .type = type, .finding = finding, .time = time};
    assert_int_equal(mw_facts_add(s->facts, &event, NULL), MW_OK);
    mw_own_models_event(s->models, mw_span_of(machine));
}

/* The next machine to count, which must be this one (NULL: none), from this time on. */
static void counts_next(struct scene *s, const char *machine, int64_t since)
{
    int64_t from;
    const char *next = mw_own_models_to_count(s->models, &from);
    if (machine == NULL) {
        assert_null(next);
    } else {
        assert_non_null(next);
        assert_string_equal(next, machine);
        assert_true(from == since);
    }
}

static enum mw_policy_cause decide(struct scene *s, const char *machine, uint64_t labelled,
                                   uint64_t positives)
{
    return mw_policy_decide(mw_own_models_policy(s->models, mw_span_of(machine)), &s->plant,
                            (struct mw_policy_counts){labelled, positives});
}

static void test_each_commissioned_machine_gets_one(void **state)
{
    struct scene *s = *state;
    assert_null(mw_own_models_next(s->models));
    commissioned(s, "pump-1");
    commissioned(s, "pump-2");
    assert_string_equal(mw_own_models_next(s->models), "pump-1");
    published(s, "pump-1");
    assert_string_equal(mw_own_models_next(s->models), "pump-2");
    published(s, "pump-2");
    assert_null(mw_own_models_next(s->models));
}

/* A process that starts anew knows the baselines first, and then reads what was published. */
static void test_a_new_process_asks_only_for_what_is_missing(void **state)
{
    struct scene *s = *state;
    commissioned(s, "pump-1");
    commissioned(s, "pump-2");
    commissioned(s, "pump-3");
    published(s, "pump-3");
    published(s, "pump-1");
    assert_string_equal(mw_own_models_next(s->models), "pump-2");
}

static void test_what_is_published_before_the_baseline_counts(void **state)
{
    struct scene *s = *state;
    published(s, "pump-1");
    commissioned(s, "pump-1");
    assert_null(mw_own_models_next(s->models));
}

static void test_a_refusal_waits_for_records_of_that_machine(void **state)
{
    struct scene *s = *state;
    commissioned(s, "pump-1");
    commissioned(s, "pump-2");
    refused(s, "pump-1", (struct mw_policy_counts){0});
    assert_string_equal(mw_own_models_next(s->models), "pump-2"); /* the next is not held up */
    published(s, "pump-2");
    record(s, "pump-2", 1);
    record(s, "pump-1", 1);
    record(s, "never-seen", 1);
    assert_null(mw_own_models_next(s->models));
    record(s, "pump-1", 1);
    assert_string_equal(mw_own_models_next(s->models), "pump-1");
}

static void test_what_was_taken_back_is_made_again(void **state)
{
    struct scene *s = *state;
    commissioned(s, "pump-1");
    published(s, "pump-1");
    assert_int_equal(mw_own_models_taken_back(s->models, mw_span_of("pump-1"), NULL), MW_OK);
    record(s, "pump-1", 1);
    assert_null(mw_own_models_next(s->models));
    record(s, "pump-1", 1);
    assert_string_equal(mw_own_models_next(s->models), "pump-1");
}

static void test_many_machines(void **state)
{
    struct scene *s = *state;
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "pump-%d", i);
        commissioned(s, name);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "pump-%d", i);
        assert_string_equal(mw_own_models_next(s->models), name);
        published(s, name);
    }
    assert_null(mw_own_models_next(s->models));
}

/* --- those that have a model --- */

static void test_a_drift_is_one_machines_own(void **state)
{
    struct scene *s = *state;
    published(s, "pump-1");
    published(s, "pump-2");
    s->plant.model.kind = MW_MODEL_LOGISTIC;
    counts_next(s, NULL, 0);
    drift(s, "pump-2", 70);
    counts_next(s, "pump-2", 70);
    assert_int_equal(decide(s, "pump-2", 50, 4), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, "pump-2", 50, 5), MW_POLICY_DRIFT);
    assert_int_equal(decide(s, "pump-1", 50, 5), MW_POLICY_NOTHING);
    counts_next(s, NULL, 0); /* nothing came since */
    record(s, "pump-2", 80);
    counts_next(s, "pump-2", 70);
    struct mw_own_models_summary sum = mw_own_models_sum_up(s->models);
    assert_int_equal(sum.models, 2);
    assert_int_equal(sum.drifted, 1);
    assert_int_equal(sum.waiting, 0);
    published(s, "pump-2");
    assert_int_equal(decide(s, "pump-2", 50, 5), MW_POLICY_NOTHING);
    assert_int_equal(mw_own_models_sum_up(s->models).drifted, 0);
}

/* One with many records does not keep the others waiting. */
static void test_each_that_drifted_has_its_turn(void **state)
{
    struct scene *s = *state;
    static const char *const names[] = {"m-1", "m-2", "m-3"};
    s->plant.model.kind = MW_MODEL_LOGISTIC;
    for (int i = 0; i < 3; i++) {
        published(s, names[i]);
        drift(s, names[i], 10 * i);
    }
    for (int i = 0; i < 3; i++) {
        counts_next(s, names[i], 10 * i);
        record(s, "m-1", 100);
    }
    counts_next(s, "m-1", 0);
    counts_next(s, NULL, 0);
}

static void test_a_refused_candidate_leaves_the_model_and_waits(void **state)
{
    struct scene *s = *state;
    s->plant.model.kind = MW_MODEL_LOGISTIC;
    published(s, "pump-1");
    drift(s, "pump-1", 70);
    refused(s, "pump-1", (struct mw_policy_counts){60, 8});
    assert_null(mw_own_models_next(s->models));
    assert_int_equal(decide(s, "pump-1", 61, 8), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, "pump-1", 62, 8), MW_POLICY_DRIFT);
}

static void test_an_autoencoder_is_not_taught_a_fault(void **state)
{
    struct scene *s = *state;
    published(s, "pump-1");
    published(s, "pump-2");
    drift(s, "pump-1", 70);
    record(s, "pump-1", 90);
    counts_next(s, NULL, 0); /* however many come */
    assert_int_equal(decide(s, "pump-1", 5000, 0), MW_POLICY_NOTHING);
    assert_int_equal(mw_own_models_sum_up(s->models).waiting, 1);
    event(s, "pump-2", MW_EVENT_INSPECTION, MW_FINDING_NO_FAULT, 95); /* another machine */
    event(s, "pump-1", MW_EVENT_INSPECTION, MW_FINDING_NO_FAULT, 60); /* too early */
    event(s, "pump-1", MW_EVENT_INSPECTION, MW_FINDING_FAULT, 95);
    counts_next(s, NULL, 0);
    event(s, "pump-1", MW_EVENT_REPAIR, MW_FINDING_NONE, 97);
    counts_next(s, "pump-1", 97);
    assert_int_equal(mw_own_models_sum_up(s->models).waiting, 0);
    assert_int_equal(mw_own_models_sum_up(s->models).drifted, 1);
    assert_int_equal(decide(s, "pump-1", 50, 0), MW_POLICY_DRIFT);
}

/* The inspection may be in before the watch has enough evidence. */
static void test_what_was_said_between_onset_and_alarm_counts(void **state)
{
    struct scene *s = *state;
    published(s, "pump-1");
    event(s, "pump-1", MW_EVENT_INSPECTION, MW_FINDING_NO_FAULT, 75);
    drift(s, "pump-1", 70);
    counts_next(s, "pump-1", 70);
}

static void test_a_schedule_counts_each_machine_from_its_model_on(void **state)
{
    struct scene *s = *state;
    s->plant.model.kind = MW_MODEL_LOGISTIC;
    s->plant.retrain.every = 30;
    commissioned(s, "pump-1");
    record(s, "pump-1", 40);
    record(s, "pump-1", 44);
    published(s, "pump-1");
    counts_next(s, "pump-1", 44);
    assert_int_equal(decide(s, "pump-1", 29, 0), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, "pump-1", 30, 0), MW_POLICY_SCHEDULE);
}

/* A first model with labels is not tried before there are enough of them. */
static void test_a_first_model_with_labels_is_counted_for(void **state)
{
    struct scene *s = *state;
    s->plant.model.kind = MW_MODEL_MLP;
    commissioned(s, "pump-1");
    assert_null(mw_own_models_next(s->models));
    counts_next(s, "pump-1", INT64_MIN);
    assert_int_equal(decide(s, "pump-1", 99, 10), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, "pump-1", 100, 10), MW_POLICY_FIRST);
    struct mw_policy_counts begun = {100, 10};
    assert_int_equal(mw_own_models_started(s->models, mw_span_of("pump-1"), begun, NULL), MW_OK);
    published(s, "pump-1");
    assert_int_equal(mw_own_models_taken_back(s->models, mw_span_of("pump-1"), NULL), MW_OK);
    assert_int_equal(decide(s, "pump-1", 101, 10), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, "pump-1", 102, 10), MW_POLICY_FIRST);
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
        ROW(test_a_drift_is_one_machines_own),
        ROW(test_each_that_drifted_has_its_turn),
        ROW(test_a_refused_candidate_leaves_the_model_and_waits),
        ROW(test_an_autoencoder_is_not_taught_a_fault),
        ROW(test_what_was_said_between_onset_and_alarm_counts),
        ROW(test_a_schedule_counts_each_machine_from_its_model_on),
        ROW(test_a_first_model_with_labels_is_counted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
