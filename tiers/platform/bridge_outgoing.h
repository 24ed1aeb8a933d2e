/* bridge_outgoing.h - from the stream to the things: commands, desired states, parts of blobs.
 *
 * Commands wait in the compacted topic `pending` of the bridge (key: id, value: the command) until
 * the thing has answered or they have expired, so that a restart goes on with them. The newest
 * desired state of each device, or of all (`*`), is kept in the compacted topic `desired`, a
 * machine's newest baseline in `baseline`. A thing whose status shows another bundle than is
 * desired is told again, so neither a new thing nor a broker that has lost its retained messages
 * needs special care. */
#ifndef MW_PLATFORM_BRIDGE_OUTGOING_H
#define MW_PLATFORM_BRIDGE_OUTGOING_H

#include "lib/artifact/store.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge_intake.h"

enum { MW_BRIDGE_BATCH = 256 }; /* records of the stream a poll */

/* How messages leave. `room` is false while so much waits that updates had better wait too. */
struct mw_bridge_sender {
    mw_err (*publish)(void *context, const char *topic, struct mw_span payload, uint8_t qos,
                      bool retain);
    bool (*room)(void *context);
    void *context;
};

/* Tells a command to a device of another layout (mw_bridge_order_send). NULL: there is none. */
struct mw_bridge_order {
    mw_err (*send)(void *context, const struct mw_bridge_device *device,
                   const struct mw_command *command, struct mw_span json, const char **fault);
    void *context;
};

struct mw_bridge_outgoing {
    struct mw_bridge_intake *intake; /* borrowed: its round, devices and counts */
    struct mw_bridge_sender sender;
    struct mw_bridge_order order; /* set by the owner after mw_bridge_outgoing_init */
    struct mw_stream *stream;     /* borrowed */
    struct mw_stream_reader *reader;
    char *store_uri;
    struct mw_store *store; /* opened when first needed; NULL while there is none */

    struct mw_table pending;               /* commands without an answer, by id */
    struct mw_bridge_device *first, *last; /* devices to be told, in order */
    void *memory;
    struct mw_wire_parser *parser;
    struct mw_buffer text, targets;
    bool complained; /* about a stream that cannot be read */

    /* Of the last fetch: borrowed from the reader until the next one. */
    struct mw_stream_record records[MW_BRIDGE_BATCH];
    size_t n_records;
    mw_err err;
    struct mw_error error;
    uint64_t commands, answered, expired, updates, parts;
};

/* Opens the reader and loads what is pending from `known`, which is `stream` unless that is NULL:
 * then there is no reader before mw_bridge_outgoing_attach. Takes nothing; `artifacts` is the
 * folder of the store. Sets the intake's hooks. */
mw_err mw_bridge_outgoing_init(struct mw_bridge_outgoing *outgoing, struct mw_bridge_intake *intake,
                               struct mw_stream *stream, struct mw_stream *known,
                               struct mw_bridge_sender sender, const char *artifacts,
                               struct mw_error *error);
/* Adds the commands that are pending to a round, as they are in the stream. MEMORY. */
mw_err mw_bridge_outgoing_remember(const struct mw_bridge_outgoing *outgoing,
                                   struct mw_bridge_round *round);
void mw_bridge_outgoing_clear(struct mw_bridge_outgoing *outgoing);

/* Reads what is new in the stream: sends commands at once, notes desired states. What has to be
 * remembered goes into the round. *more: there may be more. */
void mw_bridge_outgoing_poll(struct mw_bridge_outgoing *outgoing, bool *more);

/* The same in two steps: _fetch touches nothing but the stream and its reader, _take the rest. */
void mw_bridge_outgoing_fetch(struct mw_bridge_outgoing *outgoing);
void mw_bridge_outgoing_take(struct mw_bridge_outgoing *outgoing, bool *more);

/* For a stream that has to be opened anew: closes the reader; opens one of another handle, behind
 * the committed position; asks for what is looked up in the stream, so that it is in memory. */
void mw_bridge_outgoing_detach(struct mw_bridge_outgoing *outgoing);
mw_err mw_bridge_outgoing_attach(struct mw_bridge_outgoing *outgoing, struct mw_stream *stream,
                                 struct mw_error *error);
mw_err mw_bridge_outgoing_warm(struct mw_bridge_outgoing *outgoing, struct mw_error *error);

/* Tells devices their desired state as long as there is room. Not while a round is being stored. */
void mw_bridge_outgoing_pump(struct mw_bridge_outgoing *outgoing);

/* Every second: commands that were not answered go out again, expired ones are given up. */
void mw_bridge_outgoing_resend(struct mw_bridge_outgoing *outgoing);

/* What run/bridge.json says (bridge_stats.c), empty without memory for it. rate: records a second;
 * far: NULL without a spool. */
struct mw_bridge_far;
struct mw_mqtt;
void mw_bridge_print_stats(struct mw_buffer *text, const struct mw_bridge_intake *intake,
                           const struct mw_bridge_outgoing *outgoing, double rate,
                           const struct mw_mqtt *mqtt, bool paused,
                           const struct mw_bridge_far *far);

/* Of bridge_update.c, for bridge_outgoing.c. */
void mw_bridge_take_update(struct mw_bridge_outgoing *outgoing,
                           const struct mw_stream_record *record);
void mw_bridge_take_baseline(struct mw_bridge_outgoing *outgoing,
                             const struct mw_stream_record *record);
void mw_bridge_queue_update(struct mw_bridge_outgoing *outgoing, struct mw_bridge_device *device);
void mw_bridge_send_part(struct mw_bridge_outgoing *outgoing, struct mw_bridge_device *device,
                         struct mw_span digest, uint64_t offset);
/* Publishes to mw/<plant>/<kind>/<device>. */
mw_err mw_bridge_send(struct mw_bridge_outgoing *outgoing, const char *kind, const char *device,
                      struct mw_span payload, uint8_t qos, bool retain);

#endif
