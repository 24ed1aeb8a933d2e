/* rollout_heard.c - what things and scorer let the engine know. */
#include "tiers/platform/rollout_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVIDENCE_MOST = 1000 }; /* scores after which older ones count half */

static void copy(char *out, size_t capacity, struct mw_span text)
{
    size_t n = text.size < capacity - 1 ? text.size : capacity - 1;
    if (n > 0) {
        memcpy(out, text.data, n);
    }
    out[n] = '\0';
}

struct mw_rollout_thing *mw_rollout_seen(struct mw_rollout_engine *engine, struct mw_span device,
                                         struct mw_span machine, int64_t now)
{
    struct mw_rollout_thing *thing = mw_table_find(&engine->things, device);
    if (thing == NULL) {
        thing = mw_name_valid(device) ? calloc(1, sizeof *thing) : NULL;
        if (thing == NULL) {
            return NULL;
        }
        copy(thing->name, sizeof thing->name, device);
        thing->key.name = (struct mw_span){thing->name, device.size};
        if (mw_table_add(&engine->things, thing) != MW_OK) {
            free(thing);
            return NULL;
        }
    }
    if (machine.size > 0) {
        copy(thing->machine, sizeof thing->machine, machine);
    }
    thing->seen = now;
    thing->gone = false;
    return thing;
}

void mw_rollout_record(struct mw_rollout_engine *engine, struct mw_span device,
                       struct mw_span machine, int64_t now)
{
    struct mw_rollout_thing *thing = mw_rollout_seen(engine, device, machine, now);
    if (thing != NULL) {
        thing->unscored++;
    }
}

void mw_rollout_gone(struct mw_rollout_engine *engine, struct mw_span device)
{
    struct mw_rollout_thing *thing = mw_table_find(&engine->things, device);
    if (thing != NULL) {
        thing->gone = true;
    }
}

static void count(struct mw_rollout_evidence *evidence, float score, double p)
{
    double weight = p <= 1 ? 1 / p : 1;
    bool alarm = score >= MW_ROLLOUT_ALARM;
    if (evidence->scores >= EVIDENCE_MOST) {
        evidence->scores /= 2;
        evidence->alarms /= 2;
        evidence->weight /= 2;
        evidence->alarm_weight /= 2;
    }
    evidence->scores++;
    evidence->alarms += alarm ? 1 : 0;
    evidence->weight += weight;
    evidence->alarm_weight += alarm ? weight : 0;
}

static bool is_canary(const struct mw_rollout *rollout, struct mw_span device)
{
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        if (mw_span_is(device, rollout->canary[i])) {
            return true;
        }
    }
    return false;
}

/* A bundle that the scorer is seen to run for a device, by a score or by its own word. That it does
 * so for those that went first says nothing about the others. */
static bool note_scorer(struct mw_rollout_engine *engine, struct mw_span serves,
                        struct mw_span bundle)
{
    bool news = false;
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        struct mw_rollout *rollout = &engine->rollout[i];
        bool one = rollout->machine[0] != '\0' || rollout->stage == MW_ROLLOUT_CANARY;
        if (mw_rollout_is_active(rollout) && !rollout->scorer &&
            mw_span_is(bundle, rollout->bundle) && is_canary(rollout, serves) == one) {
            rollout->scorer = true;
            news = true;
        }
    }
    return news;
}

static bool any_active(const struct mw_rollout_engine *engine)
{
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        if (mw_rollout_is_active(&engine->rollout[i])) {
            return true;
        }
    }
    return false;
}

void mw_rollout_score(struct mw_rollout_engine *engine, struct mw_span device, struct mw_span model,
                      float score, double p, int64_t now)
{
    struct mw_rollout_thing *thing =
        mw_rollout_seen(engine, device, (struct mw_span){NULL, 0}, now);
    if (thing == NULL) {
        return;
    }
    if (!mw_span_is(model, thing->model)) {
        copy(thing->model, sizeof thing->model, model);
        thing->evidence = (struct mw_rollout_evidence){0};
    }
    if (p > 0) {
        count(&thing->evidence, score, p);
    }
    thing->unscored = 0;
    thing->score = score;
    if (any_active(engine)) {
        (void)note_scorer(engine, device, model);
        mw_rollout_judge(engine, now);
    }
}

/* A refusal takes back at once what is still with the first things, or with one machine. */
static void note_refusal(struct mw_rollout_engine *engine, struct mw_span who, bool scorer,
                         struct mw_span refused, struct mw_span why, struct mw_span answers,
                         int64_t now)
{
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        struct mw_rollout *rollout = &engine->rollout[i];
        bool ours = scorer || is_canary(rollout, who);
        bool early = rollout->stage == MW_ROLLOUT_CANARY || rollout->machine[0] != '\0' || scorer;
        bool this_order = answers.size == 0 || mw_span_is(answers, rollout->id);
        if (ours && early && this_order && mw_rollout_is_active(rollout) &&
            mw_span_is(refused, rollout->bundle)) {
            char reason[MW_ROLLOUT_REASON];
            snprintf(reason, sizeof reason, "%.*s refused it: %.*s", (int)who.size, who.data,
                     (int)(why.size > 100 ? 100 : why.size), why.size > 0 ? why.data : "");
            mw_rollout_take_back(engine, rollout, now, reason);
        }
    }
}

void mw_rollout_reported(struct mw_rollout_engine *engine, struct mw_span device,
                         struct mw_span bundle, struct mw_span refused, struct mw_span reason,
                         struct mw_span rollout, int64_t now)
{
    struct mw_rollout_thing *thing =
        mw_rollout_seen(engine, device, (struct mw_span){NULL, 0}, now);
    if (thing == NULL) {
        return;
    }
    thing->carrier = true;
    copy(thing->reported, sizeof thing->reported, bundle);
    copy(thing->refused, sizeof thing->refused, refused);
    copy(thing->refused_in, sizeof thing->refused_in, rollout);
    copy(thing->reason, sizeof thing->reason, reason);
    if (refused.size > 0) {
        note_refusal(engine, device, false, refused, reason, rollout, now);
    }
    mw_rollout_judge(engine, now);
}

void mw_rollout_scorer_reported(struct mw_rollout_engine *engine, struct mw_span serves,
                                struct mw_span bundle, struct mw_span refused,
                                struct mw_span reason, int64_t now)
{
    if (refused.size > 0) {
        note_refusal(engine, mw_span_of("the scorer"), true, refused, reason,
                     (struct mw_span){NULL, 0}, now);
    }
    if (note_scorer(engine, serves, bundle)) {
        mw_rollout_judge(engine, now);
    }
}
