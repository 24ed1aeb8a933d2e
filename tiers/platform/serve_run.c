/* serve_run.c - the run of the pipeline that the learner asked for (retrain.where: pipeline), as
 * the page shows it in `learn`: what came of it is told by whoever ran it. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/platform/serve_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

bool mw_serve_run_waits(const struct mw_serve *serve)
{
    return text_at(serve->learn, "run")[0] != '\0' &&
           json_is_true(json_object_get(serve->learn, "started")) &&
           json_object_get(serve->learn, "bundle") == NULL;
}

/* Into the round: what the page shows, kept for the next start, and with `tell` for the learner. */
static mw_err add(struct mw_serve *serve, const json_t *learn, bool tell, struct mw_error *error)
{
    struct mw_span key = mw_span_of("learn");
    char *text = json_dumps(learn, JSON_COMPACT | JSON_REAL_PRECISION(17));
    mw_err err = text == NULL
                     ? MW_ERR_MEMORY
                     : mw_bridge_round_add(&serve->round, "state", true, key, mw_span_of(text));
    if (err == MW_OK && tell) {
        err = mw_bridge_round_add(&serve->round, "model", false, key, mw_span_of(text));
        if (err != MW_OK) {
            mw_bridge_round_drop(&serve->round);
        }
    }
    free(text);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

void mw_serve_run_published(struct mw_serve *serve, const char *digest, const char *machine)
{
    if (mw_serve_run_waits(serve) && strcmp(text_at(serve->learn, "machine"), machine) == 0) {
        json_object_set_new(serve->learn, "bundle", json_string(digest));
        (void)add(serve, serve->learn, false, NULL);
    }
}

mw_err mw_serve_run_ended(struct mw_serve *serve, const json_t *body, struct mw_error *error)
{
    const char *run = text_at(body, "run"), *reason = text_at(body, "refused");
    if (run[0] == '\0' || reason[0] == '\0') {
        return mw_error_set(error, MW_ERR_PARSE, "run and refused, as texts, were expected");
    }
    if (!mw_serve_run_waits(serve) || strcmp(run, text_at(serve->learn, "run")) != 0) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "run %.40s: nobody waits for it", run);
    }
    json_t *learn = json_deep_copy(serve->learn);
    if (learn == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    json_object_del(learn, "started");
    json_object_set_new(learn, "time", json_real((double)mw_clock_utc() / 1e6));
    json_object_set_new(learn, "refused", json_string(reason));
    mw_err err = add(serve, learn, true, error);
    if (err == MW_OK && (err = mw_serve_commit(serve, error)) != MW_OK) {
        mw_bridge_round_drop(&serve->round); /* it is told again, so it must not go in later */
        mw_bridge_round_drop(&serve->round);
    }
    if (err == MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "nothing came of a run of the pipeline", MW_KS("run", run),
               MW_KS("reason", reason));
        json_decref(serve->learn);
        serve->learn = json_incref(learn);
    }
    json_decref(learn);
    return err;
}
