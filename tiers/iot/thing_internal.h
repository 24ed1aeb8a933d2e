/* thing_internal.h - what the files of the role `thing` share: the host of the things (thing.c),
 * and the sources of their records: the simulated plant (thing_plant.c), gateways
 * (thing_gateway.c).
 *
 * A source says which devices there are and makes records of them. All that comes after a record -
 * its number, the outbox, level 2, the model, the uplink, commands done once - is the host's, the
 * same for every source. All of it runs on the loop's thread. */
#ifndef MW_IOT_THING_INTERNAL_H
#define MW_IOT_THING_INTERNAL_H

#include "lib/base/role.h"
#include "tiers/iot/thing_device.h"
#include "tiers/iot/thing_report.h"

struct mw_thing_source {
    void *context;
    unsigned n; /* devices */
    const char *(*name)(void *context, unsigned device);
    /* The devices are there: from now on records may come. */
    mw_err (*start)(void *context, struct mw_error *error);
    int64_t (*now)(void *context); /* the plant's time, microseconds UTC */
    /* See struct mw_thing_host. */
    mw_err (*act)(void *context, const struct mw_thing_order *order, enum mw_thing_act *act,
                  struct mw_error *error);
    /* Writes what a restart needs, inside the outbox's transaction. May be NULL. */
    mw_err (*save)(void *context, struct mw_error *error);
    /* What the broker had sent has been handed over. May be NULL. */
    void (*idle)(void *context);
    /* Adds members about a device to a status, each with a comma before it. May be NULL. */
    void (*status)(void *context, unsigned device, struct mw_buffer *json);
    void (*free)(void *context); /* NULL: nothing was made */
};

struct mw_thing {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_thing_host host;
    struct mw_thing_source source;
    struct mw_thing_device **device; /* source.n */
    struct mw_store *store;
    struct mw_outbox *outbox;
    struct mw_buffer root;
    struct mw_latency latency;
    struct mw_thing_answers answers;
    struct mw_thing_report *report;
    struct mw_loop_watch *second;
    struct mw_error error; /* why it failed */
    bool failed;
    bool event_added;
    int64_t swept; /* monotonic, when the store was; 0: not yet */
};

/* Fill thing->source; the outbox is open. Freed by source.free after an error too. */
mw_err mw_thing_plant_open(struct mw_thing *thing, struct mw_error *error);
mw_err mw_thing_gateway_open(struct mw_thing *thing, struct mw_error *error);

/* What fn makes - records, events, its state - becomes one transaction, and is then sent. When it
 * cannot be stored, what is in memory is ahead of the disk: the process ends, and the supervisor
 * starts it from what was saved. */
typedef mw_err mw_thing_fill_fn(void *context, struct mw_error *error);
void mw_thing_pass(struct mw_thing *thing, mw_thing_fill_fn *fn, void *context);

/* Takes an event, which waits in the outbox until the bridge says that it is stored. Inside a
 * transaction. */
mw_err mw_thing_event(struct mw_thing *thing, const struct mw_event *event, struct mw_error *error);

/* Writes what a restart needs of the source and of all devices, inside a transaction. */
mw_err mw_thing_save(struct mw_thing *thing, struct mw_error *error);

void mw_thing_fail(struct mw_thing *thing, const struct mw_error *error);

#endif
