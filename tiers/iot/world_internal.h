/* world_internal.h - between world.c (clock), world_crew.c (people) and world_state.c (bytes). */
#ifndef MW_IOT_WORLD_INTERNAL_H
#define MW_IOT_WORLD_INTERNAL_H

#include "tiers/iot/world.h"

#define MW_WORLD_NEVER INT64_MAX

enum mw_world_job { MW_WORLD_IDLE, MW_WORLD_REPAIR, MW_WORLD_INSPECT, MW_WORLD_SERVICE };

/* Holds no pointers: saved as bytes. */
struct mw_world_machine {
    struct mw_motor motor;
    struct mw_motor twin;          /* valid when twin_alive */
    struct mw_motor_random random; /* of its faults and its crew */
    struct mw_gate gate;
    int64_t next_fault;    /* microseconds UTC, or NEVER */
    int64_t fault_started; /* of fault number `faults` */
    int64_t twin_started;  /* the fault of the twin */
    int64_t stopped;       /* by the command that made the twin */
    int64_t due;           /* when the crew finishes `job` */
    uint64_t faults;       /* that started so far */
    uint64_t twin_fault;   /* number of the fault that the twin has */
    uint64_t told_fault;   /* number of the last fault whose truth was told */
    uint64_t events;       /* that were made so far: the number in their id */
    int32_t job;           /* enum mw_world_job */
    int32_t twin_alive;    /* 0 or 1 */
};

struct mw_world {
    struct mw_world_config config; /* changes and prefix are not used after mw_world_new */
    struct mw_world_callbacks call;
    struct mw_world_change change[MW_WORLD_CHANGES_MAX]; /* sorted by time */
    size_t n_changes, next_change;
    int64_t now;
    double fault_hours;
    struct mw_motor_noise noise;
    struct mw_signal *signal;
    void *signal_memory;
    char (*name)[MW_WORLD_NAME];
    struct mw_world_machine *machine;
};

/* Microseconds drawn evenly between range[0] and range[1] hours. */
int64_t mw_world_draw_hours(struct mw_motor_random *random, const double range[2]);

/* When the machine's next fault starts after `from`. */
int64_t mw_world_draw_fault(struct mw_world *world, struct mw_world_machine *machine, int64_t from);

/* Applies a change of the world to one motor; FAULT and FAULTS do nothing here. */
void mw_world_change_motor(struct mw_motor *motor, const struct mw_world_change *change);

/* The crew's turn at machine i: takes up a breakdown, and finishes what is due. */
void mw_world_crew(struct mw_world *world, unsigned i);

/* The twin's turn: lets it live `seconds`, and tells the truth when it breaks. */
void mw_world_twin(struct mw_world *world, unsigned i, double seconds);

/* Runs machine i's twin to its breakdown. */
void mw_world_settle_twin(struct mw_world *world, unsigned i);

#endif
