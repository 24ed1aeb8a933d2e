/* thing_gateway.c - devices behind gateways as a source of records.
 *
 * Links (gateway_link.h) read them on threads of their own; what they found becomes records here,
 * on the loop's thread, all that is there in one transaction.
 *
 * A command writes to a device, which no transaction takes back. So that it was begun is on disk
 * before it goes out, and it is done only once the device has acknowledged it. When it comes again
 * and had been begun - no answer came, or this process was killed in between - the device is asked
 * first, and written to only if it does not show it. */
#include "core/signal/gate.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/iot/gateway_link.h"
#include "tiers/iot/thing.h"
#include "tiers/iot/thing_internal.h"
#include "tiers/iot/thing_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define BEGUN "begun" /* the outbox's table of commands that a device may have seen */

struct device {
    const struct mw_gateway_file *file;
    struct mw_gateway_link *link;
    struct mw_gate gate;
    int gate_feature; /* -1: none */
    char *away;       /* why; NULL: it answers */
    int64_t since;
};

/* A command on its way to a device. */
struct order {
    struct order *next;
    unsigned device;
    size_t action;
    bool sent, again;
    char id[MW_ID_MAX + 1];
};

struct gateway {
    struct mw_thing *thing;
    struct mw_gateway_files files;
    struct mw_gateway_queue *queue;
    struct mw_gateway_link **link;
    size_t n_links;
    struct device *device; /* files.n */
    struct order *orders;
    struct mw_gateway_news *news; /* being taken */
    struct mw_loop_watch *watch;
};

/* --- records --- */

static mw_err add_record(struct gateway *gateway, const struct mw_gateway_news *news,
                         struct mw_error *error)
{
    struct device *device = &gateway->device[news->device];
    struct mw_telemetry telemetry = {.time = news->time, .n_features = device->file->n_features};
    if (device->gate_feature >= 0 &&
        mw_gate_add(&device->gate, news->value[device->gate_feature]) != MW_GATE_PASS) {
        return MW_OK; /* it stands still */
    }
    for (size_t i = 0; i < telemetry.n_features; i++) {
        telemetry.features[i].name = mw_span_of(device->file->feature[i].text);
        telemetry.features[i].value = news->value[i];
    }
    return mw_thing_device_record(gateway->thing->device[news->device], &telemetry, error);
}

static mw_err fill(void *context, struct mw_error *error)
{
    struct gateway *gateway = context;
    mw_err err = MW_OK;
    for (const struct mw_gateway_news *news = gateway->news; err == MW_OK && news != NULL;
         news = news->next) {
        if (news->kind == MW_GATEWAY_RECORD) {
            err = add_record(gateway, news, error);
        }
    }
    return err;
}

/* --- who answers, and who does not --- */

static void set_away(struct gateway *gateway, struct mw_gateway_news *news)
{
    struct device *device = &gateway->device[news->device];
    const char *name = device->file->device;
    if (news->kind == MW_GATEWAY_AWAY) {
        mw_log(MW_LOG_WARN, name, "device does not answer", MW_KS("reason", news->text));
        free(device->away);
        device->away = news->text;
        device->since = news->time;
        news->text = NULL;
    } else {
        mw_log(MW_LOG_INFO, name, "device answers again",
               MW_KI("seconds", (news->time - device->since) / MW_SECOND));
        free(device->away);
        device->away = NULL;
    }
    mw_thing_device_report(gateway->thing->device[news->device]);
}

static void status(void *context, unsigned index, struct mw_buffer *json)
{
    struct gateway *gateway = context;
    const struct device *device = &gateway->device[index];
    if (device->away == NULL) {
        return;
    }
    mw_buffer_printf(json, ",\"away\":{\"since\":%.3f,\"reason\":\"", (double)device->since / 1e6);
    for (const char *c = device->away; *c != '\0'; c++) {
        bool plain = *c >= ' ' && *c < 127 && *c != '"' && *c != '\\';
        mw_buffer_add(json, plain ? c : "?", 1);
    }
    mw_buffer_printf(json, "\"}");
}

/* --- commands --- */

static struct order **find_order(struct gateway *gateway, const char *id)
{
    struct order **order = &gateway->orders;
    while (*order != NULL && strcmp((*order)->id, id) != 0) {
        order = &(*order)->next;
    }
    return order;
}

static bool find_action(const struct mw_gateway_file *file, struct mw_span name, size_t *action)
{
    for (*action = 0; *action < file->n_actions; (*action)++) {
        if (mw_span_is(name, file->action[*action].text)) {
            return true;
        }
    }
    return false;
}

static mw_err begin(struct gateway *gateway, const char *id, unsigned device, size_t action,
                    struct mw_error *error)
{
    struct order *order = calloc(1, sizeof *order);
    struct mw_span begun;
    if (order == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    order->device = device;
    order->action = action;
    snprintf(order->id, sizeof order->id, "%s", id);
    mw_err err = mw_outbox_get(gateway->thing->outbox, BEGUN, id, &begun, error);
    order->again = err == MW_OK;
    if (err == MW_ERR_NOT_FOUND) {
        err = mw_outbox_put(gateway->thing->outbox, BEGUN, id, mw_span_of("1"), error);
    }
    if (err != MW_OK) {
        free(order);
        return err;
    }
    order->next = gateway->orders;
    gateway->orders = order;
    return MW_OK;
}

static mw_err act(void *context, const struct mw_thing_order *wanted, enum mw_thing_act *act,
                  struct mw_error *error)
{
    struct gateway *gateway = context;
    unsigned device = 0;
    size_t action;
    while (strcmp(gateway->device[device].file->device, wanted->device) != 0) {
        device++;
    }
    if (!find_action(gateway->device[device].file, wanted->action, &action)) {
        return MW_OK;
    }
    *act = MW_THING_LATER;
    if (*find_order(gateway, wanted->id) != NULL) {
        return MW_OK; /* the bridge repeats it until it is answered */
    }
    return begin(gateway, wanted->id, device, action, error);
}

static void forget(struct gateway *gateway, const char *id)
{
    struct order **place = find_order(gateway, id);
    struct order *order = *place;
    if (order != NULL) {
        *place = order->next;
        free(order);
    }
}

/* That they were begun is on disk first. */
static void idle(void *context)
{
    struct gateway *gateway = context;
    struct mw_error error = {0};
    bool waiting = false;
    for (struct order *order = gateway->orders; order != NULL; order = order->next) {
        waiting = waiting || !order->sent;
    }
    if (!waiting || gateway->thing->failed) {
        return;
    }
    if (mw_outbox_commit(gateway->thing->outbox, &error) != MW_OK) {
        mw_thing_fail(gateway->thing, &error);
        return;
    }
    for (struct order *order = gateway->orders, *next; order != NULL; order = next) {
        next = order->next;
        if (!order->sent) {
            order->sent = mw_gateway_link_order(gateway->device[order->device].link, order->device,
                                                order->action, order->id, order->again) == MW_OK;
        }
    }
}

static void written(struct gateway *gateway, const struct mw_gateway_news *news)
{
    struct mw_thing *thing = gateway->thing;
    struct mw_error error = {0};
    mw_err err = mw_outbox_begin(thing->outbox, &error);
    if (err == MW_OK) {
        err = mw_outbox_put(thing->outbox, BEGUN, news->id, (struct mw_span){NULL, 0}, &error);
    }
    if (err == MW_OK) {
        err = mw_thing_device_done(thing->device[news->device], news->id, &error);
    }
    if (err != MW_OK) {
        mw_outbox_rollback(thing->outbox);
        mw_thing_fail(thing, &error);
    }
    forget(gateway, news->id);
}

/* Without an answer the command comes again, until it expires. */
static void refused(struct gateway *gateway, const struct mw_gateway_news *news)
{
    const struct order *order = *find_order(gateway, news->id);
    if (order != NULL && !order->again) {
        mw_log(MW_LOG_WARN, gateway->device[news->device].file->device,
               "command not acknowledged by the device, tried again until it expires",
               MW_KS("id", news->id), MW_KS("reason", news->text));
    }
    forget(gateway, news->id);
}

/* --- what the links found --- */

static void on_news(void *context, uint32_t events)
{
    struct gateway *gateway = context;
    (void)events;
    gateway->news = mw_gateway_queue_take(gateway->queue);
    const struct mw_gateway_news *record = gateway->news;
    while (record != NULL && record->kind != MW_GATEWAY_RECORD) {
        record = record->next;
    }
    if (!gateway->thing->failed && record != NULL) {
        mw_thing_pass(gateway->thing, fill, gateway);
    }
    while (gateway->news != NULL) {
        struct mw_gateway_news *news = gateway->news;
        gateway->news = news->next;
        if (news->kind == MW_GATEWAY_AWAY || news->kind == MW_GATEWAY_BACK) {
            set_away(gateway, news);
        } else if (news->kind == MW_GATEWAY_WRITTEN && !gateway->thing->failed) {
            written(gateway, news);
        } else if (news->kind == MW_GATEWAY_REFUSED) {
            refused(gateway, news);
        }
        mw_gateway_news_free(news);
    }
    mw_thing_answer(&gateway->thing->host);
}

static int64_t now(void *context)
{
    (void)context;
    return mw_clock_utc();
}

/* --- making and ending --- */

static const char *name(void *context, unsigned device)
{
    struct gateway *gateway = context;
    return gateway->device[device].file->device;
}

static mw_err start(void *context, struct mw_error *error)
{
    struct gateway *gateway = context;
    mw_err err = mw_loop_add_fd(gateway->thing->role.loop, mw_gateway_queue_fd(gateway->queue),
                                EPOLLIN, on_news, gateway, &gateway->watch, error);
    for (size_t i = 0; err == MW_OK && i < gateway->n_links; i++) {
        err = mw_gateway_link_start(gateway->link[i], error);
    }
    return err;
}

static void end(void *context)
{
    struct gateway *gateway = context;
    mw_loop_remove(gateway->thing->role.loop, gateway->watch);
    bool ended = true;
    for (size_t i = 0; gateway->device != NULL && i < gateway->files.n; i++) {
        free(gateway->device[i].away);
    }
    for (size_t i = 0; i < gateway->n_links; i++) {
        mw_gateway_link_stop(gateway->link[i]);
    }
    for (size_t i = 0; i < gateway->n_links; i++) {
        ended = mw_gateway_link_free(gateway->link[i]) && ended;
    }
    if (ended) { /* else a library's call goes on with these, until the process ends */
        mw_gateway_queue_free(gateway->queue);
        mw_gateway_files_clear(&gateway->files);
    }
    while (gateway->orders != NULL) {
        forget(gateway, gateway->orders->id);
    }
    free(gateway->link);
    free(gateway->device);
    free(gateway);
}

/* Modbus devices with the same address share a link: they are on one line, or behind one host. */
static mw_err link_device(struct gateway *gateway, unsigned number, struct mw_error *error)
{
    struct device *device = &gateway->device[number];
    bool iio = device->file->url.scheme == MW_GATEWAY_IIO;
    mw_err err = MW_OK;
    for (unsigned i = 0; i < number && device->link == NULL && !iio; i++) {
        if (strcmp(gateway->files.item[i].url_text, device->file->url_text) == 0) {
            device->link = gateway->device[i].link;
        }
    }
    if (device->link == NULL) {
        err = mw_gateway_link_new(&device->link, iio ? &mw_gateway_iio : &mw_gateway_modbus,
                                  device->file, gateway->queue, error);
        if (err == MW_OK) {
            gateway->link[gateway->n_links++] = device->link;
        }
    }
    return err == MW_OK ? mw_gateway_link_add(device->link, device->file, number, error) : err;
}

/* The plant's gate holds for the devices that have its feature. */
static void set_gate(struct device *device, const struct mw_plant *plant)
{
    device->gate = (struct mw_gate){.minimum = (float)plant->gate.minimum};
    device->gate_feature = -1;
    for (size_t i = 0; i < device->file->n_features; i++) {
        if (plant->gate.feature != NULL &&
            strcmp(device->file->feature[i].text, plant->gate.feature) == 0) {
            device->gate_feature = (int)i;
        }
    }
}

static bool has_feature(const struct mw_gateway_files *files, const char *feature)
{
    for (size_t i = 0; i < files->n; i++) {
        for (size_t k = 0; k < files->item[i].n_features; k++) {
            if (strcmp(files->item[i].feature[k].text, feature) == 0) {
                return true;
            }
        }
    }
    return false;
}

static mw_err read_files(struct mw_gateway_files *files, const struct mw_plant *plant,
                         struct mw_error *error)
{
    const char *gate = plant->gate.feature;
    mw_err err = mw_gateway_files_read(files, &plant->gateway.devices, error);
    if (err == MW_OK && gate != NULL && gate[0] != '\0' && !has_feature(files, gate)) {
        err = mw_error_set(error, MW_ERR_ARGUMENT,
                           "%s: gate.feature: %s: a feature of one of gateway.devices was expected",
                           plant->file == NULL ? "plant" : plant->file, gate);
    }
    return err;
}

static mw_err open_gateway(struct gateway *gateway, struct mw_error *error)
{
    struct mw_thing *thing = gateway->thing;
    mw_err err = read_files(&gateway->files, thing->plant, error);
    if (err != MW_OK) {
        return err;
    }
    gateway->device = calloc(gateway->files.n, sizeof *gateway->device);
    gateway->link = calloc(gateway->files.n, sizeof(struct mw_gateway_link *));
    if (gateway->device == NULL || gateway->link == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    err = mw_gateway_queue_new(&gateway->queue, error);
    for (unsigned i = 0; err == MW_OK && i < gateway->files.n; i++) {
        gateway->device[i].file = &gateway->files.item[i];
        set_gate(&gateway->device[i], thing->plant);
        err = link_device(gateway, i, error);
    }
    thing->source.n = (unsigned)gateway->files.n;
    return err;
}

mw_err mw_thing_gateway_open(struct mw_thing *thing, struct mw_error *error)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    gateway->thing = thing;
    thing->source = (struct mw_thing_source){.context = gateway,
                                             .name = name,
                                             .start = start,
                                             .now = now,
                                             .act = act,
                                             .idle = idle,
                                             .status = status,
                                             .free = end};
    return open_gateway(gateway, error);
}

mw_err mw_thing_check(const struct mw_plant *plant, uint64_t *hash, struct mw_error *error)
{
    struct mw_gateway_files files = {0};
    mw_err err = MW_OK;
    *hash = 0;
    if (plant->gateway.devices.n > 0) {
        err = read_files(&files, plant, error);
        for (size_t i = 0; i < files.n; i++) {
            *hash = *hash * 31 + files.item[i].hash;
        }
        mw_gateway_files_clear(&files);
    }
    return err == MW_OK && plant->simulate.machines > 0 ? mw_thing_world_check(plant, error) : err;
}
