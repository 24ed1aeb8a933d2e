/* outbox.h - messages on their way to the broker, in the order of publishing.
 *
 *        head                    next                 tail
 *   ------|-- sent, QoS 1 not ----|---- not written ----|------
 *            acknowledged             yet
 *
 * A message is stored once, as the packet that goes out. At QoS 0 it leaves when it is written, at
 * QoS 1 when it is acknowledged; after a lost connection what is left goes out again, with the
 * duplicate flag where it had gone out before. It also gives out packet identifiers. */
#ifndef MW_MQTT_OUTBOX_H
#define MW_MQTT_OUTBOX_H

#include "lib/mqtt/packet.h"

#include <sys/uio.h>

#define MW_MQTT_WINDOW 16384 /* messages sent and not acknowledged, at most */

struct mw_mqtt_outgoing {
    uint8_t *data; /* the packet; NULL: nothing more to do */
    size_t size;
    uint16_t id; /* 0: not given out, or QoS 0 */
    uint8_t qos;
};

/* {0} is empty. */
struct mw_mqtt_outbox {
    struct mw_mqtt_outgoing *ring;
    size_t capacity;         /* a power of two */
    size_t head, next, tail; /* counts of messages; modulo capacity places in the ring */
    size_t expected;         /* the message whose acknowledgement should come next */
    size_t written;          /* bytes of message `next` that are out already */
    size_t bytes;            /* of all packets held */
    size_t unacknowledged;   /* messages at QoS 1 that went out at least in part */
    struct mw_buffer scratch;
    uint16_t last_id;
    uint8_t used[8192]; /* a bit an identifier */
};

/* Copies a message to the end. MEMORY, TOO_LARGE. */
mw_err mw_mqtt_outbox_add(struct mw_mqtt_outbox *outbox, struct mw_span topic,
                          struct mw_span payload, uint8_t qos, bool retain);

/* Lists what is to be written next, at most `max` pieces; returns their number. */
size_t mw_mqtt_outbox_gather(struct mw_mqtt_outbox *outbox, struct iovec *pieces, size_t max);
/* So many bytes of the pieces last gathered have been written. */
void mw_mqtt_outbox_advance(struct mw_mqtt_outbox *outbox, size_t bytes);

/* The broker has the message; an unknown identifier is ignored. */
void mw_mqtt_outbox_acknowledge(struct mw_mqtt_outbox *outbox, uint16_t id);

/* The connection is lost: QoS 0 is dropped, QoS 1 starts over. */
void mw_mqtt_outbox_restart(struct mw_mqtt_outbox *outbox);

/* A packet identifier that is not in use, for another kind of packet; 0 when all are. */
uint16_t mw_mqtt_outbox_take_id(struct mw_mqtt_outbox *outbox);
void mw_mqtt_outbox_give_id(struct mw_mqtt_outbox *outbox, uint16_t id);

void mw_mqtt_outbox_free(struct mw_mqtt_outbox *outbox);

#endif
