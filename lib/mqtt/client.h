/* client.h - an MQTT client on a role's epoll loop: versions 5 and 3.1.1, plain or over TLS.
 *
 * It exists because the bridge acknowledges to the broker (PUBACK) only what the stream has stored,
 * in batches, which libmosquitto cannot do: that library sends the PUBACK before the callback.
 * Everything queued during a round of the loop leaves in one write.
 *
 * The client connects, and connects again after a loss with growing, jittered delays (0.1 s to 5
 * s), renews its subscriptions, and sends again, with DUP, what QoS 1 has not had acknowledged. All
 * callbacks run on the loop's thread. Nothing blocks, except the name look-up when connecting and,
 * with TLS, the reading of the files named.
 *
 * With several addresses a client tries one after the other, each round beginning with the first.
 * Clients that have the same list meet at one broker: who is at a later one looks now and then
 * whether the first accepts connections again, and goes there. What QoS 1 has not had acknowledged
 * goes along; a session does not, unless the brokers share it. A client whose session another one
 * of the same name has taken over says so and waits 10 s to a minute, so that two do not push each
 * other out for ever without a pause.
 *
 * What the broker says about itself in version 5 is kept to: how many messages it takes without
 * acknowledging (receive maximum), how long a packet, how many topic aliases, its keep-alive time.
 * The client names no maximum packet size of its own, because a broker would silently drop what is
 * longer; an over-long message is given with its first bytes instead. */
#ifndef MW_MQTT_CLIENT_H
#define MW_MQTT_CLIENT_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/mqtt/property.h"
#include "lib/mqtt/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_mqtt;

struct mw_mqtt_message {
    struct mw_span topic, payload; /* borrowed for the time of the callback */
    uint8_t qos;                   /* 0 or 1 */
    bool retained, duplicate;
    uint16_t id; /* packet identifier; 0 at QoS 0 */
    size_t cut;  /* bytes of payload that were thrown away, because it has more than 1,100,000 */
    const struct mw_mqtt_properties *properties; /* never NULL; none in 3.1.1 */
};

/* How the broker is spoken to. AUTO tries 5, and 3.1.1 when the broker says that it does not know 5
 * or ends the connection without an answer. */
enum mw_mqtt_speak { MW_MQTT_AUTO, MW_MQTT_5, MW_MQTT_3_1_1 };

struct mw_mqtt_options {
    /* mqtt[s]://[user[:password]@]host[:port]; mqtts is over TLS. Several, with commas between
     * them: the first that is there; see below. */
    const char *url;
    struct mw_mqtt_tls_files tls; /* for mqtts only */
    enum mw_mqtt_speak speak;
    const char *client_id; /* stable name, unique at the broker; "": the broker gives one, which
                            * needs clean_session */
    const char *username, *password;       /* override the URL's; may be NULL */
    const char *will_topic, *will_payload; /* published by the broker when we vanish; may be NULL */
    size_t will_size; /* bytes of will_payload, which may then hold NULs; 0: up to its NUL */
    bool will_retain;
    bool clean_session;       /* false: the broker keeps what arrives while we are away */
    uint32_t session_expiry;  /* seconds for which it does; 0: for ever. In 5 only */
    uint16_t receive_maximum; /* QoS 1 messages that may wait for our acknowledgement; 0: as many as
                               * the broker likes. In 5 only */
    uint16_t keepalive;       /* seconds; 0 means 30 */
    size_t queue_limit;       /* bytes of output waiting before publish says AGAIN; 0 means 8 MiB */
    int64_t return_gap; /* microseconds between looks for the first of several brokers; 0: 30 s.
                         * Doubled, up to 10 minutes, each time that it went wrong */
    bool manual_ack;    /* QoS 1 messages are acknowledged by mw_mqtt_acknowledge */

    /* Any of these may be NULL. None may call mw_mqtt_free. on_connect comes after each connection,
     * once the broker has answered all subscriptions, but before the first message of that
     * connection; session_present as in CONNACK. on_disconnect's reason is valid for the call.
     * on_idle comes after each batch of received messages has been handed over. on_writable comes
     * when the output queue has fallen below half its limit after publish said AGAIN. */
    void (*on_message)(void *context, const struct mw_mqtt_message *message);
    void (*on_connect)(void *context, bool session_present);
    void (*on_disconnect)(void *context, const char *reason);
    void (*on_idle)(void *context);
    void (*on_writable)(void *context);
    void *context;
};

/* A user's texts in the URL may have %XX escapes. A will is published at QoS 1.
 * Copies the options' texts, borrows the loop. Connecting goes on in the background; a refused
 * connection is tried again and logged once per kind of reason. The files for TLS are read now, so
 * that a wrong one is told at once, and again for each connection, so that a renewed certificate
 * needs no restart. Errors: PARSE, UNSUPPORTED (neither mqtt:// nor mqtts://), MEMORY, TOO_LARGE (a
 * text of more than 65,535 bytes), ARGUMENT (no client identifier; files for TLS without mqtts://),
 * and those of mw_mqtt_tls_new. */
mw_err mw_mqtt_new(struct mw_mqtt **client, struct mw_loop *loop,
                   const struct mw_mqtt_options *options, struct mw_error *error);
/* Sends what is queued and DISCONNECT if the socket takes it at once, and then waits for the broker
 * to close, at most 0.2 s: closing first could make the system throw away what the broker has not
 * read yet. Not from a callback. NULL allowed. */
void mw_mqtt_free(struct mw_mqtt *client);

/* The checks of mw_mqtt_new that need no loop: the address, and the files for TLS. */
mw_err mw_mqtt_check_address(const char *url, const struct mw_mqtt_tls_files *tls,
                             struct mw_error *error);

/* Remembers the filter and subscribes now and after each reconnection; the same filter again
 * changes its QoS. With $share/<group>/ before it, the broker gives each message to one of the
 * group's subscribers only. A filter that the broker refuses is logged. Errors: ARGUMENT
 * (malformed, QoS over 1), MEMORY. */
mw_err mw_mqtt_subscribe(struct mw_mqtt *client, const char *filter, uint8_t qos,
                         struct mw_error *error);
/* The same with the flags of packet.h (MW_MQTT_NO_LOCAL ...) or'ed to the QoS; 3.1.1 has none of
 * them. NO_LOCAL on a shared subscription is an ARGUMENT error. */
mw_err mw_mqtt_subscribe_with(struct mw_mqtt *client, const char *filter, uint8_t options,
                              struct mw_error *error);

/* Queues a message; topic and payload are copied. QoS 0 while disconnected is dropped with NET (and
 * what of it is still queued when the connection is lost is dropped too), QoS 1 is kept (within
 * queue_limit) until the broker has acknowledged it. AGAIN: the queue is full, try after
 * on_writable. ARGUMENT: a malformed topic or QoS over 1. TOO_LARGE: it would not fit into an empty
 * queue, or the broker takes none so long; one that was queued before the broker said so is dropped
 * and logged. MEMORY. */
mw_err mw_mqtt_publish(struct mw_mqtt *client, const char *topic, struct mw_span payload,
                       uint8_t qos, bool retain);

/* The same, with what the message says about itself, copied. A broker that speaks 3.1.1 gets the
 * message without. `about` may be NULL. */
mw_err mw_mqtt_publish_with(struct mw_mqtt *client, const char *topic, struct mw_span payload,
                            uint8_t qos, bool retain, const struct mw_mqtt_about *about);

/* Sends the PUBACK of a QoS 1 message received on this connection (id of mw_mqtt_message). Ids of
 * an earlier connection are ignored: the broker sends those messages again. `connection` is
 * mw_mqtt_connection at the time of receipt. The standard wants the order of receipt. */
void mw_mqtt_acknowledge(struct mw_mqtt *client, uint32_t connection, uint16_t id);
uint32_t mw_mqtt_connection(const struct mw_mqtt *client); /* counts connections from 1 */

bool mw_mqtt_connected(const struct mw_mqtt *client);
/* Not connected, but nothing has gone wrong so far: the first round of attempts is under way. */
bool mw_mqtt_starting(const struct mw_mqtt *client);
/* 5 or 4 (3.1.1): what the broker is, or will next be, spoken to in. */
int mw_mqtt_version(const struct mw_mqtt *client);
/* The client's own name, or the one that the broker gave it; borrowed until the next connection. */
const char *mw_mqtt_client_id(const struct mw_mqtt *client);
/* Bytes of output waiting to be written or, at QoS 1, to be acknowledged. */
size_t mw_mqtt_queued(const struct mw_mqtt *client);

/* Writes what is queued now instead of at the end of the round. */
void mw_mqtt_flush(struct mw_mqtt *client);

/* Receives nothing for so many microseconds, so that what comes meanwhile is read in one go, unless
 * more is waiting than was read in one go the last time. Sending goes on. */
void mw_mqtt_rest(struct mw_mqtt *client, int64_t time);

#endif
