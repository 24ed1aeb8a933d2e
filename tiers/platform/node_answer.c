/* node_answer.c - what a plugin answers to a kubelet. */
#include "lib/base/log.h"
#include "lib/kubelet/device_plugin.h"
#include "tiers/platform/node_choose.h"
#include "tiers/platform/node_edit.h"
#include "tiers/platform/node_plugin_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mw_span span_of(const struct mw_buffer *buffer)
{
    return (struct mw_span){buffer->data, buffer->size};
}

/* Ends the call with what was written, or with why not. */
static void finish(struct mw_grpc_call *call, struct mw_buffer *out, mw_err err)
{
    if (err == MW_OK) {
        mw_grpc_call_answer(call, span_of(out));
    } else {
        mw_grpc_call_end(call, MW_GRPC_INTERNAL, mw_err_text(err));
    }
    mw_buffer_free(out);
}

static void refuse_bytes(struct mw_grpc_call *call, const struct mw_why *why)
{
    char text[128];
    snprintf(text, sizeof text, "%s at byte %u", why->text, why->where);
    mw_grpc_call_end(call, MW_GRPC_INVALID_ARGUMENT, text);
}

/* ---- which devices there are ---- */

static mw_err write_devices(const struct mw_node_plugin *plugin, struct mw_buffer *out)
{
    mw_err err = MW_OK;
    for (size_t i = 0; i < plugin->n && err == MW_OK; i++) {
        const struct mw_accelerator *device = &plugin->device[i].device;
        err = mw_kubelet_write_device(out, device->id, device->healthy, device->numa);
    }
    return err;
}

static void tell_one(struct mw_node_plugin *plugin, struct mw_grpc_call *call)
{
    struct mw_buffer out = {0};
    mw_err err = write_devices(plugin, &out);
    if (err == MW_OK) {
        err = mw_grpc_call_send(call, span_of(&out));
    }
    if (err != MW_OK) {
        mw_grpc_call_end(call, MW_GRPC_RESOURCE_EXHAUSTED, mw_err_text(err));
    }
    mw_buffer_free(&out);
}

void mw_node_tell(struct mw_node_plugin *plugin)
{
    for (size_t i = 0; i < plugin->watchers; i++) {
        tell_one(plugin, plugin->watcher[i]);
    }
}

static void watch(struct mw_node_plugin *plugin, struct mw_grpc_call *call)
{
    if (plugin->watchers == MW_NODE_WATCHERS) {
        mw_grpc_call_end(call, MW_GRPC_RESOURCE_EXHAUSTED, "too many watch already");
        return;
    }
    plugin->watcher[plugin->watchers++] = call;
    mw_log(MW_LOG_INFO, plugin->class, "the kubelet watches", MW_KS("resource", plugin->resource));
    tell_one(plugin, call);
}

/* ---- giving devices to a container ---- */

static struct mw_node_device *device_of(struct mw_node_plugin *plugin, struct mw_span id)
{
    for (size_t i = 0; i < plugin->n; i++) {
        if (mw_span_is(id, plugin->device[i].device.id)) {
            return &plugin->device[i];
        }
    }
    return NULL;
}

/* NULL, and the call is ended, when the device is not there or does not work. */
static struct mw_node_device *working(struct mw_node_plugin *plugin, struct mw_grpc_call *call,
                                      struct mw_span id)
{
    char text[256];
    struct mw_node_device *device = device_of(plugin, id);
    if (device == NULL) {
        snprintf(text, sizeof text, "%.*s: there is no such device", (int)id.size, id.data);
        mw_grpc_call_end(call, MW_GRPC_NOT_FOUND, text);
    } else if (!device->device.healthy) {
        snprintf(text, sizeof text, "%s: %s", device->device.id, device->device.reason);
        mw_grpc_call_end(call, MW_GRPC_FAILED_PRECONDITION, text);
        device = NULL;
    }
    return device;
}

struct giving {
    struct mw_buffer *out;
    mw_err err;
};

static void keep(struct giving *giving, mw_err err)
{
    giving->err = giving->err == MW_OK ? err : giving->err;
}

static void give_environment(void *context, const char *name, const char *value)
{
    struct giving *giving = context;
    keep(giving, mw_kubelet_write_environment(giving->out, name, value));
}

static void give_mount(void *context, const char *container, const char *host)
{
    struct giving *giving = context;
    keep(giving, mw_kubelet_write_mount(giving->out, container, host, true));
}

static void give_node(void *context, const char *container, const char *host)
{
    struct giving *giving = context;
    keep(giving, mw_kubelet_write_node(giving->out, container, host, "rw"));
}

static mw_err give(const struct mw_node_plugin *plugin, const struct mw_accelerator **devices,
                   size_t n, struct mw_buffer *out)
{
    struct mw_buffer container = {0};
    struct giving giving = {&container, MW_OK};
    const struct mw_node_edits edits = {give_environment, give_mount, give_node, &giving};
    mw_node_edit(devices, n, plugin->options->host_root, &edits);
    for (size_t i = 0; i < n && plugin->has_cdi; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s=%s", plugin->resource, devices[i]->id);
        keep(&giving, mw_kubelet_write_cdi(&container, name));
    }
    if (giving.err == MW_OK) {
        giving.err = mw_kubelet_write_container(out, span_of(&container));
    }
    mw_buffer_free(&container);
    return giving.err;
}

static void log_given(const struct mw_accelerator *device)
{
    mw_log(MW_LOG_INFO, device->row->class, "given to a container", MW_KS("id", device->id),
           MW_KS("node", device->node[0]));
}

static void allocate(struct mw_node_plugin *plugin, struct mw_grpc_call *call,
                     struct mw_span request)
{
    static struct mw_kubelet_container container; /* large, and used on the loop's thread only */
    const struct mw_accelerator *devices[MW_KUBELET_DEVICES_MOST];
    struct mw_buffer out = {0};
    struct mw_why why = {0};
    size_t at = 0;
    mw_err err = MW_OK;
    if (mw_kubelet_check_request(request, false, &why) != MW_OK) {
        refuse_bytes(call, &why);
        return;
    }
    while (err == MW_OK && mw_kubelet_next_container(request, false, &at, &container)) {
        for (size_t i = 0; i < container.n; i++) {
            struct mw_node_device *device = working(plugin, call, container.ids[i]);
            if (device == NULL) {
                mw_buffer_free(&out);
                return;
            }
            devices[i] = &device->device;
            snprintf(device->given, sizeof device->given, "%s", device->device.node[0]);
            log_given(devices[i]);
        }
        err = give(plugin, devices, container.n, &out);
    }
    finish(call, &out, err);
}

/* A container that starts again is given by the kubelet what its pod was given once. When the
 * device has come back at another address since, that is a node which is not there any more. */
static void pre_start(struct mw_node_plugin *plugin, struct mw_grpc_call *call,
                      struct mw_span request)
{
    static struct mw_kubelet_container container;
    struct mw_buffer out = {0};
    struct mw_why why = {0};
    if (mw_kubelet_read_ids(request, &container, &why) != MW_OK) {
        refuse_bytes(call, &why);
        return;
    }
    for (size_t i = 0; i < container.n; i++) {
        const struct mw_node_device *device = working(plugin, call, container.ids[i]);
        if (device == NULL) {
            return;
        }
        if (device->given[0] != '\0' && strcmp(device->given, device->device.node[0]) != 0) {
            char text[384];
            snprintf(text, sizeof text,
                     "%s: has come back as %s since this pod was given it as %s: the pod has to be "
                     "made anew",
                     device->device.id, device->device.node[0], device->given);
            mw_grpc_call_end(call, MW_GRPC_FAILED_PRECONDITION, text);
            return;
        }
    }
    finish(call, &out, MW_OK);
}

/* ---- which devices to give ---- */

static mw_err write_choice(const struct mw_node_plugin *plugin,
                           const struct mw_kubelet_container *container, struct mw_buffer *out)
{
    struct mw_span chosen[MW_KUBELET_DEVICES_MOST];
    struct mw_buffer inner = {0};
    const char *reason = "";
    size_t size = container->size < 0 ? 0 : (size_t)container->size;
    const struct mw_node_wish wish = {
        .available = container->ids,
        .n = container->n,
        .must = container->must,
        .n_must = container->n_must,
        .size = size < MW_KUBELET_DEVICES_MOST ? size : MW_KUBELET_DEVICES_MOST};
    struct mw_accelerator *devices = malloc((plugin->n + 1) * sizeof *devices);
    if (devices == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < plugin->n; i++) {
        devices[i] = plugin->device[i].device;
    }
    size_t n = mw_node_choose(devices, plugin->n, &wish, chosen, &reason);
    free(devices);
    mw_err err = MW_OK;
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        err = mw_kubelet_write_preferred(&inner, chosen[i]);
    }
    if (err == MW_OK) {
        err = mw_kubelet_write_container(out, span_of(&inner));
    }
    if (n > 0) {
        char first[64];
        snprintf(first, sizeof first, "%.*s", (int)chosen[0].size, chosen[0].data);
        mw_log(MW_LOG_INFO, plugin->class, "preferred", MW_KS("id", first), MW_KI("devices", n),
               MW_KI("available", container->n), MW_KS("reason", reason));
    }
    mw_buffer_free(&inner);
    return err;
}

static void prefer(struct mw_node_plugin *plugin, struct mw_grpc_call *call, struct mw_span request)
{
    static struct mw_kubelet_container container;
    struct mw_buffer out = {0};
    struct mw_why why = {0};
    size_t at = 0;
    mw_err err = MW_OK;
    if (mw_kubelet_check_request(request, true, &why) != MW_OK) {
        refuse_bytes(call, &why);
        return;
    }
    while (err == MW_OK && mw_kubelet_next_container(request, true, &at, &container)) {
        err = write_choice(plugin, &container, &out);
    }
    finish(call, &out, err);
}

void mw_node_answer(void *context, struct mw_grpc_call *call, const char *method,
                    struct mw_span request)
{
    struct mw_node_plugin *plugin = context;
    size_t prefix = strlen(MW_KUBELET_PLUGIN);
    const char *name = strncmp(method, MW_KUBELET_PLUGIN, prefix) == 0 ? method + prefix : "";
    if (strcmp(name, "ListAndWatch") == 0) {
        watch(plugin, call);
    } else if (strcmp(name, "Allocate") == 0) {
        allocate(plugin, call, request);
    } else if (strcmp(name, "PreStartContainer") == 0) {
        pre_start(plugin, call, request);
    } else if (strcmp(name, "GetPreferredAllocation") == 0) {
        prefer(plugin, call, request);
    } else if (strcmp(name, "GetDevicePluginOptions") == 0) {
        struct mw_buffer out = {0};
        mw_err err = mw_kubelet_write_options(&out, true, true);
        finish(call, &out, err);
    } else {
        mw_grpc_call_end(call, MW_GRPC_UNIMPLEMENTED, "no such method");
    }
}
