#include "tiers/iot/thing.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/csv.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "tiers/iot/script.h"
#include "tiers/iot/thing_device.h"
#include "tiers/iot/thing_report.h"
#include "tiers/iot/world.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 256 /* records a device that may wait before the simulation does */
#define BURST 8         /* ticks a round of the loop while catching up */
#define HOUR (3600.0 * 1e6)

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
    struct mw_thing_report *report;
    struct mw_loop_watch *tick, *second, *after;
    struct mw_buffer state;
    struct mw_error error; /* of the tick in progress */
    bool failed;
    bool event_added;
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
    char json[1024], id[256];
    size_t size = 0;
    snprintf(id, sizeof id, "%.*s", (int)event->id.size, event->id.data);
    if (mw_wire_write_event(json, sizeof json, &size, event) != MW_OK ||
        mw_outbox_put(thing->outbox, "event", id, (struct mw_span){json, size}, &thing->error) !=
            MW_OK) {
        thing->failed = true;
    }
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

/* --- time passes --- */

static bool send_event(void *context, const char *key, struct mw_span value)
{
    struct thing *thing = context;
    (void)key;
    const char *name = memmem(value.data, value.size, "\"machine\":\"", 11);
    char device[MW_NAME_MAX + 1];
    if (name == NULL) {
        return true;
    }
    name += 11;
    size_t n = strcspn(name, "\"");
    snprintf(device, sizeof device, "%.*s", (int)n, name);
    return mw_host_publish(thing->host.uplinks, "event", device, value) == MW_OK;
}

static void send_events(struct thing *thing)
{
    struct mw_error error = {0};
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
    if (err == MW_OK) {
        err = mw_outbox_put(thing->outbox, "world", "state",
                            (struct mw_span){thing->state.data, size}, error);
    }
    for (unsigned i = 0; err == MW_OK && i < thing->n; i++) {
        err = mw_thing_device_save(thing->device[i], error);
    }
    return err;
}

/* `ticks` intervals pass and what came of them is one transaction. After a failure the world goes
 * back to what was saved last, so that nothing is skipped, and the next tick tries again. */
static void pass(struct thing *thing, unsigned ticks)
{
    thing->failed = false;
    thing->error = (struct mw_error){0};
    mw_err err = mw_outbox_begin(thing->outbox, &thing->error);
    for (unsigned i = 0; err == MW_OK && i < ticks; i++) {
        err = mw_world_tick(thing->world);
        if (err == MW_OK && thing->failed) {
            err = thing->error.code;
        }
    }
    if (err == MW_OK) {
        err = save(thing, &thing->error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(thing->outbox, &thing->error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "a tick could not be stored, stopping",
               MW_KS("reason", thing->error.text[0] ? thing->error.text : mw_err_text(err)));
        mw_outbox_rollback(thing->outbox);
        thing->failed = true;
        mw_loop_stop(thing->role.loop); /* the supervisor starts us from the saved state */
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
    int64_t passed = mw_world_time(thing->world) - mw_script_epoch();
    return thing->plant->simulate.speed <= 0 || passed < thing->plant->simulate.until;
}

static void on_tick(void *context)
{
    struct thing *thing = context;
    const struct mw_plant *plant = thing->plant;
    bool fast = catching_up(thing);
    mw_thing_report_pace(thing->report, fast);
    if (!fast) {
        double real = (double)plant->simulate.interval / plant->simulate.speed;
        mw_loop_set_timer(thing->role.loop, thing->tick, (int64_t)real, 0);
        pass(thing, 1);
        return;
    }
    mw_loop_set_timer(thing->role.loop, thing->tick, crowded(thing) ? MW_SECOND / 500 : 0, 0);
    if (!crowded(thing)) {
        pass(thing, BURST);
    }
}

/* Acknowledgements of a round are noted in one transaction. */
static void on_after(void *context)
{
    struct thing *thing = context;
    struct mw_error error = {0};
    if (mw_outbox_commit(thing->outbox, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot note acknowledgements", MW_KS("reason", error.text));
    }
}

static void on_second(void *context)
{
    struct thing *thing = context;
    int64_t now = mw_clock_monotonic();
    for (unsigned i = 0; i < thing->n; i++) {
        mw_thing_device_tick(thing->device[i], now);
    }
    send_events(thing); /* what has not had its ack yet */
    mw_thing_report_write(thing->report, thing->device, thing->n, mw_world_time(thing->world),
                          &thing->latency);
}

static int64_t plant_time(void *context)
{
    struct thing *thing = context;
    return mw_world_time(thing->world);
}

static bool act(void *context, const char *device, struct mw_span action)
{
    struct thing *thing = context;
    unsigned machine;
    if (!mw_span_is(action, "stop") ||
        mw_world_find(thing->world, mw_span_of(device), &machine) != MW_OK) {
        return false;
    }
    struct mw_error error = {0};
    mw_err saved = mw_outbox_begin(thing->outbox, &error);
    mw_err err = mw_world_stop(thing->world, machine);
    if (err != MW_OK) {
        return err == MW_ERR_STATE; /* it stands already */
    }
    if (saved == MW_OK) {
        saved = save(thing, &error);
    }
    if (saved != MW_OK) {
        mw_log(MW_LOG_ERROR, device, "the stop is not on disk yet", MW_KS("reason", error.text));
    }
    return true;
}

/* --- making and ending --- */

static mw_err open_world(struct thing *thing, struct mw_error *error)
{
    const struct mw_plant *plant = thing->plant;
    struct mw_world_config config;
    struct mw_world_change *changes = NULL;
    size_t n_changes = 0;
    mw_world_config_default(&config);
    config.seed = (uint64_t)plant->simulate.seed;
    config.machines = (unsigned)plant->simulate.machines;
    config.start = mw_script_epoch();
    config.interval = plant->simulate.interval;
    config.fault_hours =
        plant->simulate.fault_every < 0 ? 0 : (double)plant->simulate.fault_every / HOUR;
    config.growth_hours[0] = 0.6 * (double)plant->simulate.growth / HOUR;
    config.growth_hours[1] = 1.4 * (double)plant->simulate.growth / HOUR;
    if (plant->simulate.script != NULL && plant->simulate.script[0] != '\0') {
        mw_err err =
            mw_script_read(plant->simulate.script, config.machines, &changes, &n_changes, error);
        if (err != MW_OK) {
            return err;
        }
    }
    config.changes = changes;
    config.n_changes = n_changes;
    struct mw_world_callbacks callbacks = {.context = thing,
                                           .on_record = on_record,
                                           .on_event = on_event,
                                           .on_truth = on_truth,
                                           .on_change = on_change};
    mw_err err = mw_world_new(&config, &callbacks, &thing->world, error);
    free(changes);
    struct mw_span state;
    if (err == MW_OK && mw_outbox_get(thing->outbox, "world", "state", &state, error) == MW_OK) {
        err = mw_world_load(thing->world, state.data, state.size, error);
        if (err == MW_OK) {
            mw_log(MW_LOG_INFO, NULL, "the simulated plant goes on where it was",
                   MW_KI("machines", thing->n));
        }
    }
    return err;
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
    struct mw_host_options options = {.client_id = client};
    mw_err err = mw_host_new(&thing->host.uplinks, thing->role.loop, thing->plant, &options, error);
    thing->host.plant = thing->plant;
    thing->host.outbox = thing->outbox;
    thing->host.store = thing->store;
    thing->host.root = (struct mw_span){thing->root.data, thing->root.size};
    thing->host.latency = &thing->latency;
    thing->host.context = thing;
    thing->host.now = plant_time;
    thing->host.act = act;
    thing->n = mw_world_machines(thing->world);
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
    return err == MW_OK ? mw_loop_add_after(loop, on_after, thing, &thing->after, error) : err;
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
    mw_loop_remove(thing->role.loop, thing->after);
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
        err = mw_error_set(error, thing->error.code, "%s", thing->error.text);
    }
    close_all(thing);
    mw_role_clear(&thing->role);
    free(thing);
    return err;
}
