/* world.h - the plant's life on a simulated clock: motors, faults, a maintenance crew, and changes
 * of the world.
 *
 * One tick is one interval of simulated time. Each motor's windows go through level 1 and give a
 * feature record, unless its gate sees a standstill. Faults start at times drawn from the seed, one
 * at a time a machine. A machine that breaks makes a failure event at once, and a repair event when
 * the crew is done. A machine that a command stopped is inspected: the finding says the truth, a
 * fault from a damage of MW_WORLD_FINDABLE on; a fault is then repaired, and the machine runs
 * again.
 *
 * From the moment a command stops a machine that has a fault, its twin runs on beside it without
 * the command. Its breakdown is the truth that the on_truth callback tells, and on_twin gets the
 * records that it would have made; a model in the plant never sees them.
 *
 * Deterministic for a configuration and the times of the commands. Everything that changes can be
 * saved to bytes and loaded again, so that a process that was killed goes on where it saved.
 * Nothing here blocks; one thread. */
#ifndef MW_IOT_WORLD_H
#define MW_IOT_WORLD_H

#include "core/wire/message.h"
#include "lib/base/error.h"
#include "tiers/iot/motor_features.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_WORLD_MACHINES_MAX 256
#define MW_WORLD_CHANGES_MAX 256
#define MW_WORLD_NAME 64      /* bytes of a machine's name, with its NUL */
#define MW_WORLD_FINDABLE 0.3 /* damage from which an inspection finds a fault */

enum mw_world_change_kind {
    MW_WORLD_SEASON,   /* value: K above the normal ambient temperature */
    MW_WORLD_LOAD,     /* value: factor on the load's torque */
    MW_WORLD_GAIN,     /* signal; value: the new sensor's gain */
    MW_WORLD_OFFSET,   /* signal; value: the new sensor's offset in its unit */
    MW_WORLD_BEARINGS, /* value: factor on a healthy bearing's noise, from a new batch */
    MW_WORLD_FAULT, /* fault; value: hours to breakdown at ordinary load. No change of the world */
    MW_WORLD_FAULTS /* value: mean hours between a machine's faults from now on; 0: none */
};

struct mw_world_change {
    int64_t at; /* microseconds since the start */
    enum mw_world_change_kind kind;
    int machine; /* from 0; -1: all */
    enum mw_motor_signal signal;
    enum mw_motor_fault fault;
    double value;
};

struct mw_world_config {
    uint64_t seed;
    unsigned machines;  /* 1 to MW_WORLD_MACHINES_MAX, called PREFIX-1 ... */
    const char *prefix; /* [a-z0-9-]{1,55}, borrowed by mw_world_new only */
    int64_t start;      /* microseconds UTC; a midnight where the plant is */
    int64_t interval;   /* microseconds of simulated time between records; 1 s to 1 h */
    double fault_hours; /* mean time between a machine's repair and its next fault; 0: no faults */
    double growth_hours[2];  /* from a fault's start to breakdown, at ordinary load: least, most */
    double repair_hours[2];  /* from a failure to the end of its repair */
    double inspect_hours[2]; /* from a stop to the finding */
    double service_hours[2]; /* from a finding to the end of its repair */
    struct mw_gate gate;     /* on current_rms */
    const struct mw_world_change *changes; /* any order; copied by mw_world_new; may be NULL */
    size_t n_changes;
};

/* 8 machines called motor-N from 2026-01-01, a record a minute, a fault a machine every 24 h that
 * grows for 3 to 8 h. */
void mw_world_config_default(struct mw_world_config *config);

struct mw_world_record {
    unsigned machine;
    const char *name;
    int64_t time;          /* microseconds UTC */
    const float *features; /* MW_MOTOR_FEATURES values, named mw_motor_feature_names */
};

struct mw_world_truth {
    unsigned machine;
    const char *name;
    enum mw_motor_fault fault;
    int64_t started;   /* the fault, microseconds UTC */
    int64_t breakdown; /* when it broke the machine, or would have without the command */
    bool saved;        /* a command came first: only the twin broke */
    int64_t stopped;   /* when; valid when saved */
};

/* Called from mw_world_tick, mw_world_stop and mw_world_settle; what they are given is borrowed for
 * the call. Any may be NULL. They must not call into the world. */
struct mw_world_callbacks {
    void *context;
    void (*on_record)(void *context, const struct mw_world_record *record);
    void (*on_event)(void *context, const struct mw_event *event);
    void (*on_truth)(void *context, const struct mw_world_truth *truth);
    void (*on_change)(void *context, int64_t time, const struct mw_world_change *change);
    void (*on_twin)(void *context, const struct mw_world_record *record);
};

struct mw_world;

/* Errors: ARGUMENT (a value out of its range; the message names it), MEMORY. */
mw_err mw_world_new(const struct mw_world_config *config,
                    const struct mw_world_callbacks *callbacks, struct mw_world **world,
                    struct mw_error *error);
void mw_world_free(struct mw_world *world); /* NULL is allowed */

/* Lets one interval pass and calls back what happened in it, in order of the machines.
 * Errors: RANGE when a sensor's value is not finite (a gain that is out of this world). */
mw_err mw_world_tick(struct mw_world *world);

/* A command "stop" that a machine obeys. STATE when it does not run, ARGUMENT without such a
 * machine. */
mw_err mw_world_stop(struct mw_world *world, unsigned machine);

/* Makes a change now, beside the script's. Errors: ARGUMENT. */
mw_err mw_world_apply(struct mw_world *world, const struct mw_world_change *change);

/* Runs all twins that still live to their breakdown, with the changes that the script has to come,
 * and tells their truth: for a report that ends before they do. */
void mw_world_settle(struct mw_world *world);

int64_t mw_world_time(const struct mw_world *world); /* microseconds UTC, of the last tick */
unsigned mw_world_machines(const struct mw_world *world);
const char *mw_world_machine_name(const struct mw_world *world, unsigned machine);
/* NOT_FOUND without a machine of that name. */
mw_err mw_world_find(const struct mw_world *world, struct mw_span name, unsigned *machine);
/* The motor itself, for what a person may look at; borrowed. NULL without such a machine. */
const struct mw_motor *mw_world_motor(const struct mw_world *world, unsigned machine);

/* The state as bytes: header (magic, version, sizes, seed, checksum), then the machines' structs as
 * they lie in memory. Read back only by the same build for the same configuration (the script's
 * changes to come may differ); its size is constant while the world lives. */
size_t mw_world_save_size(const struct mw_world *world);
mw_err mw_world_save(const struct mw_world *world, void *data, size_t size); /* TOO_SMALL */

/* Goes on where the bytes were saved. Errors: CORRUPT, VERSION (another build or configuration);
 * then the world is as before. */
mw_err mw_world_load(struct mw_world *world, const void *data, size_t size, struct mw_error *error);

#endif
