#include "tiers/platform/rollout_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mw_rollout_stage_name(enum mw_rollout_stage stage)
{
    static const char *const names[] = {"canary", "all",         "stalled",
                                        "done",   "rolled-back", "halted"};
    return names[stage];
}

void mw_rollout_engine_init(struct mw_rollout_engine *engine,
                            const struct mw_rollout_config *config,
                            const struct mw_rollout_effects *effects, int64_t now)
{
    *engine = (struct mw_rollout_engine){.config = *config, .effects = *effects, .started = now};
}

void mw_rollout_engine_clear(struct mw_rollout_engine *engine)
{
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        free(engine->rollout[i].canary);
    }
    free(engine->rollout);
    mw_table_clear(&engine->things, free);
    *engine = (struct mw_rollout_engine){0};
}

bool mw_rollout_is_active(const struct mw_rollout *rollout)
{
    return rollout->stage == MW_ROLLOUT_CANARY || rollout->stage == MW_ROLLOUT_ALL ||
           rollout->stage == MW_ROLLOUT_STALLED;
}

static uint64_t number_of(const struct mw_rollout *rollout)
{
    unsigned long long number = 0;
    (void)sscanf(rollout->id, "r-%20llu", &number);
    return number;
}

mw_err mw_rollout_load(struct mw_rollout_engine *engine, struct mw_rollout *rollout)
{
    struct mw_rollout *more = realloc(engine->rollout, (engine->n_rollouts + 1) * sizeof *more);
    if (more == NULL) {
        return MW_ERR_MEMORY;
    }
    engine->rollout = more;
    uint64_t number = number_of(rollout);
    size_t i = engine->n_rollouts++;
    for (; i > 0 && number_of(&more[i - 1]) > number; i--) {
        more[i] = more[i - 1];
    }
    more[i] = *rollout;
    *rollout = (struct mw_rollout){0};
    engine->last_number = number > engine->last_number ? number : engine->last_number;
    return MW_OK;
}

const char *mw_rollout_in_use(const struct mw_rollout_engine *engine, const char *machine)
{
    for (size_t i = engine->n_rollouts; i-- > 0;) {
        const struct mw_rollout *rollout = &engine->rollout[i];
        if (strcmp(rollout->machine, machine) == 0 &&
            (rollout->stage == MW_ROLLOUT_ALL || rollout->stage == MW_ROLLOUT_STALLED ||
             rollout->stage == MW_ROLLOUT_DONE)) {
            return rollout->bundle;
        }
    }
    return "";
}

#define ALIVE_LEAST (60 * INT64_C(1000000))

bool mw_rollout_alive(const struct mw_rollout_engine *engine, const struct mw_rollout_thing *thing,
                      int64_t now)
{
    int64_t window = engine->config.timeout > ALIVE_LEAST ? engine->config.timeout : ALIVE_LEAST;
    return !thing->gone && thing->seen > 0 && now - thing->seen <= window;
}

/* ---- moving between stages ---- */

void mw_rollout_enter(struct mw_rollout_engine *engine, struct mw_rollout *rollout,
                      enum mw_rollout_stage stage, int64_t now, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rollout->reason, sizeof rollout->reason, format, arguments);
    va_end(arguments);
    rollout->stage = stage;
    rollout->since = now;
    engine->effects.changed(engine->effects.context, rollout);
}

void mw_rollout_tell(struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                     const char *device, const char *bundle, const char *stage)
{
    engine->effects.update(engine->effects.context, device, bundle, rollout->id, stage);
}

/* Whoever was a canary once has an entry of its own, which "*" does not reach. */
static void update_all(struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                       const char *bundle, const char *stage)
{
    mw_rollout_tell(engine, rollout, "*", bundle, stage);
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        const struct mw_rollout *other = &engine->rollout[i];
        for (size_t c = 0; c < other->n_canaries && other->machine[0] == '\0'; c++) {
            bool done = false;
            for (size_t j = 0; j < i && !done; j++) {
                for (size_t d = 0; d < engine->rollout[j].n_canaries && !done; d++) {
                    done = strcmp(engine->rollout[j].canary[d], other->canary[c]) == 0;
                }
            }
            if (!done) {
                mw_rollout_tell(engine, rollout, other->canary[c], bundle, stage);
            }
        }
    }
}

void mw_rollout_promote(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now,
                        const char *reason)
{
    bool one = rollout->machine[0] != '\0';
    rollout->scorer = one && rollout->scorer; /* that it serves the first says nothing of others */
    mw_rollout_enter(engine, rollout, MW_ROLLOUT_ALL, now, "%s", reason);
    if (one) {
        mw_rollout_tell(engine, rollout, rollout->canary[0], rollout->bundle, "all");
    } else {
        update_all(engine, rollout, rollout->bundle, "all");
    }
}

void mw_rollout_take_back(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now,
                          const char *reason)
{
    bool everyone = rollout->stage != MW_ROLLOUT_CANARY && rollout->machine[0] == '\0';
    mw_rollout_enter(engine, rollout, MW_ROLLOUT_ROLLED_BACK, now, "%s", reason);
    if (everyone) {
        update_all(engine, rollout, rollout->previous, "rollback");
        return;
    }
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        mw_rollout_tell(engine, rollout, rollout->canary[i], rollout->previous, "rollback");
    }
}

/* ---- what is asked for ---- */

/* Another rollout of the scope that is on its way gives way. Its first things go back to what
 * served before: the newer bundle may choose others, and nobody would judge this one any more. */
static void supersede(struct mw_rollout_engine *engine, const char *machine, int64_t now)
{
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        struct mw_rollout *rollout = &engine->rollout[i];
        if (!mw_rollout_is_active(rollout) || strcmp(rollout->machine, machine) != 0) {
            continue;
        }
        bool first = rollout->stage == MW_ROLLOUT_CANARY;
        mw_rollout_enter(engine, rollout, first ? MW_ROLLOUT_HALTED : MW_ROLLOUT_DONE, now,
                         "a newer bundle came");
        for (size_t c = 0; first && c < rollout->n_canaries; c++) {
            mw_rollout_tell(engine, rollout, rollout->canary[c], rollout->previous, "rollback");
        }
    }
}

/* To the device that speaks for a machine; by the machine's own name when none is known. */
static mw_err send_to_machine(struct mw_rollout_engine *engine, struct mw_rollout *rollout,
                              int64_t now)
{
    struct mw_rollout_thing *thing, *found = NULL;
    size_t at = 0;
    while ((thing = mw_table_next(&engine->things, &at)) != NULL) {
        found = strcmp(thing->machine, rollout->machine) == 0 ? thing : found;
    }
    rollout->canary = calloc(1, sizeof *rollout->canary);
    if (rollout->canary == NULL) {
        return MW_ERR_MEMORY;
    }
    snprintf(rollout->canary[0], sizeof *rollout->canary, "%s",
             found == NULL ? rollout->machine : found->name);
    rollout->n_canaries = 1;
    if (engine->config.canary == 0) {
        mw_rollout_promote(engine, rollout, now, "of one machine");
        return MW_OK;
    }
    if (found != NULL) {
        mw_rollout_goes_first(rollout, found);
    }
    mw_rollout_enter(engine, rollout, MW_ROLLOUT_CANARY, now, "of one machine");
    mw_rollout_tell(engine, rollout, rollout->canary[0], rollout->bundle, "canary");
    return MW_OK;
}

mw_err mw_rollout_start(struct mw_rollout_engine *engine, const char *bundle, const char *machine,
                        double expected, int64_t now, struct mw_error *error)
{
    if (!mw_digest_valid(mw_span_of(bundle)) ||
        (machine[0] != '\0' && !mw_name_valid(mw_span_of(machine)))) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%.80s: a bundle's digest was expected",
                            bundle);
    }
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        if (mw_rollout_is_active(&engine->rollout[i]) &&
            strcmp(engine->rollout[i].bundle, bundle) == 0) {
            return mw_error_set(error, MW_ERR_EXISTS, "%s is on its way with %s", bundle,
                                engine->rollout[i].id);
        }
    }
    const char *in_use = mw_rollout_in_use(engine, machine);
    if (strcmp(in_use, bundle) == 0) {
        return mw_error_set(error, MW_ERR_EXISTS, "%s is in use", bundle);
    }
    struct mw_rollout made = {.time = now, .since = now, .expected = expected};
    snprintf(made.id, sizeof made.id, "r-%llu", (unsigned long long)engine->last_number + 1);
    snprintf(made.bundle, sizeof made.bundle, "%s", bundle);
    snprintf(made.previous, sizeof made.previous, "%s", in_use);
    snprintf(made.machine, sizeof made.machine, "%s", machine);
    supersede(engine, machine, now);
    snprintf(made.reason, sizeof made.reason, "waits for things to be heard of");
    mw_err err = mw_rollout_load(engine, &made);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    struct mw_rollout *rollout = &engine->rollout[engine->n_rollouts - 1];
    if (machine[0] != '\0') {
        err = send_to_machine(engine, rollout, now);
        return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
    }
    engine->effects.changed(engine->effects.context, rollout);
    mw_rollout_judge(engine, now);
    return MW_OK;
}

static struct mw_rollout *find_rollout(struct mw_rollout_engine *engine, const char *id)
{
    for (size_t i = engine->n_rollouts; i-- > 0;) {
        struct mw_rollout *rollout = &engine->rollout[i];
        if (id == NULL ? rollout->machine[0] == '\0' : strcmp(rollout->id, id) == 0) {
            return rollout;
        }
    }
    return NULL;
}

mw_err mw_rollout_halt(struct mw_rollout_engine *engine, const char *id, const char *by,
                       int64_t now, struct mw_error *error)
{
    struct mw_rollout *rollout = find_rollout(engine, id);
    if (rollout == NULL) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "there is no such rollout");
    }
    if (!mw_rollout_is_active(rollout)) {
        return mw_error_set(error, MW_ERR_STATE, "%s is %s", rollout->id,
                            mw_rollout_stage_name(rollout->stage));
    }
    mw_rollout_enter(engine, rollout, MW_ROLLOUT_HALTED, now, "halted by %s", by);
    return MW_OK;
}

mw_err mw_rollout_back(struct mw_rollout_engine *engine, const char *id, const char *by,
                       int64_t now, struct mw_error *error)
{
    struct mw_rollout *rollout = find_rollout(engine, id);
    char reason[MW_ROLLOUT_REASON];
    if (rollout == NULL) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "there is no such rollout");
    }
    if (rollout->stage == MW_ROLLOUT_ROLLED_BACK) {
        return mw_error_set(error, MW_ERR_STATE, "%s is rolled back already", rollout->id);
    }
    bool in_use = strcmp(mw_rollout_in_use(engine, rollout->machine), rollout->bundle) == 0;
    if (rollout->stage == MW_ROLLOUT_DONE && !in_use) {
        return mw_error_set(error, MW_ERR_STATE, "a newer bundle than that of %s is in use",
                            rollout->id);
    }
    snprintf(reason, sizeof reason, "rolled back by %s", by);
    mw_rollout_take_back(engine, rollout, now, reason);
    return MW_OK;
}
