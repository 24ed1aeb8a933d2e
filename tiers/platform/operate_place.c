#include "tiers/platform/operate_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct mw_operate_class mw_operate_classes[MW_OPERATE_CLASSES] = {
    {"edgetpu", "millwright.dev/edgetpu"},
    {"hailo", "millwright.dev/hailo"},
    {"nvidia", "millwright.dev/nvidia"},
    {"gpu", "nvidia.com/gpu"}, /* NVIDIA's own device plugin */
    {"intel-npu", "millwright.dev/intel-npu"},
    {"rockchip-npu", "millwright.dev/rockchip-npu"},
    {"ethos-u", "millwright.dev/ethos-u"},
    {"cpu", NULL},
};

int mw_operate_class_find(const char *name)
{
    for (int i = 0; i < MW_OPERATE_CLASSES; i++) {
        if (strcmp(mw_operate_classes[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- nodes ---- */

/* A quantity of devices is a whole number; Kubernetes has no half devices. */
static int64_t read_count(const json_t *quantity)
{
    const char *text = json_string_value(quantity);
    if (text == NULL) {
        return json_integer_value(quantity);
    }
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    return *end == '\0' && value > 0 ? value : 0;
}

static const json_t *find_condition(const json_t *object, const char *wanted)
{
    size_t index;
    json_t *condition;
    json_array_foreach(json_object_get(json_object_get(object, "status"), "conditions"), index,
                       condition)
    {
        const char *type = json_string_value(json_object_get(condition, "type"));
        if (type != NULL && strcmp(type, wanted) == 0) {
            return condition;
        }
    }
    return NULL;
}

static bool is(const json_t *condition, const char *key, const char *wanted)
{
    const char *value = json_string_value(json_object_get(condition, key));
    return value != NULL && strcmp(value, wanted) == 0;
}

void mw_operate_node_read(const json_t *object, struct mw_operate_node *node)
{
    const json_t *status = json_object_get(object, "status");
    const json_t *allocatable = json_object_get(status, "allocatable");
    *node = (struct mw_operate_node){0};
    node->labels = json_object_get(json_object_get(object, "metadata"), "labels");
    node->usable = is(find_condition(object, "Ready"), "status", "True") &&
                   !json_is_true(json_object_get(json_object_get(object, "spec"), "unschedulable"));
    for (int i = 0; i < MW_OPERATE_CLASSES; i++) {
        const char *resource = mw_operate_classes[i].resource;
        node->devices[i] =
            resource == NULL ? 0 : read_count(json_object_get(allocatable, resource));
    }
}

bool mw_operate_node_has_devices(const struct mw_operate_node *node)
{
    for (int i = 0; i < MW_OPERATE_CLASSES; i++) {
        if (node->devices[i] > 0) {
            return true;
        }
    }
    return false;
}

const char *mw_operate_pod_lacks(const json_t *pod, int class)
{
    char lacking[96];
    const char *resource = mw_operate_classes[class].resource;
    const json_t *condition = find_condition(pod, "PodScheduled");
    const char *message = json_string_value(json_object_get(condition, "message"));
    if (resource == NULL || message == NULL || !is(condition, "reason", "Unschedulable")) {
        return NULL;
    }
    (void)snprintf(lacking, sizeof lacking, "Insufficient %s", resource);
    return strstr(message, lacking) == NULL ? NULL : message;
}

static bool matches(const struct mw_operate_node *node, const json_t *selector)
{
    const char *key;
    json_t *value, *wanted = (json_t *)(uintptr_t)selector; /* the iteration takes no const */
    json_object_foreach(wanted, key, value)
    {
        const json_t *has = json_object_get(node->labels, key);
        if (has == NULL || !json_equal(value, has)) {
            return false;
        }
    }
    return true;
}

/* ---- placing ---- */

static bool take(const struct mw_operate_seat *seat, int class, const struct mw_operate_node *nodes,
                 size_t n_nodes, int64_t (*left)[MW_OPERATE_CLASSES])
{
    if (mw_operate_classes[class].resource == NULL) {
        return true;
    }
    int64_t wanted = seat->count > 1 ? seat->count : 1, found = 0;
    for (size_t i = 0; i < n_nodes; i++) {
        bool fits = nodes[i].usable && matches(&nodes[i], seat->selector);
        found += fits && left[i][class] > 0 ? left[i][class] : 0;
    }
    for (size_t i = 0; found >= wanted && wanted > 0 && i < n_nodes; i++) {
        if (left[i][class] > 0 && nodes[i].usable && matches(&nodes[i], seat->selector)) {
            int64_t n = left[i][class] < wanted ? left[i][class] : wanted;
            left[i][class] -= n;
            wanted -= n;
        }
    }
    return wanted == 0;
}

void mw_operate_place(struct mw_operate_seat *seats, size_t n_seats,
                      const struct mw_operate_node *nodes, size_t n_nodes,
                      int64_t (*left)[MW_OPERATE_CLASSES])
{
    for (size_t i = 0; i < n_nodes; i++) {
        memcpy(left[i], nodes[i].devices, sizeof left[i]);
    }
    for (size_t i = 0; i < n_seats; i++) {
        struct mw_operate_seat *seat = &seats[i];
        seat->chosen = -1;
        for (size_t p = 0; p < seat->n && seat->chosen < 0; p++) {
            int class = seat->preference[p];
            bool avoided = (seat->avoid >> class & 1u) != 0;
            seat->chosen = !avoided && take(seat, class, nodes, n_nodes, left) ? class : -1;
        }
    }
}
