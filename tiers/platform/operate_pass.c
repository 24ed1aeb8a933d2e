/* One pass over a plant: plan, apply what differs, take away what is too much, write the status. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_given.h"
#include "tiers/platform/operate_internal.h"
#include "tiers/platform/operate_schema.h"
#include "tiers/platform/operate_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void proceed(struct mw_operate_item *item);

static void key_of(const json_t *object, char key[384])
{
    snprintf(key, 384, "%s/%s", json_string_value(json_object_get(object, "kind")),
             mw_kube_meta(object, "name"));
}

static const struct mw_operate_kind *kind_of(const char *kind, size_t size)
{
    for (int i = MW_OPERATE_OWNED; i < MW_OPERATE_KINDS; i++) {
        const char *word = mw_operate_kinds[i].kind;
        if (strlen(word) == size && strncmp(word, kind, size) == 0) {
            return &mw_operate_kinds[i];
        }
    }
    return NULL;
}

/* Keeps the first problem of a pass: the others may follow from it. */
static void set_problem(struct mw_operate_item *item, const char *reason, const char *text)
{
    if (item->reason[0] == '\0') {
        snprintf(item->reason, sizeof item->reason, "%s", reason);
        snprintf(item->problem, sizeof item->problem, "%s", text);
    }
}

static void set_retry(struct mw_operate_item *item, const struct mw_kube_answer *answer)
{
    item->again = true;
    item->asked = answer->retry_after > item->asked ? answer->retry_after : item->asked;
}

/* A scorer begins when those of other classes are gone: two would score the same records. */
static int class_to_run(const struct mw_operate_item *item)
{
    const char *name;
    json_t *class;
    json_object_foreach(item->pods, name, class)
    {
        if (json_integer_value(class) != item->class) {
            return -1;
        }
    }
    return item->class;
}

/* ---- the status ---- */

static void on_status(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    if (answer->status != 200 && answer->status != 404) { /* 404: deleted in between */
        json_decref(item->status);
        item->status = NULL;
        set_retry(item, answer);
        mw_log(MW_LOG_DEBUG, item->key.name.data, "the status was not taken",
               MW_KS("reason", answer->text));
    }
    mw_operate_pass_over(item);
}

/* Pods whose models did not come; they try again by themselves. A plant that goes on with its own
 * is none the worse for it. */
static void look_at_models(struct mw_operate_item *item)
{
    const json_t *lacks = mw_operate_given_worst(item->lacks);
    const char *models = json_string_value(mw_operate_plan_cluster(item->object, "models"));
    if (lacks == NULL || models == NULL || models[0] == '\0' || item->reason[0] != '\0') {
        return; /* pods of before may still be there */
    }
    const char *reason = json_string_value(json_object_get(lacks, "reason"));
    const char *text = json_string_value(json_object_get(lacks, "text"));
    if (!json_is_true(json_object_get(lacks, "goes_on"))) {
        set_problem(item, reason, text);
    }
    mw_operate_tell(item, "Warning", reason, "%s", text);
}

static void write_status(struct mw_operate_item *item)
{
    if (item->object != NULL) {
        look_at_models(item);
    }
    const json_t *pipeline;
    const char *run = mw_operate_pipeline_newest(item, &pipeline);
    struct mw_operate_account account = {.run = run,
                                         .pipeline = pipeline,
                                         .plant = item->object,
                                         .objects = item->objects,
                                         .seen = item->seen,
                                         .class = item->class,
                                         .moves = class_to_run(item) != item->class,
                                         .reason = item->reason[0] == '\0' ? NULL : item->reason,
                                         .problem = item->problem,
                                         .now = mw_clock_utc()};
    json_t *status = item->object == NULL ? NULL : mw_operate_status(&account);
    if (status == NULL || json_equal(status, item->status) ||
        (item->status == NULL && json_equal(status, json_object_get(item->object, "status")))) {
        json_decref(status);
        mw_operate_pass_over(item);
        return;
    }
    json_decref(item->status);
    item->status = status;
    /* The next transition is judged by what was written, whether or not the watch has told it. */
    json_object_set(item->object, "status", status);
    const char *name = mw_kube_meta(item->object, "name");
    const char *space = mw_kube_meta(item->object, "namespace");
    json_t *body =
        json_pack("{s:s,s:s,s:{s:s,s:s},s:O}", "apiVersion", MW_OPERATE_API, "kind", "Plant",
                  "metadata", "name", name, "namespace", space, "status", status);
    /* With force: nobody else has a say in what the operator reports. */
    char *path = mw_operate_path("/apis/" MW_OPERATE_API, "plants", space,
                                 "/%s/status?fieldManager=" MW_OPERATE_MANAGER "&force=true", name);
    struct mw_kube_call call = {.method = "PATCH",
                                .path = path,
                                .type = "application/apply-patch+yaml",
                                .body = body,
                                .done = on_status,
                                .context = item};
    struct mw_error error = {0};
    if (path == NULL || mw_kube_send(item->operate->kube, &call, NULL, &error) != MW_OK) {
        on_status(item, &(struct mw_kube_answer){.retry_after = -1, .text = error.text});
    }
    free(path);
    json_decref(body);
}

/* ---- what is too much ---- */

static void on_deleted(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    if (mw_kube_may_retry(answer)) {
        set_retry(item, answer);
    }
    proceed(item);
}

static bool is_planned(const struct mw_operate_item *item, const char *wanted)
{
    size_t index;
    json_t *object;
    char key[384];
    json_array_foreach(item->objects, index, object)
    {
        key_of(object, key);
        if (strcmp(key, wanted) == 0) {
            return true;
        }
    }
    return false;
}

/* Begins to delete the first deployment that the plan does not have any more; false: there is none.
 * A volume claim stays: what is in it is worth more than tidiness. */
static bool delete_next(struct mw_operate_item *item)
{
    const char *key;
    json_t *value;
    json_object_foreach(item->seen, key, value)
    {
        if (strncmp(key, "Deployment/", 11) != 0 || is_planned(item, key)) {
            continue;
        }
        char *path =
            mw_operate_path("/apis/apps/v1", "deployments", mw_kube_meta(item->object, "namespace"),
                            "/%s?propagationPolicy=Background", key + 11);
        struct mw_kube_call call = {
            .method = "DELETE", .path = path, .done = on_deleted, .context = item};
        bool sent = path != NULL && mw_kube_send(item->operate->kube, &call, NULL, NULL) == MW_OK;
        free(path);
        if (sent) {
            mw_operate_tell(item, "Normal", "Deleted", "%s is not wanted any more", key);
            json_object_del(item->applied, key);
            json_object_del(item->seen, key);
            return true;
        }
    }
    return false;
}

/* ---- applying ---- */

static json_t *hash_of(const json_t *object)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    for (const char *c = text == NULL ? "" : text; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    free(text);
    return json_integer((json_int_t)hash);
}

/* Whose field it is, in the API's words: "conflict with "kubectl" using apps/v1" and the field. */
static void tell_conflict(struct mw_operate_item *item, const char *key, const json_t *body)
{
    char text[MW_ERROR_TEXT] = "";
    size_t index;
    json_t *cause;
    json_array_foreach(json_object_get(json_object_get(body, "details"), "causes"), index, cause)
    {
        const char *field = json_string_value(json_object_get(cause, "field"));
        const char *message = json_string_value(json_object_get(cause, "message"));
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s: %s", at == 0 ? "" : "; ",
                 field == NULL ? "?" : field, message == NULL ? "conflict" : message);
    }
    char problem[MW_ERROR_TEXT];
    int n = snprintf(problem, sizeof problem, "%s: ", key);
    snprintf(problem + n, sizeof problem - (size_t)n, "%.*s", (int)(sizeof problem - (size_t)n - 1),
             text);
    set_problem(item, "Conflict", problem);
    mw_operate_tell(item, "Warning", "Conflict", "%s", problem);
}

static bool is_conflict_of_fields(const json_t *body)
{
    const json_t *first =
        json_array_get(json_object_get(json_object_get(body, "details"), "causes"), 0);
    const char *reason = json_string_value(json_object_get(first, "reason"));
    return reason != NULL && strcmp(reason, "FieldManagerConflict") == 0;
}

static void on_applied(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    const json_t *object = json_array_get(item->objects, item->at);
    char key[384];
    key_of(object, key);
    bool taken = answer->status == 200 || answer->status == 201;
    if (taken && mw_operate_given_dropped(object, answer->body)) {
        const char *text = "cluster.models: this API server has no image volumes";
        set_problem(item, "ModelsNotMounted", text);
        mw_operate_tell(item, "Warning", "ModelsNotMounted", "%s", text);
        item->again = true; /* it may learn to */
    } else if (taken) {
        json_object_set_new(item->applied, key,
                            json_pack("{s:o,s:o}", "hash", hash_of(object), "version",
                                      mw_operate_version_of(answer->body)));
        if (answer->status == 201) {
            mw_operate_tell(item, "Normal", "Created", "%s", key);
        }
    } else if (answer->status == 409 && is_conflict_of_fields(answer->body)) {
        tell_conflict(item, key, answer->body);
        item->again = true;
    } else {
        char problem[MW_ERROR_TEXT];
        snprintf(problem, sizeof problem, "%.100s: %.380s", key, answer->text);
        set_problem(item, "ApplyFailed", problem);
        set_retry(item, answer);
        if (!mw_kube_may_retry(answer)) {
            mw_operate_tell(item, "Warning", "ApplyFailed", "%s", problem);
        }
    }
    item->at++;
    proceed(item);
}

static bool is_as_applied(const struct mw_operate_item *item, const json_t *object)
{
    char key[384];
    key_of(object, key);
    const json_t *applied = json_object_get(item->applied, key);
    const json_t *seen = json_object_get(item->seen, key);
    json_t *hash = hash_of(object);
    bool same = applied != NULL && json_equal(hash, json_object_get(applied, "hash")) &&
                (seen == NULL ||
                 json_equal(json_object_get(applied, "version"), json_object_get(seen, "version")));
    json_decref(hash);
    return same;
}

static mw_err apply(struct mw_operate_item *item, const json_t *object, struct mw_error *error)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const struct mw_operate_kind *of = kind_of(kind, strlen(kind));
    char *path =
        mw_operate_path(of->group, of->plural, mw_kube_meta(object, "namespace"),
                        "/%s?fieldManager=" MW_OPERATE_MANAGER, mw_kube_meta(object, "name"));
    struct mw_kube_call call = {.method = "PATCH",
                                .path = path,
                                .type = "application/apply-patch+yaml",
                                .body = object,
                                .done = on_applied,
                                .context = item};
    mw_err err = path == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                              : mw_kube_send(item->operate->kube, &call, NULL, error);
    free(path);
    return err;
}

static void proceed(struct mw_operate_item *item)
{
    if (item->object == NULL || !item->operate->leads) {
        item->again = false;
        mw_operate_pass_over(item);
        return;
    }
    while (item->at < json_array_size(item->objects)) {
        const json_t *object = json_array_get(item->objects, item->at);
        struct mw_error error = {0};
        if (is_as_applied(item, object)) {
            item->at++;
        } else if (apply(item, object, &error) == MW_OK) {
            return;
        } else {
            set_problem(item, "ApplyFailed", error.text);
            item->again = true;
            item->at++;
        }
    }
    if (item->objects == NULL || !delete_next(item)) {
        write_status(item);
    }
}

void mw_operate_pass_begin(struct mw_operate_item *item)
{
    struct mw_error error = {0};
    struct mw_operate_plan plan = {.plant = item->object,
                                   .roles = item->operate->options->roles,
                                   .image = item->operate->options->image,
                                   .class = class_to_run(item)};
    item->reason[0] = item->problem[0] = '\0';
    item->again = false;
    item->asked = -1;
    item->at = 0;
    if (mw_kube_meta(item->object, "deletionTimestamp") != NULL) {
        mw_operate_pass_over(item);
        return;
    }
    item->objects = mw_operate_plan_objects(&plan, &error);
    if (item->objects == NULL) {
        set_problem(item, "InvalidSpec", error.text);
        mw_operate_tell(item, "Warning", "InvalidSpec", "%s", error.text);
        write_status(item);
        return;
    }
    proceed(item);
}
