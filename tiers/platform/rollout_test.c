#include "tiers/platform/rollout.h"

#include "lib/artifact/bundle.h"
#include "lib/base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct fleet {
    struct mw_rollout_engine engine;
    int64_t now;
    char sent[4096]; /* "device=bundle's letter/stage " for each update */
    unsigned changes;
    double expected; /* of the bundles that are rolled out */
};

static void on_update(void *context, const char *device, const char *bundle, const char *rollout,
                      const char *stage)
{
    struct fleet *fleet = context;
    size_t at = strlen(fleet->sent);
    assert_non_null(rollout);
    snprintf(fleet->sent + at, sizeof fleet->sent - at, "%s=%c/%s ", device,
             bundle[0] == '\0' ? '-' : bundle[7], stage);
}

static void on_changed(void *context, const struct mw_rollout *rollout)
{
    struct fleet *fleet = context;
    struct mw_buffer json = {0};
    struct mw_rollout back;
    fleet->changes++;
    /* What is kept can be read again. */
    assert_int_equal(mw_rollout_print(rollout, &json), MW_OK);
    assert_int_equal(mw_rollout_parse((struct mw_span){json.data, json.size}, &back), MW_OK);
    assert_string_equal(back.id, rollout->id);
    assert_string_equal(back.bundle, rollout->bundle);
    assert_string_equal(back.previous, rollout->previous);
    assert_string_equal(back.reason, rollout->reason);
    assert_int_equal(back.stage, rollout->stage);
    assert_int_equal(back.since, rollout->since);
    assert_int_equal(back.n_canaries, rollout->n_canaries);
    assert_int_equal(back.before.scores, rollout->before.scores);
    assert_true(back.expected == rollout->expected ||
                (isnan(back.expected) && isnan(rollout->expected)));
    free(back.canary);
    mw_buffer_free(&json);
}

static void init(struct fleet *fleet)
{
    struct mw_rollout_config config = {
        .canary = 1, .records = 10, .alarm_ratio = 5, .timeout = 60 * SECOND};
    struct mw_rollout_effects effects = {on_update, on_changed, fleet};
    mw_rollout_engine_init(&fleet->engine, &config, &effects, fleet->now);
}

static int set_up(void **state)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    assert_non_null(fleet);
    fleet->now = INT64_C(1800000000) * SECOND;
    fleet->expected = (double)NAN;
    init(fleet);
    *state = fleet;
    return 0;
}

static int tear_down(void **state)
{
    struct fleet *fleet = *state;
    mw_rollout_engine_clear(&fleet->engine);
    free(fleet);
    return 0;
}

static const struct mw_span nothing = {NULL, 0};

static void report(struct fleet *fleet, const char *device, const char *bundle)
{
    mw_rollout_reported(&fleet->engine, mw_span_of(device), mw_span_of(bundle), nothing, nothing,
                        nothing, fleet->now);
}

static void scorer_serves_all(struct fleet *fleet, const char *bundle)
{
    mw_rollout_scorer_reported(&fleet->engine, mw_span_of("*"), mw_span_of(bundle), nothing,
                               nothing, fleet->now);
}

static void score(struct fleet *fleet, const char *device, const char *model, unsigned n,
                  float value, double p)
{
    for (unsigned i = 0; i < n; i++) {
        mw_rollout_score(&fleet->engine, mw_span_of(device), mw_span_of(model), value, p,
                         fleet->now);
    }
}

static const struct mw_rollout *newest(const struct fleet *fleet)
{
    return &fleet->engine.rollout[fleet->engine.n_rollouts - 1];
}

static void assert_stage(struct fleet *fleet, enum mw_rollout_stage stage, const char *sent)
{
    assert_string_equal(mw_rollout_stage_name(newest(fleet)->stage), mw_rollout_stage_name(stage));
    assert_string_equal(fleet->sent, sent);
    fleet->sent[0] = '\0';
}

static const char *waits(const struct fleet *fleet)
{
    static char text[MW_ROLLOUT_REASON];
    mw_rollout_waits(&fleet->engine, newest(fleet), fleet->now, text);
    return text;
}

static void start(struct fleet *fleet, const char *bundle)
{
    assert_int_equal(
        mw_rollout_start(&fleet->engine, bundle, "", fleet->expected, fleet->now, NULL), MW_OK);
}

/* Three things that run `bundle`. */
static void with_bundle(struct fleet *fleet, const char *bundle)
{
    static const char *const names[] = {"m1", "m2", "m3"};
    for (size_t i = 0; i < 3; i++) {
        report(fleet, names[i], "");
    }
    start(fleet, bundle);
    report(fleet, "m1", bundle);
    score(fleet, "m1", bundle, 10, 0.1F, 1);
    report(fleet, "m2", bundle);
    report(fleet, "m3", bundle);
    scorer_serves_all(fleet, bundle);
    assert_string_equal(mw_rollout_stage_name(newest(fleet)->stage), "done");
    score(fleet, "m1", bundle, 90, 0.1F, 1);
    fleet->sent[0] = '\0';
}

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

static void start_of_machine(struct fleet *fleet, const char *bundle, const char *machine)
{
    assert_int_equal(
        mw_rollout_start(&fleet->engine, bundle, machine, fleet->expected, fleet->now, NULL),
        MW_OK);
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
        TEST(canary_then_all_then_done),
        TEST(scores_alone_do_not_promote),
        TEST(refusal_takes_back),
        TEST(too_many_alarms_take_back),
        TEST(alarms_are_weighted),
        TEST(thing_in_alarm_goes_last),
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
        TEST(first_model_that_cries_wolf),
        TEST(chance_alarms_only_delay),
        TEST(as_many_alarms_as_before_are_no_fault),
        TEST(a_bundle_foresees_its_alarms),
        TEST(by_hand),
        TEST(goes_on_after_a_restart),
        TEST(canaries_that_vanish_take_back),
        TEST(it_says_what_it_waits_for),
        TEST(records_without_scores_take_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
