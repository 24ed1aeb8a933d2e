/* outbox.h - what a thing has not had acknowledged yet, on disk (SQLite, one file a host of
 * things).
 *
 * A record is kept without its numbers: "time":...,"features":{...}} ; boot and seq are put before
 * it when it is sent, so that a thing that has to start a new boot renumbers what waits by changing
 * two integers. All changes between mw_outbox_begin and mw_outbox_commit are one durable
 * transaction, the simulated world's state included: a thing killed at any moment neither repeats
 * nor skips a record.
 *
 * One handle, one thread; blocks for the disk only. */
#ifndef MW_IOT_OUTBOX_H
#define MW_IOT_OUTBOX_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_outbox;

/* A device's numbers. Records first .. next-1 wait; `first` is the oldest not acknowledged. */
struct mw_outbox_device {
    int64_t id;    /* row; set by mw_outbox_device */
    uint32_t boot; /* from 1; 0 until the bridge has said what it knows of the device */
    uint64_t first, next;
    uint64_t published;  /* records ever numbered */
    uint64_t dropped;    /* given up for want of space */
    uint64_t suppressed; /* held back by level 2 */
    uint64_t draws;      /* random numbers used by level 2 */
};

/* Opens or makes the file and holds it until closed. VERSION when it is newer than this program or
 * another one's, BUSY when another process holds it, CORRUPT when it is no database. */
mw_err mw_outbox_open(struct mw_outbox **outbox, const char *path, struct mw_error *error);
void mw_outbox_close(struct mw_outbox *outbox);

/* begin is a no-op inside a transaction; commit without one too. A commit that fails leaves nothing
 * of the transaction, and so may any other call: whoever began it then gives up the whole. */
mw_err mw_outbox_begin(struct mw_outbox *outbox, struct mw_error *error);
mw_err mw_outbox_commit(struct mw_outbox *outbox, struct mw_error *error);
void mw_outbox_rollback(struct mw_outbox *outbox);
/* Transactions that left nothing, so far: who joined one that others began sees whether it is still
 * the same. */
uint64_t mw_outbox_rolled_back(const struct mw_outbox *outbox);

/* Reads a device's numbers, making it (all 0) when it is new. */
mw_err mw_outbox_device(struct mw_outbox *outbox, const char *name, struct mw_outbox_device *device,
                        struct mw_error *error);
/* Writes the numbers as they are in *device. */
mw_err mw_outbox_device_put(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                            struct mw_error *error);

/* Appends a record as number device->next and counts it there and in published. */
mw_err mw_outbox_add(struct mw_outbox *outbox, struct mw_outbox_device *device, struct mw_span text,
                     struct mw_error *error);
/* Removes what is before `next` and moves device->first. */
mw_err mw_outbox_acknowledge(struct mw_outbox *outbox, struct mw_outbox_device *device,
                             uint64_t next, struct mw_error *error);
/* Starts `boot`: what waits is numbered 0, 1, 2 ... On an error *device is as it was. */
mw_err mw_outbox_renumber(struct mw_outbox *outbox, struct mw_outbox_device *device, uint32_t boot,
                          struct mw_error *error);

/* Gives up n records from number `unsent` on, which no one has seen yet, and closes the gap: later
 * ones move down. They stay counted in published and are counted in dropped. */
mw_err mw_outbox_drop(struct mw_outbox *outbox, struct mw_outbox_device *device, uint64_t unsent,
                      uint64_t n, struct mw_error *error);

/* Visits up to max waiting records from number `from` on; text is borrowed for the call. */
typedef void mw_outbox_record_fn(void *context, uint64_t seq, struct mw_span text);
mw_err mw_outbox_read(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                      uint64_t from, size_t max, mw_outbox_record_fn *fn, void *context,
                      struct mw_error *error);
/* Bytes of all waiting records. */
int64_t mw_outbox_bytes(const struct mw_outbox *outbox);

/* Small values by key: commands done, events waiting, slots, the world. An empty value deletes. */
mw_err mw_outbox_put(struct mw_outbox *outbox, const char *table, const char *key,
                     struct mw_span value, struct mw_error *error);
/* *value is borrowed until the next call; NOT_FOUND without an error text. */
mw_err mw_outbox_get(struct mw_outbox *outbox, const char *table, const char *key,
                     struct mw_span *value, struct mw_error *error);
typedef bool mw_outbox_visit_fn(void *context, const char *key, struct mw_span value);
/* In the order of keys; fn returns false to stop and must not call into the outbox. */
mw_err mw_outbox_visit(struct mw_outbox *outbox, const char *table, mw_outbox_visit_fn *fn,
                       void *context, struct mw_error *error);

#endif
