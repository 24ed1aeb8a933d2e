/* The plants' pages are asked now and then: more often while a Rollout is under way. The page is
 * reached by its Service's address; where that cannot be reached (an operator outside of the
 * cluster), Rollouts wait. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_internal.h"
#include "tiers/platform/operate_models.h"
#include "tiers/platform/operate_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFTEN (2 * MW_SECOND)
#define SELDOM (15 * MW_SECOND)
#define PAGE_FOR (10 * MW_SECOND)

/* ---- writing ---- */

static void on_written(void *context, const struct mw_kube_answer *answer)
{
    (void)context;
    if ((answer->status < 200 || answer->status > 299) && answer->status != 404) {
        mw_log(MW_LOG_WARN, NULL, "what is known of a model was not taken",
               MW_KS("reason", answer->text), MW_KI("status", answer->status));
    }
}

/* Applies an object, or its status. What fails is written at the next look at the page. */
static void write_object(struct mw_operate *operate, const char *plural, const json_t *object,
                         bool status)
{
    char *path =
        mw_operate_path("/apis/" MW_OPERATE_API, plural, mw_kube_meta(object, "namespace"),
                        "/%s%s?fieldManager=" MW_OPERATE_MANAGER "%s", mw_kube_meta(object, "name"),
                        status ? "/status" : "", status ? "&force=true" : "");
    if (path == NULL) {
        return;
    }
    struct mw_kube_call call = {.method = "PATCH",
                                .path = path,
                                .type = "application/apply-patch+yaml",
                                .body = object,
                                .done = on_written,
                                .context = operate};
    (void)mw_kube_send(operate->kube, &call, NULL, NULL);
    free(path);
}

static void write_rollout(struct mw_operate_item *item, json_t *rollout, json_t *status)
{
    const json_t *before = json_object_get(rollout, "status");
    if (status == NULL || json_equal(status, before)) {
        json_decref(status);
        return;
    }
    const char *state = json_string_value(json_object_get(status, "state"));
    const char *was = json_string_value(json_object_get(before, "state"));
    if (state != NULL && (was == NULL || strcmp(was, state) != 0)) {
        mw_operate_tell(item, strcmp(state, "refused") == 0 ? "Warning" : "Normal", "Rollout",
                        "rollout %s is %s", mw_kube_meta(rollout, "name"), state);
    }
    json_object_set(rollout, "status", status);
    json_t *object = json_pack("{s:s,s:s,s:{s:s,s:s},s:o}", "apiVersion", MW_OPERATE_API, "kind",
                               "Rollout", "metadata", "name", mw_kube_meta(rollout, "name"),
                               "namespace", mw_kube_meta(rollout, "namespace"), "status", status);
    write_object(item->operate, "rollouts", object, true);
    json_decref(object);
}

static void write_bundles(struct mw_operate_item *item, const json_t *page)
{
    json_t *bundles = mw_operate_bundles(item->object, item->bundles, page, mw_clock_utc());
    size_t index;
    json_t *bundle;
    json_array_foreach(bundles, index, bundle)
    {
        const json_t *known = json_object_get(item->bundles, mw_kube_meta(bundle, "name"));
        json_t *status = json_incref(json_object_get(bundle, "status"));
        bool same_spec = known != NULL && json_equal(json_object_get(known, "spec"),
                                                     json_object_get(bundle, "spec"));
        if (!same_spec) {
            if (known == NULL) {
                mw_operate_tell(item, "Normal", "Bundle", "a model was published: Bundle/%s",
                                mw_kube_meta(bundle, "name"));
            }
            json_object_del(bundle, "status");
            write_object(item->operate, "bundles", bundle, false);
        } else if (!json_equal(status, json_object_get(known, "status"))) {
            json_object_del(bundle, "spec");
            write_object(item->operate, "bundles", bundle, true);
        }
        json_decref(status);
    }
    json_decref(bundles);
}

/* ---- asking ---- */

static void on_asked(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    json_t *rollout = json_object_get(item->rollouts, item->ask_name);
    item->asking = false;
    if (rollout != NULL && item->object != NULL) {
        const char *said = json_string_value(json_object_get(answer->body, "error"));
        write_rollout(item, rollout,
                      mw_operate_rollout_asked(rollout, item->ask, answer->status, answer->body,
                                               said == NULL ? answer->text : said, mw_clock_utc()));
    }
}

/* Takes `ask`. */
static bool ask_page(struct mw_operate_item *item, const char *name, json_t *ask)
{
    json_decref(item->ask);
    item->ask = ask;
    snprintf(item->ask_name, sizeof item->ask_name, "%s", name);
    struct mw_kube_call call = {.method = "POST",
                                .server = item->address,
                                .path = "/api/rollout",
                                .body = ask,
                                .idle = PAGE_FOR,
                                .done = on_asked,
                                .context = item};
    return mw_kube_send(item->operate->kube, &call, NULL, NULL) == MW_OK;
}

/* One Rollout after the other: the page does one at a time too. */
static bool follow_rollouts(struct mw_operate_item *item, const json_t *page)
{
    const char *name;
    json_t *rollout;
    json_object_foreach(item->rollouts, name, rollout)
    {
        struct mw_operate_rollout_step step;
        if (mw_operate_rollout_is_over(rollout)) {
            continue;
        }
        mw_operate_rollout_next(rollout, page, mw_clock_utc(), &step);
        write_rollout(item, rollout, step.status);
        if (step.ask != NULL && ask_page(item, name, step.ask)) {
            return true;
        }
    }
    return false;
}

static void on_page(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    item->asking = false;
    if (item->object == NULL || !item->operate->leads || answer->status != 200 ||
        !json_is_object(answer->body)) {
        return;
    }
    write_bundles(item, answer->body);
    mw_operate_pipeline_page(item, answer->body);
    item->asking = follow_rollouts(item, answer->body);
}

static bool has_open_rollout(const struct mw_operate_item *item)
{
    const char *name;
    json_t *rollout;
    json_object_foreach(item->rollouts, name, rollout)
    {
        if (!mw_operate_rollout_is_over(rollout)) {
            return true;
        }
    }
    return false;
}

static bool serves(const struct mw_operate_item *item)
{
    char key[128];
    snprintf(key, sizeof key, "Deployment/%s-serve", mw_kube_meta(item->object, "name"));
    return item->address[0] != '\0' &&
           json_integer_value(json_object_get(json_object_get(item->seen, key), "ready")) > 0;
}

void mw_operate_on_pages(void *context)
{
    struct mw_operate *operate = context;
    int64_t now = mw_clock_monotonic();
    size_t at = 0;
    if (!operate->leads || !mw_operate_is_whole(operate)) {
        return;
    }
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        mw_operate_pipeline_go(item);
        if (item->object == NULL || item->asking || item->ask_due > now || !serves(item)) {
            continue;
        }
        struct mw_kube_call call = {.method = "GET",
                                    .server = item->address,
                                    .path = "/api/state?limit=0",
                                    .idle = PAGE_FOR,
                                    .done = on_page,
                                    .context = item};
        int64_t wait = has_open_rollout(item) ? OFTEN : SELDOM;
        item->ask_due = now + wait / 2 + (int64_t)(mw_kube_random() % (uint32_t)(wait / 2));
        item->asking = mw_kube_send(operate->kube, &call, NULL, NULL) == MW_OK;
    }
}
