#include "tiers/platform/operate_run.h"

#include "core/wire/message.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_plan.h"
#include "tiers/platform/operate_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSED = 3, ID_MOST = 12 };

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static const char *label_of(const json_t *object, const char *label)
{
    return text_at(json_object_get(json_object_get(object, "metadata"), "labels"), label);
}

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
    return strcmp(text_at(object, key), wanted) == 0;
}

/* ---- what is asked for ---- */

static bool is_cause(const char *cause)
{
    return strcmp(cause, "first") == 0 || strcmp(cause, "drift") == 0 ||
           strcmp(cause, "schedule") == 0 || strcmp(cause, "asked") == 0;
}

bool mw_operate_run_wanted(const json_t *plant, const json_t *page, struct mw_operate_run *run)
{
    const json_t *learn = json_object_get(page, "learn");
    const json_t *since = json_object_get(learn, "since");
    const char *id = text_at(learn, "run"), *machine = text_at(learn, "machine");
    size_t size = strlen(id);
    if (!json_is_true(json_object_get(learn, "started")) ||
        json_object_get(learn, "bundle") != NULL || size == 0 || size > ID_MOST ||
        strspn(id, "0123456789abcdef") != size || !is_cause(text_at(learn, "cause")) ||
        (machine[0] != '\0' && !mw_name_valid(mw_span_of(machine)))) {
        return false;
    }
    *run = (struct mw_operate_run){.id = id, .cause = text_at(learn, "cause"), .machine = machine};
    snprintf(run->name, sizeof run->name, "%.40s-%s", mw_kube_meta(plant, "name"), id);
    if (json_is_number(since)) {
        snprintf(run->since, sizeof run->since, "%.6f", json_number_value(since));
    }
    return true;
}

/* ---- the objects ---- */

/* Takes what the section cluster says into the pods: of each Job, or of the whole Workflow. */
static void dress(const json_t *plant, json_t *object)
{
    size_t index;
    json_t *template, *spec = json_object_get(object, "spec");
    json_t *templates = json_object_get(spec, "templates"), *mounts = json_array();
    if (templates == NULL) {
        spec = json_object_get(json_object_get(spec, "template"), "spec");
        templates = json_object_get(spec, "containers");
    }
    mw_operate_plan_dress(plant, spec, mounts);
    json_array_foreach(templates, index, template)
    {
        json_t *container = json_object_get(template, "container");
        container = container == NULL ? template : container;
        json_t *its = json_object_get(container, "volumeMounts");
        if (its != NULL) {
            json_array_extend(its, mounts);
        }
    }
    json_decref(mounts);
}

static void own(const json_t *plant, json_t *object)
{
    json_t *metadata = json_object_get(object, "metadata");
    json_object_set_new(metadata, "namespace", json_string(mw_kube_meta(plant, "namespace")));
    json_object_set_new(metadata, "ownerReferences",
                        json_pack("[{s:s,s:s,s:s,s:s?,s:b,s:b}]", "apiVersion", MW_OPERATE_API,
                                  "kind", "Plant", "name", mw_kube_meta(plant, "name"), "uid",
                                  mw_kube_meta(plant, "uid"), "controller", 1, "blockOwnerDeletion",
                                  1));
}

static mw_err export_run(const json_t *plant, const struct mw_operate_run *run, const char *image,
                         bool argo, mw_operate_export_fn *export, char **text,
                         struct mw_error *error)
{
    char *config = NULL;
    struct mw_plant read;
    mw_err err = mw_operate_plan_config(plant, &config, error);
    if (err == MW_OK) {
        err = mw_plant_parse(&read, config, strlen(config), "plant.yaml", error);
        free(config);
    }
    if (err != MW_OK) {
        return err;
    }
    const char *own_image = json_string_value(mw_operate_plan_cluster(plant, "image"));
    const struct mw_operate_export with = {
        .plant = &read,
        .name = mw_kube_meta(plant, "name"),
        .image = own_image == NULL || own_image[0] == '\0' ? image : own_image,
        .service_account = json_string_value(mw_operate_plan_cluster(plant, "pipeline_account")),
        .run = run,
        .argo = argo};
    err = export(&with, text, error);
    mw_plant_clear(&read);
    return err;
}

mw_err mw_operate_run_objects(const json_t *plant, const struct mw_operate_run *run,
                              const char *image, bool argo, mw_operate_export_fn *export,
                              json_t **objects, struct mw_error *error)
{
    char *text = NULL;
    size_t index;
    json_t *object;
    *objects = NULL;
    mw_err err = export_run(plant, run, image, argo, export, &text, error);
    json_t *root = err == MW_OK ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (err == MW_OK && root != NULL) {
        *objects = argo ? json_pack("[O]", root) : json_incref(json_object_get(root, "items"));
    }
    json_decref(root);
    json_array_foreach(*objects, index, object)
    {
        dress(plant, object);
        own(plant, object);
    }
    return err == MW_OK && *objects == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                            : err;
}

/* ---- how it goes ---- */

static const char *end_of(const json_t *job)
{
    size_t index;
    json_t *condition;
    json_array_foreach(json_object_get(json_object_get(job, "status"), "conditions"), index,
                       condition)
    {
        if (is_text(condition, "status", "True") &&
            (is_text(condition, "type", "Complete") || is_text(condition, "type", "Failed"))) {
            return text_at(condition, "type");
        }
    }
    return "";
}

/* Is the step among the names, which commas separate? */
static bool are_complete(const json_t *complete, const char *needs)
{
    char name[64];
    for (const char *at = needs; *at != '\0';) {
        int size = (int)strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", size, at);
        if (json_object_get(complete, name) == NULL) {
            return false;
        }
        at += size;
        at += *at == ',';
    }
    return true;
}

static void add_step(struct mw_operate_run_look *look, const char *step)
{
    size_t at = strlen(look->steps);
    snprintf(look->steps + at, sizeof look->steps - at, "%s%s", at == 0 ? "" : ", ", step);
}

/* A Job that failed ends the run. */
static bool find_failed(const json_t *jobs, json_t *complete, struct mw_operate_run_look *look)
{
    size_t index;
    json_t *job;
    json_array_foreach(jobs, index, job)
    {
        const char *step = label_of(job, MW_OPERATE_STEP_LABEL), *end = end_of(job);
        if (strcmp(end, "Failed") == 0) {
            look->state = MW_OPERATE_FAILED;
            snprintf(look->steps, sizeof look->steps, "%s", step);
            return true;
        }
        if (end[0] != '\0') {
            json_object_set_new(complete, step, json_true());
        }
    }
    return false;
}

void mw_operate_run_look_at_jobs(const json_t *jobs, struct mw_operate_run_look *look)
{
    size_t index;
    json_t *job, *complete = json_object();
    *look = (struct mw_operate_run_look){.state = MW_OPERATE_RUNNING, .free = json_array()};
    if (json_array_size(jobs) == 0) {
        look->state = MW_OPERATE_FAILED;
    } else if (!find_failed(jobs, complete, look)) {
        json_array_foreach(jobs, index, job)
        {
            const json_t *spec = json_object_get(job, "spec");
            const char *step = label_of(job, MW_OPERATE_STEP_LABEL);
            const char *needs = text_at(
                json_object_get(json_object_get(job, "metadata"), "annotations"), MW_OPERATE_NEEDS);
            if (!json_is_true(json_object_get(spec, "suspend"))) {
                if (end_of(job)[0] == '\0') {
                    add_step(look, step);
                }
            } else if (are_complete(complete, needs)) {
                json_array_append_new(look->free, json_string(mw_kube_meta(job, "name")));
                add_step(look, step);
            }
        }
        look->state = json_object_size(complete) == json_array_size(jobs) ? MW_OPERATE_SUCCEEDED
                                                                          : MW_OPERATE_RUNNING;
    }
    json_decref(complete);
}

void mw_operate_run_look_at_workflow(const json_t *workflow, struct mw_operate_run_look *look)
{
    const json_t *status = json_object_get(workflow, "status");
    const char *phase = text_at(status, "phase"), *id;
    json_t *node;
    bool failed = strcmp(phase, "Failed") == 0 || strcmp(phase, "Error") == 0;
    *look = (struct mw_operate_run_look){.state = failed ? MW_OPERATE_FAILED
                                                  : strcmp(phase, "Succeeded") == 0
                                                      ? MW_OPERATE_SUCCEEDED
                                                      : MW_OPERATE_RUNNING};
    json_object_foreach(json_object_get(status, "nodes"), id, node)
    {
        bool its_end = is_text(node, "phase", "Failed") || is_text(node, "phase", "Error");
        bool runs = is_text(node, "phase", "Running") || is_text(node, "phase", "Pending");
        if (!is_text(node, "type", "Pod")) {
            continue;
        }
        if (failed && its_end) {
            snprintf(look->steps, sizeof look->steps, "%s", text_at(node, "templateName"));
            snprintf(look->message, sizeof look->message, "%s", text_at(node, "message"));
        } else if (!failed && runs) {
            add_step(look, text_at(node, "templateName"));
        }
    }
}

/* ---- why it failed ---- */

static const json_t *ended(const json_t *pod)
{
    size_t index;
    json_t *container;
    json_array_foreach(json_object_get(json_object_get(pod, "status"), "containerStatuses"), index,
                       container)
    {
        const char *name = text_at(container, "name");
        const json_t *state = json_object_get(json_object_get(container, "state"), "terminated");
        if (state != NULL && (strcmp(name, "step") == 0 || strcmp(name, "main") == 0)) {
            return state;
        }
    }
    return NULL;
}

/* The last line, or what it names as its reason when it is JSON. */
static void last_line(const char *message, char *reason, size_t size)
{
    size_t n = strlen(message);
    while (n > 0 && (message[n - 1] == '\n' || message[n - 1] == ' ')) {
        n--;
    }
    size_t begin = n;
    while (begin > 0 && message[begin - 1] != '\n') {
        begin--;
    }
    json_t *root = json_loadb(message + begin, n - begin, 0, NULL);
    const char *told = json_string_value(json_object_get(root, "reason"));
    if (told != NULL) {
        snprintf(reason, size, "%s", told);
    } else {
        snprintf(reason, size, "%.*s", (int)(n - begin), message + begin);
    }
    json_decref(root);
}

void mw_operate_run_reason(const json_t *pods, const char *step, const char *otherwise,
                           char *reason, size_t size, bool *refused)
{
    size_t index;
    json_t *pod, *newest = NULL;
    json_array_foreach(pods, index, pod)
    {
        const char *made = mw_kube_meta(pod, "creationTimestamp");
        const char *before = mw_kube_meta(newest, "creationTimestamp");
        if (strcmp(label_of(pod, MW_OPERATE_STEP_LABEL), step) == 0 && ended(pod) != NULL &&
            (before == NULL || (made != NULL && strcmp(made, before) >= 0))) {
            newest = pod;
        }
    }
    const json_t *state = ended(newest);
    json_int_t code = json_integer_value(json_object_get(state, "exitCode"));
    *refused = code == REFUSED;
    last_line(text_at(state, "message"), reason, size);
    if (reason[0] == '\0' && state != NULL) {
        snprintf(reason, size, "%s, exit code %d", text_at(state, "reason"), (int)code);
    } else if (reason[0] == '\0') {
        snprintf(reason, size, "%s",
                 otherwise[0] == '\0' ? "no pod of it has left a word" : otherwise);
    }
}

/* ---- what is too old ---- */

struct age {
    const char *run, *made;
};

static int newest_first(const void *left, const void *right)
{
    const struct age *a = left, *b = right;
    int order = strcmp(b->made, a->made);
    return order != 0 ? order : strcmp(a->run, b->run);
}

json_t *mw_operate_run_old(const json_t *objects)
{
    size_t n = 0, index;
    json_t *object, *old = json_array();
    struct age *runs = calloc(json_array_size(objects) + 1, sizeof *runs);
    json_array_foreach(objects, index, object)
    {
        const char *run = label_of(object, MW_OPERATE_RUN_LABEL);
        const char *made = mw_kube_meta(object, "creationTimestamp");
        bool known = run[0] == '\0';
        for (size_t i = 0; runs != NULL && i < n && !known; i++) {
            known = strcmp(runs[i].run, run) == 0;
        }
        if (runs != NULL && !known) {
            runs[n++] = (struct age){run, made == NULL ? "" : made};
        }
    }
    if (runs != NULL) {
        qsort(runs, n, sizeof *runs, newest_first);
    }
    json_array_foreach(objects, index, object)
    {
        for (size_t i = MW_OPERATE_RUNS_KEPT; i < n; i++) {
            if (strcmp(runs[i].run, label_of(object, MW_OPERATE_RUN_LABEL)) == 0) {
                json_array_append_new(old, json_string(mw_kube_meta(object, "name")));
            }
        }
    }
    free(runs);
    return old;
}
