#include "tiers/iot/world.h"

#include "tiers/iot/world_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define CREW_STREAM 1000000U /* random streams of the crews, beyond those of the motors */

void mw_world_config_default(struct mw_world_config *config)
{
    *config = (struct mw_world_config){
        .seed = 1,
        .machines = 8,
        .prefix = "motor",
        .start = INT64_C(1767225600) * SECOND,
        .interval = 60 * SECOND,
        .fault_hours = 24.0,
        .growth_hours = {3.0, 8.0},
        .repair_hours = {1.0, 3.0},
        .inspect_hours = {0.25, 0.5},
        .service_hours = {0.5, 1.5},
        .gate = {.minimum = 2.0F},
    };
}

static bool range_valid(const double range[2])
{
    return range[0] >= 0.0 && range[1] >= range[0] && range[1] <= 1e5;
}

static bool change_valid(const struct mw_world_change *c, unsigned machines)
{
    return c->at >= 0 && (unsigned)c->kind <= MW_WORLD_FAULTS && c->machine >= -1 &&
           c->machine < (int)machines && (unsigned)c->signal < MW_MOTOR_SIGNALS &&
           (unsigned)c->fault < MW_MOTOR_FAULTS && isfinite(c->value) && fabs(c->value) <= 1e6 &&
           !(c->kind == MW_WORLD_FAULT && c->value <= 0.0) &&
           !(c->kind == MW_WORLD_FAULTS && c->value < 0.0);
}

static mw_err check(const struct mw_world_config *c, struct mw_error *error)
{
    const char *wrong = NULL;
    if (c->machines < 1 || c->machines > MW_WORLD_MACHINES_MAX) {
        wrong = "machines is not 1 to 256";
    } else if (c->prefix == NULL || strlen(c->prefix) > MW_WORLD_NAME - 9 ||
               !mw_name_valid(mw_span_of(c->prefix))) {
        wrong = "prefix is not a name of at most 55 letters, digits and dashes";
    } else if (c->interval < SECOND || c->interval > HOUR) {
        wrong = "interval is not 1 s to 1 h";
    } else if (!(c->fault_hours >= 0.0 && c->fault_hours <= 1e6)) {
        wrong = "fault_hours is not 0 to 1e6";
    } else if (!range_valid(c->growth_hours) || c->growth_hours[0] <= 0.0 ||
               !range_valid(c->repair_hours) || !range_valid(c->inspect_hours) ||
               !range_valid(c->service_hours)) {
        wrong = "a range of hours is empty or negative";
    } else if (c->n_changes > MW_WORLD_CHANGES_MAX) {
        wrong = "more than 256 changes";
    }
    for (size_t i = 0; wrong == NULL && i < c->n_changes; i++) {
        if (!change_valid(&c->changes[i], c->machines)) {
            return mw_error_set(error, MW_ERR_ARGUMENT, "simulate: change %zu is out of range",
                                i + 1);
        }
    }
    return wrong == NULL ? MW_OK : mw_error_set(error, MW_ERR_ARGUMENT, "simulate: %s", wrong);
}

static mw_err allocate(struct mw_world *w)
{
    size_t bytes = 0;
    mw_err err = mw_signal_size(MW_MOTOR_WINDOW, &bytes);
    if (err != MW_OK) {
        return err;
    }
    bytes = (bytes + MW_SIGNAL_ALIGN - 1) / MW_SIGNAL_ALIGN * MW_SIGNAL_ALIGN;
    w->signal_memory = aligned_alloc(MW_SIGNAL_ALIGN, bytes);
    w->name = calloc(w->config.machines, sizeof *w->name);
    w->machine = calloc(w->config.machines, sizeof *w->machine);
    if (w->signal_memory == NULL || w->name == NULL || w->machine == NULL) {
        return MW_ERR_MEMORY;
    }
    return mw_signal_init(w->signal_memory, bytes, MW_MOTOR_WINDOW, (float)MW_MOTOR_RATE,
                          &w->signal);
}

/* Insertion keeps changes of the same time in the order that they were given in. */
static void sort_changes(struct mw_world *w, const struct mw_world_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t place = i;
        for (; place > 0 && w->change[place - 1].at > changes[i].at; place--) {
            w->change[place] = w->change[place - 1];
        }
        w->change[place] = changes[i];
    }
    w->n_changes = n;
}

mw_err mw_world_new(const struct mw_world_config *config,
                    const struct mw_world_callbacks *callbacks, struct mw_world **world,
                    struct mw_error *error)
{
    *world = NULL;
    mw_err err = check(config, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_world *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "simulate: out of memory");
    }
    w->config = *config;
    w->call = *callbacks;
    w->now = config->start;
    w->fault_hours = config->fault_hours;
    err = allocate(w);
    if (err != MW_OK) {
        mw_world_free(w);
        return mw_error_set(error, err, "simulate: %s", mw_err_text(err));
    }
    sort_changes(w, config->changes, config->n_changes);
    w->config.changes = NULL;
    mw_motor_noise_init(&w->noise);
    for (unsigned i = 0; i < config->machines; i++) {
        struct mw_world_machine *m = &w->machine[i];
        snprintf(w->name[i], sizeof w->name[i], "%s-%u", config->prefix, i + 1);
        mw_motor_init(&m->motor, config->seed, i);
        mw_motor_random_init(&m->random, config->seed, CREW_STREAM + i);
        m->gate = config->gate;
        m->next_fault = mw_world_draw_fault(w, m, w->now);
    }
    w->config.prefix = NULL;
    *world = w;
    return MW_OK;
}

void mw_world_free(struct mw_world *world)
{
    if (world != NULL) {
        free(world->signal_memory);
        free(world->name);
        free(world->machine);
        free(world);
    }
}

int64_t mw_world_draw_hours(struct mw_motor_random *random, const double range[2])
{
    return (int64_t)(mw_motor_random_range(random, range[0], range[1]) * (double)HOUR);
}

/* At the start of the plant's life the gap is a rest of one, as if machines had run before. */
int64_t mw_world_draw_fault(struct mw_world *world, struct mw_world_machine *machine, int64_t from)
{
    if (!(world->fault_hours > 0.0)) {
        return MW_WORLD_NEVER;
    }
    const double least = machine->faults == 0 ? 0.1 : 0.5;
    const double hours = world->fault_hours * mw_motor_random_range(&machine->random, least, 1.5);
    return from + (int64_t)(hours * (double)HOUR);
}

static void start_fault(struct mw_world *w, struct mw_world_machine *m, enum mw_motor_fault kind,
                        double hours)
{
    mw_motor_start_fault(&m->motor, kind, hours);
    m->faults++;
    m->fault_started = w->now;
    m->next_fault = MW_WORLD_NEVER; /* until this one is repaired */
}

void mw_world_change_motor(struct mw_motor *motor, const struct mw_world_change *change)
{
    struct mw_motor_world world = motor->world;
    switch (change->kind) {
    case MW_WORLD_SEASON:
        world.season = change->value;
        break;
    case MW_WORLD_LOAD:
        world.load = change->value;
        break;
    case MW_WORLD_GAIN:
        world.gain[change->signal] = change->value;
        break;
    case MW_WORLD_OFFSET:
        world.offset[change->signal] = change->value;
        break;
    case MW_WORLD_BEARINGS:
        world.bearing = change->value;
        break;
    case MW_WORLD_FAULT:
    case MW_WORLD_FAULTS:
        return;
    }
    mw_motor_set_world(motor, &world);
}

static void apply(struct mw_world *w, const struct mw_world_change *change)
{
    if (change->kind == MW_WORLD_FAULTS) {
        w->fault_hours = change->value;
    }
    for (unsigned i = 0; i < w->config.machines; i++) {
        struct mw_world_machine *m = &w->machine[i];
        if (change->machine >= 0 && (unsigned)change->machine != i) {
            continue;
        }
        mw_world_change_motor(&m->motor, change);
        mw_world_change_motor(&m->twin, change);
        if (change->kind == MW_WORLD_FAULT && mw_motor_running(&m->motor)) {
            start_fault(w, m, change->fault, change->value);
        } else if (change->kind == MW_WORLD_FAULTS && mw_motor_worst(&m->motor, NULL) == 0.0) {
            m->next_fault = mw_world_draw_fault(w, m, w->now);
        }
    }
    if (w->call.on_change != NULL) {
        w->call.on_change(w->call.context, w->now, change);
    }
}

mw_err mw_world_apply(struct mw_world *world, const struct mw_world_change *change)
{
    if (!change_valid(change, world->config.machines)) {
        return MW_ERR_ARGUMENT;
    }
    apply(world, change);
    return MW_OK;
}

static mw_err tell_record(struct mw_world *w, unsigned i)
{
    struct mw_world_machine *m = &w->machine[i];
    float features[MW_MOTOR_FEATURES];
    mw_err err = mw_motor_measure(&m->motor, &w->noise, w->signal, &m->gate, features);
    if (err == MW_OK && w->call.on_record != NULL) {
        const struct mw_world_record record = {i, w->name[i], w->now, features};
        w->call.on_record(w->call.context, &record);
    }
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

mw_err mw_world_tick(struct mw_world *world)
{
    struct mw_world *w = world;
    const double seconds = (double)w->config.interval / (double)SECOND;
    mw_err first = MW_OK;
    w->now += w->config.interval;
    while (w->next_change < w->n_changes &&
           w->change[w->next_change].at <= w->now - w->config.start) {
        apply(w, &w->change[w->next_change++]);
    }
    for (unsigned i = 0; i < w->config.machines; i++) {
        struct mw_world_machine *m = &w->machine[i];
        if (w->now >= m->next_fault && mw_motor_running(&m->motor)) {
            const uint64_t kind = mw_motor_random_next(&m->random) % MW_MOTOR_FAULTS;
            start_fault(w, m, (enum mw_motor_fault)kind,
                        mw_motor_random_range(&m->random, w->config.growth_hours[0],
                                              w->config.growth_hours[1]));
        }
        mw_motor_advance(&m->motor, seconds);
        mw_world_twin(w, i, seconds);
        mw_world_crew(w, i);
        mw_err err = tell_record(w, i);
        first = first == MW_OK ? err : first;
    }
    return first;
}

void mw_world_settle(struct mw_world *world)
{
    for (unsigned i = 0; i < world->config.machines; i++) {
        mw_world_settle_twin(world, i);
    }
}

int64_t mw_world_time(const struct mw_world *world)
{
    return world->now;
}

unsigned mw_world_machines(const struct mw_world *world)
{
    return world->config.machines;
}

const char *mw_world_machine_name(const struct mw_world *world, unsigned machine)
{
    return machine < world->config.machines ? world->name[machine] : NULL;
}

mw_err mw_world_find(const struct mw_world *world, struct mw_span name, unsigned *machine)
{
    for (unsigned i = 0; i < world->config.machines; i++) {
        if (mw_span_is(name, world->name[i])) {
            *machine = i;
            return MW_OK;
        }
    }
    return MW_ERR_NOT_FOUND;
}

const struct mw_motor *mw_world_motor(const struct mw_world *world, unsigned machine)
{
    return machine < world->config.machines ? &world->machine[machine].motor : NULL;
}
