/* rollout_gates.c - who goes first, and what it takes to go on. */
#include "tiers/platform/rollout_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After a start things have this long to be heard of, before "nobody is alive" is believed. */
#define GRACE (10 * INT64_C(1000000))

enum { REFUSALS = 3 }; /* in stage all: rolled back when more than one in so many refuse */

/* ---- choosing the first things ---- */

static int by_fitness(const void *a, const void *b)
{
    const struct mw_rollout_thing *x = *(const struct mw_rollout_thing *const *)a;
    const struct mw_rollout_thing *y = *(const struct mw_rollout_thing *const *)b;
    bool x_alarms = x->score >= MW_ROLLOUT_ALARM, y_alarms = y->score >= MW_ROLLOUT_ALARM;
    return x_alarms != y_alarms ? (x_alarms ? 1 : -1) : strcmp(x->name, y->name);
}

static void add_evidence(struct mw_rollout_evidence *sum, const struct mw_rollout_evidence *more)
{
    sum->scores += more->scores;
    sum->alarms += more->alarms;
    sum->weight += more->weight;
    sum->alarm_weight += more->alarm_weight;
}

void mw_rollout_goes_first(struct mw_rollout *rollout, struct mw_rollout_thing *thing)
{
    thing->unscored = 0; /* without a model none is */
    if (strcmp(thing->model, rollout->previous) == 0) {
        add_evidence(&rollout->before, &thing->evidence);
    }
}

/* Canaries: the first alive ones, those in alarm last, since a machine that breaks down while it is
 * watched would be held against the new bundle. */
static void choose(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now)
{
    size_t n = 0, at = 0;
    struct mw_rollout_thing *thing;
    struct mw_rollout_thing **alive = calloc(engine->things.count + 1, sizeof(void *));
    if (alive == NULL) {
        return;
    }
    while ((thing = mw_table_next(&engine->things, &at)) != NULL) {
        if (mw_rollout_alive(engine, thing, now)) {
            alive[n++] = thing;
        }
    }
    qsort(alive, n, sizeof(void *), by_fitness);
    n = n > (size_t)engine->config.canary ? (size_t)engine->config.canary : n;
    rollout->canary = n == 0 ? NULL : calloc(n, sizeof *rollout->canary);
    for (size_t i = 0; i < n && rollout->canary != NULL; i++) {
        memcpy(rollout->canary[i], alive[i]->name, sizeof alive[i]->name);
        rollout->n_canaries = i + 1;
        mw_rollout_goes_first(rollout, alive[i]);
    }
    free(alive);
    if (rollout->n_canaries == 0) {
        return;
    }
    mw_rollout_enter(engine, rollout, MW_ROLLOUT_CANARY, now, "%zu thing%s first",
                     rollout->n_canaries, rollout->n_canaries == 1 ? "" : "s");
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        mw_rollout_tell(engine, rollout, rollout->canary[i], rollout->bundle, "canary");
    }
}

/* ---- gates ---- */

static const struct mw_rollout_thing *find(const struct mw_rollout_engine *engine,
                                           const char *device)
{
    return mw_table_find(&engine->things, mw_span_of(device));
}

/* What the canaries have scored under the new bundle. */
static void sum_evidence(const struct mw_rollout_engine *engine, struct mw_rollout *rollout)
{
    struct mw_rollout_evidence sum = {0};
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        const struct mw_rollout_thing *thing = find(engine, rollout->canary[i]);
        if (thing != NULL && strcmp(thing->model, rollout->bundle) == 0) {
            add_evidence(&sum, &thing->evidence);
        }
    }
    rollout->after = sum;
}

/* The first canary that keeps the rollout waiting: alive or not, it has not reported. */
static const char *waits_for(const struct mw_rollout_engine *engine,
                             const struct mw_rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        const struct mw_rollout_thing *thing = find(engine, rollout->canary[i]);
        if (thing == NULL || (thing->carrier && strcmp(thing->reported, rollout->bundle) != 0)) {
            return rollout->canary[i];
        }
    }
    return NULL;
}

/* The first canary whose records come and are not scored; NULL: a quiet one owes nothing. */
static const struct mw_rollout_thing *unscored(const struct mw_rollout_engine *engine,
                                               const struct mw_rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        const struct mw_rollout_thing *thing = find(engine, rollout->canary[i]);
        if (thing != NULL && thing->unscored > (uint64_t)engine->config.records) {
            return thing;
        }
    }
    return NULL;
}

static bool any_alive(const struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                      int64_t now)
{
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        const struct mw_rollout_thing *thing = find(engine, rollout->canary[i]);
        if (thing != NULL && mw_rollout_alive(engine, thing, now)) {
            return true;
        }
    }
    return false;
}

static void judge_canary(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now)
{
    char reason[MW_ROLLOUT_REASON];
    if (rollout->n_canaries == 0) {
        if (engine->config.canary > 0) {
            choose(engine, rollout, now);
        }
        bool nobody = engine->config.canary == 0 || now - engine->started > GRACE;
        if (rollout->n_canaries == 0 && nobody) {
            mw_rollout_promote(engine, rollout, now, "no thing to go first");
        }
        return;
    }
    const char *late = waits_for(engine, rollout);
    /* Things that were not heard of because nobody listened are not late. */
    int64_t from = rollout->since > engine->started ? rollout->since : engine->started;
    bool over = now - from > engine->config.timeout;
    if (late != NULL && over) {
        snprintf(reason, sizeof reason, "%s has not reported it in time", late);
        mw_rollout_take_back(engine, rollout, now, reason);
        return;
    }
    sum_evidence(engine, rollout);
    enum mw_rollout_alarms alarms = mw_rollout_judge_alarms(engine, rollout, reason);
    if (alarms == MW_ROLLOUT_ALARMS_MANY) {
        mw_rollout_take_back(engine, rollout, now, reason);
        return;
    }
    if (late == NULL && alarms == MW_ROLLOUT_ALARMS_FEW &&
        rollout->after.scores >= (uint64_t)engine->config.records) {
        mw_rollout_promote(engine, rollout, now, "the first things run it well");
        return;
    }
    const struct mw_rollout_thing *owed = unscored(engine, rollout);
    if (over && owed != NULL) {
        snprintf(reason, sizeof reason, "of %s the newest %llu records were not scored", owed->name,
                 (unsigned long long)owed->unscored);
        mw_rollout_take_back(engine, rollout, now, reason);
    } else if (over && !any_alive(engine, rollout, now)) {
        mw_rollout_take_back(engine, rollout, now, "no thing that went first is alive any more");
    }
}

struct spread {
    unsigned waiting, refused, alive;
};

static struct spread spread_of(const struct mw_rollout_engine *engine,
                               const struct mw_rollout *rollout, int64_t now)
{
    struct spread spread = {0};
    size_t at = 0;
    const struct mw_rollout_thing *thing;
    while ((thing = mw_table_next(&engine->things, &at)) != NULL) {
        bool ours = rollout->machine[0] == '\0' ||
                    (rollout->n_canaries > 0 && strcmp(thing->name, rollout->canary[0]) == 0);
        if (!ours || !thing->carrier || !mw_rollout_alive(engine, thing, now)) {
            continue;
        }
        spread.alive++;
        if (strcmp(thing->refused, rollout->bundle) == 0 &&
            (thing->refused_in[0] == '\0' || strcmp(thing->refused_in, rollout->id) == 0)) {
            spread.refused++;
        } else if (strcmp(thing->reported, rollout->bundle) != 0) {
            spread.waiting++;
        }
    }
    return spread;
}

static void judge_all(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now)
{
    struct spread spread = spread_of(engine, rollout, now);
    bool late = now - rollout->since > engine->config.timeout;
    if (spread.refused * REFUSALS > spread.alive) {
        char reason[MW_ROLLOUT_REASON];
        snprintf(reason, sizeof reason, "%u of %u things refuse it", spread.refused, spread.alive);
        mw_rollout_take_back(engine, rollout, now, reason);
    } else if (spread.waiting == 0 && rollout->scorer) {
        mw_rollout_enter(engine, rollout, MW_ROLLOUT_DONE, now, "%u things and the scorer run it",
                         spread.alive - spread.refused);
    } else if (late && rollout->stage == MW_ROLLOUT_ALL) {
        mw_rollout_enter(engine, rollout, MW_ROLLOUT_STALLED, now,
                         "%u thing%s%s had not reported it in time", spread.waiting,
                         spread.waiting == 1 ? "" : "s", rollout->scorer ? "" : " and the scorer");
    }
}

static void wait_of_first(const struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                          char text[MW_ROLLOUT_REASON])
{
    const char *late = waits_for(engine, rollout);
    if (rollout->n_canaries == 0) {
        snprintf(text, MW_ROLLOUT_REASON, "a thing to go first");
    } else if (late != NULL) {
        snprintf(text, MW_ROLLOUT_REASON, "%s to report it", late);
    } else if (rollout->after.scores < (uint64_t)engine->config.records) {
        snprintf(text, MW_ROLLOUT_REASON, "scores of the first things, %llu of %lld so far",
                 (unsigned long long)rollout->after.scores, (long long)engine->config.records);
    } else {
        snprintf(text, MW_ROLLOUT_REASON,
                 "more scores of the first things, to know whether their alarms are chance");
    }
}

void mw_rollout_waits(const struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                      int64_t now, char text[MW_ROLLOUT_REASON])
{
    text[0] = '\0';
    if (rollout->stage == MW_ROLLOUT_CANARY) {
        wait_of_first(engine, rollout, text);
    } else if (mw_rollout_is_active(rollout)) {
        unsigned waiting = spread_of(engine, rollout, now).waiting;
        const char *scorer = rollout->scorer ? "" : "the scorer";
        if (waiting == 0) {
            snprintf(text, MW_ROLLOUT_REASON, "%s%s", scorer,
                     rollout->scorer ? "" : " to report it");
        } else {
            snprintf(text, MW_ROLLOUT_REASON, "%u thing%s%s%s to report it", waiting,
                     waiting == 1 ? "" : "s", rollout->scorer ? "" : " and ", scorer);
        }
    }
}

void mw_rollout_judge(struct mw_rollout_engine *engine, int64_t now)
{
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        if (engine->rollout[i].stage == MW_ROLLOUT_CANARY) {
            judge_canary(engine, &engine->rollout[i], now);
        }
        if (engine->rollout[i].stage != MW_ROLLOUT_CANARY &&
            mw_rollout_is_active(&engine->rollout[i])) {
            judge_all(engine, &engine->rollout[i], now);
        }
    }
}

void mw_rollout_tick(struct mw_rollout_engine *engine, int64_t now)
{
    mw_rollout_judge(engine, now);
}
