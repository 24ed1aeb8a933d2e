/* operate_pipeline.c - runs of the pipeline on the cluster, one of a plant at a time: found or
 * made, followed to its end, told to the plant's page, and cleared away when newer ones have come.
 *
 * Nothing of it is kept here alone: the page says what is asked for, the API what there is of it,
 * and the Plant's condition Training what has come of the newest one. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_internal.h"
#include "tiers/platform/operate_schema.h"
#include "tiers/platform/operate_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK (2 * MW_SECOND)
#define ANSWER_FOR (10 * MW_SECOND)
#define FAILED_FIRST (10 * MW_SECOND) /* before a run after one that failed; doubled each time */
#define FAILED_MOST (600 * MW_SECOND)
#define BATCH "/apis/batch/v1"
#define ARGO "/apis/argoproj.io/v1alpha1"
#define OF_RUN "labelSelector=millwright.dev%%2Frun%%3D%s"
#define OF_PLANT                                            \
    "labelSelector=app.kubernetes.io%%2Finstance%%3D%s%%2C" \
    "app.kubernetes.io%%2Fcomponent%%3Dpipeline"

typedef struct mw_operate_running running;

static const char *space_of(const struct mw_operate_item *item)
{
    return mw_kube_meta(item->object, "namespace");
}

static const char *group_of(const running *run)
{
    return run->argo ? ARGO : BATCH;
}

static const char *plural_of(const running *run)
{
    return run->argo ? "workflows" : "jobs";
}

/* ---- asking ---- */

static void again(struct mw_operate_item *item, const struct mw_kube_answer *answer)
{
    running *run = &item->run;
    run->due = mw_clock_monotonic() +
               mw_kube_backoff(run->attempt++, mw_kube_random(), answer->retry_after);
}

static void next(struct mw_operate_item *item, enum mw_operate_phase phase)
{
    item->run.phase = phase;
    item->run.attempt = 0;
    item->run.due = 0;
    mw_operate_pipeline_go(item);
}

/* Frees the path. False: it could not be sent. */
static bool send_call(struct mw_operate_item *item, struct mw_kube_call call, char *path)
{
    call.path = path;
    call.context = item;
    bool sent = path != NULL && mw_kube_send(item->operate->kube, &call, NULL, NULL) == MW_OK;
    free(path);
    return sent;
}

/* The next phase is for the answer to say; what cannot be sent is tried again. Frees the path. */
static void ask(struct mw_operate_item *item, struct mw_kube_call call, char *path)
{
    call.idle = ANSWER_FOR;
    item->run.asking = send_call(item, call, path);
    if (!item->run.asking) {
        again(item, &(struct mw_kube_answer){.retry_after = -1});
    }
}

static void ask_for(struct mw_operate_item *item, mw_kube_done_fn *done, char *path)
{
    ask(item, (struct mw_kube_call){.method = "GET", .done = done}, path);
}

/* An answer has come. False: it is for nobody any more. */
static bool answered(struct mw_operate_item *item)
{
    item->run.asking = false;
    if (item->object == NULL || !item->operate->leads) {
        mw_operate_pipeline_drop(item);
        return false;
    }
    return true;
}

static char *list_path(const struct mw_operate_item *item, const char *group, const char *plural)
{
    return mw_operate_path(group, plural, space_of(item), "?" OF_RUN, item->run.name);
}

/* ---- what is said of it ---- */

static void set_condition(struct mw_operate_item *item, bool is, const char *reason,
                          const char *message)
{
    snprintf(item->run.told, sizeof item->run.told, "%s", item->run.name);
    json_decref(item->run.condition);
    item->run.condition =
        mw_operate_condition(item->object, "Training", is, reason, message, mw_clock_utc());
    mw_operate_touch(item->operate, item);
}

const char *mw_operate_pipeline_newest(const struct mw_operate_item *item, const json_t **condition)
{
    if (item->run.condition != NULL) {
        *condition = item->run.condition;
        return item->run.told;
    }
    *condition = mw_operate_condition_of(item->object, "Training");
    return json_string_value(json_object_get(json_object_get(item->object, "status"), "run"));
}

static void tell_start(struct mw_operate_item *item)
{
    running *run = &item->run;
    char message[256];
    snprintf(message, sizeof message, "run %s as %s, cause %s%s%s", run->name,
             run->argo ? "an Argo Workflow" : "Jobs", run->cause,
             run->machine[0] == '\0' ? "" : ", machine ", run->machine);
    if (run->made) { /* else an operator before us has told it */
        mw_operate_tell(item, "Normal", "PipelineStarted", "%s", message);
    }
    set_condition(item, true, "Running", message);
}

static void tell_end(struct mw_operate_item *item, enum mw_operate_run_state state)
{
    static const char *const reasons[] = {[MW_OPERATE_SUCCEEDED] = "Succeeded",
                                          [MW_OPERATE_REFUSED] = "Refused",
                                          [MW_OPERATE_FAILED] = "Failed"};
    running *run = &item->run;
    char message[sizeof run->reason + 128], reason[64];
    if (state == MW_OPERATE_SUCCEEDED) {
        snprintf(message, sizeof message, "run %s has published a model", run->name);
    } else {
        snprintf(message, sizeof message, "run %s: %s", run->name, run->reason);
    }
    snprintf(reason, sizeof reason, "Pipeline%s", reasons[state]);
    mw_operate_tell(item, state == MW_OPERATE_FAILED ? "Warning" : "Normal", reason, "%s", message);
    set_condition(item, false, reasons[state], message);
    run->failures = state == MW_OPERATE_FAILED ? run->failures + 1 : 0;
    run->not_before = 0;
    if (run->failures > 0) {
        int64_t wait = FAILED_FIRST << (run->failures > 7 ? 6 : run->failures - 1);
        run->not_before = mw_clock_monotonic() + (wait > FAILED_MOST ? FAILED_MOST : wait);
    }
}

/* ---- found or made ---- */

static void on_found(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    if (!answered(item)) {
        return;
    }
    if (answer->status != 200) {
        again(item, answer);
        return;
    }
    /* Jobs that are there already were begun by an operator before us, Argo or not. */
    bool there = json_array_size(json_object_get(answer->body, "items")) > 0;
    item->run.argo = false;
    next(item, there ? MW_OPERATE_MAKES : MW_OPERATE_CHOOSES);
}

static void on_chosen(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    size_t index;
    json_t *resource;
    if (!answered(item)) {
        return;
    }
    if (answer->status != 200 && answer->status != 404) {
        again(item, answer);
        return;
    }
    json_array_foreach(json_object_get(answer->body, "resources"), index, resource)
    {
        const char *name = json_string_value(json_object_get(resource, "name"));
        item->run.argo |= answer->status == 200 && name != NULL && strcmp(name, "workflows") == 0;
    }
    next(item, MW_OPERATE_MAKES);
}

static void on_made(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    running *run = &item->run;
    if (!answered(item)) {
        return;
    }
    if (answer->status != 200 && answer->status != 201 && answer->status != 409) {
        if (!mw_kube_may_retry(answer)) {
            mw_operate_tell(item, "Warning", "PipelineNotTaken", "run %s: %s", run->name,
                            answer->text);
            set_condition(item, false, "NotTaken", answer->text);
            json_decref(run->objects); /* the Plant may change what was wrong with them */
            run->objects = NULL;
        }
        again(item, answer);
        return;
    }
    run->made |= answer->status != 409;
    run->at++;
    run->attempt = 0;
    if (run->at < json_array_size(run->objects)) {
        mw_operate_pipeline_go(item);
        return;
    }
    tell_start(item);
    next(item, MW_OPERATE_FOLLOWS);
}

static bool plan(struct mw_operate_item *item)
{
    running *run = &item->run;
    const struct mw_operate_options *options = item->operate->options;
    struct mw_error error = {0};
    struct mw_operate_run wanted = {.id = run->id, .cause = run->cause, .machine = run->machine};
    snprintf(wanted.name, sizeof wanted.name, "%s", run->name);
    snprintf(wanted.since, sizeof wanted.since, "%s", run->since);
    json_decref(run->objects);
    run->at = 0;
    if (mw_operate_run_objects(item->object, &wanted, options->image, run->argo, options->export,
                               &run->objects, &error) != MW_OK) {
        mw_operate_tell(item, "Warning", "PipelineNotTaken", "run %s: %s", run->name, error.text);
        set_condition(item, false, "NotTaken", error.text);
        again(item, &(struct mw_kube_answer){.retry_after = -1});
        return false;
    }
    return true;
}

static void make(struct mw_operate_item *item)
{
    running *run = &item->run;
    if (run->objects == NULL && !plan(item)) {
        return;
    }
    ask(item,
        (struct mw_kube_call){
            .method = "POST", .body = json_array_get(run->objects, run->at), .done = on_made},
        mw_operate_path(group_of(run), plural_of(run), space_of(item),
                        "?fieldManager=" MW_OPERATE_MANAGER));
}

/* ---- followed ---- */

static void on_freed(void *context, const struct mw_kube_answer *answer)
{
    const struct mw_operate_item *item = context;
    if (answer->status != 200) { /* the next look sees that it is still suspended */
        mw_log(MW_LOG_WARN, item->key.name.data, "a Job was not freed",
               MW_KS("reason", answer->text));
    }
}

static void free_jobs(struct mw_operate_item *item, const json_t *names)
{
    size_t index;
    json_t *name;
    json_t *body = json_pack("{s:{s:b}}", "spec", "suspend", 0);
    struct mw_kube_call call = {
        .method = "PATCH", .type = "application/merge-patch+json", .body = body, .done = on_freed};
    json_array_foreach(names, index, name)
    {
        (void)send_call(
            item, call,
            mw_operate_path(BATCH, "jobs", space_of(item), "/%s", json_string_value(name)));
    }
    json_decref(body);
}

static void look(struct mw_operate_item *item, const struct mw_kube_answer *answer,
                 struct mw_operate_run_look *seen)
{
    *seen = (struct mw_operate_run_look){.state = MW_OPERATE_FAILED};
    if (!item->run.argo) {
        mw_operate_run_look_at_jobs(json_object_get(answer->body, "items"), seen);
    } else if (answer->status == 200) {
        mw_operate_run_look_at_workflow(answer->body, seen);
    }
}

static void on_look(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    running *run = &item->run;
    struct mw_operate_run_look seen;
    char message[512];
    if (!answered(item)) {
        return;
    }
    if (answer->status != 200 && (!run->argo || answer->status != 404)) {
        again(item, answer);
        return;
    }
    look(item, answer, &seen);
    free_jobs(item, seen.free);
    json_decref(seen.free);
    run->attempt = 0;
    snprintf(run->step, sizeof run->step, "%s", seen.steps);
    snprintf(run->message, sizeof run->message, "%s", seen.message);
    if (seen.state == MW_OPERATE_SUCCEEDED) {
        tell_end(item, seen.state);
        next(item, MW_OPERATE_CLEARS);
    } else if (seen.state == MW_OPERATE_FAILED) {
        next(item, MW_OPERATE_ASKS_WHY);
    } else {
        snprintf(message, sizeof message, "run %s, cause %s: %s", run->name, run->cause,
                 seen.steps[0] == '\0' ? "waits" : seen.steps);
        const char *before = json_string_value(json_object_get(run->condition, "message"));
        if (before == NULL || strcmp(before, message) != 0) {
            set_condition(item, true, "Running", message);
        }
        run->due = mw_clock_monotonic() + LOOK;
    }
}

static void on_why(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    running *run = &item->run;
    char why[sizeof run->reason - sizeof run->step - 16];
    bool refused = false;
    if (!answered(item)) {
        return;
    }
    if (answer->status != 200) {
        again(item, answer);
        return;
    }
    mw_operate_run_reason(json_object_get(answer->body, "items"), run->step, run->message, why,
                          sizeof why, &refused);
    if (run->step[0] == '\0') {
        snprintf(run->reason, sizeof run->reason, "%s",
                 run->message[0] == '\0' ? "it is not there any more, or never ran" : run->message);
    } else {
        snprintf(run->reason, sizeof run->reason, "step %s: %s", run->step, why);
    }
    tell_end(item, refused ? MW_OPERATE_REFUSED : MW_OPERATE_FAILED);
    next(item, MW_OPERATE_TELLS);
}

/* ---- told, and cleared away ---- */

static void on_told(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    if (!answered(item)) {
        return;
    }
    if (answer->status != 200 && answer->status != 404) { /* 404: it was told before */
        again(item, answer);
        return;
    }
    next(item, MW_OPERATE_CLEARS);
}

static void tell_page(struct mw_operate_item *item)
{
    running *run = &item->run;
    json_t *body = json_pack("{s:s,s:s}", "run", run->id, "refused", run->reason);
    ask(item,
        (struct mw_kube_call){
            .method = "POST", .server = item->address, .body = body, .done = on_told},
        strdup("/api/run"));
    json_decref(body);
}

static void on_cleared(void *context, const struct mw_kube_answer *answer)
{
    (void)context;
    if ((answer->status < 200 || answer->status > 299) && answer->status != 404) {
        /* The next run's end clears again. */
        mw_log(MW_LOG_WARN, NULL, "an old run was not cleared away", MW_KS("reason", answer->text));
    }
}

static void on_all(void *context, const struct mw_kube_answer *answer)
{
    struct mw_operate_item *item = context;
    running *run = &item->run;
    size_t index;
    json_t *name;
    if (!answered(item)) {
        return;
    }
    json_t *old = mw_operate_run_old(json_object_get(answer->body, "items"));
    json_array_foreach(old, index, name)
    {
        (void)send_call(item, (struct mw_kube_call){.method = "DELETE", .done = on_cleared},
                        mw_operate_path(group_of(run), plural_of(run), space_of(item),
                                        "/%s?propagationPolicy=Background",
                                        json_string_value(name)));
    }
    json_decref(old);
    run->phase = MW_OPERATE_RUN_OVER;
}

static char *path_of_all(const struct mw_operate_item *item)
{
    return mw_operate_path(group_of(&item->run), plural_of(&item->run), space_of(item),
                           "?" OF_PLANT, mw_kube_meta(item->object, "name"));
}

static char *path_to_follow(const struct mw_operate_item *item)
{
    return item->run.argo
               ? mw_operate_path(ARGO, "workflows", space_of(item), "/%s", item->run.name)
               : list_path(item, BATCH, "jobs");
}

void mw_operate_pipeline_go(struct mw_operate_item *item)
{
    running *run = &item->run;
    if (item->object == NULL || run->asking || run->due > mw_clock_monotonic()) {
        return;
    }
    switch (run->phase) {
    case MW_OPERATE_NO_RUN:
    case MW_OPERATE_RUN_OVER:
        break;
    case MW_OPERATE_FINDS:
        ask_for(item, on_found, list_path(item, BATCH, "jobs"));
        break;
    case MW_OPERATE_CHOOSES:
        ask_for(item, on_chosen, strdup(ARGO));
        break;
    case MW_OPERATE_MAKES:
        make(item);
        break;
    case MW_OPERATE_FOLLOWS:
        ask_for(item, on_look, path_to_follow(item));
        break;
    case MW_OPERATE_ASKS_WHY:
        ask_for(item, on_why, list_path(item, "/api/v1", "pods"));
        break;
    case MW_OPERATE_TELLS:
        tell_page(item);
        break;
    case MW_OPERATE_CLEARS:
        ask_for(item, on_all, path_of_all(item));
        break;
    }
}

/* ---- what the page asks for ---- */

void mw_operate_pipeline_drop(struct mw_operate_item *item)
{
    json_decref(item->run.objects);
    json_decref(item->run.condition);
    item->run = (running){.asking = item->run.asking};
}

static void begin(struct mw_operate_item *item, const struct mw_operate_run *wanted)
{
    running *run = &item->run;
    json_decref(run->objects);
    run->objects = NULL;
    run->argo = run->made = false;
    run->reason[0] = run->message[0] = run->step[0] = '\0';
    snprintf(run->name, sizeof run->name, "%s", wanted->name);
    snprintf(run->id, sizeof run->id, "%s", wanted->id);
    snprintf(run->cause, sizeof run->cause, "%s", wanted->cause);
    snprintf(run->since, sizeof run->since, "%s", wanted->since);
    snprintf(run->machine, sizeof run->machine, "%s", wanted->machine);
}

/* What an operator before us wrote down of this run's end; NULL: it has not ended. */
static const json_t *end_of(const struct mw_operate_item *item, const char *name)
{
    const json_t *status = json_object_get(item->object, "status");
    const json_t *condition = mw_operate_condition_of(item->object, "Training");
    const char *run = json_string_value(json_object_get(status, "run"));
    const char *reason = json_string_value(json_object_get(condition, "reason"));
    bool over = run != NULL && reason != NULL && strcmp(run, name) == 0 &&
                (strcmp(reason, "Succeeded") == 0 || strcmp(reason, "Refused") == 0 ||
                 strcmp(reason, "Failed") == 0);
    return over ? condition : NULL;
}

void mw_operate_pipeline_page(struct mw_operate_item *item, const json_t *page)
{
    running *run = &item->run;
    struct mw_operate_run wanted;
    bool idle = run->phase == MW_OPERATE_NO_RUN || run->phase == MW_OPERATE_RUN_OVER;
    if (item->operate->options->export == NULL || !idle ||
        !mw_operate_run_wanted(item->object, page, &wanted) ||
        run->not_before > mw_clock_monotonic()) {
        return;
    }
    if (run->phase == MW_OPERATE_RUN_OVER && strcmp(run->name, wanted.name) == 0) {
        /* The page will hear of the model; or it has lost what it was told. */
        if (run->reason[0] != '\0') {
            next(item, MW_OPERATE_TELLS);
        }
        return;
    }
    const json_t *end = end_of(item, wanted.name);
    const char *reason = json_string_value(json_object_get(end, "reason"));
    if (reason != NULL && strcmp(reason, "Succeeded") == 0) {
        return;
    }
    begin(item, &wanted);
    if (end != NULL) { /* the page has not been told */
        const char *message = json_string_value(json_object_get(end, "message"));
        snprintf(run->reason, sizeof run->reason, "%s", message == NULL ? "failed" : message);
        next(item, MW_OPERATE_TELLS);
        return;
    }
    next(item, MW_OPERATE_FINDS);
}
