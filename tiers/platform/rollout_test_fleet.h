/* rollout_test_fleet.h - an engine of rollouts with things that report what a test says. */
#ifndef MW_PLATFORM_ROLLOUT_TEST_FLEET_H
#define MW_PLATFORM_ROLLOUT_TEST_FLEET_H

#include "tiers/platform/rollout.h"

#include "lib/artifact/bundle.h"
#include "lib/base/file.h"
#include "lib/base/test.h"

#include <math.h>

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

static inline void on_update(void *context, const char *device, const char *bundle,
                             const char *rollout, const char *stage)
{
    struct fleet *fleet = context;
    size_t at = strlen(fleet->sent);
    assert_non_null(rollout);
    snprintf(fleet->sent + at, sizeof fleet->sent - at, "%s=%c/%s ", device,
             bundle[0] == '\0' ? '-' : bundle[7], stage);
}

static inline void on_changed(void *context, const struct mw_rollout *rollout)
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

static inline void init(struct fleet *fleet)
{
    struct mw_rollout_config config = {
        .canary = 1, .records = 10, .alarm_ratio = 5, .timeout = 60 * SECOND};
    struct mw_rollout_effects effects = {on_update, on_changed, fleet};
    mw_rollout_engine_init(&fleet->engine, &config, &effects, fleet->now);
}

static inline int set_up(void **state)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    assert_non_null(fleet);
    fleet->now = INT64_C(1800000000) * SECOND;
    fleet->expected = (double)NAN;
    init(fleet);
    *state = fleet;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fleet *fleet = *state;
    mw_rollout_engine_clear(&fleet->engine);
    free(fleet);
    return 0;
}

static const struct mw_span nothing = {NULL, 0};

static inline void report(struct fleet *fleet, const char *device, const char *bundle)
{
    mw_rollout_reported(&fleet->engine, mw_span_of(device), mw_span_of(bundle), nothing, nothing,
                        nothing, fleet->now);
}

static inline void scorer_serves_all(struct fleet *fleet, const char *bundle)
{
    mw_rollout_scorer_reported(&fleet->engine, mw_span_of("*"), mw_span_of(bundle), nothing,
                               nothing, fleet->now);
}

static inline void score(struct fleet *fleet, const char *device, const char *model, unsigned n,
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

static inline void assert_stage(struct fleet *fleet, enum mw_rollout_stage stage, const char *sent)
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

static inline void start(struct fleet *fleet, const char *bundle)
{
    assert_int_equal(
        mw_rollout_start(&fleet->engine, bundle, "", fleet->expected, fleet->now, NULL), MW_OK);
}

/* Three things that run `bundle`. */
static inline void with_bundle(struct fleet *fleet, const char *bundle)
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

static inline void start_of_machine(struct fleet *fleet, const char *bundle, const char *machine)
{
    assert_int_equal(
        mw_rollout_start(&fleet->engine, bundle, machine, fleet->expected, fleet->now, NULL),
        MW_OK);
}

#endif
