/* bridge_intake.h - from MQTT messages to what the stream shall hold.
 *
 * Pure but for its memory: a message goes in, items and PUBACKs come out in the round, positions
 * move. Who calls stores the round and then tells broker and things (bridge.c); a test can do so as
 * well. */
#ifndef MW_PLATFORM_BRIDGE_INTAKE_H
#define MW_PLATFORM_BRIDGE_INTAKE_H

#include "core/wire/message.h"
#include "lib/base/clock.h"
#include "tiers/platform/bridge_position.h"
#include "tiers/platform/bridge_round.h"

/* What the other direction wants to know of the messages. Any may be NULL. */
struct mw_bridge_hooks {
    /* A thing answered a command; id as it came. */
    void (*answered)(void *context, struct mw_span id, struct mw_span result);
    /* A thing asks for a part of a blob. */
    void (*wanted)(void *context, struct mw_bridge_device *device, struct mw_span digest,
                   uint64_t offset);
    /* A thing said how it stands: reported and refused are set, or empty. */
    void (*reported)(void *context, struct mw_bridge_device *device);
    void *context;
};

/* How a message reaches another bridge of the plant (docs/protocol.md, Several bridges). What
 * cannot be sent now is dropped: whoever said it says it again until it is answered. */
struct mw_bridge_others_share {
    void (*send)(void *context, const char *topic, struct mw_span payload);
    void *context;
};

/* Who reads topics that are not Millwright's own (bridge_foreign.h). NULL: nobody, and such a
 * message is a dead letter. */
struct mw_bridge_others {
    /* Takes one message. MEMORY. */
    mw_err (*take)(void *context, struct mw_span topic, struct mw_span payload);
    /* Adds what has to be remembered to the round. */
    mw_err (*seal)(void *context);
    /* Takes a record of the stream's topic `download`; NULL: that is not read. */
    void (*told)(void *context, struct mw_span value);
    void *context;
};

struct mw_bridge_counts {
    uint64_t messages, records, sketches, unnumbered, events, statuses;
    uint64_t dead;     /* dead letters */
    uint64_t again;    /* numbers that had been taken before */
    uint64_t ahead;    /* numbers that came too early */
    uint64_t gaps;     /* in the numbers of Sparkplug edge nodes */
    uint64_t rebirths; /* asked for */
    uint64_t passed;   /* messages and records handed on to the bridges whose they are */
    uint64_t astray;   /* messages handed to this bridge that are another one's */
};

struct mw_bridge_intake {
    char prefix[MW_NAME_MAX + 8]; /* "mw/<plant>/" */
    size_t prefix_size;
    int64_t tolerance; /* microseconds; -1: any time is believed */
    struct mw_clock clock;
    struct mw_bridge_hooks hooks;
    struct mw_bridge_others others;
    size_t share, shares; /* which devices are this bridge's (lib/plant/share.h); 0 of 1: all */
    struct mw_bridge_others_share pass; /* needed with more than one share */
    bool duplicate; /* the message that is being taken may have come before (MQTT's DUP) */

    struct mw_table devices;          /* struct mw_bridge_device, owned */
    struct mw_bridge_device *touched; /* in this round, linked by next_touched */
    uint64_t pending; /* what statuses promise and has not been stored yet, over all devices */
    struct mw_bridge_round round;
    struct mw_bridge_counts counts;

    void *memory;
    struct mw_wire_parser *parser, *inner; /* of messages, and of objects inside them */
    struct mw_telemetry telemetry;
    struct mw_sketch_record sketch;
};

/* Copies the name of the plant. Errors: ARGUMENT (not a name), MEMORY. */
mw_err mw_bridge_intake_init(struct mw_bridge_intake *intake, const char *plant, int64_t tolerance,
                             struct mw_clock clock);
void mw_bridge_intake_clear(struct mw_bridge_intake *intake);

/* Takes one message; id 0 when no PUBACK is due. Whatever is wrong with it becomes a dead letter.
 * MEMORY: nothing is acknowledged, and what of the message had been taken stays taken. */
mw_err mw_bridge_intake_take(struct mw_bridge_intake *intake, struct mw_span topic,
                             struct mw_span payload, uint32_t connection, uint16_t id);

/* Whether this bridge numbers, commands and updates the device. */
bool mw_bridge_owns(const struct mw_bridge_intake *intake, struct mw_span device);

/* Adds the positions that changed to the round: call it right before storing. May be called again
 * when storing failed and the round has grown since. */
mw_err mw_bridge_intake_seal(struct mw_bridge_intake *intake);

/* Adds the positions of all devices to a round. MEMORY. */
mw_err mw_bridge_intake_remember(const struct mw_bridge_intake *intake,
                                 struct mw_bridge_round *round);

/* Prints each message that is due on the topic `ack` of a device now that the round is stored - one
 * cumulative ack a device, one a stored event - hands it to fn, and ends the round. */
typedef void mw_bridge_ack_fn(void *context, const char *device, struct mw_span json);
void mw_bridge_intake_stored(struct mw_bridge_intake *intake, mw_bridge_ack_fn *fn, void *context);

/* For the parts of the intake among themselves: puts a device on the round's list. */
void mw_bridge_touch(struct mw_bridge_intake *intake, struct mw_bridge_device *device, bool changed,
                     bool answer);

/* A message or a record that cannot be used, with why. */
struct mw_bridge_dead {
    struct mw_span topic, device, payload;
    bool numbered;
    uint32_t boot;
    uint64_t seq;
    const char *reason;
    uint32_t where;
};
mw_err mw_bridge_bury(struct mw_bridge_intake *intake, const struct mw_bridge_dead *dead);

/* Puts intake->telemetry, which has no number, into the round as a record of the device. MEMORY. */
mw_err mw_bridge_keep_telemetry(struct mw_bridge_intake *intake, struct mw_bridge_device *device);

/* Takes one record or several of Millwright's own form that came on a topic of another layout: each
 * says itself whose it is. MEMORY. */
mw_err mw_bridge_take_records(struct mw_bridge_intake *intake, struct mw_span topic,
                              struct mw_span payload);

/* The status kind of messages (bridge_status.c); the parser has opened the payload. */
mw_err mw_bridge_take_status(struct mw_bridge_intake *intake, struct mw_span topic,
                             struct mw_span device, struct mw_span payload);

#endif
