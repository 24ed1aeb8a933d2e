#include "tiers/iot/thing.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/iot/thing_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_GAP (24 * 3600 * MW_SECOND)

/* --- what the source tells --- */

mw_err mw_thing_event(struct mw_thing *thing, const struct mw_event *event, struct mw_error *error)
{
    char json[1024], id[MW_ID_MAX + 1];
    size_t size = 0;
    snprintf(id, sizeof id, "%.*s", (int)event->id.size, event->id.data);
    thing->event_added = true;
    mw_err err = mw_wire_write_event(json, sizeof json, &size, event);
    if (err != MW_OK) {
        return mw_error_set(error, err, "event %s cannot be written: %s", id, mw_err_text(err));
    }
    return mw_outbox_put(thing->outbox, "event", id, (struct mw_span){json, size}, error);
}

static bool send_event(void *context, const char *key, struct mw_span value)
{
    struct mw_thing *thing = context;
    static const char mark[] = "\"machine\":\"";
    const char *name = memmem(value.data, value.size, mark, sizeof mark - 1);
    (void)key;
    if (name == NULL) {
        return true;
    }
    name += sizeof mark - 1;
    const char *end = memchr(name, '"', (size_t)(value.data + value.size - name));
    char device[MW_NAME_MAX + 1];
    snprintf(device, sizeof device, "%.*s", end == NULL ? 0 : (int)(end - name), name);
    return mw_host_publish(thing->host.uplinks, "event", device, value) == MW_OK;
}

static void send_events(struct mw_thing *thing)
{
    struct mw_error error = {0};
    if (!mw_host_connected(thing->host.uplinks)) {
        return;
    }
    thing->event_added = false;
    if (mw_outbox_visit(thing->outbox, "event", send_event, thing, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot read waiting events", MW_KS("reason", error.text));
    }
}

/* --- time passes --- */

mw_err mw_thing_save(struct mw_thing *thing, struct mw_error *error)
{
    const struct mw_thing_source *source = &thing->source;
    mw_err err = source->save == NULL ? MW_OK : source->save(source->context, error);
    for (unsigned i = 0; err == MW_OK && i < source->n; i++) {
        err = mw_thing_device_save(thing->device[i], error);
    }
    return err;
}

void mw_thing_fail(struct mw_thing *thing, const struct mw_error *error)
{
    thing->failed = true;
    thing->error = *error;
    mw_loop_stop(thing->role.loop);
}

static void on_failed(void *context, const struct mw_error *error)
{
    mw_thing_fail(context, error);
}

void mw_thing_pass(struct mw_thing *thing, mw_thing_fill_fn *fn, void *context)
{
    struct mw_error error = {0};
    mw_err err = mw_outbox_begin(thing->outbox, &error);
    if (err == MW_OK) {
        err = fn(context, &error);
    }
    if (err == MW_OK) {
        err = mw_thing_save(thing, &error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(thing->outbox, &error);
    }
    if (err != MW_OK) {
        mw_outbox_rollback(thing->outbox);
        mw_error_wrap(&error, "records could not be stored");
        mw_thing_fail(thing, &error);
        return;
    }
    for (unsigned i = 0; i < thing->source.n; i++) {
        mw_thing_device_send(thing->device[i]);
    }
    if (thing->event_added) {
        send_events(thing);
    }
}

static int64_t now_of(void *context)
{
    struct mw_thing *thing = context;
    return thing->source.now(thing->source.context);
}

static void on_second(void *context)
{
    struct mw_thing *thing = context;
    struct mw_error error = {0};
    int64_t now = mw_clock_monotonic();
    /* Acknowledgements join the next tick's transaction, or this one: one that is lost comes again,
     * so it is not worth a wait for the disk of its own. */
    if (mw_outbox_commit(thing->outbox, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot note acknowledgements", MW_KS("reason", error.text));
    }
    for (unsigned i = 0; i < thing->source.n; i++) {
        mw_thing_device_tick(thing->device[i], now);
    }
    send_events(thing); /* what has not had its ack yet */
    if (thing->swept == 0 || now - thing->swept > SWEEP_GAP) {
        mw_thing_sweep(thing->store, thing->device, thing->source.n);
        thing->swept = now;
    }
    mw_thing_report_write(thing->report, &thing->role, thing->device, thing->source.n,
                          now_of(thing), &thing->latency);
}

/* Commands act when they are read; those that came together share a wait for the disk. */
static void on_idle(void *context)
{
    struct mw_thing *thing = context;
    mw_thing_answer(&thing->host);
    if (thing->source.idle != NULL) {
        thing->source.idle(thing->source.context);
    }
}

static mw_err act(void *context, const struct mw_thing_order *order, enum mw_thing_act *act,
                  struct mw_error *error)
{
    struct mw_thing *thing = context;
    return thing->source.act(thing->source.context, order, act, error);
}

static void status(void *context, unsigned device, struct mw_buffer *json)
{
    struct mw_thing *thing = context;
    if (thing->source.status != NULL) {
        thing->source.status(thing->source.context, device, json);
    }
}

/* --- making and ending --- */

/* The root that this host was enrolled with: its own copy, or the plant's on the same machine. */
static mw_err read_root(struct mw_thing *thing, struct mw_error *error)
{
    char path[PATH_MAX], uri[PATH_MAX + 8];
    mw_err err = mw_plant_path(thing->plant, "things", "root.json", path, sizeof path, error);
    if (err == MW_OK && mw_file_exists(path)) {
        return mw_file_read(path, 1U << 20, &thing->root, error);
    }
    if (err == MW_OK) {
        err = mw_plant_path(thing->plant, "artifacts", NULL, path, sizeof path, error);
    }
    struct mw_store *store = NULL;
    snprintf(uri, sizeof uri, "oci:%s", path);
    if (err == MW_OK) {
        err = mw_store_open(&store, uri, false, error);
    }
    if (err == MW_OK) {
        err = mw_trust_root(store, &thing->root, error);
        mw_store_close(store);
    }
    return err;
}

static mw_err open_files(struct mw_thing *thing, struct mw_error *error)
{
    char path[PATH_MAX], uri[PATH_MAX + 8];
    mw_err err = mw_plant_path(thing->plant, "things", "outbox.db", path, sizeof path, error);
    if (err == MW_OK) {
        err = mw_outbox_open(&thing->outbox, path, error);
    }
    if (err == MW_OK) {
        err = mw_plant_path(thing->plant, "things", "store", path, sizeof path, error);
    }
    if (err == MW_OK) {
        snprintf(uri, sizeof uri, "oci:%s", path);
        err = mw_store_open(&thing->store, uri, true, error);
    }
    if (err == MW_OK) {
        err = read_root(thing, error);
    }
    return err == MW_OK ? mw_thing_report_new(&thing->report, thing->plant, error) : err;
}

static mw_err open_devices(struct mw_thing *thing, struct mw_error *error)
{
    char client[MW_NAME_MAX + 16];
    snprintf(client, sizeof client, "thing-%s", thing->plant->plant);
    struct mw_host_options options = {.client_id = client, .context = thing, .on_idle = on_idle};
    mw_err err = mw_host_new(&thing->host.uplinks, thing->role.loop, thing->plant, &options, error);
    thing->host.plant = thing->plant;
    thing->host.outbox = thing->outbox;
    thing->host.store = thing->store;
    thing->host.root = (struct mw_span){thing->root.data, thing->root.size};
    thing->host.outbox_bytes = thing->plant->gateway.devices.n > 0 ? thing->plant->gateway.outbox
                                                                   : thing->plant->simulate.outbox;
    thing->host.latency = &thing->latency;
    thing->host.answers = &thing->answers;
    thing->host.context = thing;
    thing->host.now = now_of;
    thing->host.act = act;
    thing->host.status = status;
    thing->host.failed = on_failed;
    thing->device = calloc(thing->source.n, sizeof(struct mw_thing_device *));
    if (err == MW_OK && thing->device == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    for (unsigned i = 0; err == MW_OK && i < thing->source.n; i++) {
        err = mw_thing_device_new(&thing->device[i], &thing->host, i,
                                  thing->source.name(thing->source.context, i), error);
    }
    return err;
}

static void close_all(struct mw_thing *thing)
{
    if (thing->outbox != NULL) {
        mw_outbox_commit(thing->outbox, NULL);
    }
    mw_host_free(thing->host.uplinks);
    if (thing->source.free != NULL) {
        thing->source.free(thing->source.context);
    }
    for (unsigned i = 0; thing->device != NULL && i < thing->source.n; i++) {
        mw_thing_device_free(thing->device[i]);
    }
    free(thing->device);
    mw_thing_report_free(thing->report);
    mw_store_close(thing->store);
    mw_outbox_close(thing->outbox);
    mw_buffer_free(&thing->root);
    mw_loop_remove(thing->role.loop, thing->second);
}

mw_err mw_thing_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct mw_thing *thing = calloc(1, sizeof *thing);
    if (thing == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    thing->plant = plant;
    mw_err err = mw_role_init(&thing->role, "thing", error);
    if (err == MW_OK) {
        err = open_files(thing, error);
    }
    if (err == MW_OK) {
        err = plant->gateway.devices.n > 0 ? mw_thing_gateway_open(thing, error)
                                           : mw_thing_plant_open(thing, error);
    }
    if (err == MW_OK) {
        err = open_devices(thing, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(thing->role.loop, MW_SECOND, MW_SECOND, on_second, thing,
                                &thing->second, error);
    }
    if (err == MW_OK) {
        err = thing->source.start(thing->source.context, error);
    }
    if (err == MW_OK) {
        err = mw_role_run(&thing->role, error);
    }
    if (err == MW_OK && thing->failed) {
        *error = thing->error;
        err = error->code;
    }
    close_all(thing);
    mw_role_clear(&thing->role);
    free(thing);
    return err;
}
