#include "tiers/iot/thing.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "tiers/iot/thing_device.h"
#include "tiers/iot/thing_report.h"
#include "tiers/iot/thing_world.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 256 /* records a device that may wait before the simulation does */
#define BURST 8         /* ticks a round of the loop while catching up */
#define SWEEP_GAP (24 * 3600 * MW_SECOND)

struct thing {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_thing_host host;
    struct mw_world *world;
    struct mw_thing_device **device;
    unsigned n;
    struct mw_store *store;
    struct mw_outbox *outbox;
    struct mw_buffer root;
    struct mw_latency latency;
    struct mw_thing_answers answers;
    struct mw_thing_report *report;
    struct mw_loop_watch *tick, *second;
    struct mw_buffer state;
    struct mw_error error; /* of the tick in progress */
    bool failed;
    bool event_added;
    int64_t due;   /* monotonic; of the next tick at speed */
    int64_t swept; /* monotonic, when the store was; 0: not yet */
};

/* --- what the world tells --- */

static void on_record(void *context, const struct mw_world_record *record)
{
    struct thing *thing = context;
    struct mw_telemetry telemetry = {.time = record->time, .n_features = MW_MOTOR_FEATURES};
    for (size_t i = 0; i < MW_MOTOR_FEATURES; i++) {
        telemetry.features[i].name = mw_span_of(mw_motor_feature_names[i]);
        telemetry.features[i].value = record->features[i];
    }
    if (!thing->failed) {
        thing->failed = mw_thing_device_record(thing->device[record->machine], &telemetry,
                                               &thing->error) != MW_OK;
    }
}

/* Events wait in the outbox until the bridge says that they are stored. */
static void on_event(void *context, const struct mw_event *event)
{
    struct thing *thing = context;
    char json[1024], id[MW_ID_MAX + 1];
    size_t size = 0;
    if (thing->failed) {
        return;
    }
    snprintf(id, sizeof id, "%.*s", (int)event->id.size, event->id.data);
    mw_err err = mw_wire_write_event(json, sizeof json, &size, event);
    if (err != MW_OK) {
        mw_error_set(&thing->error, err, "event %s cannot be written: %s", id, mw_err_text(err));
    } else {
        err =
            mw_outbox_put(thing->outbox, "event", id, (struct mw_span){json, size}, &thing->error);
    }
    thing->failed = err != MW_OK;
    thing->event_added = true;
}

static void on_truth(void *context, const struct mw_world_truth *truth)
{
    struct thing *thing = context;
    mw_thing_report_truth(thing->report, truth);
}

static void on_change(void *context, int64_t time, const struct mw_world_change *change)
{
    struct thing *thing = context;
    mw_thing_report_change(thing->report, time, change);
}

static void on_twin(void *context, const struct mw_world_record *record)
{
    struct thing *thing = context;
    mw_thing_report_twin(thing->report, record);
}

/* --- time passes --- */

static bool send_event(void *context, const char *key, struct mw_span value)
{
    struct thing *thing = context;
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

static void send_events(struct thing *thing)
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

static mw_err save(struct thing *thing, struct mw_error *error)
{
    size_t size = mw_world_save_size(thing->world);
    mw_buffer_clear(&thing->state);
    mw_err err = mw_buffer_reserve(&thing->state, size);
    if (err == MW_OK) {
        err = mw_world_save(thing->world, thing->state.data, size);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "the world cannot be saved: %s", mw_err_text(err));
    }
    err = mw_outbox_put(thing->outbox, "world", "state", (struct mw_span){thing->state.data, size},
                        error);
    for (unsigned i = 0; err == MW_OK && i < thing->n; i++) {
        err = mw_thing_device_save(thing->device[i], error);
    }
    return err;
}

/* What is in memory is ahead of the disk. The supervisor starts us from the saved state, so that
 * nothing is skipped or repeated. */
static void on_failed(void *context, const struct mw_error *error)
{
    struct thing *thing = context;
    thing->failed = true;
    thing->error = *error;
    mw_loop_stop(thing->role.loop);
}

/* `ticks` intervals pass and what came of them is one transaction. */
static void pass(struct thing *thing, unsigned ticks)
{
    struct mw_error error = {0};
    thing->error = (struct mw_error){0};
    mw_err err = mw_outbox_begin(thing->outbox, &error);
    for (unsigned i = 0; err == MW_OK && i < ticks; i++) {
        err = mw_world_tick(thing->world);
        if (err != MW_OK) {
            mw_error_set(&error, err, "the world: %s", mw_err_text(err));
        } else if (thing->failed) {
            error = thing->error;
            err = error.code;
        }
    }
    if (err == MW_OK) {
        err = save(thing, &error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(thing->outbox, &error);
    }
    if (err != MW_OK) {
        mw_outbox_rollback(thing->outbox);
        mw_error_wrap(&error, "a tick could not be stored");
        on_failed(thing, &error);
        return;
    }
    for (unsigned i = 0; i < thing->n; i++) {
        mw_thing_device_send(thing->device[i]);
    }
    if (thing->event_added) {
        send_events(thing);
    }
}

static bool crowded(const struct thing *thing)
{
    for (unsigned i = 0; i < thing->n; i++) {
        if (mw_thing_device_waiting(thing->device[i]) > WAITING_MAX) {
            return true;
        }
    }
    return false;
}

static bool catching_up(const struct thing *thing)
{
    int64_t passed = mw_world_time(thing->world) - mw_thing_world_start();
    return thing->plant->simulate.speed <= 0 || passed < thing->plant->simulate.until;
}

/* The next tick at its place in the row, so that what a tick costs does not add up; one that is
 * late by more than a second starts a new row. */
static void pace(struct thing *thing)
{
    int64_t now = mw_clock_monotonic();
    double step = (double)thing->plant->simulate.interval / thing->plant->simulate.speed;
    thing->due += (int64_t)step;
    if (thing->due < now - MW_SECOND || thing->due > now + (int64_t)step) {
        thing->due = now + (int64_t)step;
    }
    mw_loop_set_timer(thing->role.loop, thing->tick, thing->due > now ? thing->due - now : 0, 0);
}

static void on_tick(void *context)
{
    struct thing *thing = context;
    bool fast = catching_up(thing);
    if (thing->failed) {
        return;
    }
    mw_thing_report_pace(thing->report, fast);
    if (!fast) {
        pace(thing);
        pass(thing, 1);
        return;
    }
    bool wait = crowded(thing);
    mw_loop_set_timer(thing->role.loop, thing->tick, wait ? MW_SECOND / 500 : 0, 0);
    if (!wait) {
        pass(thing, BURST);
    }
}

static void on_second(void *context)
{
    struct thing *thing = context;
    struct mw_error error = {0};
    int64_t now = mw_clock_monotonic();
    /* Acknowledgements join the next tick's transaction, or this one: one that is lost comes again,
     * so it is not worth a wait for the disk of its own. */
    if (mw_outbox_commit(thing->outbox, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot note acknowledgements", MW_KS("reason", error.text));
    }
    for (unsigned i = 0; i < thing->n; i++) {
        mw_thing_device_tick(thing->device[i], now);
    }
    send_events(thing); /* what has not had its ack yet */
    if (thing->swept == 0 || now - thing->swept > SWEEP_GAP) {
        mw_thing_sweep(thing->store, thing->device, thing->n);
        thing->swept = now;
    }
    mw_thing_report_write(thing->report, thing->device, thing->n, mw_world_time(thing->world),
                          &thing->latency);
}

/* Commands act when they are read; those that came together share a wait for the disk. */
static void on_idle(void *context)
{
    struct thing *thing = context;
    mw_thing_answer(&thing->host);
}

static int64_t plant_time(void *context)
{
    struct thing *thing = context;
    return mw_world_time(thing->world);
}

static mw_err act(void *context, const char *device, struct mw_span action, bool *known,
                  struct mw_error *error)
{
    struct thing *thing = context;
    unsigned machine;
    *known = mw_span_is(action, "stop") &&
             mw_world_find(thing->world, mw_span_of(device), &machine) == MW_OK;
    if (!*known || mw_world_stop(thing->world, machine) == MW_ERR_STATE) {
        return MW_OK; /* it stands already */
    }
    if (thing->failed) { /* an event of the stop could not be kept */
        *error = thing->error;
        return error->code;
    }
    return save(thing, error);
}

/* --- making and ending --- */

/* Goes on where the last process saved. */
static mw_err open_world(struct thing *thing, struct mw_error *error)
{
    struct mw_world_callbacks callbacks = {.context = thing,
                                           .on_record = on_record,
                                           .on_event = on_event,
                                           .on_truth = on_truth,
                                           .on_change = on_change,
                                           .on_twin =
                                               thing->plant->simulate.twins ? on_twin : NULL};
    struct mw_span state;
    mw_err err = mw_thing_world_new(&thing->world, thing->plant, &callbacks, error);
    if (err != MW_OK) {
        return err;
    }
    thing->n = mw_world_machines(thing->world);
    err = mw_outbox_get(thing->outbox, "world", "state", &state, error);
    if (err == MW_ERR_NOT_FOUND) {
        return MW_OK;
    }
    if (err == MW_OK) {
        err = mw_world_load(thing->world, state.data, state.size, error);
    }
    if (err != MW_OK) {
        return mw_error_wrap(error, "%s/things/outbox.db", thing->plant->data);
    }
    mw_log(MW_LOG_INFO, NULL, "the simulated plant goes on where it was",
           MW_KI("machines", thing->n));
    return MW_OK;
}

/* The root that this host was enrolled with: its own copy, or the plant's on the same machine. */
static mw_err read_root(struct thing *thing, struct mw_error *error)
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

static mw_err open_files(struct thing *thing, struct mw_error *error)
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

static mw_err open_devices(struct thing *thing, struct mw_error *error)
{
    char client[MW_NAME_MAX + 16];
    snprintf(client, sizeof client, "thing-%s", thing->plant->plant);
    struct mw_host_options options = {.client_id = client, .context = thing, .on_idle = on_idle};
    mw_err err = mw_host_new(&thing->host.uplinks, thing->role.loop, thing->plant, &options, error);
    thing->host.plant = thing->plant;
    thing->host.outbox = thing->outbox;
    thing->host.store = thing->store;
    thing->host.root = (struct mw_span){thing->root.data, thing->root.size};
    thing->host.latency = &thing->latency;
    thing->host.answers = &thing->answers;
    thing->host.context = thing;
    thing->host.now = plant_time;
    thing->host.act = act;
    thing->host.failed = on_failed;
    thing->device = calloc(thing->n, sizeof(struct mw_thing_device *));
    if (err == MW_OK && thing->device == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    for (unsigned i = 0; err == MW_OK && i < thing->n; i++) {
        err = mw_thing_device_new(&thing->device[i], &thing->host,
                                  mw_world_machine_name(thing->world, i), error);
    }
    return err;
}

static mw_err open_timers(struct thing *thing, struct mw_error *error)
{
    struct mw_loop *loop = thing->role.loop;
    mw_err err = mw_loop_add_timer(loop, 0, 0, on_tick, thing, &thing->tick, error);
    if (err == MW_OK) {
        err =
            mw_loop_add_timer(loop, MW_SECOND, MW_SECOND, on_second, thing, &thing->second, error);
    }
    return err;
}

static void close_all(struct thing *thing)
{
    if (thing->outbox != NULL) {
        mw_outbox_commit(thing->outbox, NULL);
    }
    mw_host_free(thing->host.uplinks);
    for (unsigned i = 0; thing->device != NULL && i < thing->n; i++) {
        mw_thing_device_free(thing->device[i]);
    }
    free(thing->device);
    mw_world_free(thing->world);
    mw_thing_report_free(thing->report);
    mw_store_close(thing->store);
    mw_outbox_close(thing->outbox);
    mw_buffer_free(&thing->root);
    mw_buffer_free(&thing->state);
    mw_loop_remove(thing->role.loop, thing->tick);
    mw_loop_remove(thing->role.loop, thing->second);
}

mw_err mw_thing_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct thing *thing = calloc(1, sizeof *thing);
    if (thing == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    thing->plant = plant;
    mw_err err = mw_role_init(&thing->role, "thing", error);
    if (err == MW_OK) {
        err = open_files(thing, error);
    }
    if (err == MW_OK) {
        err = open_world(thing, error);
    }
    if (err == MW_OK) {
        err = open_devices(thing, error);
    }
    if (err == MW_OK) {
        err = open_timers(thing, error);
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
