/* client_internal.h - a client from inside: client.c is what its user calls, connection.c what
 * the loop calls, session.c what the broker says, transfer.c the bytes.
 *
 *   WAITING --timer--> CONNECTING --socket--> [SECURING --TLS-->] GREETING --CONNACK--> UP
 *      ^-------------------- lost, refused, not trusted, too slow, malformed -----------'
 *
 * Whoever finds that the connection is lost only says so (mw_mqtt_lose). It is taken down at the
 * end of the loop's call, so that no callback finds it gone under its feet. */
#ifndef MW_MQTT_CLIENT_INTERNAL_H
#define MW_MQTT_CLIENT_INTERNAL_H

#include "lib/mqtt/client.h"
#include "lib/mqtt/outbox.h"
#include "lib/mqtt/url.h"

#include <netdb.h>

enum mw_mqtt_state {
    MW_MQTT_WAITING,
    MW_MQTT_CONNECTING,
    MW_MQTT_SECURING,
    MW_MQTT_GREETING,
    MW_MQTT_UP
};

#define MW_MQTT_ALIASES_IN 32 /* topic aliases that the broker may use */

struct mw_mqtt_subscription {
    char *filter;
    uint8_t options; /* QoS and flags */
    uint16_t id;     /* of the SUBSCRIBE that is not yet answered; 0: none */
};

struct mw_mqtt {
    struct mw_mqtt_options options; /* texts are copies */
    struct mw_mqtt_urls urls;
    const struct mw_mqtt_url *url; /* of `urls`: the one that is tried, or spoken to */
    size_t failed;                 /* brokers tried in vain, one after the other */
    bool in_vain;                  /* all were, at least once */
    bool stay;                     /* the next attempt goes to this one again */
    unsigned unsteady; /* connections that the broker closed soon, one after the other */
    bool taken;        /* another client has taken our session */
    size_t logged[MW_MQTT_URLS_MAX]; /* hash of the reason that was logged last; 0: none */

    /* Whether the first broker is there again, while another one is spoken to. */
    struct mw_loop_watch *look_timer, *look_io;
    struct addrinfo *look_addresses, *look_address;
    int look_fd;
    int64_t look_gap;
    struct mw_loop *loop;
    struct mw_loop_watch *io, *timer, *soon, *rested, *after;

    enum mw_mqtt_state state;
    int fd;
    struct mw_mqtt_tls *tls; /* of this connection; NULL: plain */
    enum mw_mqtt_version version;
    bool only_3_1_1;                      /* the broker has said that it does not know 5 */
    bool answered;                        /* CONNACK has come */
    bool at_once;                         /* the next attempt comes without a delay */
    struct addrinfo *addresses, *address; /* of the host; the one that is tried */
    uint32_t connection;
    int64_t backoff, up_since; /* microseconds */
    unsigned short random[3];  /* erand48's state */
    bool handling;             /* inside a call from the loop: its round ends with sending */
    bool lost;
    bool blocked;  /* the socket takes nothing until it is writable again */
    bool received; /* messages since the last on_idle */
    bool soon_set; /* `soon` is due */
    bool resting;  /* nothing is read until `rested` is due */
    bool more;     /* the last read left something behind that no event will tell of */
    char reason[320];

    bool heard, said, pinged; /* since the last tick of the keepalive timer */
    bool greeted;             /* on_connect was called for this connection */
    bool session_present;
    char *assigned_id;       /* by the broker; NULL: none */
    uint16_t keepalive;      /* seconds, in force on this connection */
    uint8_t complained;      /* the code of the last refused message that was logged */
    uint32_t unacknowledged; /* QoS 1 messages received, and not acknowledged */
    struct mw_mqtt_alias alias[MW_MQTT_ALIASES_IN]; /* the broker's; alias n is in place n - 1 */
    bool refused; /* publish said AGAIN, and on_writable is owed */

    uint8_t *in; /* received, not yet decoded */
    size_t in_size, in_capacity;
    size_t skip; /* bytes of an over-long message still to be thrown away */

    struct mw_buffer control; /* packets of this connection: CONNECT, PUBACK ... */
    size_t control_written;
    struct mw_mqtt_outbox outbox;

    struct mw_mqtt_subscription *subscriptions;
    size_t subscriptions_n;
    uint32_t *index;   /* of filters: 1 + the subscription's place, 0: free */
    size_t index_n;    /* a power of two, at least twice as many as subscriptions */
    size_t unanswered; /* subscriptions whose SUBACK has not come */
    size_t expected;   /* the one whose SUBACK should come next */
};

/* --- connection.c --- */
void mw_mqtt_on_io(void *context, uint32_t events);
void mw_mqtt_on_timer(void *context); /* reconnect, give up, keep alive */
void mw_mqtt_on_soon(void *context);
void mw_mqtt_on_rested(void *context); /* reads again */
void mw_mqtt_on_after(void *context);  /* end of a round: send, tell of room, take down */
/* Sends at the end of this round, or soon if that has passed. */
void mw_mqtt_send_later(struct mw_mqtt *client);
void mw_mqtt_close(struct mw_mqtt *client);            /* socket, TLS and watch */
void mw_mqtt_forget_addresses(struct mw_mqtt *client); /* of the host */
void mw_mqtt_forget_aliases(struct mw_mqtt *client);   /* of the broker */

/* --- failover.c --- */
/* After an attempt in vain: goes on to the next broker; false when all have been tried, and the
 * first is to be tried again, later. */
bool mw_mqtt_next_broker(struct mw_mqtt *client);
void mw_mqtt_first_broker(struct mw_mqtt *client);
/* Looks now and then whether the first broker is there, and leaves this one if so. */
void mw_mqtt_look_back(struct mw_mqtt *client);
void mw_mqtt_stop_looking(struct mw_mqtt *client);
mw_err mw_mqtt_look_init(struct mw_mqtt *client, struct mw_error *error);
void mw_mqtt_look_fini(struct mw_mqtt *client);

/* --- session.c --- */
void mw_mqtt_send_subscribe(struct mw_mqtt *client, struct mw_mqtt_subscription *subscription);
void mw_mqtt_receive(struct mw_mqtt *client, const struct mw_mqtt_packet *packet);

/* --- transfer.c --- */
/* The connection has to go, for the reason given, which the broker is told as `code` if it speaks
 * 5. */
void mw_mqtt_lose_with(struct mw_mqtt *client, enum mw_mqtt_reason code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with nothing to tell it. */
void mw_mqtt_lose(struct mw_mqtt *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes as much as the socket takes. */
void mw_mqtt_write(struct mw_mqtt *client);
/* Has the loop tell of what the connection waits for now. */
void mw_mqtt_watch(struct mw_mqtt *client);
bool mw_mqtt_has_output(const struct mw_mqtt *client);
/* Reads what is there, up to a limit, and decodes; hands each packet to mw_mqtt_receive. */
void mw_mqtt_read(struct mw_mqtt *client);

#endif
