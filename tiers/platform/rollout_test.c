/* The stages of a rollout, who is waited for, and what takes it back. */
#include "tiers/platform/rollout_test_fleet.h"

static void canary_then_all_then_done(void **state)
{
    struct fleet *fleet = *state;
    report(fleet, "m2", "");
    report(fleet, "m1", "");
    start(fleet, A);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=a/canary ");
    assert_string_equal(newest(fleet)->previous, "");
    score(fleet, "m1", A, 9, 0.1F, 1);
    report(fleet, "m1", A);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "");
    score(fleet, "m1", A, 1, 0.1F, 1);
    assert_stage(fleet, MW_ROLLOUT_ALL, "*=a/all m1=a/all ");
    assert_string_equal(mw_rollout_in_use(&fleet->engine, ""), A);
    report(fleet, "m2", A);
    assert_stage(fleet, MW_ROLLOUT_ALL, "");
    scorer_serves_all(fleet, A);
    assert_stage(fleet, MW_ROLLOUT_DONE, "");
    assert_int_equal(mw_rollout_start(&fleet->engine, A, "", fleet->expected, fleet->now, NULL),
                     MW_ERR_EXISTS);
}

static void refusal_takes_back(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    start(fleet, B);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=b/canary ");
    mw_rollout_reported(&fleet->engine, mw_span_of("m1"), mw_span_of(A), mw_span_of(B),
                        mw_span_of("golden vector 3"), nothing, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=a/rollback ");
    assert_string_equal(newest(fleet)->reason, "m1 refused it: golden vector 3");
    assert_string_equal(mw_rollout_in_use(&fleet->engine, ""), A);

    start(fleet, C);
    mw_rollout_scorer_reported(&fleet->engine, mw_span_of("m1"), mw_span_of(A), mw_span_of(C),
                               mw_span_of("bad"), fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=c/canary m1=a/rollback ");
}

static void gone_things_are_not_waited_for(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    mw_rollout_gone(&fleet->engine, mw_span_of("m1"));
    mw_rollout_gone(&fleet->engine, mw_span_of("m3"));
    start(fleet, B);
    report(fleet, "m2", B);
    score(fleet, "m2", B, 10, 0.1F, 1);
    scorer_serves_all(fleet, B);
    /* Both that ever went first have entries of their own. */
    assert_stage(fleet, MW_ROLLOUT_DONE, "m2=b/canary *=b/all m1=b/all m2=b/all ");
}

static void nobody_alive(void **state)
{
    struct fleet *fleet = *state;
    start(fleet, A);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "");
    fleet->now += 11 * SECOND;
    mw_rollout_tick(&fleet->engine, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ALL, "*=a/all ");
    mw_rollout_scorer_reported(&fleet->engine, mw_span_of("*"), mw_span_of(A), nothing, nothing,
                               fleet->now);
    assert_stage(fleet, MW_ROLLOUT_DONE, "");
}

static void straggler_does_not_hold_up_for_ever(void **state)
{
    struct fleet *fleet = *state;
    report(fleet, "m1", "");
    report(fleet, "m2", "");
    start(fleet, A);
    report(fleet, "m1", A);
    score(fleet, "m1", A, 10, 0.1F, 1);
    fleet->now += 61 * SECOND;
    report(fleet, "m2", "");
    mw_rollout_tick(&fleet->engine, fleet->now);
    assert_string_equal(mw_rollout_stage_name(newest(fleet)->stage), "stalled");
    assert_string_equal(newest(fleet)->reason,
                        "1 thing and the scorer had not reported it in time");
    assert_string_equal(waits(fleet), "1 thing and the scorer to report it");
    assert_string_equal(mw_rollout_in_use(&fleet->engine, ""), A);
    unsigned changes = fleet->changes;
    mw_rollout_tick(&fleet->engine, fleet->now + 61 * SECOND);
    assert_int_equal(fleet->changes, changes); /* said once */
    report(fleet, "m2", A);
    scorer_serves_all(fleet, A);
    assert_string_equal(mw_rollout_stage_name(newest(fleet)->stage), "done");
}

/* Whoever comes late may still refuse, and a person may still give up. */
static void stalled_rollout_can_be_taken_back(void **state)
{
    struct fleet *fleet = *state;
    report(fleet, "m1", "");
    report(fleet, "m2", "");
    start(fleet, A);
    report(fleet, "m1", A);
    score(fleet, "m1", A, 10, 0.1F, 1);
    fleet->now += 61 * SECOND;
    mw_rollout_tick(&fleet->engine, fleet->now);
    fleet->sent[0] = '\0';
    mw_rollout_reported(&fleet->engine, mw_span_of("m2"), nothing, mw_span_of(A), nothing, nothing,
                        fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "*=-/rollback m1=-/rollback ");
}

/* What was refused when another roll-out asked for it is no answer to this one. */
static void an_old_refusal_does_not_count(void **state)
{
    struct fleet *fleet = *state;
    struct mw_span a = mw_span_of(A), b = mw_span_of(B);
    with_bundle(fleet, A);
    start(fleet, B);
    struct mw_span first = mw_span_of(newest(fleet)->id);
    for (int i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        mw_rollout_reported(&fleet->engine, mw_span_of(name), a, b, nothing, first, fleet->now);
    }
    assert_int_equal(newest(fleet)->stage, MW_ROLLOUT_ROLLED_BACK);
    char old[MW_ROLLOUT_ID];
    memcpy(old, newest(fleet)->id, sizeof old);
    start(fleet, B);
    for (int i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        mw_rollout_reported(&fleet->engine, mw_span_of(name), a, b, nothing, mw_span_of(old),
                            fleet->now);
    }
    assert_int_equal(newest(fleet)->stage, MW_ROLLOUT_CANARY);
    report(fleet, "m1", B);
    score(fleet, "m1", B, 10, 0.1F, 1);
    assert_int_equal(newest(fleet)->stage, MW_ROLLOUT_ALL);
    for (int i = 2; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        mw_rollout_reported(&fleet->engine, mw_span_of(name), a, b, nothing,
                            mw_span_of(newest(fleet)->id), fleet->now);
    }
    assert_int_equal(newest(fleet)->stage, MW_ROLLOUT_ROLLED_BACK);
}

static void many_refusals_in_all_take_back(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    start(fleet, B);
    report(fleet, "m1", B);
    score(fleet, "m1", B, 10, 0.1F, 1);
    fleet->sent[0] = '\0';
    mw_rollout_reported(&fleet->engine, mw_span_of("m2"), mw_span_of(A), mw_span_of(B), nothing,
                        nothing, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ALL, "");
    mw_rollout_reported(&fleet->engine, mw_span_of("m3"), mw_span_of(A), mw_span_of(B), nothing,
                        nothing, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "*=a/rollback m1=a/rollback ");
    assert_string_equal(mw_rollout_in_use(&fleet->engine, ""), A);
}

static void newer_bundle_supersedes(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    start(fleet, B);
    start(fleet, C);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=b/canary m1=a/rollback m1=c/canary ");
    assert_int_equal(fleet->engine.rollout[1].stage, MW_ROLLOUT_HALTED);
    assert_string_equal(newest(fleet)->previous, A);
    assert_string_equal(newest(fleet)->id, "r-3");
}

/* The newer bundle goes to other things first, and fails: nobody is left with the one before. */
static void superseded_canary_is_not_forgotten(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    start(fleet, B);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=b/canary ");
    mw_rollout_gone(&fleet->engine, mw_span_of("m1"));
    start(fleet, C);
    mw_rollout_reported(&fleet->engine, mw_span_of("m2"), mw_span_of(A), mw_span_of(C),
                        mw_span_of("golden vectors"), nothing, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=a/rollback m2=c/canary m2=a/rollback ");
}

static void machine_goes_to_its_device(void **state)
{
    struct fleet *fleet = *state;
    (void)mw_rollout_seen(&fleet->engine, mw_span_of("gateway"), mw_span_of("pump-1"), fleet->now);
    report(fleet, "gateway", "");
    start_of_machine(fleet, A, "pump-1");
    start_of_machine(fleet, B, "pump-2");
    assert_stage(fleet, MW_ROLLOUT_CANARY, "gateway=a/canary pump-2=b/canary ");
    assert_string_equal(mw_rollout_in_use(&fleet->engine, "pump-1"), "");
    report(fleet, "gateway", A);
    score(fleet, "gateway", A, 10, 0.1F, 1);
    assert_int_equal(fleet->engine.rollout[0].stage, MW_ROLLOUT_DONE);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "gateway=a/all ");
    assert_string_equal(mw_rollout_in_use(&fleet->engine, "pump-1"), A);
    assert_string_equal(mw_rollout_in_use(&fleet->engine, ""), "");
}

static void machine_without_a_trial(void **state)
{
    struct fleet *fleet = *state;
    fleet->engine.config.canary = 0;
    report(fleet, "pump-1", "");
    start_of_machine(fleet, A, "pump-1");
    assert_stage(fleet, MW_ROLLOUT_ALL, "pump-1=a/all ");
    report(fleet, "pump-1", A);
    score(fleet, "pump-1", A, 1, 0.1F, 1);
    assert_stage(fleet, MW_ROLLOUT_DONE, "");
}

static void by_hand(void **state)
{
    struct fleet *fleet = *state;
    struct mw_rollout_engine *engine = &fleet->engine;
    assert_int_equal(mw_rollout_halt(engine, NULL, "me", fleet->now, NULL), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_rollout_start(engine, "latest", "", fleet->expected, fleet->now, NULL),
                     MW_ERR_ARGUMENT);
    with_bundle(fleet, A);
    assert_int_equal(mw_rollout_halt(engine, NULL, "me", fleet->now, NULL), MW_ERR_STATE);
    start(fleet, B);
    assert_int_equal(mw_rollout_halt(engine, "r-2", "me", fleet->now, NULL), MW_OK);
    assert_stage(fleet, MW_ROLLOUT_HALTED, "m1=b/canary ");
    assert_int_equal(mw_rollout_back(engine, NULL, "me", fleet->now, NULL), MW_OK);
    assert_int_equal(mw_rollout_back(engine, NULL, "me", fleet->now, NULL), MW_ERR_STATE);
    assert_string_equal(newest(fleet)->reason, "rolled back by me");
}

static void goes_on_after_a_restart(void **state)
{
    struct fleet *fleet = *state;
    struct mw_buffer json[2] = {0};
    with_bundle(fleet, A);
    start(fleet, B);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(mw_rollout_print(&fleet->engine.rollout[i], &json[i]), MW_OK);
    }
    mw_rollout_engine_clear(&fleet->engine);
    init(fleet);
    fleet->sent[0] = '\0';
    for (size_t i = 2; i-- > 0;) {
        struct mw_rollout rollout;
        assert_int_equal(mw_rollout_parse((struct mw_span){json[i].data, json[i].size}, &rollout),
                         MW_OK);
        assert_int_equal(mw_rollout_load(&fleet->engine, &rollout), MW_OK);
        mw_buffer_free(&json[i]);
    }
    assert_string_equal(newest(fleet)->id, "r-2");
    mw_rollout_tick(&fleet->engine, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "");
    report(fleet, "m1", B);
    score(fleet, "m1", B, 7, 0.1F, 1);
    score(fleet, "m1", B, 3, 0.9F, 1); /* still compared with what was before */
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=a/rollback ");
    assert_non_null(strstr(newest(fleet)->reason, "alarm rate"));
}

static void canaries_that_vanish_take_back(void **state)
{
    struct fleet *fleet = *state;
    with_bundle(fleet, A);
    start(fleet, B);
    report(fleet, "m1", B);
    mw_rollout_gone(&fleet->engine, mw_span_of("m1"));
    fleet->now += 30 * SECOND;
    mw_rollout_tick(&fleet->engine, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_CANARY, "m1=b/canary ");
    fleet->now += 31 * SECOND;
    mw_rollout_tick(&fleet->engine, fleet->now);
    assert_stage(fleet, MW_ROLLOUT_ROLLED_BACK, "m1=a/rollback ");
}

static void it_says_what_it_waits_for(void **state)
{
    struct fleet *fleet = *state;
    start(fleet, A);
    assert_string_equal(waits(fleet), "a thing to go first");
    report(fleet, "m1", "");
    assert_string_equal(waits(fleet), "m1 to report it");
    report(fleet, "m1", A);
    score(fleet, "m1", A, 4, 0.1F, 1);
    score(fleet, "m1", A, 3, 0.1F, 0); /* of unknown weight: no evidence */
    assert_string_equal(waits(fleet), "scores of the first things, 4 of 10 so far");
    report(fleet, "m2", "");
    score(fleet, "m1", A, 6, 0.1F, 1);
    assert_string_equal(waits(fleet), "1 thing and the scorer to report it");
    scorer_serves_all(fleet, A);
    assert_string_equal(waits(fleet), "1 thing to report it");
    report(fleet, "m2", A);
    assert_string_equal(newest(fleet)->reason, "2 things and the scorer run it");
    assert_string_equal(waits(fleet), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(canary_then_all_then_done),
        TEST(refusal_takes_back),
        TEST(gone_things_are_not_waited_for),
        TEST(nobody_alive),
        TEST(straggler_does_not_hold_up_for_ever),
        TEST(an_old_refusal_does_not_count),
        TEST(many_refusals_in_all_take_back),
        TEST(newer_bundle_supersedes),
        TEST(superseded_canary_is_not_forgotten),
        TEST(stalled_rollout_can_be_taken_back),
        TEST(machine_goes_to_its_device),
        TEST(machine_without_a_trial),
        TEST(by_hand),
        TEST(goes_on_after_a_restart),
        TEST(canaries_that_vanish_take_back),
        TEST(it_says_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
