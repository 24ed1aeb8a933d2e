/* What the scores of the first things say of a bundle on trial. */
#include "tiers/platform/rollout_test_fleet.h"

static void scores_alone_do_not_promote(void **state)
{
    struct fleet *fleet = *state;
    report(fleet, "m1", "");
    start(fleet, A);
    score(fleet, "m1", A, 50, 0.1F, 1);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=a/canary ");
    fleet->now += 61 * SECOND;
    (void)mw_rollout_seen(&fleet->engine, mw_span_of("m1"), nothing, fleet->now);
    mw_rollout_tick(&fleet->engine, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=-/rollback ");
    assert_string_equal(newest(fleet)->reason, "m1 has not reported it in time");
}

static void too_many_alarms_take_back(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    start(fleet, B);
    report(fleet, "m1", B);
    score(fleet, "m1", B, 7, 0.1F, 1);
    score(fleet, "m1", B, 3, 0.9F, 1); /* 0.3, where none of 100 was an alarm before */
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=b/canary m1=a/rollback ");
}

/* Normal records come with p = 0.05 each: 3 alarms among 7 such are no high rate. */
static void alarms_are_weighted(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    score(fleet, "m1", A, 2, 0.9F, 1); /* some 2% before */
    score(fleet, "m1", A, 1, 0.1F, 1); /* and normal just now, so that it goes first */
    start(fleet, B);
    report(fleet, "m1", B);
    score(fleet, "m1", B, 7, 0.1F, 0.05);
    score(fleet, "m1", B, 3, 0.9F, 1); /* 3 / (3 + 140) */
    assert_string_equal(mw_rollout_stage_name(newest(fleet)->stage), "all");
}

static void thing_in_alarm_goes_last(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    score(fleet, "m1", A, 1, 0.95F, 1);
    start(fleet, B);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m2=b/canary ");
}

/* A model that foresees alarms for 2% of the records, on a machine that had none. */
static void first_model_that_cries_wolf(void **state)
{
    struct fleet *fleet = *state;
    fleet->expected = 0.02;
    report(fleet, "m1", "");
    start(fleet, A);
    report(fleet, "m1", A);
    score(fleet, "m1", A, 4, 0.9F, 1);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=a/canary m1=-/rollback ");
    assert_string_equal(newest(fleet)->reason,
                        "alarm rate of the first things 1, its own reference foresees 0.02");

    report(fleet, "pump-1", "");
    start_of_machine(fleet, B, "pump-1");
    score(fleet, "pump-1", B, 4, 0.9F, 1);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "pump-1=b/canary pump-1=-/rollback ");
}

/* Two alarms among ten may be chance; further scores tell. */
static void chance_alarms_only_delay(void **state)
{
    struct fleet *fleet = *state;
    fleet->expected = 0.02;
    report(fleet, "m1", "");
    start(fleet, A);
    report(fleet, "m1", A);
    score(fleet, "m1", A, 2, 0.9F, 1);
    score(fleet, "m1", A, 8, 0.1F, 1);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=a/canary ");
    assert_string_equal(waits(fleet), "more scores of the first things, to know whether their "
                                      "alarms are chance");
    score(fleet, "m1", A, 10, 0.1F, 1);
    assert_stage(fleet, MW_ROLLOUT_ALL, "*=a/all m1=a/all ");
}

/* It foresees few alarms, but the machines are as the bundle before said they were. */
static void as_many_alarms_as_before_are_no_fault(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    score(fleet, "m1", A, 50, 0.9F, 1); /* one in three */
    score(fleet, "m1", A, 1, 0.1F, 1);
    fleet->expected = 0.001;
    start(fleet, B);
    report(fleet, "m1", B);
    score(fleet, "m1", B, 7, 0.1F, 1);
    score(fleet, "m1", B, 3, 0.9F, 1);
    assert_string_equal(mw_rollout_stage_name(newest(fleet)->stage), "all");
}

static void a_bundle_foresees_its_alarms(void **state)
{
    struct mw_bundle bundle = {.base_rate = 0.1};
    (void)state;
    assert_true(isnan(mw_rollout_expected_alarms(&bundle)));
    for (size_t i = 0; i < MW_SKETCH_EDGES; i++) {
        bundle.score_edges.edge[i] = 0.05F * (float)(i + 1); /* 0.5 is the tenth */
    }
    bundle.score_sketch.count[0] = 100;
    assert_true(fabs(mw_rollout_expected_alarms(&bundle) - (0.1 + 1.0 / 100)) < 1e-9);
    bundle.score_sketch.count[9] = 60;
    bundle.score_sketch.count[10] = 10; /* 0.5 to 0.55 */
    bundle.score_sketch.count[15] = 30;
    assert_true(fabs(mw_rollout_expected_alarms(&bundle) - (0.1 + 0.2)) < 1e-9);
    bundle.base_rate = 0.9;
    assert_true(fabs(mw_rollout_expected_alarms(&bundle) - (1)) < 1e-9);
}

static void send_records(struct fleet *fleet, const char *device, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        mw_rollout_record(&fleet->engine, mw_span_of(device), nothing, fleet->now);
    }
    mw_rollout_tick(&fleet->engine, fleet->now);
}

/* The bundle wants a feature that the first thing does not have, say. A thing that is merely quiet
 * is waited for. */
static void records_without_scores_take_back(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    send_records(fleet, "m1", 50); /* as before a first model */
    start(fleet, B);
    report(fleet, "m1", B);
    send_records(fleet, "m1", 10);
    fleet->now += 61 * SECOND;
    report(fleet, "m1", B);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=b/canary ");
    send_records(fleet, "m1", 1);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=a/rollback ");
    assert_string_equal(newest(fleet)->reason, "of m1 the newest 11 records were not scored");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scores_alone_do_not_promote),
        TEST(too_many_alarms_take_back),
        TEST(alarms_are_weighted),
        TEST(thing_in_alarm_goes_last),
        TEST(first_model_that_cries_wolf),
        TEST(chance_alarms_only_delay),
        TEST(as_many_alarms_as_before_are_no_fault),
        TEST(a_bundle_foresees_its_alarms),
        TEST(records_without_scores_take_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
