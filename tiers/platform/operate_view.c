/* The view: what the API has told, kept as small as the decisions need it. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_given.h"
#include "tiers/platform/operate_internal.h"
#include "tiers/platform/operate_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS "app.kubernetes.io%2Fmanaged-by%3D" MW_OPERATE_MANAGER
#define AVOID_FOR (300 * MW_SECOND)

const struct mw_operate_kind mw_operate_kinds[MW_OPERATE_KINDS] = {
    [MW_OPERATE_PLANTS] = {"Plant", "/apis/" MW_OPERATE_API, "plants", NULL, true},
    [MW_OPERATE_NODES] = {"Node", "/api/v1", "nodes", NULL, false},
    [MW_OPERATE_PODS] = {"Pod", "/api/v1", "pods", OURS "%2Capp.kubernetes.io%2Fcomponent%3Dscore",
                         true},
    [MW_OPERATE_ROLLOUTS] = {"Rollout", "/apis/" MW_OPERATE_API, "rollouts", NULL, true},
    [MW_OPERATE_BUNDLES] = {"Bundle", "/apis/" MW_OPERATE_API, "bundles", OURS, true},
    [MW_OPERATE_CONFIG_MAPS] = {"ConfigMap", "/api/v1", "configmaps", OURS, true},
    [MW_OPERATE_CLAIMS] = {"PersistentVolumeClaim", "/api/v1", "persistentvolumeclaims", OURS,
                           true},
    [MW_OPERATE_SERVICES] = {"Service", "/api/v1", "services", OURS, true},
    [MW_OPERATE_DEPLOYMENTS] = {"Deployment", "/apis/apps/v1", "deployments", OURS, true},
};

bool mw_operate_is_whole(const struct mw_operate *operate)
{
    for (int i = 0; i < MW_OPERATE_KINDS; i++) {
        if (!operate->kinds[i].whole) {
            return false;
        }
    }
    return true;
}

char *mw_operate_path(const char *group, const char *plural, const char *space, const char *format,
                      ...)
{
    char *rest = NULL, *path = NULL;
    va_list values;
    va_start(values, format);
    if (vasprintf(&rest, format, values) < 0) {
        rest = NULL;
    }
    va_end(values);
    if (rest != NULL && asprintf(&path, "%s/namespaces/%s/%s%s", group, space, plural, rest) < 0) {
        path = NULL;
    }
    free(rest);
    return path;
}

/* ---- plants ---- */

void mw_operate_item_free(void *entry)
{
    struct mw_operate_item *item = entry;
    json_decref(item->object);
    json_decref(item->seen);
    json_decref(item->applied);
    json_decref(item->pods);
    json_decref(item->lacks);
    json_decref(item->told);
    json_decref(item->status);
    json_decref(item->objects);
    json_decref(item->rollouts);
    json_decref(item->bundles);
    json_decref(item->ask);
    mw_operate_pipeline_drop(item);
    free((void *)(uintptr_t)item->key.name.data);
    free(item);
}

static struct mw_operate_item *item_of(struct mw_operate *operate, const char *space,
                                       const char *name, bool make)
{
    char *key = NULL;
    if (space == NULL || name == NULL || asprintf(&key, "%s/%s", space, name) < 0) {
        return NULL;
    }
    struct mw_operate_item *item = mw_table_find(&operate->plants, mw_span_of(key));
    if (item != NULL || !make || (item = calloc(1, sizeof *item)) == NULL) {
        free(key);
        return item;
    }
    *item = (struct mw_operate_item){.key = {.name = mw_span_of(key)},
                                     .operate = operate,
                                     .seen = json_object(),
                                     .applied = json_object(),
                                     .pods = json_object(),
                                     .lacks = json_object(),
                                     .told = json_object(),
                                     .rollouts = json_object(),
                                     .bundles = json_object(),
                                     .class = -1};
    if (mw_table_add(&operate->plants, item) != MW_OK) {
        mw_operate_item_free(item);
        return NULL;
    }
    return item;
}

/* Its objects may still be there and are the garbage collector's; a pass under way ends by itself.
 */
static void drop_plant(struct mw_operate *operate, struct mw_operate_item *item)
{
    if (item->object == NULL) {
        return;
    }
    mw_log(MW_LOG_INFO, item->key.name.data, "the plant was deleted",
           MW_KI("generation", json_integer_value(json_object_get(
                                   json_object_get(item->object, "metadata"), "generation"))));
    json_decref(item->object);
    json_decref(item->status);
    item->object = item->status = NULL;
    mw_operate_pipeline_drop(item);
    json_object_clear(item->applied);
    json_object_clear(item->told);
    item->class = -1;
    item->avoid = 0;
    item->attempt = 0;
    operate->place = true;
}

static void put_plant(struct mw_operate *operate, json_t *object)
{
    struct mw_operate_item *item =
        item_of(operate, mw_kube_meta(object, "namespace"), mw_kube_meta(object, "name"), true);
    if (item == NULL) {
        return;
    }
    const char *uid = item->object == NULL ? NULL : mw_kube_meta(item->object, "uid");
    const char *fresh_uid = mw_kube_meta(object, "uid");
    if (uid != NULL && fresh_uid != NULL && strcmp(uid, fresh_uid) != 0) {
        drop_plant(operate, item); /* another one of the same name */
    }
    bool same_spec = item->object != NULL && json_equal(json_object_get(item->object, "spec"),
                                                        json_object_get(object, "spec"));
    json_decref(item->object);
    item->object = json_incref(object);
    /* What other managers own of it is of no use here, and large. */
    json_object_del(json_object_get(object, "metadata"), "managedFields");
    item->listed = true;
    if (!same_spec) {
        item->attempt = 0;
        item->due = 0;
        operate->place = true;
        mw_operate_touch(operate, item);
    }
}

static void relist_plants(struct mw_operate *operate, bool end)
{
    size_t at = 0;
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        if (!end) {
            item->listed = false;
        } else if (!item->listed) {
            drop_plant(operate, item);
        }
    }
}

static void on_plant(struct mw_operate *operate, enum mw_kube_change change, json_t *object)
{
    if (change == MW_KUBE_PUT) {
        put_plant(operate, object);
    } else if (change == MW_KUBE_GONE) {
        struct mw_operate_item *item = item_of(operate, mw_kube_meta(object, "namespace"),
                                               mw_kube_meta(object, "name"), false);
        if (item != NULL) {
            drop_plant(operate, item);
        }
    } else {
        relist_plants(operate, change == MW_KUBE_SYNCED);
    }
}

/* ---- nodes ---- */

void mw_operate_host_free(void *entry)
{
    struct mw_operate_host *host = entry;
    json_decref(host->labels);
    free((void *)(uintptr_t)host->key.name.data);
    free(host);
}

static void drop_host(struct mw_operate *operate, struct mw_operate_host *host)
{
    mw_table_remove(&operate->nodes, host);
    mw_operate_host_free(host);
    operate->place = true;
}

/* Devices that come may suit those who found no place before. */
static void forget_avoided(struct mw_operate *operate)
{
    size_t at = 0;
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        item->avoid = 0;
    }
    operate->place = true;
}

static void put_host(struct mw_operate *operate, const json_t *object)
{
    const char *name = mw_kube_meta(object, "name");
    struct mw_operate_node node;
    mw_operate_node_read(object, &node);
    struct mw_operate_host *host =
        name == NULL ? NULL : mw_table_find(&operate->nodes, mw_span_of(name));
    if (name == NULL || (host == NULL && !mw_operate_node_has_devices(&node))) {
        return;
    }
    if (host == NULL) {
        host = calloc(1, sizeof *host);
        char *copy = strdup(name);
        if (host == NULL || copy == NULL) {
            free(host);
            free(copy);
            return;
        }
        host->key.name = mw_span_of(copy);
        if (mw_table_add(&operate->nodes, host) != MW_OK) {
            mw_operate_host_free(host);
            return;
        }
    }
    bool same = host->node.usable == node.usable && json_equal(host->labels, node.labels) &&
                memcmp(host->node.devices, node.devices, sizeof node.devices) == 0;
    host->listed = true;
    if (!same) {
        json_decref(host->labels);
        host->labels = json_deep_copy(node.labels);
        host->node = node;
        host->node.labels = host->labels;
        forget_avoided(operate);
        mw_operate_touch(operate, NULL);
    }
}

static void relist_hosts(struct mw_operate *operate, bool end)
{
    size_t at = 0;
    for (struct mw_operate_host *host; (host = mw_table_next(&operate->nodes, &at)) != NULL;) {
        if (!end) {
            host->listed = false;
        } else if (!host->listed) {
            drop_host(operate, host);
            at = 0; /* the walk begins anew after a removal */
        }
    }
}

static void on_node(struct mw_operate *operate, enum mw_kube_change change, json_t *object)
{
    if (change == MW_KUBE_PUT) {
        put_host(operate, object);
    } else if (change == MW_KUBE_GONE) {
        const char *name = mw_kube_meta(object, "name");
        struct mw_operate_host *host =
            name == NULL ? NULL : mw_table_find(&operate->nodes, mw_span_of(name));
        if (host != NULL) {
            drop_host(operate, host);
            mw_operate_touch(operate, NULL);
        }
    } else {
        relist_hosts(operate, change == MW_KUBE_SYNCED);
    }
}

/* ---- what is the plants' ---- */

static struct mw_operate_item *owner_of(struct mw_operate *operate, const json_t *object, bool make)
{
    const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    return item_of(operate, mw_kube_meta(object, "namespace"),
                   json_string_value(json_object_get(labels, "app.kubernetes.io/instance")), make);
}

/* `lacks` is taken; NULL: nothing. */
static void set_lacks(struct mw_operate *operate, struct mw_operate_item *item, const char *pod,
                      json_t *lacks)
{
    if (lacks == NULL ? json_object_get(item->lacks, pod) == NULL
                      : json_equal(lacks, json_object_get(item->lacks, pod))) {
        json_decref(lacks);
        return;
    }
    if (lacks == NULL) {
        json_object_del(item->lacks, pod);
    } else {
        json_object_set_new(item->lacks, pod, lacks);
    }
    mw_operate_touch(operate, item);
}

static void put_pod(struct mw_operate *operate, const json_t *pod)
{
    struct mw_operate_item *item = owner_of(operate, pod, true);
    const json_t *labels = json_object_get(json_object_get(pod, "metadata"), "labels");
    const char *name = json_string_value(json_object_get(labels, MW_OPERATE_ACCELERATOR));
    int class = name == NULL ? -1 : mw_operate_class_find(name);
    if (item == NULL || class < 0) {
        return;
    }
    const char *why = mw_operate_pod_lacks(pod, class);
    json_object_set_new(item->pods, mw_kube_meta(pod, "name"), json_integer(class));
    set_lacks(operate, item, mw_kube_meta(pod, "name"), mw_operate_given_lacks(pod));
    if (why != NULL && class == item->class && mw_kube_meta(pod, "deletionTimestamp") == NULL) {
        item->avoid |= 1u << class;
        item->avoid_end = mw_clock_monotonic() + AVOID_FOR;
        operate->place = true;
        mw_log(MW_LOG_INFO, item->key.name.data, "the scheduler finds no place for the scorer",
               MW_KS("class", name), MW_KS("reason", why));
        mw_operate_touch(operate, item);
    }
}

static void on_pod(struct mw_operate *operate, enum mw_kube_change change, json_t *pod)
{
    size_t at = 0;
    if (change == MW_KUBE_PUT) {
        put_pod(operate, pod);
    } else if (change == MW_KUBE_GONE) {
        struct mw_operate_item *item = owner_of(operate, pod, false);
        if (item != NULL) {
            json_object_del(item->pods, mw_kube_meta(pod, "name"));
            json_object_del(item->lacks, mw_kube_meta(pod, "name"));
            mw_operate_touch(operate, item);
        }
    } else if (change == MW_KUBE_RELIST) {
        for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
            json_object_clear(item->pods);
            json_object_clear(item->lacks);
        }
    } else {
        mw_operate_touch(operate, NULL);
    }
}

json_t *mw_operate_version_of(const json_t *object)
{
    json_t *generation = json_object_get(json_object_get(object, "metadata"), "generation");
    return json_is_integer(generation)
               ? json_incref(generation)
               : json_incref(
                     json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
}

/* A deployment's pods are those of its newest template, and as many as it shall have. */
static json_t *look_at(const json_t *object)
{
    const json_t *status = json_object_get(object, "status");
    json_int_t generation =
        json_integer_value(json_object_get(json_object_get(object, "metadata"), "generation"));
    json_int_t replicas = json_integer_value(json_object_get(status, "replicas"));
    bool current =
        json_integer_value(json_object_get(status, "observedGeneration")) >= generation &&
        json_integer_value(json_object_get(status, "updatedReplicas")) == replicas;
    return json_pack("{s:o,s:I,s:b}", "version", mw_operate_version_of(object), "ready",
                     json_integer_value(json_object_get(status, "readyReplicas")), "current",
                     current);
}

/* There may be no DNS, and a name would have to pass the page's guard. */
static void set_address(struct mw_operate_item *item, const json_t *service)
{
    const char *address =
        json_string_value(json_object_get(json_object_get(service, "spec"), "clusterIP"));
    item->address[0] = '\0';
    if (address != NULL && address[0] != '\0' && strcmp(address, "None") != 0) {
        bool six = strchr(address, ':') != NULL;
        snprintf(item->address, sizeof item->address, "http://%s%s%s:%d", six ? "[" : "", address,
                 six ? "]" : "", (int)MW_OPERATE_PORT);
    }
}

static void on_owned(struct mw_operate *operate, int kind, enum mw_kube_change change,
                     json_t *object)
{
    char key[384];
    const char *word = mw_operate_kinds[kind].kind;
    size_t at = 0;
    if (object != NULL) {
        struct mw_operate_item *item = owner_of(operate, object, change == MW_KUBE_PUT);
        if (item == NULL) {
            return;
        }
        snprintf(key, sizeof key, "%s/%s", word, mw_kube_meta(object, "name"));
        json_t *look = change == MW_KUBE_PUT ? look_at(object) : NULL;
        if (kind == MW_OPERATE_SERVICES) {
            set_address(item, change == MW_KUBE_PUT ? object : NULL);
        }
        if (look == NULL) {
            json_object_del(item->seen, key);
            json_object_del(item->applied, key);
        }
        if (look == NULL || !json_equal(look, json_object_get(item->seen, key))) {
            mw_operate_touch(operate, item);
        }
        if (look != NULL) {
            json_object_set_new(item->seen, key, look);
        }
        return;
    }
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        const char *its;
        json_t *value;
        void *next;
        json_object_foreach_safe(item->seen, next, its, value)
        {
            if (change == MW_KUBE_RELIST && strncmp(its, word, strlen(word)) == 0 &&
                its[strlen(word)] == '/') {
                json_object_del(item->seen, its);
            }
        }
    }
    mw_operate_touch(operate, NULL);
}

/* ---- rollouts and bundles ---- */

static json_t *models_of(struct mw_operate_item *item, int kind)
{
    return kind == MW_OPERATE_ROLLOUTS ? item->rollouts : item->bundles;
}

static void on_model(struct mw_operate *operate, int kind, enum mw_kube_change change,
                     json_t *object)
{
    size_t at = 0;
    const char *plant =
        json_string_value(json_object_get(json_object_get(object, "spec"), "plant"));
    if (object != NULL) {
        struct mw_operate_item *item =
            item_of(operate, mw_kube_meta(object, "namespace"), plant, change == MW_KUBE_PUT);
        const char *name = mw_kube_meta(object, "name");
        if (item != NULL && change == MW_KUBE_PUT) {
            json_object_del(json_object_get(object, "metadata"), "managedFields");
            json_object_set(models_of(item, kind), name, object);
            item->ask_due = kind == MW_OPERATE_ROLLOUTS ? 0 : item->ask_due;
        } else if (item != NULL) {
            json_object_del(models_of(item, kind), name);
        }
        return;
    }
    for (struct mw_operate_item *item;
         change == MW_KUBE_RELIST && (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        json_object_clear(models_of(item, kind));
    }
}

void mw_operate_on_change(void *context, enum mw_kube_change change, json_t *object)
{
    struct mw_operate_place_of_kind *place = context;
    struct mw_operate *operate = place->operate;
    if (change == MW_KUBE_RELIST || change == MW_KUBE_SYNCED) {
        place->whole = change == MW_KUBE_SYNCED;
    }
    switch (place->kind) {
    case MW_OPERATE_PLANTS:
        on_plant(operate, change, object);
        break;
    case MW_OPERATE_NODES:
        on_node(operate, change, object);
        break;
    case MW_OPERATE_PODS:
        on_pod(operate, change, object);
        break;
    case MW_OPERATE_ROLLOUTS:
    case MW_OPERATE_BUNDLES:
        on_model(operate, place->kind, change, object);
        break;
    default:
        on_owned(operate, place->kind, change, object);
        break;
    }
    mw_loop_set_timer(operate->role.loop, operate->work, 0, 0);
}
