/* packet.h - MQTT packets, 3.1.1 (OASIS standard, 29 October 2014) and 5 (7 March 2019), as far as
 * a client at QoS 0 and 1 sends and receives them. Pure functions, no state.
 *
 *   byte 1        type in the high four bits, flags in the low four
 *   bytes 2..5    length of the rest: 7 bits a byte, lowest first, bit 7 set when another byte
 *                 follows
 *   the rest      by type; numbers are big-endian; a text is a 16-bit length and that many bytes
 *                 of UTF-8; {} is in version 5 only and properties are as property.h has them
 *
 *   CONNECT    1 0  "MQTT" version:8 flags keepalive:16 {properties} client_id
 *                   [{properties} will_topic will_payload] [user [password]]
 *   CONNACK    2 0  session_present:8 code:8 {properties}
 *   PUBLISH    3 dup:1 qos:2 retain:1   topic [id:16 at QoS 1] {properties} payload
 *   PUBACK     4 0  id:16 {[code:8 [properties]]}
 *   SUBSCRIBE  8 2  id:16 {properties} filter options:8
 *   SUBACK     9 0  id:16 {properties} code:8
 *   PINGREQ   12 0, PINGRESP 13 0   nothing
 *   DISCONNECT 14 0  {[code:8 [properties]]}
 *
 * The decoder is strict: reserved flags and codes, a length that does not fit its type, a PUBLISH
 * at QoS 2 or with wildcards, NUL or malformed UTF-8 in its topic, and the types that only a server
 * receives are PARSE errors, after which the standard wants the connection closed. */
#ifndef MW_MQTT_PACKET_H
#define MW_MQTT_PACKET_H

#include "core/err.h"
#include "core/span.h"
#include "lib/base/file.h"
#include "lib/mqtt/property.h"

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

/* As CONNECT has it. */
enum mw_mqtt_version { MW_MQTT_VERSION_3_1_1 = 4, MW_MQTT_VERSION_5 = 5 };

/* Reason codes of MQTT 5 that the client acts on or gives. */
enum mw_mqtt_reason {
    MW_MQTT_SUCCESS = 0x00,
    MW_MQTT_FAILURE = 0x80, /* this and all above */
    MW_MQTT_MALFORMED = 0x81,
    MW_MQTT_PROTOCOL_ERROR = 0x82,
    MW_MQTT_VERSION_UNSUPPORTED = 0x84,
    MW_MQTT_SESSION_TAKEN_OVER = 0x8e,
    MW_MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MW_MQTT_TOPIC_ALIAS_INVALID = 0x94,
};

#define MW_MQTT_TEXT_MAX 65535     /* bytes of a topic or another text */
#define MW_MQTT_BODY_MAX 268435455 /* what the length can say */
#define MW_MQTT_DUPLICATE 0x08     /* flag in byte 1 of a PUBLISH */

/* What was received. Spans borrow the bytes that were decoded. */
struct mw_mqtt_packet {
    enum mw_mqtt_type type;
    uint16_t id;          /* PUBACK, SUBACK, PUBLISH at QoS 1 */
    uint8_t code;         /* reason code; what 3.1.1 has is given as the code of 5 that means it */
    bool session_present; /* CONNACK */
    bool duplicate, retained; /* PUBLISH */
    uint8_t qos;              /* PUBLISH */
    struct mw_span topic;     /* PUBLISH; empty when the topic alias stands for it */
    struct mw_span payload;   /* PUBLISH; its first bytes when `cut` > 0 */
    size_t cut;               /* PUBLISH: bytes of payload past the limit, still to come */
    struct mw_mqtt_properties properties;
};

/* Decodes the first packet in `bytes`, sent by a server to a client that has asked for that
 * version; the CONNACK of a server that knows only 3.1.1 is understood in both. *used: the bytes
 * that it took. A PUBLISH whose body is longer than `limit` (at least 65,539, so that topic and id
 * fit) is given with what the limit has room for and the length of the rest in `cut`; its
 * properties have to be within the limit, as has any other packet. AGAIN: more bytes are needed,
 * *used is 0. PARSE: *why says what is wrong and at which byte. */
mw_err mw_mqtt_decode(struct mw_span bytes, enum mw_mqtt_version version, size_t limit,
                      struct mw_mqtt_packet *packet, size_t *used, struct mw_why *why);

/* What a reason code means, for a person. */
const char *mw_mqtt_reason_text(uint8_t code);

/* Any text: up to 65,535 bytes of UTF-8 without NUL. */
bool mw_mqtt_text_ok(struct mw_span text);
/* A topic to publish to: 1 to 65,535 bytes of UTF-8 without wildcards and NUL. */
bool mw_mqtt_topic_ok(struct mw_span topic);
/* A filter to subscribe to: the same, with + as a whole level and # as the last one; and that
 * behind $share/<group>/, which shares the messages out among the group's subscribers. */
bool mw_mqtt_filter_ok(struct mw_span filter);
bool mw_mqtt_filter_shared(struct mw_span filter); /* of a filter that is ok */

/* Spreads texts over a table (FNV-1a). */
uint32_t mw_mqtt_text_hash(struct mw_span text);

struct mw_mqtt_connect {
    enum mw_mqtt_version version;
    const char *client_id;
    const char *username, *password;       /* NULL: none; a password needs a user */
    const char *will_topic, *will_payload; /* NULL: none; QoS 1 */
    size_t will_size;                      /* bytes of will_payload; 0: up to its NUL */
    bool will_retain;
    uint16_t keepalive; /* seconds */
    bool clean_session;
    /* In version 5; 0 is not sent and means what the standard says. */
    uint32_t session_expiry;  /* seconds that the session outlives the connection */
    uint16_t receive_maximum; /* QoS 1 messages on their way to us */
    uint16_t topic_alias_maximum;
};

/* The options byte of SUBSCRIBE beside the QoS; version 5 only. */
enum {
    MW_MQTT_NO_LOCAL = 0x04,            /* not what this client itself publishes */
    MW_MQTT_RETAIN_AS_PUBLISHED = 0x08, /* `retained` as the publisher set it */
    MW_MQTT_RETAIN_IF_NEW = 0x10,       /* retained messages only when the subscription is new */
    MW_MQTT_RETAIN_NEVER = 0x20,        /* no retained messages */
};

/* A PUBLISH around its texts: front, topic, middle, properties, payload. */
struct mw_mqtt_frame {
    uint8_t front[7], middle[9];
    size_t front_size, middle_size;
};
struct mw_mqtt_publish {
    enum mw_mqtt_version version;
    uint8_t qos;
    bool retain, duplicate;
    uint16_t id;               /* at QoS 1 */
    uint16_t alias;            /* 0: none */
    struct mw_span topic;      /* empty: the alias stands for it */
    struct mw_span properties; /* encoded, without their length and the alias; 5 only */
    struct mw_span payload;
};
/* TOO_LARGE. */
mw_err mw_mqtt_frame_publish(const struct mw_mqtt_publish *publish, struct mw_mqtt_frame *frame);

/* Each appends one packet to `out`. Errors: MEMORY, and TOO_LARGE for a text or body too long, with
 * `out` as it was. */
mw_err mw_mqtt_encode_connect(struct mw_buffer *out, const struct mw_mqtt_connect *connect);
mw_err mw_mqtt_encode_publish(struct mw_buffer *out, const struct mw_mqtt_publish *publish);
mw_err mw_mqtt_encode_puback(struct mw_buffer *out, uint16_t id);
/* options: the QoS, with the flags above. */
mw_err mw_mqtt_encode_subscribe(struct mw_buffer *out, enum mw_mqtt_version version, uint16_t id,
                                struct mw_span filter, uint8_t options);
mw_err mw_mqtt_encode_ping(struct mw_buffer *out);
/* `reason` goes out in version 5 only. */
mw_err mw_mqtt_encode_disconnect(struct mw_buffer *out, enum mw_mqtt_version version,
                                 uint8_t reason);

#endif
