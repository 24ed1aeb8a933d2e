/* uplink.h - how a thing's numbered records reach the stream, end to end.
 *
 * A host is one MQTT connection with one or more devices behind it (a gateway, a recording being
 * replayed, a simulated plant). Each device has an uplink: numbers first .. next-1 wait at the
 * thing, those before `first` are stored for certain. The uplink asks the bridge for its position
 * (a status, answered by an ack), sends in order, in messages of up to 64 records and a bounded
 * number in flight, and takes an ack as leave to forget. Without progress for a second it asks
 * again, and if the answer shows none either it goes back to the position.
 *
 * A thing that has never had an answer is in boot 0 and sends nothing; the first answer gives it a
 * boot above all that the bridge knows of its name, so that a thing that has lost its memory never
 * takes an earlier life's position for its own. After that its numbers join on to the position, or
 * a new boot begins. A position behind what was acknowledged is believed only when two answers in
 * a row give it: it may be an old ack that was under way.
 *
 * Where several bridges share a plant, an ack says which of them the device's is, and records go
 * to that one directly; statuses go to whichever the broker chooses, which hands them on. So a
 * thing finds its bridge again however the plant is divided anew.
 *
 * It does not keep records: it reads them from a source each time, so a backlog costs no memory.
 * Everything runs on the loop's thread. */
#ifndef MW_IOT_UPLINK_H
#define MW_IOT_UPLINK_H

#include "core/span.h"
#include "core/wire/message.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/loop.h"
#include "lib/plant/plant.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_host;
struct mw_uplink;

struct mw_host_options {
    const char *client_id; /* copied */
    void *context;
    /* The broker is there again; after a loss as well. May be NULL. */
    void (*on_connect)(void *context);
    /* What the broker had sent has been handed to the uplinks. May be NULL. */
    void (*on_idle)(void *context);
};

/* Connects to the plant's broker in the background. Borrows plant and loop. */
mw_err mw_host_new(struct mw_host **host, struct mw_loop *loop, const struct mw_plant *plant,
                   const struct mw_host_options *options, struct mw_error *error);
void mw_host_free(struct mw_host *host); /* frees its uplinks too */

bool mw_host_connected(const struct mw_host *host);

/* Publishes JSON to mw/<plant>/<kind>/<device>, QoS 1; with a share, from 0, to the bridge of that
 * share alone. Errors: AGAIN (queue full), NET (the broker
 * is not there: nothing is kept, the caller sends again). */
mw_err mw_host_publish(struct mw_host *host, const char *kind, const char *device,
                       struct mw_span json);
mw_err mw_host_publish_to(struct mw_host *host, const char *kind, const char *device, int share,
                          struct mw_span json);

/* What an uplink asks of the thing it belongs to. Any but read may be NULL. */
struct mw_uplink_source {
    void *context;
    /* Hands over up to max records from number `from` on, in order and without a gap, each as the
     * JSON text that follows the numbers: "time":...} without the opening brace. */
    mw_err (*read)(void *context, uint64_t from, size_t max,
                   void (*fn)(void *fn_context, uint64_t seq, struct mw_span text),
                   void *fn_context, struct mw_error *error);
    /* All before `next` is stored. */
    void (*acknowledged)(void *context, uint64_t next);
    /* The numbers do not join on to what the bridge knows: start this boot, the oldest waiting is
     * 0. MW_OK when that is on disk; else nothing has changed and it is asked for again. NULL: the
     * boot is only the uplink's. */
    mw_err (*new_boot)(void *context, uint32_t boot, struct mw_error *error);
    /* The bridge stands at this boot and number, beyond what we know: true when the thing can go on
     * from there (a recording can: its rows are its numbers). */
    bool (*adopt)(void *context, uint32_t boot, uint64_t next);
    /* Adds members to a status, each with a comma before it: ,"published":812 */
    void (*status)(void *context, struct mw_buffer *json);
    /* The event of that id is stored. */
    void (*event_acknowledged)(void *context, struct mw_span id);
    /* A command, or an update message (one object), for this device. */
    void (*command)(void *context, const struct mw_command *command);
    void (*update)(void *context, struct mw_span json);
    /* A message with records from..next-1 is on its way, `now` monotonic. */
    void (*sent)(void *context, uint64_t from, uint64_t next, int64_t now);
};

struct mw_numbers {
    uint32_t boot;
    uint64_t first, next;
};

/* Adds a device. `name` is copied; source's functions are called until mw_host_free. */
mw_err mw_uplink_new(struct mw_uplink **uplink, struct mw_host *host, const char *name,
                     const struct mw_uplink_source *source, struct mw_numbers numbers,
                     struct mw_error *error);

/* Says that records up to numbers.next are there now (durably), and sends what may be sent. */
void mw_uplink_offer(struct mw_uplink *uplink, uint64_t next);

/* The thing has given up n records from mw_uplink_unsent on; later ones have moved down. */
void mw_uplink_shrink(struct mw_uplink *uplink, uint64_t n);

/* The first number that has never been handed to the broker by anyone. */
uint64_t mw_uplink_unsent(const struct mw_uplink *uplink);

/* Numbers as the uplink has them. */
struct mw_numbers mw_uplink_numbers(const struct mw_uplink *uplink);

/* True once the bridge has said where it stands, on this connection. */
bool mw_uplink_synced(const struct mw_uplink *uplink);

/* Sends a status now. */
void mw_uplink_report(struct mw_uplink *uplink);

#endif
