#include "tiers/platform/operate_plan.h"

#include "lib/kube/lines.h"
#include "tiers/platform/operate_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USER = 65532 }; /* of the image */

struct making {
    const struct mw_operate_plan *plan;
    const char *name, *space, *config;
    json_t *objects;
};

static const json_t *spec_of(const struct making *making)
{
    return json_object_get(making->plan->plant, "spec");
}

static const char *cluster_text(const struct making *making, const char *key, const char *fallback)
{
    const char *text = json_string_value(mw_operate_plan_cluster(making->plan->plant, key));
    return text == NULL || text[0] == '\0' ? fallback : text;
}

/* ---- what all objects have ---- */

static json_t *labels(const struct making *making, const char *component, const char *accelerator)
{
    return json_pack("{s:s,s:s,s:s*,s:s,s:s*}", "app.kubernetes.io/name", "millwright",
                     "app.kubernetes.io/instance", making->name, "app.kubernetes.io/component",
                     component, "app.kubernetes.io/managed-by", MW_OPERATE_MANAGER,
                     MW_OPERATE_ACCELERATOR, accelerator);
}

static json_t *selector(const struct making *making, const char *component, const char *accelerator)
{
    return json_pack("{s:s,s:s,s:s*}", "app.kubernetes.io/instance", making->name,
                     "app.kubernetes.io/component", component, MW_OPERATE_ACCELERATOR, accelerator);
}

json_t *mw_operate_plan_owners(const json_t *plant)
{
    return json_pack("[{s:s,s:s,s:s,s:s?,s:b,s:b}]", "apiVersion", MW_OPERATE_API, "kind", "Plant",
                     "name", mw_kube_meta(plant, "name"), "uid", mw_kube_meta(plant, "uid"),
                     "controller", 1, "blockOwnerDeletion", 1);
}

static json_t *metadata(const struct making *making, const char *name, json_t *its_labels,
                        bool owned)
{
    json_t *made =
        json_pack("{s:s,s:s,s:o}", "name", name, "namespace", making->space, "labels", its_labels);
    if (owned) {
        json_object_set_new(made, "ownerReferences", mw_operate_plan_owners(making->plan->plant));
    }
    return made;
}

static void add(struct making *making, const char *api, const char *kind, json_t *its_metadata,
                const char *key, json_t *body)
{
    json_array_append_new(making->objects, json_pack("{s:s,s:s,s:o,s:o}", "apiVersion", api, "kind",
                                                     kind, "metadata", its_metadata, key, body));
}

/* ---- configuration and storage ---- */

static void add_config(struct making *making)
{
    add(making, "v1", "ConfigMap", metadata(making, making->name, labels(making, NULL, NULL), true),
        "data", json_pack("{s:s}", "plant.yaml", making->config));
}

static bool is_on_one_node(const struct making *making)
{
    const char *access = cluster_text(making, "storage_access", "auto");
    const char *url =
        json_string_value(json_object_get(json_object_get(spec_of(making), "stream"), "url"));
    return strcmp(access, "one-node") == 0 ||
           (strcmp(access, "auto") == 0 && (url == NULL || url[0] == '\0'));
}

/* Kubernetes writes binary units without the B. */
static json_t *storage_size(const struct making *making)
{
    const json_t *given = mw_operate_plan_cluster(making->plan->plant, "storage_size");
    char text[32];
    if (json_is_integer(given)) {
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(given));
    }
    const char *size = json_string_value(given);
    snprintf(text, sizeof text, "%s", size == NULL || strcmp(size, "off") == 0 ? "8GiB" : size);
    size_t kept = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != 'B' && *at != ' ') {
            text[kept++] = *at == 'K' && at[1] != 'i' ? 'k' : *at;
        }
    }
    text[kept] = '\0';
    return json_string(text);
}

static void add_volume(struct making *making)
{
    char name[80];
    const json_t *retain = mw_operate_plan_cluster(making->plan->plant, "storage_retain");
    const char *class = cluster_text(making, "storage_class", NULL);
    snprintf(name, sizeof name, "%s-data", making->name);
    add(making, "v1", "PersistentVolumeClaim",
        metadata(making, name, labels(making, NULL, NULL), json_is_false(retain)), "spec",
        json_pack("{s:[s],s:s*,s:{s:{s:o}}}", "accessModes",
                  is_on_one_node(making) ? "ReadWriteOnce" : "ReadWriteMany", "storageClassName",
                  class, "resources", "requests", "storage", storage_size(making)));
}

/* Whether `serve` answers firmware of the reference implementation. */
static bool has_reference(const struct making *making)
{
    const json_t *reference = json_object_get(spec_of(making), "reference");
    const char *certificate = json_string_value(json_object_get(reference, "certificate_file"));
    return json_is_true(json_object_get(reference, "enabled")) && certificate != NULL &&
           certificate[0] != '\0';
}

static json_t *service_port(const char *name, int port)
{
    return json_pack("{s:s,s:i,s:s,s:s}", "name", name, "port", port, "targetPort", name,
                     "protocol", "TCP");
}

static void add_service(struct making *making)
{
    json_t *ports = json_pack("[o]", service_port("http", MW_OPERATE_PORT));
    if (has_reference(making)) {
        json_array_append_new(ports, service_port("reference", MW_OPERATE_REFERENCE_PORT));
    }
    add(making, "v1", "Service",
        metadata(making, making->name, labels(making, "serve", NULL), true), "spec",
        json_pack("{s:o,s:o}", "selector", selector(making, "serve", NULL), "ports", ports));
}

/* ---- pods ---- */

/* The pod security standard "restricted", and a root that nobody writes to. */
static json_t *security_of_container(void)
{
    return json_pack("{s:b,s:b,s:{s:[s]}}", "allowPrivilegeEscalation", 0, "readOnlyRootFilesystem",
                     1, "capabilities", "drop", "ALL");
}

static json_t *security_of_pod(void)
{
    return json_pack("{s:b,s:i,s:i,s:i,s:{s:s}}", "runAsNonRoot", 1, "runAsUser", USER,
                     "runAsGroup", USER, "fsGroup", USER, "seccompProfile", "type",
                     "RuntimeDefault");
}

/* A volume and its mount for each name of a list. */
static void add_named(const json_t *plant, const char *list, const char *kind, const char *key,
                      json_t *volumes, json_t *mounts)
{
    size_t index;
    json_t *item;
    json_array_foreach(mw_operate_plan_cluster(plant, list), index, item)
    {
        const char *name = json_string_value(item);
        json_t *volume_name = json_sprintf("%s-%d", list, (int)index);
        json_array_append_new(volumes,
                              json_pack("{s:O,s:{s:s}}", "name", volume_name, kind, key, name));
        json_array_append_new(mounts, json_pack("{s:o,s:o,s:b}", "name", volume_name, "mountPath",
                                                json_sprintf("/%s/%s", list, name), "readOnly", 1));
    }
}

static void volumes_and_mounts(const struct making *making, json_t **volumes, json_t **mounts)
{
    *volumes = json_pack("[{s:s,s:{s:s}},{s:s,s:{s:s+}},{s:s,s:{}}]", "name", "config", "configMap",
                         "name", making->name, "name", "data", "persistentVolumeClaim", "claimName",
                         making->name, "-data", "name", "tmp", "emptyDir");
    *mounts = json_pack("[{s:s,s:s,s:b},{s:s,s:s},{s:s,s:s}]", "name", "config", "mountPath",
                        "/etc/millwright", "readOnly", 1, "name", "data", "mountPath",
                        "/var/lib/millwright", "name", "tmp", "mountPath", "/tmp");
}

/* Takes the list. */
static void set_unless_empty(json_t *object, const char *key, json_t *list)
{
    if (json_array_size(list) > 0) {
        json_object_set(object, key, list);
    }
    json_decref(list);
}

void mw_operate_plan_dress(const json_t *plant, json_t *spec, json_t *mounts)
{
    size_t index;
    json_t *item, *volumes = json_object_get(spec, "volumes");
    add_named(plant, "secrets", "secret", "secretName", volumes, mounts);
    add_named(plant, "files", "configMap", "name", volumes, mounts);
    const json_t *nodes = mw_operate_plan_cluster(plant, "node_selector");
    if (json_object_size(nodes) > 0) {
        json_object_set_new(spec, "nodeSelector", json_deep_copy(nodes));
    }
    json_t *pull = json_array(), *tolerations = json_array();
    json_array_foreach(mw_operate_plan_cluster(plant, "pull_secrets"), index, item)
    {
        json_array_append_new(pull, json_pack("{s:O}", "name", item));
    }
    json_array_foreach(mw_operate_plan_cluster(plant, "tolerations"), index, item)
    {
        json_array_append_new(tolerations,
                              json_pack("{s:O,s:s}", "key", item, "operator", "Exists"));
    }
    set_unless_empty(spec, "imagePullSecrets", pull);
    set_unless_empty(spec, "tolerations", tolerations);
}

/* The image of models as a volume that `prepare` reads: the nodes bring it, as they do all images.
 */
static void add_models(const struct making *making, json_t *volumes, json_t *prepare)
{
    const char *models = cluster_text(making, "models", NULL);
    if (models == NULL) {
        return;
    }
    json_t *args = json_object_get(prepare, "args");
    json_array_append_new(volumes, json_pack("{s:s,s:{s:s,s:s}}", "name", "models", "image",
                                             "reference", models, "pullPolicy", "IfNotPresent"));
    json_t *mounts = json_copy(json_object_get(prepare, "volumeMounts"));
    json_array_append_new(mounts, json_pack("{s:s,s:s,s:b}", "name", "models", "mountPath",
                                            "/models", "readOnly", 1));
    json_object_set_new(prepare, "volumeMounts", mounts);
    json_array_append_new(args, json_string("--models"));
    json_array_append_new(args, json_string("/models"));
    /* Why models were refused is then in the pod's status, whether or not the plant goes on. */
    json_array_append_new(args, json_string("--refused"));
    json_array_append_new(args, json_string("/dev/termination-log"));
    json_object_set_new(prepare, "terminationMessagePolicy", json_string("FallbackToLogsOnError"));
}

static json_t *probe(const char *path, int period, int failures)
{
    return json_pack("{s:{s:s,s:s},s:i,s:i,s:i}", "httpGet", "path", path, "port", "health",
                     "periodSeconds", period, "timeoutSeconds", 5, "failureThreshold", failures);
}

static json_t *health(int port)
{
    return json_pack("[{s:s,s:o}]", "name", "MILLWRIGHT_HEALTH", "value", json_sprintf("%d", port));
}

static json_t *container(const struct making *making, const char *name, const char *command,
                         const json_t *mounts)
{
    return json_pack("{s:s,s:s,s:s,s:[s,s,s],s:o,s:O}", "name", name, "image",
                     cluster_text(making, "image", making->plan->image), "imagePullPolicy",
                     "IfNotPresent", "args", command, "-c", "/etc/millwright/plant.yaml",
                     "securityContext", security_of_container(), "volumeMounts", mounts);
}

static json_t *container_port(const char *name, int port)
{
    return json_pack("{s:s,s:i}", "name", name, "containerPort", port);
}

static json_t *role_container(const struct making *making, const char *role, const json_t *mounts,
                              const char *resource)
{
    json_t *made = container(making, role, role, mounts);
    json_t *ports = json_pack("[o]", container_port("health", MW_OPERATE_HEALTH_PORT));
    json_t *resources = json_pack("{s:{s:s,s:s}}", "requests", "cpu", "10m", "memory", "32Mi");
    if (strcmp(role, "serve") == 0) {
        json_array_append_new(ports, container_port("http", MW_OPERATE_PORT));
        if (has_reference(making)) {
            json_array_append_new(ports, container_port("reference", MW_OPERATE_REFERENCE_PORT));
        }
    }
    if (resource != NULL) {
        json_object_set_new(json_object_get(resources, "requests"), resource, json_string("1"));
        json_object_set_new(resources, "limits", json_pack("{s:s}", resource, "1"));
    }
    json_object_set_new(made, "ports", ports);
    json_object_set_new(made, "resources", resources);
    json_object_set_new(made, "env", health(MW_OPERATE_HEALTH_PORT));
    json_object_set_new(made, "readinessProbe", probe("/readyz", 5, 2));
    json_object_set_new(made, "livenessProbe", probe("/livez", 10, 6));
    return made;
}

/* On one node: where the others of this plant are, since the volume is there. */
static json_t *affinity(const struct making *making)
{
    return json_pack("{s:{s:[{s:s,s:{s:{s:s,s:s}}}]}}", "podAffinity",
                     "requiredDuringSchedulingIgnoredDuringExecution", "topologyKey",
                     "kubernetes.io/hostname", "labelSelector", "matchLabels",
                     "app.kubernetes.io/instance", making->name, "app.kubernetes.io/managed-by",
                     MW_OPERATE_MANAGER);
}

static json_t *pod_spec(const struct making *making, const char *role, const char *resource)
{
    json_t *volumes, *mounts;
    volumes_and_mounts(making, &volumes, &mounts);
    json_t *prepare = container(making, "prepare", "prepare", mounts);
    json_t *spec =
        json_pack("{s:b,s:b,s:i,s:o,s:[o],s:[o],s:o}", "automountServiceAccountToken", 0,
                  "enableServiceLinks", 0, "terminationGracePeriodSeconds", 30, "securityContext",
                  security_of_pod(), "initContainers", prepare, "containers",
                  role_container(making, role, mounts, resource), "volumes", volumes);
    if (is_on_one_node(making)) {
        json_object_set_new(spec, "affinity", affinity(making));
    }
    /* Both containers have these mounts; the models are for one. */
    mw_operate_plan_dress(making->plan->plant, spec, mounts);
    add_models(making, volumes, prepare);
    json_decref(mounts);
    return spec;
}

/* ---- the streaming sidecar ---- */

static void mount_stream(json_t *container)
{
    json_t *mounts = json_deep_copy(json_object_get(container, "volumeMounts"));
    json_array_append_new(
        mounts, json_pack("{s:s,s:s}", "name", "stream", "mountPath", MW_OPERATE_STREAM_FOLDER));
    json_object_set_new(container, "volumeMounts", mounts);
}

/* A container that starts before the scorer and ends behind it: an init container that stays. It
 * shares the pod's address, so its probes have a port of their own. */
static json_t *relay_container(const struct making *making, const json_t *scorer)
{
    json_t *made = container(making, "relay", "relay", json_object_get(scorer, "volumeMounts"));
    json_t *args = json_object_get(made, "args");
    json_t *ready = probe("/readyz", 1, 60), *live = probe("/livez", 10, 6);
    json_array_append_new(args, json_string("--socket"));
    json_array_append_new(args, json_string(MW_OPERATE_STREAM_FOLDER "/stream.sock"));
    json_object_set_new(json_object_get(ready, "httpGet"), "port", json_string("relay"));
    json_object_set_new(json_object_get(live, "httpGet"), "port", json_string("relay"));
    json_object_set_new(made, "restartPolicy", json_string("Always"));
    json_object_set_new(made, "env", health(MW_OPERATE_RELAY_PORT));
    json_object_set_new(made, "ports",
                        json_pack("[o]", container_port("relay", MW_OPERATE_RELAY_PORT)));
    json_object_set_new(made, "resources",
                        json_pack("{s:{s:s,s:s}}", "requests", "cpu", "10m", "memory", "32Mi"));
    json_object_set_new(made, "startupProbe", ready);
    json_object_set_new(made, "livenessProbe", live);
    return made;
}

/* The scorer of this pod has its stream through a relay beside it. */
static void add_sidecar(const struct making *making, json_t *pod)
{
    json_t *scorer = json_array_get(json_object_get(pod, "containers"), 0);
    json_t *args = json_object_get(scorer, "args");
    json_array_append_new(args, json_string("--stream"));
    json_array_append_new(args, json_string("relay:" MW_OPERATE_STREAM_FOLDER "/stream.sock"));
    mount_stream(scorer);
    json_array_append_new(json_object_get(pod, "initContainers"), relay_container(making, scorer));
    json_array_append_new(json_object_get(pod, "volumes"),
                          json_pack("{s:s,s:{}}", "name", "stream", "emptyDir"));
}

/* ---- deployments ---- */

/* What a section says, or an option of it: "model", "reference.enabled". NULL: nothing. */
static const json_t *section_of(const json_t *spec, char *path)
{
    char *dot = strchr(path, '.');
    if (dot == NULL) {
        return json_object_get(spec, path);
    }
    *dot = '\0';
    return json_object_get(json_object_get(spec, path), dot + 1);
}

/* A number that changes when a section does that the role reads (FNV-1a, 64 bits). */
static json_t *digest(const struct making *making, const char *sections)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    const json_t *spec = spec_of(making);
    for (const char *at = sections; *at != '\0';) {
        char key[64];
        int size = (int)strcspn(at, " ");
        snprintf(key, sizeof key, "%.*s", size, at);
        char *text =
            json_dumps(section_of(spec, key), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        for (const char *c = text == NULL ? "-" : text; *c != '\0'; c++) {
            hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
        }
        free(text);
        at += size;
        at += *at == ' ';
    }
    return json_sprintf("%016" PRIx64, hash);
}

/* What tells one deployment of a role from another. */
struct variant {
    const char *component;   /* app.kubernetes.io/component */
    const char *accelerator; /* class of a scorer; NULL: none */
    const char *resource;    /* of that class; NULL: none */
    int share;               /* of a bridge, from 0 */
    int replicas;
};

/* Several of a kind: over the nodes, as far as there is room, so that not all go with one. */
static json_t *spread(const struct making *making, const char *component, const char *class)
{
    return json_pack("[{s:i,s:s,s:s,s:{s:o}}]", "maxSkew", 1, "topologyKey",
                     "kubernetes.io/hostname", "whenUnsatisfiable", "ScheduleAnyway",
                     "labelSelector", "matchLabels", selector(making, component, class));
}

static void add_deployment(struct making *making, const struct mw_operate_role *role,
                           const struct variant *variant)
{
    char name[128];
    const char *class = variant->accelerator, *component = variant->component;
    snprintf(name, sizeof name, "%s-%s%s%s", making->name, component, class == NULL ? "" : "-",
             class == NULL ? "" : class);
    json_t *pod = pod_spec(making, role->name, variant->resource);
    if (variant->share > 0) {
        json_t *args =
            json_object_get(json_array_get(json_object_get(pod, "containers"), 0), "args");
        json_array_append_new(args, json_string("--share"));
        json_array_append_new(args, json_sprintf("%d", variant->share));
    }
    if (variant->accelerator != NULL &&
        json_is_true(mw_operate_plan_cluster(making->plan->plant, "sidecar"))) {
        add_sidecar(making, pod);
    }
    if (variant->replicas > 1) {
        json_object_set_new(pod, "topologySpreadConstraints", spread(making, component, class));
    }
    json_t *template =
        json_pack("{s:{s:o,s:{s:o}},s:o}", "metadata", "labels", labels(making, component, class),
                  "annotations", MW_OPERATE_CONFIG, digest(making, role->sections), "spec", pod);
    add(making, "apps/v1", "Deployment",
        metadata(making, name, labels(making, component, class), true), "spec",
        json_pack("{s:i,s:i,s:{s:s},s:{s:o},s:o}", "replicas", variant->replicas,
                  "revisionHistoryLimit", 1, "strategy", "type", "Recreate", "selector",
                  "matchLabels", selector(making, component, class), "template", template));
}

static void add_scorers(struct making *making, const struct mw_operate_role *role)
{
    int classes[MW_OPERATE_CLASSES];
    size_t n = mw_operate_plan_preference(making->plan->plant, classes);
    int scorers = mw_operate_plan_scorers(making->plan->plant);
    for (size_t i = 0; i < n; i++) {
        const struct mw_operate_class *class = &mw_operate_classes[classes[i]];
        add_deployment(
            making, role,
            &(struct variant){.component = role->name,
                              .accelerator = class->name,
                              .resource = class->resource,
                              .replicas = classes[i] == making->plan->class ? scorers : 0});
    }
}

/* Bridges divide the devices: one deployment a share, so that each keeps its own. */
static void add_bridges(struct making *making, const struct mw_operate_role *role)
{
    const json_t *bridge = json_object_get(spec_of(making), "bridge");
    json_int_t shares = json_integer_value(json_object_get(bridge, "shares"));
    add_deployment(making, role, &(struct variant){.component = role->name, .replicas = 1});
    for (int share = 1; share < shares; share++) {
        char component[64];
        snprintf(component, sizeof component, "%s-%d", role->name, share);
        add_deployment(making, role,
                       &(struct variant){.component = component, .share = share, .replicas = 1});
    }
}

static bool has_things(const struct making *making)
{
    const json_t *spec = spec_of(making);
    return json_integer_value(json_object_get(json_object_get(spec, "simulate"), "machines")) > 0 ||
           json_array_size(json_object_get(json_object_get(spec, "gateway"), "devices")) > 0;
}

json_t *mw_operate_plan_objects(const struct mw_operate_plan *plan, struct mw_error *error)
{
    char *config = NULL;
    if (mw_operate_plan_config(plan->plant, &config, error) != MW_OK) {
        return NULL;
    }
    struct making making = {.plan = plan,
                            .name = mw_kube_meta(plan->plant, "name"),
                            .space = mw_kube_meta(plan->plant, "namespace"),
                            .config = config,
                            .objects = json_array()};
    add_config(&making);
    add_volume(&making);
    for (const struct mw_operate_role *role = plan->roles; role->name != NULL; role++) {
        if (strcmp(role->name, "score") == 0) {
            add_scorers(&making, role);
        } else if (strcmp(role->name, "bridge") == 0) {
            add_bridges(&making, role);
        } else if (strcmp(role->name, "thing") != 0 || has_things(&making)) {
            add_deployment(&making, role,
                           &(struct variant){.component = role->name, .replicas = 1});
        }
    }
    add_service(&making);
    free(config);
    return making.objects;
}
