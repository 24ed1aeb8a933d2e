#include "tiers/platform/node.h"

#include "lib/base/clock.h"
#include "lib/base/errand.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "tiers/platform/node_cdi.h"
#include "tiers/platform/node_label.h"
#include "tiers/platform/node_plugin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

struct node {
    struct mw_role role;
    const struct mw_node_options *options;
    struct mw_accelerator_table table;

    /* What the thread that looks writes; its own while the errand is under way. */
    struct mw_errand *errand;
    struct mw_accelerators found;
    mw_err err;

    bool looking, doubted, swept;
    int64_t since; /* of the look under way */

    struct mw_node_plugin **plugin;
    size_t n;

    struct mw_node_label *label; /* NULL: the node is not labelled */

    int inotify, watching; /* watching: inotify's number for the kubelet's folder, -1: none */
    bool said_missing;
};

/* ---- plugins ---- */

static struct mw_node_plugin *plugin_of(struct node *node, const char *class)
{
    for (size_t i = 0; i < node->n; i++) {
        if (strcmp(mw_node_plugin_class(node->plugin[i]), class) == 0) {
            return node->plugin[i];
        }
    }
    return NULL;
}

static void make_plugin(struct node *node, const char *class)
{
    struct mw_node_plugin **all = realloc(node->plugin, (node->n + 1) * sizeof *all);
    if (all == NULL) {
        return; /* the next look tries again */
    }
    node->plugin = all;
    struct mw_node_plugin *plugin = mw_node_plugin_new(node->role.loop, node->options, class);
    if (plugin != NULL) {
        node->plugin[node->n++] = plugin;
    }
}

static void tend(struct node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        mw_node_plugin_tend(node->plugin[i]);
    }
}

static bool has_plugin(void *context, const char *class)
{
    return plugin_of(context, class) != NULL;
}

/* ---- looking ---- */

static void look(void *context)
{
    struct node *node = context;
    mw_accelerators_clear(&node->found);
    node->err = mw_accelerators_find(&node->found, &node->table, node->options->sysfs_root);
    for (size_t i = 0; i < node->found.n; i++) {
        mw_accelerator_check(&node->found.item[i], node->options->sysfs_root);
    }
}

static void label(struct node *node)
{
    if (node->label == NULL) {
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        mw_node_label_set(node->label, mw_node_plugin_class(node->plugin[i]),
                          mw_node_plugin_count(node->plugin[i]));
    }
    mw_node_label_send(node->label);
}

/* The devices found are in the order of their classes. */
static void take(struct node *node)
{
    const struct mw_accelerators *found = &node->found;
    for (size_t i = 0; i < found->n; i++) {
        if (plugin_of(node, found->item[i].row->class) == NULL) {
            make_plugin(node, found->item[i].row->class);
        }
    }
    for (size_t i = 0; i < node->n; i++) {
        size_t from = 0, to;
        const char *class = mw_node_plugin_class(node->plugin[i]);
        while (from < found->n && strcmp(found->item[from].row->class, class) != 0) {
            from++;
        }
        for (to = from; to < found->n && strcmp(found->item[to].row->class, class) == 0;) {
            to++;
        }
        mw_node_plugin_update(node->plugin[i], found->item + from, to - from);
    }
    if (!node->swept && node->options->cdi[0] != '\0') {
        mw_node_cdi_sweep(node->options->cdi, has_plugin, node);
    }
    if (!node->swept && found->n == 0) {
        mw_log(MW_LOG_INFO, NULL, "no accelerators here yet",
               MW_KS("root", node->options->sysfs_root));
    }
    node->swept = true;
}

static void on_looked(void *context, uint32_t events)
{
    struct node *node = context;
    (void)events;
    if (!mw_errand_wait(node->errand, 0) || !node->looking) {
        return;
    }
    node->looking = false;
    if (node->doubted) {
        mw_log(MW_LOG_INFO, NULL, "the look at the devices has returned",
               MW_KN("seconds", (double)(mw_clock_monotonic() - node->since) / MW_SECOND));
        node->doubted = false;
    }
    if (node->err == MW_OK) {
        take(node);
        tend(node);
        label(node);
    }
}

static void doubt(struct node *node)
{
    char text[96];
    snprintf(text, sizeof text, "a look at the devices has not returned for %.0f s",
             (double)node->options->patience / MW_SECOND);
    mw_log(MW_LOG_ERROR, NULL, "a device holds up who looks at it", MW_KS("reason", text));
    for (size_t i = 0; i < node->n; i++) {
        mw_node_plugin_doubt(node->plugin[i], text);
    }
    node->doubted = true;
    label(node);
}

/* ---- the kubelet's folder ---- */

static void watch_folder(struct node *node)
{
    if (node->watching >= 0) {
        return;
    }
    node->watching = inotify_add_watch(node->inotify, node->options->kubelet,
                                       IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM |
                                           IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    if (node->watching < 0 && !node->said_missing) {
        mw_log(MW_LOG_WARN, NULL, "no kubelet here", MW_KS("folder", node->options->kubelet),
               MW_KS("reason", strerror(errno)));
        node->said_missing = true;
    }
}

/* What happened does not matter: the plugins compare what is there with what they know. */
static void on_folder(void *context, uint32_t events)
{
    struct node *node = context;
    char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size;
    (void)events;
    while ((size = read(node->inotify, bytes, sizeof bytes)) > 0) {
        const struct inotify_event *event;
        for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof *event + event->len)) {
            event = (const struct inotify_event *)(bytes + at);
            if ((event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) {
                node->watching = -1;
            }
        }
    }
    watch_folder(node);
    tend(node);
}

static void tell(struct node *node)
{
    struct mw_buffer json = {0};
    mw_err err = mw_buffer_printf(&json, "{\"v\":1,\"role\":\"node\",\"doubted\":%s,\"devices\":{",
                                  node->doubted ? "true" : "false");
    for (size_t i = 0; err == MW_OK && i < node->n; i++) {
        err = mw_buffer_printf(&json, "%s\"%s\":%zu", i == 0 ? "" : ",",
                               mw_node_plugin_class(node->plugin[i]),
                               mw_node_plugin_count(node->plugin[i]));
    }
    if (err == MW_OK && mw_buffer_printf(&json, "}}\n") == MW_OK) {
        mw_role_tell(&node->role, (struct mw_span){json.data, json.size});
    }
    mw_buffer_free(&json);
}

static void on_time(void *context)
{
    struct node *node = context;
    tell(node);
    watch_folder(node);
    tend(node);
    if (!node->looking) {
        node->looking = true;
        node->since = mw_clock_monotonic();
        mw_errand_start(node->errand, look, node);
    } else if (!node->doubted && mw_clock_monotonic() - node->since >= node->options->patience) {
        doubt(node);
    }
}

/* ---- the role ---- */

/* A machine that is in no cluster is worth a word, not an end. */
static mw_err begin_label(struct node *node, struct mw_error *error)
{
    const struct mw_node_options *options = node->options;
    if (options->node_name[0] == '\0') {
        mw_log(MW_LOG_INFO, NULL, "no --node-name: this node is not labelled",
               MW_KS("domain", MW_ACCELERATOR_DOMAIN));
        return MW_OK;
    }
    mw_err err = mw_node_label_new(&node->label, node->role.loop, options->account,
                                   options->node_name, &node->table, error);
    if (err == MW_ERR_NOT_FOUND) {
        mw_log(MW_LOG_WARN, NULL, "not in a cluster: this node is not labelled",
               MW_KS("account", options->account));
        *error = (struct mw_error){0};
        err = MW_OK;
    }
    return err;
}

static mw_err begin(struct node *node, struct mw_error *error)
{
    struct mw_loop *loop = node->role.loop;
    mw_err err = mw_accelerator_table_make(&node->table, node->options->accelerators, error);
    if (err == MW_OK) {
        err = mw_errand_new(&node->errand, error);
    }
    if (err == MW_OK) {
        err =
            mw_loop_add_fd(loop, mw_errand_fd(node->errand), EPOLLIN, on_looked, node, NULL, error);
    }
    node->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (err == MW_OK && node->inotify < 0) {
        err = mw_error_errno(error, MW_ERR_IO, "inotify");
    }
    if (err == MW_OK) {
        err = mw_loop_add_fd(loop, node->inotify, EPOLLIN, on_folder, node, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, 0, node->options->interval, on_time, node, NULL, error);
    }
    return err == MW_OK ? begin_label(node, error) : err;
}

static void end(struct node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        mw_node_plugin_free(node->plugin[i]);
    }
    free(node->plugin);
    mw_node_label_free(node->label);
    mw_errand_free(node->errand);
    mw_accelerators_clear(&node->found);
    mw_role_clear(&node->role);
    mw_accelerator_table_clear(&node->table);
    if (node->inotify >= 0) {
        close(node->inotify);
    }
}

mw_err mw_node_run(const struct mw_node_options *options, struct mw_error *error)
{
    struct node node = {.options = options, .inotify = -1, .watching = -1};
    mw_err err = mw_role_init(&node.role, "node", error);
    if (err != MW_OK) {
        return err;
    }
    err = begin(&node, error);
    if (err == MW_OK) {
        err = mw_role_run(&node.role, error);
    }
    end(&node);
    return err;
}
