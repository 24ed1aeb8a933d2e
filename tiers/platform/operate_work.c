/* Which plant is looked at next, and which class of accelerator each one gets. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MOST = 8 }; /* plants at a time: the API server has others to serve */

void mw_operate_touch(struct mw_operate *operate, struct mw_operate_item *item)
{
    size_t at = 0;
    if (item != NULL) {
        item->dirty = true;
    }
    while (item == NULL) {
        struct mw_operate_item *each = mw_table_next(&operate->plants, &at);
        if (each == NULL) {
            break;
        }
        each->dirty = true;
    }
    mw_loop_set_timer(operate->role.loop, operate->work, 0, 0);
}

/* ---- giving out classes ---- */

static const char *created(const struct mw_operate_item *item)
{
    const char *time = mw_kube_meta(item->object, "creationTimestamp");
    return time == NULL ? "" : time;
}

static int by_age(const void *left, const void *right)
{
    const struct mw_operate_item *a = *(struct mw_operate_item *const *)left;
    const struct mw_operate_item *b = *(struct mw_operate_item *const *)right;
    int order = strcmp(created(a), created(b));
    return order != 0 ? order : strcmp(a->key.name.data, b->key.name.data);
}

static void tell_move(struct mw_operate_item *item, int before)
{
    const char *from = before < 0 ? NULL : mw_operate_classes[before].name;
    if (item->class < 0) {
        mw_operate_tell(item, "Warning", "NoAccelerator",
                        "no class in cluster.accelerators has a free device: the scorer waits");
    } else if (from == NULL) {
        mw_operate_tell(item, "Normal", "Placed", "the scorer runs on class %s",
                        mw_operate_classes[item->class].name);
    } else {
        /* Told anew each time: from here to there and back again. */
        json_object_del(item->told, "Moved");
        mw_operate_tell(item, "Normal", "Moved", "the scorer moves from class %s to %s", from,
                        mw_operate_classes[item->class].name);
    }
}

static void settle(struct mw_operate_item *item, int class)
{
    int before = item->class;
    /* After a start of the operator what is in force is known from the status. */
    if (before < 0 && item->object != NULL) {
        const char *name = json_string_value(
            json_object_get(json_object_get(item->object, "status"), "accelerator"));
        before = name == NULL ? -1 : mw_operate_class_find(name);
    }
    bool first = item->class < 0;
    item->class = class;
    if (before != class || (first && class < 0)) {
        tell_move(item, before);
        mw_operate_touch(item->operate, item);
    }
}

static size_t gather(struct mw_operate *operate, struct mw_operate_item **items,
                     struct mw_operate_node *nodes, size_t *n_nodes)
{
    size_t at = 0, n = 0;
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        if (item->object != NULL) {
            items[n++] = item;
        }
    }
    qsort(items, n, sizeof *items, by_age);
    at = 0;
    *n_nodes = 0;
    for (struct mw_operate_host *host; (host = mw_table_next(&operate->nodes, &at)) != NULL;) {
        nodes[(*n_nodes)++] = host->node;
    }
    return n;
}

static void give_out(struct mw_operate *operate)
{
    size_t most = operate->plants.count + 1, hosts = operate->nodes.count + 1, n_nodes;
    struct mw_operate_item **items = calloc(most, sizeof *items);
    struct mw_operate_seat *seats = calloc(most, sizeof *seats);
    struct mw_operate_node *nodes = calloc(hosts, sizeof *nodes);
    int64_t(*left)[MW_OPERATE_CLASSES] = calloc(hosts, sizeof *left);
    if (items != NULL && seats != NULL && nodes != NULL && left != NULL) {
        int64_t now = mw_clock_monotonic();
        size_t n = gather(operate, items, nodes, &n_nodes);
        for (size_t i = 0; i < n; i++) {
            seats[i].n = mw_operate_plan_preference(items[i]->object, seats[i].preference);
            seats[i].count = mw_operate_plan_scorers(items[i]->object);
            seats[i].selector = mw_operate_plan_cluster(items[i]->object, "node_selector");
            items[i]->avoid = items[i]->avoid_end > now ? items[i]->avoid : 0;
            seats[i].avoid = items[i]->avoid;
        }
        mw_operate_place(seats, n, nodes, n_nodes, left);
        operate->place = false;
        for (size_t i = 0; i < n; i++) {
            settle(items[i], seats[i].chosen);
        }
    }
    free(items);
    free(seats);
    free(nodes);
    free(left);
}

/* ---- the queue ---- */

/* Begins what may begin; returns how long until the next one is due, -1 for never. */
static int64_t begin_passes(struct mw_operate *operate)
{
    int64_t now = mw_clock_monotonic(), wait = -1;
    size_t at = 0;
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        if (!item->dirty || item->busy || item->object == NULL) {
            continue;
        }
        if (item->due > now) {
            wait = wait < 0 || item->due - now < wait ? item->due - now : wait;
        } else if (operate->busy < BUSY_MOST) {
            item->dirty = false;
            item->busy = true;
            operate->busy++;
            mw_operate_pass_begin(item);
        }
    }
    return wait;
}

void mw_operate_on_work(void *context)
{
    struct mw_operate *operate = context;
    if (!operate->leads || !mw_operate_is_whole(operate)) {
        return;
    }
    if (operate->place) {
        give_out(operate);
    }
    int64_t wait = begin_passes(operate);
    if (operate->busy < BUSY_MOST) {
        mw_loop_set_timer(operate->role.loop, operate->work, wait, 0);
    }
}

void mw_operate_on_second(void *context)
{
    struct mw_operate *operate = context;
    char json[320];
    int n = snprintf(json, sizeof json,
                     "{\"v\":1,\"role\":\"operate\",\"leads\":%s,\"plants\":%zu,\"nodes\":%zu,"
                     "\"busy\":%zu,\"passes\":%" PRIu64 ",\"failures\":%" PRIu64 "}\n",
                     operate->leads ? "true" : "false", operate->plants.count, operate->nodes.count,
                     operate->busy, operate->passes, operate->failures);
    mw_role_tell(&operate->role, (struct mw_span){json, (size_t)n});
}

void mw_operate_on_tick(void *context)
{
    struct mw_operate *operate = context;
    int64_t now = mw_clock_monotonic();
    size_t at = 0;
    for (struct mw_operate_item *item; (item = mw_table_next(&operate->plants, &at)) != NULL;) {
        if (item->avoid != 0 && item->avoid_end <= now) {
            operate->place = true;
        }
    }
    mw_operate_on_work(operate);
}

void mw_operate_pass_over(struct mw_operate_item *item)
{
    struct mw_operate *operate = item->operate;
    json_decref(item->objects);
    item->objects = NULL;
    item->busy = false;
    operate->busy--;
    operate->passes++;
    operate->failures += item->again;
    if (item->again) {
        int64_t wait = mw_kube_backoff(item->attempt++, mw_kube_random(), item->asked);
        item->due = mw_clock_monotonic() + wait;
        item->dirty = true;
    } else {
        item->attempt = 0;
        item->due = 0;
    }
    mw_loop_set_timer(operate->role.loop, operate->work, 0, 0);
}
