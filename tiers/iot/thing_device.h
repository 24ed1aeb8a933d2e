/* thing_device.h - one thing: its numbers, its model, its level 2, its uplink, and the commands it
 * obeys. */
#ifndef MW_IOT_THING_DEVICE_H
#define MW_IOT_THING_DEVICE_H

#include "lib/artifact/store.h"
#include "lib/plant/plant.h"
#include "tiers/iot/latency.h"
#include "tiers/iot/model_slot.h"
#include "tiers/iot/outbox.h"
#include "tiers/iot/uplink.h"

#define MW_THING_ANSWERS 32 /* commands in one transaction at most */

struct mw_thing_device;

/* Commands that were obeyed in the outbox's open transaction: they are answered once it is on disk.
 */
struct mw_thing_answers {
    size_t n;
    uint64_t rolled_back; /* mw_outbox_rolled_back when the first was obeyed */
    struct {
        struct mw_thing_device *device;
        char id[MW_ID_MAX + 1], result[16];
    } answer[MW_THING_ANSWERS];
};

struct mw_thing_order {
    const char *device, *id; /* of the command */
    struct mw_span action;
};

enum mw_thing_act {
    MW_THING_UNKNOWN, /* there is no such action */
    MW_THING_DONE,
    MW_THING_LATER /* under way: mw_thing_device_done follows, or the command comes again */
};

/* What all things of a host share; borrowed. */
struct mw_thing_host {
    const struct mw_plant *plant;
    struct mw_host *uplinks;
    struct mw_outbox *outbox;
    struct mw_store *store;
    struct mw_span root;        /* root metadata of enrolment */
    int64_t outbox_bytes;       /* that may wait in the outbox */
    struct mw_latency *latency; /* publish to command */
    struct mw_thing_answers *answers;
    void *context;
    int64_t (*now)(void *context); /* the plant's time, by which commands expire */
    /* Carries out an action on the device's machine and saves what came of it, inside the outbox's
     * transaction. *act is MW_THING_UNKNOWN before. */
    mw_err (*act)(void *context, const struct mw_thing_order *order, enum mw_thing_act *act,
                  struct mw_error *error);
    /* Adds members about device number `index` to a status, each with a comma before it. */
    void (*status)(void *context, unsigned index, struct mw_buffer *json);
    /* What is in memory is ahead of the disk, which cannot be written: the process has to end. */
    void (*failed)(void *context, const struct mw_error *error);
};

/* `index` is the host's number of the device. */
mw_err mw_thing_device_new(struct mw_thing_device **device, const struct mw_thing_host *host,
                           unsigned index, const char *name, struct mw_error *error);
void mw_thing_device_free(struct mw_thing_device *device);

/* Takes a record of the device's machine (device, boot, seq and p are set here) inside the outbox's
 * transaction. */
mw_err mw_thing_device_record(struct mw_thing_device *device, struct mw_telemetry *record,
                              struct mw_error *error);
/* Writes what a restart needs, inside the transaction; after the commit, sends. */
mw_err mw_thing_device_save(struct mw_thing_device *device, struct mw_error *error);
void mw_thing_device_send(struct mw_thing_device *device);

/* A command that was under way is done: it is noted inside the outbox's transaction, and answered
 * by the next mw_thing_answer. */
mw_err mw_thing_device_done(struct mw_thing_device *device, const char *id, struct mw_error *error);

/* Adds what the host says of the device, each member with a comma before it. */
void mw_thing_device_status(const struct mw_thing_device *device, struct mw_buffer *json);
/* Sends a status now. */
void mw_thing_device_report(struct mw_thing_device *device);

/* Commits what commands changed, if there were any, and answers them. */
void mw_thing_answer(const struct mw_thing_host *host);

void mw_thing_device_tick(struct mw_thing_device *device, int64_t now_monotonic);

/* Records not acknowledged. */
uint64_t mw_thing_device_waiting(const struct mw_thing_device *device);
const struct mw_outbox_device *mw_thing_device_numbers(const struct mw_thing_device *device);
const char *mw_thing_device_name(const struct mw_thing_device *device);

/* As mw_model_slot_bundles. */
size_t mw_thing_device_bundles(const struct mw_thing_device *device,
                               char digest[MW_MODEL_SLOT_BUNDLES][MW_DIGEST_TEXT]);

/* Removes from the store that these devices share what none of them may still want
 * (thing_sweep.c). Call at the start and about daily; logs what goes wrong. */
void mw_thing_sweep(struct mw_store *store, struct mw_thing_device *const *device, unsigned n);
const char *mw_thing_device_bundle(const struct mw_thing_device *device); /* "" without one */

#endif
