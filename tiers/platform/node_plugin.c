#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/kubelet/device_plugin.h"
#include "tiers/platform/node_cdi.h"
#include "tiers/platform/node_plugin_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ANSWER_LIMIT (10 * MW_SECOND) /* for the kubelet's answer to a registration */
#define RETRY_FIRST (MW_SECOND / 10)
#define RETRY_MOST (30 * MW_SECOND)

/* ---- devices ---- */

static struct mw_node_device *known(struct mw_node_plugin *plugin, const char *id)
{
    for (size_t i = 0; i < plugin->n; i++) {
        if (strcmp(plugin->device[i].device.id, id) == 0) {
            return &plugin->device[i];
        }
    }
    return NULL;
}

static void log_found(const struct mw_accelerator *device)
{
    mw_log(MW_LOG_INFO, device->row->class, "found", MW_KS("id", device->id),
           MW_KS("name", device->name), MW_KS("node", device->nodes > 0 ? device->node[0] : ""));
    if (!device->healthy) {
        mw_log(MW_LOG_WARN, device->row->class, "does not work", MW_KS("id", device->id),
               MW_KS("reason", device->reason));
    }
}

static bool same_nodes(const struct mw_accelerator *a, const struct mw_accelerator *b)
{
    for (size_t i = 0; a->nodes == b->nodes && i < a->nodes; i++) {
        if (strcmp(a->node[i], b->node[i]) != 0) {
            return false;
        }
    }
    return a->nodes == b->nodes;
}

/* True when the kubelet or a CDI file has to hear of it. */
static bool change_one(struct mw_node_device *old, const struct mw_accelerator *now)
{
    bool moved = !same_nodes(&old->device, now);
    bool changed = moved || old->device.healthy != now->healthy || old->device.numa != now->numa;
    if (moved) {
        mw_log(MW_LOG_INFO, now->row->class, "is at another address", MW_KS("id", now->id),
               MW_KS("name", now->name), MW_KS("node", now->nodes > 0 ? now->node[0] : ""));
    }
    if (now->healthy && !old->device.healthy) {
        mw_log(MW_LOG_INFO, now->row->class, "works again", MW_KS("id", now->id));
    } else if (!now->healthy && strcmp(old->device.reason, now->reason) != 0) {
        mw_log(MW_LOG_WARN, now->row->class, "does not work", MW_KS("id", now->id),
               MW_KS("reason", now->reason));
    }
    old->device = *now;
    old->gone = 0;
    return changed;
}

static bool is_among(const char *id, const struct mw_accelerator *devices, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(devices[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* A device that is missing is ill at first, and forgotten later. */
static bool change_missing(struct mw_node_plugin *plugin, const struct mw_accelerator *devices,
                           size_t n)
{
    int64_t now = mw_clock_monotonic();
    bool changed = false;
    size_t kept = 0;
    for (size_t i = 0; i < plugin->n; i++) {
        struct mw_node_device *device = &plugin->device[i];
        bool missing = !is_among(device->device.id, devices, n);
        if (missing && device->gone == 0) {
            mw_log(MW_LOG_WARN, plugin->class, "has gone", MW_KS("id", device->device.id));
            device->gone = now;
            device->device.healthy = false;
            device->device.nodes = 0;
            snprintf(device->device.reason, sizeof device->device.reason, "has been unplugged");
            changed = true;
        }
        if (missing && now - device->gone >= plugin->options->forget) {
            mw_log(MW_LOG_INFO, plugin->class, "forgotten", MW_KS("id", device->device.id));
            changed = true;
            continue;
        }
        plugin->device[kept++] = *device;
    }
    plugin->n = kept;
    return changed;
}

static void add_one(struct mw_node_plugin *plugin, const struct mw_accelerator *device)
{
    struct mw_node_device *all = realloc(plugin->device, (plugin->n + 1) * sizeof *plugin->device);
    if (all != NULL) { /* else the next look finds it again */
        plugin->device = all;
        all[plugin->n++] = (struct mw_node_device){.device = *device};
        log_found(device);
    }
}

static int compare(const void *a, const void *b)
{
    const struct mw_node_device *first = a, *second = b;
    return strverscmp(first->device.id, second->device.id);
}

static void write_cdi(struct mw_node_plugin *plugin)
{
    struct mw_error error = {0};
    struct mw_accelerator *devices = malloc((plugin->n + 1) * sizeof *devices);
    if (plugin->options->cdi[0] == '\0' || devices == NULL) {
        free(devices);
        return;
    }
    for (size_t i = 0; i < plugin->n; i++) {
        devices[i] = plugin->device[i].device;
    }
    plugin->has_cdi = mw_node_cdi_write(plugin->options->cdi, plugin->class, devices, plugin->n,
                                        plugin->options->host_root, &error) == MW_OK;
    if (!plugin->has_cdi) {
        mw_log(MW_LOG_ERROR, plugin->class, "the CDI file could not be written",
               MW_KS("reason", error.text));
    }
    free(devices);
}

void mw_node_plugin_update(struct mw_node_plugin *plugin, const struct mw_accelerator *devices,
                           size_t n)
{
    bool changed = change_missing(plugin, devices, n);
    for (size_t i = 0; i < n; i++) {
        struct mw_node_device *old = known(plugin, devices[i].id);
        if (old == NULL) {
            add_one(plugin, &devices[i]);
            changed = true;
        } else {
            changed |= change_one(old, &devices[i]);
        }
    }
    if (changed) {
        if (plugin->n > 0) {
            qsort(plugin->device, plugin->n, sizeof *plugin->device, compare);
        }
        write_cdi(plugin);
        mw_node_tell(plugin);
    }
}

void mw_node_plugin_doubt(struct mw_node_plugin *plugin, const char *reason)
{
    for (size_t i = 0; i < plugin->n; i++) {
        struct mw_accelerator *device = &plugin->device[i].device;
        device->healthy = false;
        snprintf(device->reason, sizeof device->reason, "%s", reason);
    }
    mw_node_tell(plugin);
}

size_t mw_node_plugin_count(const struct mw_node_plugin *plugin)
{
    size_t n = 0;
    for (size_t i = 0; i < plugin->n; i++) {
        n += plugin->device[i].device.healthy;
    }
    return n;
}

const char *mw_node_plugin_class(const struct mw_node_plugin *plugin)
{
    return plugin->class;
}

/* ---- serving ---- */

static void retry_in(struct mw_node_plugin *plugin, int64_t delay)
{
    plugin->next_try = mw_clock_monotonic() + delay;
    mw_loop_set_timer(plugin->loop, plugin->retry, delay, 0);
}

static void on_closed(void *context, struct mw_grpc_call *call)
{
    struct mw_node_plugin *plugin = context;
    for (size_t i = 0; i < plugin->watchers; i++) {
        if (plugin->watcher[i] == call) {
            plugin->watcher[i] = plugin->watcher[--plugin->watchers];
            if (plugin->watchers == 0) {
                mw_log(MW_LOG_INFO, plugin->class, "the kubelet has stopped watching",
                       MW_KS("resource", plugin->resource));
                plugin->registered = false;
                plugin->failures = 0;
                retry_in(plugin, RETRY_FIRST);
            }
            return;
        }
    }
}

static bool serve(struct mw_node_plugin *plugin)
{
    char path[PATH_MAX];
    struct mw_error error = {0};
    const struct mw_grpc_service service = {mw_node_answer, on_closed, plugin};
    if (plugin->server != NULL && mw_grpc_server_is_bound(plugin->server)) {
        return true;
    }
    if (plugin->server != NULL) {
        mw_log(MW_LOG_INFO, plugin->class, "the socket was removed, as a kubelet that starts does",
               MW_KS("socket", plugin->endpoint));
        mw_grpc_server_free(plugin->server);
        plugin->server = NULL;
        plugin->registered = false;
        plugin->next_try = 0;
    }
    mw_err err = mw_file_join(path, sizeof path, plugin->options->kubelet, plugin->endpoint);
    if (err == MW_OK) {
        err = mw_grpc_server_new(&plugin->server, plugin->loop, path, &service, &error);
    }
    if (err != MW_OK && strcmp(error.text, plugin->refused) != 0) {
        mw_log(MW_LOG_WARN, plugin->class, "no socket for the kubelet yet",
               MW_KS("reason", error.text));
    }
    snprintf(plugin->refused, sizeof plugin->refused, "%s", error.text);
    return err == MW_OK;
}

/* ---- registering ---- */

static void failed(struct mw_node_plugin *plugin, const char *reason)
{
    int64_t delay = RETRY_FIRST << (plugin->failures < 9 ? plugin->failures : 9);
    delay = delay < RETRY_MOST ? delay : RETRY_MOST;
    mw_log(plugin->failures == 0 ? MW_LOG_WARN : MW_LOG_DEBUG, plugin->class,
           "could not register with the kubelet", MW_KS("reason", reason),
           MW_KN("again_in", (double)delay / MW_SECOND));
    plugin->failures++;
    plugin->registering = false;
    retry_in(plugin, delay);
}

static void on_answer(void *context, enum mw_grpc_status status, const char *text)
{
    struct mw_node_plugin *plugin = context;
    if (!plugin->registering) {
        return; /* of a kubelet that is no more */
    }
    plugin->registering = false;
    if (status != MW_GRPC_OK) {
        failed(plugin, text);
        return;
    }
    plugin->registered = true;
    plugin->failures = 0;
    mw_log(MW_LOG_INFO, plugin->class, "registered with the kubelet",
           MW_KS("resource", plugin->resource), MW_KI("devices", plugin->n));
}

static void register_at(struct mw_node_plugin *plugin, const char *path)
{
    struct mw_buffer request = {0};
    struct mw_error error = {0};
    const struct mw_grpc_reply reply = {NULL, on_answer, plugin};
    mw_err err = mw_grpc_client_new(&plugin->client, plugin->loop, path, &error);
    if (err == MW_OK) {
        err = mw_kubelet_write_register(&request, plugin->endpoint, plugin->resource, true, true);
    }
    plugin->registering = true;
    if (err == MW_OK) {
        err =
            mw_grpc_client_call(plugin->client, MW_KUBELET_REGISTER,
                                (struct mw_span){request.data, request.size}, ANSWER_LIMIT, &reply);
    }
    if (err != MW_OK) {
        failed(plugin, error.code != MW_OK ? error.text : mw_err_text(err));
    }
    mw_buffer_free(&request);
}

static bool same_kubelet(const struct mw_node_kubelet *a, const struct mw_node_kubelet *b)
{
    return a->device == b->device && a->inode == b->inode && a->made.tv_sec == b->made.tv_sec &&
           a->made.tv_nsec == b->made.tv_nsec;
}

void mw_node_plugin_tend(struct mw_node_plugin *plugin)
{
    char path[PATH_MAX];
    struct stat status;
    if (!serve(plugin) ||
        mw_file_join(path, sizeof path, plugin->options->kubelet, "kubelet.sock") != MW_OK ||
        stat(path, &status) != 0) {
        return; /* tended again when the folder changes */
    }
    struct mw_node_kubelet kubelet = {status.st_dev, status.st_ino, status.st_ctim};
    if (!same_kubelet(&kubelet, &plugin->kubelet)) {
        plugin->registered = false;
        plugin->registering = false;
        plugin->failures = 0;
        plugin->next_try = 0;
        plugin->kubelet = kubelet;
    }
    if (plugin->registered || plugin->registering || mw_clock_monotonic() < plugin->next_try) {
        return;
    }
    mw_grpc_client_free(plugin->client);
    plugin->client = NULL;
    register_at(plugin, path);
}

static void on_retry(void *context)
{
    mw_node_plugin_tend(context);
}

/* ---- life ---- */

struct mw_node_plugin *mw_node_plugin_new(struct mw_loop *loop,
                                          const struct mw_node_options *options, const char *class)
{
    struct mw_node_plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL) {
        return NULL;
    }
    plugin->loop = loop;
    plugin->options = options;
    snprintf(plugin->class, sizeof plugin->class, "%s", class);
    snprintf(plugin->resource, sizeof plugin->resource, MW_ACCELERATOR_DOMAIN "/%s", plugin->class);
    snprintf(plugin->endpoint, sizeof plugin->endpoint, "millwright-%s.sock", plugin->class);
    if (mw_loop_add_timer(loop, -1, 0, on_retry, plugin, &plugin->retry, NULL) != MW_OK) {
        free(plugin);
        return NULL;
    }
    return plugin;
}

void mw_node_plugin_free(struct mw_node_plugin *plugin)
{
    if (plugin == NULL) {
        return;
    }
    plugin->registering = false;
    mw_grpc_client_free(plugin->client);
    plugin->watchers = 0; /* their end is ours */
    mw_grpc_server_free(plugin->server);
    mw_loop_remove(plugin->loop, plugin->retry);
    free(plugin->device);
    free(plugin);
}
