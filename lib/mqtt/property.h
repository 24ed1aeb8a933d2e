/* property.h - what MQTT 5 packets carry beside their fixed fields (OASIS standard, 7 March 2019,
 * section 2.2.2). Pure functions, no state.
 *
 *   length of all properties: 7 bits a byte, lowest first, bit 7 set when another byte follows
 *   each: identifier:8, then by its type a number of 8, 16 or 32 bits, a number as the length is
 *   written, a text or bytes behind a 16-bit length, or a pair of texts
 *
 * Only what a server sends is read. A property that is unknown, in a packet where it has no place,
 * out of its range or, other than user properties, there twice is a PARSE error. */
#ifndef MW_MQTT_PROPERTY_H
#define MW_MQTT_PROPERTY_H

#include "core/err.h"
#include "core/span.h"
#include "lib/base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mw_mqtt_property {
    MW_MQTT_PAYLOAD_FORMAT = 1, /* 1: the payload is UTF-8 */
    MW_MQTT_MESSAGE_EXPIRY = 2,
    MW_MQTT_CONTENT_TYPE = 3,
    MW_MQTT_RESPONSE_TOPIC = 8,
    MW_MQTT_CORRELATION = 9,
    MW_MQTT_SUBSCRIPTION_ID = 11,
    MW_MQTT_SESSION_EXPIRY = 17,
    MW_MQTT_ASSIGNED_CLIENT_ID = 18,
    MW_MQTT_SERVER_KEEPALIVE = 19,
    MW_MQTT_RESPONSE_INFORMATION = 26,
    MW_MQTT_SERVER_REFERENCE = 28,
    MW_MQTT_REASON = 31,
    MW_MQTT_RECEIVE_MAXIMUM = 33,
    MW_MQTT_TOPIC_ALIAS_MAXIMUM = 34,
    MW_MQTT_TOPIC_ALIAS = 35,
    MW_MQTT_MAXIMUM_QOS = 36,
    MW_MQTT_RETAIN_AVAILABLE = 37,
    MW_MQTT_USER_PROPERTY = 38,
    MW_MQTT_MAXIMUM_PACKET = 39,
    MW_MQTT_WILDCARD_AVAILABLE = 40,
    MW_MQTT_SUBSCRIPTION_ID_AVAILABLE = 41,
    MW_MQTT_SHARED_AVAILABLE = 42,
};

/* The properties of one packet. A number that is not there is 0, a text is empty;
 * mw_mqtt_has_property tells. Spans borrow the packet. */
struct mw_mqtt_properties {
    struct mw_span all; /* as received, verified; user properties are read from here */
    uint64_t given;     /* bit n: the property with identifier n is there */
    uint32_t payload_format, message_expiry; /* seconds */
    uint32_t session_expiry;                 /* seconds; 0xffffffff: never */
    uint32_t server_keepalive;               /* seconds */
    uint32_t receive_maximum, topic_alias_maximum, topic_alias;
    uint32_t maximum_packet; /* bytes */
    uint32_t maximum_qos, retain_available, wildcard_available, shared_available;
    uint32_t subscription_id, subscription_id_available;
    struct mw_span content_type, response_topic, correlation;
    struct mw_span assigned_client_id, response_information, server_reference, reason;
};

static inline bool mw_mqtt_has_property(const struct mw_mqtt_properties *properties,
                                        enum mw_mqtt_property property)
{
    return (properties->given >> property & 1) != 0;
}

/* Reads the length and the properties at the start of `bytes`, which are those of a packet of type
 * `type` (enum mw_mqtt_type) up to its end. *used: the bytes that they took. */
mw_err mw_mqtt_properties_decode(struct mw_span bytes, unsigned type,
                                 struct mw_mqtt_properties *properties, size_t *used,
                                 struct mw_why *why);

/* The next user property: *rest begins as properties.all and moves on. False: there is none. */
bool mw_mqtt_next_user_property(struct mw_span *rest, struct mw_span *key, struct mw_span *value);

struct mw_mqtt_pair {
    struct mw_span key, value; /* UTF-8 without NUL */
};

/* What a message may say about itself; {0} is nothing. */
struct mw_mqtt_about {
    const char *content_type, *response_topic; /* NULL: none */
    struct mw_span correlation;                /* bytes for who answers; empty: none */
    uint32_t expiry;                           /* seconds after which nobody wants it; 0: never */
    bool text;                                 /* the payload is UTF-8 */
    const struct mw_mqtt_pair *user;           /* n of them, in this order */
    size_t user_n;
};

/* Appends the properties without their length. ARGUMENT: malformed UTF-8 or topic. TOO_LARGE: one
 * of more than 65,535 bytes. MEMORY. `out` is as it was after an error. */
mw_err mw_mqtt_properties_encode(struct mw_buffer *out, const struct mw_mqtt_about *about);

/* The number at data, 7 bits a byte. *size: its own bytes. AGAIN: not all there. PARSE: more than
 * four bytes, or needless ones. */
mw_err mw_mqtt_length_read(const uint8_t *data, size_t available, size_t *length, size_t *size,
                           struct mw_why *why);
/* Writes it, at most four bytes; returns their number. */
size_t mw_mqtt_length_write(uint8_t *data, size_t length);

#endif
