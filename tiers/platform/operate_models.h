/* operate_models.h - Rollouts and Bundles beside what a plant's page says of its models: no input,
 * no output.
 *
 * A Rollout asks the page (POST /api/rollout) for what it wants, once, and then says how that goes.
 * One that the page began for the same bundle after the Rollout was made is taken for its own, so
 * that an operator which died between asking and writing that down does not ask twice. */
#ifndef MW_PLATFORM_OPERATE_MODELS_H
#define MW_PLATFORM_OPERATE_MODELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct mw_operate_rollout_step {
    json_t *ask;    /* body for the page; NULL: nothing to ask; the caller's */
    json_t *status; /* to write; the caller's */
};

/* rollout: the custom resource; page: the answer to GET /api/state. */
void mw_operate_rollout_next(const json_t *rollout, const json_t *page, int64_t now,
                             struct mw_operate_rollout_step *step);
/* What the page's answer to `ask` means: http: its status, text: its words when it refused. */
json_t *mw_operate_rollout_asked(const json_t *rollout, const json_t *ask, long http,
                                 const json_t *answer, const char *text, int64_t now);
/* Is there nothing left to do or to watch? */
bool mw_operate_rollout_is_over(const json_t *rollout);

/* The Bundles that the page knows of: of its newest model. An array of objects to apply, each with
 * its status in it; `known` are the Bundles that are there already, by name, whose status may
 * change too. plant: their owner. The caller's. */
json_t *mw_operate_bundles(const json_t *plant, const json_t *known, const json_t *page,
                           int64_t now);

#endif
