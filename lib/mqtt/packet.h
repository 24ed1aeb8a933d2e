/* packet.h - MQTT 3.1.1 packets (OASIS standard, 29 October 2014), as far as a client at QoS 0 and
 * 1 sends and receives them. Pure functions, no state.
 *
 *   byte 1        type in the high four bits, flags in the low four
 *   bytes 2..5    length of the rest: 7 bits a byte, lowest first, bit 7 set when another byte
 * follows the rest      by type; numbers are big-endian; a text is a 16-bit length and that many
 * bytes of UTF-8
 *
 *   CONNECT   1 0   "MQTT" 4 flags keepalive:16 client_id [will_topic will_payload] [user
 * [password]] CONNACK   2 0   session_present:8 code:8 PUBLISH   3 dup:1 qos:2 retain:1   topic
 * [id:16 at QoS 1] payload PUBACK    4 0   id:16 SUBSCRIBE 8 2   id:16 filter qos:8 SUBACK    9 0
 * id:16 code:8 PINGREQ  12 0,  PINGRESP 13 0,  DISCONNECT 14 0   nothing
 *
 * The decoder is strict: reserved flags and codes, a length that does not fit its type, a PUBLISH
 * at QoS 2 or with wildcards, NUL or malformed UTF-8 in its topic, and the types that only a server
 * receives are PARSE errors, after which the standard wants the connection closed. */
#ifndef MW_MQTT_PACKET_H
#define MW_MQTT_PACKET_H

#include "core/err.h"
#include "core/span.h"
#include "lib/base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mw_mqtt_type {
    MW_MQTT_CONNECT = 1,
    MW_MQTT_CONNACK = 2,
    MW_MQTT_PUBLISH = 3,
    MW_MQTT_PUBACK = 4,
    MW_MQTT_SUBSCRIBE = 8,
    MW_MQTT_SUBACK = 9,
    MW_MQTT_PINGREQ = 12,
    MW_MQTT_PINGRESP = 13,
    MW_MQTT_DISCONNECT = 14,
};

#define MW_MQTT_TEXT_MAX 65535     /* bytes of a topic or another text */
#define MW_MQTT_BODY_MAX 268435455 /* what the length can say */
#define MW_MQTT_DUPLICATE 0x08     /* flag in byte 1 of a PUBLISH */

/* What was received. Spans borrow the bytes that were decoded. */
struct mw_mqtt_packet {
    enum mw_mqtt_type type;
    uint16_t id;              /* PUBACK, SUBACK, PUBLISH at QoS 1 */
    uint8_t code;             /* CONNACK: 0 accepted; SUBACK: granted QoS or 0x80 */
    bool session_present;     /* CONNACK */
    bool duplicate, retained; /* PUBLISH */
    uint8_t qos;              /* PUBLISH */
    struct mw_span topic;     /* PUBLISH */
    struct mw_span payload;   /* PUBLISH; its first bytes when `cut` > 0 */
    size_t cut;               /* PUBLISH: bytes of payload past the limit, still to come */
};

/* Decodes the first packet in `bytes`. *used: the bytes that it took. A PUBLISH whose body is
 * longer than `limit` (at least 65,539, so that topic and id fit) is given with what the limit has
 * room for and the length of the rest in `cut`. AGAIN: more bytes are needed, *used is 0. PARSE:
 * *why says what is wrong and at which byte. */
mw_err mw_mqtt_decode(struct mw_span bytes, size_t limit, struct mw_mqtt_packet *packet,
                      size_t *used, struct mw_why *why);

/* What CONNACK's code means, for a person. */
const char *mw_mqtt_connack_text(uint8_t code);

/* A topic to publish to: 1 to 65,535 bytes of UTF-8 without wildcards and NUL. */
bool mw_mqtt_topic_ok(struct mw_span topic);
/* A filter to subscribe to: the same, with + as a whole level and # as the last one. */
bool mw_mqtt_filter_ok(struct mw_span filter);

struct mw_mqtt_connect {
    const char *client_id;
    const char *username, *password;       /* NULL: none; a password needs a user */
    const char *will_topic, *will_payload; /* NULL: none; QoS 1 */
    size_t will_size;                      /* bytes of will_payload; 0: up to its NUL */
    bool will_retain;
    uint16_t keepalive; /* seconds */
    bool clean_session;
};

/* Each appends one packet to `out`. Errors: MEMORY, and TOO_LARGE for a text or body too long, with
 * `out` as it was. */
mw_err mw_mqtt_encode_connect(struct mw_buffer *out, const struct mw_mqtt_connect *connect);
mw_err mw_mqtt_encode_publish(struct mw_buffer *out, struct mw_span topic, struct mw_span payload,
                              uint8_t qos, bool retain, uint16_t id);
mw_err mw_mqtt_encode_puback(struct mw_buffer *out, uint16_t id);
mw_err mw_mqtt_encode_subscribe(struct mw_buffer *out, uint16_t id, struct mw_span filter,
                                uint8_t qos);
/* PINGREQ and DISCONNECT. */
mw_err mw_mqtt_encode_empty(struct mw_buffer *out, enum mw_mqtt_type type);

/* Where the id is in an encoded PUBLISH of QoS 1: it is put in when the message is first sent. */
size_t mw_mqtt_publish_id_at(const uint8_t *packet, size_t size);

#endif
