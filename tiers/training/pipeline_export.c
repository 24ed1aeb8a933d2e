#include "tiers/training/pipeline_export.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LABEL 63   /* bytes of a name in Kubernetes */
#define RETRIES 2           /* of a step, after a failure that is no refusal */
#define KEEP_SECONDS 604800 /* that what has ended can be looked at */
#define DAG "DAG"           /* no step has capitals in its name */

enum { USER = 65532, WRONG = 2, REFUSED = 3 }; /* of the image; exit codes no retry would change */

struct exporting {
    const struct mw_pipeline *pipeline;
    const struct mw_pipeline_export_options *options;
    const char *plant;
    char claim[NAME_MAX_LABEL + 8], config[NAME_MAX_LABEL + 1];
    bool argo;
};

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

/* --- what is refused --- */

static mw_err check_name(const char *what, const char *name, struct mw_error *error)
{
    size_t size = strlen(name);
    if (size > NAME_MAX_LABEL) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s %s: longer than %d characters", what, name,
                            NAME_MAX_LABEL);
    }
    if (size == 0 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != size ||
        name[0] == '-' || name[size - 1] == '-') {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "%s '%s': Kubernetes takes a-z, 0-9 and, within, -", what, name);
    }
    return MW_OK;
}

static mw_err check_text(const struct exporting *e, const char *what, const char *text,
                         struct mw_error *error)
{
    json_t *string = json_string(or_empty(text));
    bool readable = string != NULL;
    json_decref(string);
    if (!readable) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%s: no UTF-8", what);
    }
    return e->argo && strstr(or_empty(text), "{{") != NULL
               ? mw_error_set(error, MW_ERR_ARGUMENT, "%s: Argo would replace {{ in '%.100s'", what,
                              text)
               : MW_OK;
}

static mw_err check_step(const struct exporting *e, const struct mw_pipeline_step *step,
                         struct mw_error *error)
{
    char name[2 * NAME_MAX_LABEL + 2];
    mw_err err = check_name("step", step->name, error);
    if (err == MW_OK && e->argo && step->name[0] >= '0' && step->name[0] <= '9') {
        err = mw_error_set(error, MW_ERR_ARGUMENT,
                           "step '%s': Argo takes none that begins with a digit", step->name);
    }
    for (size_t i = 0; err == MW_OK && i < step->run.n; i++) {
        err = check_text(e, step->name, step->run.item[i], error);
    }
    if (err == MW_OK && !e->argo) {
        snprintf(name, sizeof name, "%s-%s", e->options->run, step->name);
        err = check_name("job", name, error);
    }
    return err;
}

static mw_err begin(struct exporting *e, const struct mw_pipeline *pipeline,
                    const struct mw_pipeline_export_options *options, bool argo,
                    struct mw_error *error)
{
    const char *name = or_empty(options->name)[0] == '\0' ? options->plant->plant : options->name;
    *e = (struct exporting){.pipeline = pipeline, .options = options, .plant = name, .argo = argo};
    const char *claim = or_empty(options->claim), *config = or_empty(options->config);
    mw_err err = check_name("plant", e->plant, error);
    if (err == MW_OK) {
        snprintf(e->claim, sizeof e->claim, "%s%s", *claim == '\0' ? e->plant : claim,
                 *claim == '\0' ? "-data" : "");
        snprintf(e->config, sizeof e->config, "%s", *config == '\0' ? e->plant : config);
        err = check_name("claim", *claim == '\0' ? e->claim : claim, error);
    }
    err = err == MW_OK ? check_name("config map", *config == '\0' ? e->plant : config, error) : err;
    if (err == MW_OK && *or_empty(options->service_account) != '\0') {
        err = check_name("service account", options->service_account, error);
    }
    if (err == MW_OK && (!argo || options->run != NULL)) {
        err = check_name("run", or_empty(options->run), error);
    }
    err = err == MW_OK ? check_text(e, "image", options->image, error) : err;
    err = err == MW_OK ? check_text(e, "since", options->since, error) : err;
    err = err == MW_OK ? check_text(e, "machine", options->machine, error) : err;
    for (size_t i = 0; err == MW_OK && i < pipeline->n; i++) {
        err = check_step(e, &pipeline->step[i], error);
    }
    return err;
}

/* --- the container of a step --- */

/* Kubernetes replaces $(NAME) in arguments, and reads $$ as one $. */
static json_t *quote(const char *argument)
{
    char *text = malloc(2 * strlen(argument) + 1), *end = text;
    if (text == NULL) {
        return NULL;
    }
    for (const char *at = argument; *at != '\0'; at++) {
        *end++ = *at;
        if (*at == '$' && (at[1] == '$' || at[1] == '(')) {
            *end++ = '$';
        }
    }
    *end = '\0';
    json_t *made = json_string(text);
    free(text);
    return made;
}

static void add_accepted(json_t *arguments, const struct mw_pipeline_step *step)
{
    char codes[256 * 4] = "";
    size_t used = 0, n = 0;
    for (size_t code = 0; code < 256; code++) {
        if (step->accept[code]) {
            used += (size_t)snprintf(codes + used, sizeof codes - used, "%s%zu", n == 0 ? "" : ",",
                                     code);
            n++;
        }
    }
    if (n != 1 || !step->accept[0]) {
        json_array_append_new(arguments, json_sprintf("--accept=%s", codes));
    }
}

static void add_option(json_t *arguments, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        json_t *text = json_sprintf("--%s=%s", name, value);
        json_array_append_new(arguments, quote(or_empty(json_string_value(text))));
        json_decref(text);
    }
}

static json_t *arguments_of(const struct exporting *e, const struct mw_pipeline_step *step)
{
    const struct mw_pipeline_export_options *o = e->options;
    json_t *made =
        json_pack("[s,s,s,s]", "pipeline", "step", "--config", "/etc/millwright/plant.yaml");
    add_option(made, "run", e->argo ? "{{workflow.name}}" : o->run);
    add_option(made, "cause", e->argo ? "{{workflow.parameters.cause}}" : o->cause);
    add_option(made, "since", e->argo ? "{{workflow.parameters.since}}" : o->since);
    add_option(made, "machine", e->argo ? "{{workflow.parameters.machine}}" : o->machine);
    add_option(made, "name", step->name);
    add_option(made, "when", step->when);
    add_accepted(made, step);
    json_array_append_new(made, json_string("--"));
    for (size_t i = 0; i < step->run.n; i++) {
        json_array_append_new(made, quote(step->run.item[i]));
    }
    return made;
}

static json_t *resources_of(const struct mw_pipeline_step *step)
{
    json_t *made = json_pack("{s:{s:s,s:s}}", "requests", "cpu", "100m", "memory", "64Mi");
    const char *name = step->accelerator;
    if (name != NULL) {
        char resource[128];
        snprintf(resource, sizeof resource, "%s%s",
                 strcmp(name, "gpu") == 0    ? "nvidia.com/"
                 : strchr(name, '/') == NULL ? "millwright.dev/"
                                             : "",
                 name);
        json_object_set_new(made, "limits", json_pack("{s:s}", resource, "1"));
    }
    return made;
}

static json_t *container_of(const struct exporting *e, const struct mw_pipeline_step *step)
{
    return json_pack(
        "{s:s,s:s,s:s,s:[s],s:o,s:o,s:s,s:{s:b,s:b,s:{s:[s]}},s:[{s:s,s:s,s:b},{s:s,s:s},{s:s,s:s}]"
        "}",
        "name", e->argo ? "main" : "step", "image", e->options->image, "imagePullPolicy",
        "IfNotPresent", "command", "/usr/bin/millwright", "args", arguments_of(e, step),
        "resources", resources_of(step), "terminationMessagePolicy", "FallbackToLogsOnError",
        "securityContext", "allowPrivilegeEscalation", 0, "readOnlyRootFilesystem", 1,
        "capabilities", "drop", "ALL", "volumeMounts", "name", "config", "mountPath",
        "/etc/millwright", "readOnly", 1, "name", "data", "mountPath", "/var/lib/millwright",
        "name", "tmp", "mountPath", "/tmp");
}

/* --- what all pods have --- */

static json_t *labels_of(const struct exporting *e)
{
    return json_pack("{s:s,s:s,s:s,s:s}", "app.kubernetes.io/name", "millwright",
                     "app.kubernetes.io/instance", e->plant, "app.kubernetes.io/component",
                     "pipeline", "app.kubernetes.io/managed-by", "millwright");
}

/* Those of all that belongs to the run; of one that Argo names, only Argo's own label tells. */
static json_t *labels_of_run(const struct exporting *e)
{
    json_t *labels = labels_of(e);
    if (e->options->run != NULL) {
        json_object_set_new(labels, MW_PIPELINE_RUN, json_string(e->options->run));
    }
    return labels;
}

static json_t *volumes_of(const struct exporting *e)
{
    return json_pack("[{s:s,s:{s:s}},{s:s,s:{s:s}},{s:s,s:{}}]", "name", "config", "configMap",
                     "name", e->config, "name", "data", "persistentVolumeClaim", "claimName",
                     e->claim, "name", "tmp", "emptyDir");
}

static json_t *security_of_pod(void)
{
    return json_pack("{s:b,s:i,s:i,s:i,s:{s:s}}", "runAsNonRoot", 1, "runAsUser", USER,
                     "runAsGroup", USER, "fsGroup", USER, "seccompProfile", "type",
                     "RuntimeDefault");
}

/* Without Kafka the stream is files, so that all pods of the plant have to be on one node. */
static void set_shared(const struct exporting *e, json_t *spec)
{
    const char *account = or_empty(e->options->service_account);
    json_object_set_new(spec, "securityContext", security_of_pod());
    json_object_set_new(spec, "volumes", volumes_of(e));
    if (account[0] != '\0') {
        json_object_set_new(spec, "serviceAccountName", json_string(account));
    }
    if (or_empty(e->options->plant->stream.url)[0] == '\0') {
        json_object_set_new(spec, "affinity",
                            json_pack("{s:{s:[{s:s,s:{s:{s:s,s:s}}}]}}", "podAffinity",
                                      "requiredDuringSchedulingIgnoredDuringExecution",
                                      "topologyKey", "kubernetes.io/hostname", "labelSelector",
                                      "matchLabels", "app.kubernetes.io/instance", e->plant,
                                      "app.kubernetes.io/managed-by", "millwright"));
    }
}

static json_t *names_of(const struct mw_list *list)
{
    json_t *made = json_array();
    for (size_t i = 0; i < list->n; i++) {
        json_array_append_new(made, json_string(list->item[i]));
    }
    return made;
}

static mw_err print(json_t *root, char **text, struct mw_error *error)
{
    *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return *text == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
}

/* --- Argo --- */

/* What Argo adds to each pod has no security context of its own, and the standard wants one. */
#define OF_ARGO                                          \
    "\"securityContext\":{\"allowPrivilegeEscalation\":" \
    "false,\"capabilities\":{\"drop\":[\"ALL\"]}}"
static const char patch_of_pod[] = "{\"initContainers\":[{\"name\":\"init\"," OF_ARGO
                                   "}],\"containers\":[{\"name\":\"wait\"," OF_ARGO "}]}";

static json_t *template_of(const struct exporting *e, const struct mw_pipeline_step *step)
{
    json_t *made =
        json_pack("{s:s,s:{s:{s:s}},s:o,s:{s:s,s:s,s:s,s:{s:s,s:s}}}", "name", step->name,
                  "metadata", "labels", MW_PIPELINE_STEP, step->name, "container",
                  container_of(e, step), "retryStrategy", "limit", "2", "retryPolicy", "Always",
                  "expression", "asInt(lastRetry.exitCode) != 2 && asInt(lastRetry.exitCode) != 3",
                  "backoff", "duration", "10s", "factor", "2");
    return made;
}

mw_err mw_pipeline_export_argo(const struct mw_pipeline *pipeline,
                               const struct mw_pipeline_export_options *options, char **text,
                               struct mw_error *error)
{
    struct exporting e;
    *text = NULL;
    mw_err err = begin(&e, pipeline, options, true, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *tasks = json_array();
    json_t *templates = json_pack("[{s:s,s:{s:o}}]", "name", DAG, "dag", "tasks", tasks);
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct mw_pipeline_step *step = &pipeline->step[i];
        json_t *task = json_pack("{s:s,s:s}", "name", step->name, "template", step->name);
        if (step->needs.n > 0) {
            json_object_set_new(task, "dependencies", names_of(&step->needs));
        }
        json_array_append_new(tasks, task);
        json_array_append_new(templates, template_of(&e, step));
    }
    json_t *spec = json_pack("{s:s,s:{s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]},s:{s:i},s:s,s:{s:o},s:o}",
                             "entrypoint", DAG, "arguments", "parameters", "name", "cause", "value",
                             options->cause, "name", "since", "value", or_empty(options->since),
                             "name", "machine", "value", or_empty(options->machine), "ttlStrategy",
                             "secondsAfterCompletion", KEEP_SECONDS, "podSpecPatch", patch_of_pod,
                             "podMetadata", "labels", labels_of_run(&e), "templates", templates);
    set_shared(&e, spec);
    json_t *metadata =
        options->run != NULL
            ? json_pack("{s:s,s:o}", "name", options->run, "labels", labels_of_run(&e))
            : json_pack("{s:s+,s:o}", "generateName", e.plant, "-learn-", "labels", labels_of(&e));
    return print(json_pack("{s:s,s:s,s:o,s:o}", "apiVersion", "argoproj.io/v1alpha1", "kind",
                           "Workflow", "metadata", metadata, "spec", spec),
                 text, error);
}

/* --- Jobs --- */

static json_t *pod_of(const struct exporting *e, const struct mw_pipeline_step *step)
{
    json_t *spec =
        json_pack("{s:s,s:b,s:b,s:[o]}", "restartPolicy", "Never", "automountServiceAccountToken",
                  0, "enableServiceLinks", 0, "containers", container_of(e, step));
    set_shared(e, spec);
    return spec;
}

static json_t *labels_of_step(const struct exporting *e, const struct mw_pipeline_step *step)
{
    json_t *labels = labels_of_run(e);
    json_object_set_new(labels, MW_PIPELINE_STEP, json_string(step->name));
    return labels;
}

static json_t *metadata_of(const struct exporting *e, const struct mw_pipeline_step *step)
{
    json_t *made =
        json_pack("{s:o,s:o}", "name", json_sprintf("%s-%s", e->options->run, step->name), "labels",
                  labels_of_step(e, step));
    struct mw_buffer needs = {0};
    for (size_t i = 0; i < step->needs.n; i++) {
        (void)mw_buffer_printf(&needs, "%s%s", i == 0 ? "" : ",", step->needs.item[i]);
    }
    if (step->needs.n > 0) {
        json_object_set_new(made, "annotations",
                            json_pack("{s:s}", MW_PIPELINE_NEEDS, or_empty(needs.data)));
    }
    mw_buffer_free(&needs);
    return made;
}

/* A pod that the cluster takes away for its own reasons is no failure of the step. */
static json_t *job_of(const struct exporting *e, const struct mw_pipeline_step *step)
{
    json_t *policy =
        json_pack("{s:[{s:s,s:[{s:s}]},{s:s,s:{s:s,s:s,s:[i,i]}}]}", "rules", "action", "Ignore",
                  "onPodConditions", "type", "DisruptionTarget", "action", "FailJob", "onExitCodes",
                  "containerName", "step", "operator", "In", "values", WRONG, REFUSED);
    return json_pack("{s:s,s:s,s:o,s:{s:b,s:i,s:i,s:o,s:{s:{s:o},s:o}}}", "apiVersion", "batch/v1",
                     "kind", "Job", "metadata", metadata_of(e, step), "spec", "suspend",
                     (int)(step->needs.n > 0), "backoffLimit", RETRIES, "ttlSecondsAfterFinished",
                     KEEP_SECONDS, "podFailurePolicy", policy, "template", "metadata", "labels",
                     labels_of_step(e, step), "spec", pod_of(e, step));
}

mw_err mw_pipeline_export_jobs(const struct mw_pipeline *pipeline,
                               const struct mw_pipeline_export_options *options, char **text,
                               struct mw_error *error)
{
    struct exporting e;
    *text = NULL;
    mw_err err = begin(&e, pipeline, options, false, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < pipeline->n; i++) {
        json_array_append_new(items, job_of(&e, &pipeline->step[i]));
    }
    return print(json_pack("{s:s,s:s,s:o}", "apiVersion", "v1", "kind", "List", "items", items),
                 text, error);
}
