/* thing_plant.c - the simulated plant as a source of records. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/iot/thing_internal.h"
#include "tiers/iot/thing_world.h"

#include <stdlib.h>

#define WAITING_MAX 256 /* records a device that may wait before the simulation does */
#define BURST 8         /* ticks a round of the loop while catching up */

struct plant {
    struct mw_thing *thing;
    struct mw_world *world;
    struct mw_loop_watch *tick;
    struct mw_buffer state;
    struct mw_error error; /* of the tick in progress */
    bool failed;
    unsigned ticks; /* to pass in the next transaction */
    int64_t due;    /* monotonic; of the next tick at speed */
};

/* --- what the world tells --- */

static void on_record(void *context, const struct mw_world_record *record)
{
    struct plant *plant = context;
    struct mw_telemetry telemetry = {.time = record->time, .n_features = MW_MOTOR_FEATURES};
    for (size_t i = 0; i < MW_MOTOR_FEATURES; i++) {
        telemetry.features[i].name = mw_span_of(mw_motor_feature_names[i]);
        telemetry.features[i].value = record->features[i];
    }
    if (!plant->failed) {
        plant->failed = mw_thing_device_record(plant->thing->device[record->machine], &telemetry,
                                               &plant->error) != MW_OK;
    }
}

static void on_event(void *context, const struct mw_event *event)
{
    struct plant *plant = context;
    if (!plant->failed) {
        plant->failed = mw_thing_event(plant->thing, event, &plant->error) != MW_OK;
    }
}

static void on_truth(void *context, const struct mw_world_truth *truth)
{
    struct plant *plant = context;
    mw_thing_report_truth(plant->thing->report, truth);
}

static void on_change(void *context, int64_t time, const struct mw_world_change *change)
{
    struct plant *plant = context;
    mw_thing_report_change(plant->thing->report, time, change);
}

static void on_twin(void *context, const struct mw_world_record *record)
{
    struct plant *plant = context;
    mw_thing_report_twin(plant->thing->report, record);
}

/* --- time passes --- */

static mw_err fill(void *context, struct mw_error *error)
{
    struct plant *plant = context;
    plant->error = (struct mw_error){0};
    for (unsigned i = 0; i < plant->ticks; i++) {
        mw_err err = mw_world_tick(plant->world);
        if (err != MW_OK) {
            return mw_error_set(error, err, "the world: %s", mw_err_text(err));
        }
        if (plant->failed) {
            *error = plant->error;
            return error->code;
        }
    }
    return MW_OK;
}

/* `ticks` intervals pass and what came of them is one transaction. */
static void pass(struct plant *plant, unsigned ticks)
{
    plant->ticks = ticks;
    mw_thing_pass(plant->thing, fill, plant);
}

static mw_err save(void *context, struct mw_error *error)
{
    struct plant *plant = context;
    size_t size = mw_world_save_size(plant->world);
    mw_buffer_clear(&plant->state);
    mw_err err = mw_buffer_reserve(&plant->state, size);
    if (err == MW_OK) {
        err = mw_world_save(plant->world, plant->state.data, size);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "the world cannot be saved: %s", mw_err_text(err));
    }
    return mw_outbox_put(plant->thing->outbox, "world", "state",
                         (struct mw_span){plant->state.data, size}, error);
}

static bool crowded(const struct plant *plant)
{
    for (unsigned i = 0; i < plant->thing->source.n; i++) {
        if (mw_thing_device_waiting(plant->thing->device[i]) > WAITING_MAX) {
            return true;
        }
    }
    return false;
}

static bool catching_up(const struct plant *plant)
{
    int64_t passed = mw_world_time(plant->world) - mw_thing_world_start();
    return plant->thing->plant->simulate.speed <= 0 || passed < plant->thing->plant->simulate.until;
}

/* The next tick at its place in the row, so that what a tick costs does not add up; one that is
 * late by more than a second starts a new row. */
static void pace(struct plant *plant)
{
    int64_t now = mw_clock_monotonic();
    double step =
        (double)plant->thing->plant->simulate.interval / plant->thing->plant->simulate.speed;
    plant->due += (int64_t)step;
    if (plant->due < now - MW_SECOND || plant->due > now + (int64_t)step) {
        plant->due = now + (int64_t)step;
    }
    mw_loop_set_timer(plant->thing->role.loop, plant->tick, plant->due > now ? plant->due - now : 0,
                      0);
}

static void on_tick(void *context)
{
    struct plant *plant = context;
    bool fast = catching_up(plant);
    if (plant->thing->failed) {
        return;
    }
    mw_thing_report_pace(plant->thing->report, fast);
    if (!fast) {
        pace(plant);
        pass(plant, 1);
        return;
    }
    bool wait = crowded(plant);
    mw_loop_set_timer(plant->thing->role.loop, plant->tick, wait ? MW_SECOND / 500 : 0, 0);
    if (!wait) {
        pass(plant, BURST);
    }
}

static int64_t plant_time(void *context)
{
    struct plant *plant = context;
    return mw_world_time(plant->world);
}

static mw_err act(void *context, const struct mw_thing_order *order, enum mw_thing_act *act,
                  struct mw_error *error)
{
    struct plant *plant = context;
    unsigned machine;
    if (!mw_span_is(order->action, "stop") ||
        mw_world_find(plant->world, mw_span_of(order->device), &machine) != MW_OK) {
        return MW_OK;
    }
    *act = MW_THING_DONE;
    if (mw_world_stop(plant->world, machine) == MW_ERR_STATE) {
        return MW_OK; /* it stands already */
    }
    if (plant->failed) { /* an event of the stop could not be kept */
        *error = plant->error;
        return error->code;
    }
    return mw_thing_save(plant->thing, error);
}

/* --- making and ending --- */

static const char *name(void *context, unsigned device)
{
    struct plant *plant = context;
    return mw_world_machine_name(plant->world, device);
}

static mw_err start(void *context, struct mw_error *error)
{
    struct plant *plant = context;
    return mw_loop_add_timer(plant->thing->role.loop, 0, 0, on_tick, plant, &plant->tick, error);
}

static void end(void *context)
{
    struct plant *plant = context;
    mw_loop_remove(plant->thing->role.loop, plant->tick);
    mw_world_free(plant->world);
    mw_buffer_free(&plant->state);
    free(plant);
}

/* Goes on where the last process saved. */
static mw_err open_world(struct plant *plant, struct mw_error *error)
{
    struct mw_thing *thing = plant->thing;
    bool twins = thing->plant->simulate.twins;
    struct mw_world_callbacks callbacks = {.context = plant,
                                           .on_record = on_record,
                                           .on_event = on_event,
                                           .on_truth = on_truth,
                                           .on_change = on_change,
                                           .on_twin = twins ? on_twin : NULL};
    struct mw_span state;
    mw_err err = mw_thing_world_new(&plant->world, thing->plant, &callbacks, error);
    if (err != MW_OK) {
        return err;
    }
    thing->source.n = mw_world_machines(plant->world);
    err = mw_outbox_get(thing->outbox, "world", "state", &state, error);
    if (err == MW_ERR_NOT_FOUND) {
        return MW_OK;
    }
    if (err == MW_OK) {
        err = mw_world_load(plant->world, state.data, state.size, error);
    }
    if (err != MW_OK) {
        return mw_error_wrap(error, "%s/things/outbox.db", thing->plant->data);
    }
    mw_log(MW_LOG_INFO, NULL, "the simulated plant goes on where it was",
           MW_KI("machines", thing->source.n));
    return MW_OK;
}

mw_err mw_thing_plant_open(struct mw_thing *thing, struct mw_error *error)
{
    struct plant *plant = calloc(1, sizeof *plant);
    if (plant == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    plant->thing = thing;
    thing->source = (struct mw_thing_source){.context = plant,
                                             .name = name,
                                             .start = start,
                                             .now = plant_time,
                                             .act = act,
                                             .save = save,
                                             .free = end};
    return open_world(plant, error);
}
