/* outbox.h - messages on their way to the broker, in the order of publishing.
 *
 *        head                    next                 tail
 *   ------|-- sent, QoS 1 not ----|---- not written ----|------
 *            acknowledged             yet
 *
 * A message is stored once, as its parts with room between them, and becomes a packet in place when
 * it first goes out on a connection: only then are the version of MQTT and the topic's alias known.
 *
 *   room for the front | topic | room for front and middle | properties | payload
 *
 * At QoS 0 it leaves when it is written, at QoS 1 when it is acknowledged; after a lost connection
 * what is left goes out again, with the duplicate flag where it had gone out before. It also gives
 * out packet identifiers. */
#ifndef MW_MQTT_OUTBOX_H
#define MW_MQTT_OUTBOX_H

#include "lib/mqtt/packet.h"

#include <sys/uio.h>

#define MW_MQTT_WINDOW 16384 /* messages sent and not acknowledged, at most */
#define MW_MQTT_ALIASES 32   /* topics that have an alias, at most */
#define MW_MQTT_ROOM 23      /* bytes of a stored message beside its texts */
#define MW_MQTT_OVERHEAD 16  /* bytes of a packet beside its texts, at most */

struct mw_mqtt_outgoing {
    uint8_t *data; /* NULL: nothing more to do */
    uint32_t size;
    uint32_t begin;      /* of the packet in data; 0: not made yet for this connection */
    uint32_t topic_at;   /* the topic moves to where the packet needs it */
    uint32_t properties; /* bytes */
    uint32_t rest_at;    /* properties and payload, to the end */
    uint16_t topic_size;
    uint16_t id; /* 0: not given out, or QoS 0 */
    uint8_t qos;
    bool retain, duplicate;
};

/* What the broker takes on this connection. */
struct mw_mqtt_terms {
    enum mw_mqtt_version version;
    size_t window;  /* messages of QoS 1 on their way, 1 to MW_MQTT_WINDOW */
    size_t largest; /* bytes of a packet */
    uint16_t aliases;
    bool retain; /* else messages go out without the flag */
};

struct mw_mqtt_alias {
    char *topic; /* NULL: not in use */
    size_t size;
};

/* {0} is empty. */
struct mw_mqtt_outbox {
    struct mw_mqtt_outgoing *ring;
    size_t capacity;         /* a power of two */
    size_t head, next, tail; /* counts of messages; modulo capacity places in the ring */
    size_t expected;         /* the message whose acknowledgement should come next */
    size_t written;          /* bytes of message `next` that are out already */
    size_t bytes;            /* of all messages held, as mw_mqtt_outbox_cost has them */
    size_t unacknowledged;   /* messages at QoS 1 that went out at least in part */
    size_t too_large;        /* messages that were dropped because the broker takes none so long */
    struct mw_mqtt_terms terms;
    struct mw_mqtt_alias alias[MW_MQTT_ALIASES]; /* alias n is in place n - 1 */
    uint16_t last_id;
    uint8_t used[8192]; /* a bit an identifier */
};

/* What a message with texts of so many bytes counts for. */
static inline size_t mw_mqtt_outbox_cost(size_t texts)
{
    return texts + MW_MQTT_OVERHEAD;
}

/* Copies a message to the end; `properties` as mw_mqtt_properties_encode makes them. They are lost
 * when the message goes out to a broker of version 3.1.1. MEMORY, TOO_LARGE. */
mw_err mw_mqtt_outbox_add(struct mw_mqtt_outbox *outbox, struct mw_span topic,
                          struct mw_span properties, struct mw_span payload, uint8_t qos,
                          bool retain);

/* A connection is up: what is gathered from here on keeps to the terms. */
void mw_mqtt_outbox_begin(struct mw_mqtt_outbox *outbox, const struct mw_mqtt_terms *terms);

/* Lists what is to be written next, at most `max` pieces; returns their number. */
size_t mw_mqtt_outbox_gather(struct mw_mqtt_outbox *outbox, struct iovec *pieces, size_t max);
/* So many bytes of the pieces last gathered have been written. */
void mw_mqtt_outbox_advance(struct mw_mqtt_outbox *outbox, size_t bytes);

/* The broker has the message, or has refused it; an unknown identifier is ignored. */
void mw_mqtt_outbox_acknowledge(struct mw_mqtt_outbox *outbox, uint16_t id);

/* The connection is lost: QoS 0 is dropped, QoS 1 starts over. */
void mw_mqtt_outbox_restart(struct mw_mqtt_outbox *outbox);

/* A packet identifier that is not in use, for another kind of packet; 0 when all are. */
uint16_t mw_mqtt_outbox_take_id(struct mw_mqtt_outbox *outbox);
void mw_mqtt_outbox_give_id(struct mw_mqtt_outbox *outbox, uint16_t id);

void mw_mqtt_outbox_free(struct mw_mqtt_outbox *outbox);

#endif
