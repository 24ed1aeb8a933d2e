#include "lib/mqtt/packet.h"

static uint16_t number16(const uint8_t *data)
{
    return (uint16_t)((data[0] << 8) | data[1]);
}

/* Reads the properties at body[*at]; `there` bytes of the body are. */
static mw_err decode_properties(const uint8_t *body, size_t *at, size_t there,
                                struct mw_mqtt_packet *packet, struct mw_why *why)
{
    struct mw_span rest = {(const char *)body + *at, there - *at};
    size_t used = 0;
    mw_err err = mw_mqtt_properties_decode(rest, packet->type, &packet->properties, &used, why);
    *at += used;
    return err;
}

/* `body` holds the first `there` bytes of `length`. */
static mw_err decode_publish(uint8_t flags, const uint8_t *body, size_t there, size_t length,
                             enum mw_mqtt_version version, struct mw_mqtt_packet *packet,
                             struct mw_why *why)
{
    packet->qos = (flags >> 1) & 3;
    packet->duplicate = (flags & MW_MQTT_DUPLICATE) != 0;
    packet->retained = (flags & 1) != 0;
    if (packet->qos > 1) {
        return mw_fail(why, MW_ERR_PARSE, "PUBLISH at a QoS that was not asked for", 0);
    }
    if (packet->qos == 0 && packet->duplicate) {
        return mw_fail(why, MW_ERR_PARSE, "PUBLISH at QoS 0 is marked as a duplicate", 0);
    }
    size_t id_size = packet->qos == 1 ? 2 : 0;
    if (length < 2 || length - 2 < number16(body) + id_size) {
        return mw_fail(why, MW_ERR_PARSE, "PUBLISH ends inside its topic or identifier", 1);
    }
    packet->topic = (struct mw_span){(const char *)body + 2, number16(body)};
    bool none = version == MW_MQTT_VERSION_5 && packet->topic.size == 0;
    if (!none && !mw_mqtt_topic_ok(packet->topic)) {
        return mw_fail(why, MW_ERR_PARSE, "PUBLISH has a malformed topic", 1);
    }
    size_t at = 2 + packet->topic.size;
    if (id_size > 0) {
        packet->id = number16(body + at);
        at += id_size;
        if (packet->id == 0) {
            return mw_fail(why, MW_ERR_PARSE, "PUBLISH has the packet identifier 0", at);
        }
    }
    if (version == MW_MQTT_VERSION_5) {
        mw_err err = decode_properties(body, &at, there, packet, why);
        if (err != MW_OK) {
            return err;
        }
        if (none && packet->properties.topic_alias == 0) {
            return mw_fail(why, MW_ERR_PARSE, "PUBLISH has neither a topic nor an alias", 1);
        }
    }
    packet->payload = (struct mw_span){(const char *)body + at, there - at};
    packet->cut = length - there;
    return MW_OK;
}

/* What 3.1.1's codes 0 to 5 are called in 5. */
static const uint8_t old_codes[] = {
    MW_MQTT_SUCCESS, MW_MQTT_VERSION_UNSUPPORTED, 0x85, 0x88, 0x86, 0x87};

static mw_err decode_connack(const uint8_t *body, size_t length, enum mw_mqtt_version version,
                             struct mw_mqtt_packet *packet, struct mw_why *why)
{
    packet->session_present = body[0] == 1;
    packet->code = body[1];
    bool five = version == MW_MQTT_VERSION_5 && length > 2;
    bool known = five ? packet->code == 0 || packet->code >= MW_MQTT_FAILURE : packet->code <= 5;
    if (body[0] > 1 || !known || (body[0] == 1 && body[1] != 0)) {
        return mw_fail(why, MW_ERR_PARSE, "CONNACK has reserved flags or codes", 2);
    }
    if (five) {
        size_t at = 2;
        mw_err err = decode_properties(body, &at, length, packet, why);
        return err == MW_OK && at != length
                   ? mw_fail(why, MW_ERR_PARSE, "CONNACK goes on behind its properties", at)
                   : err;
    }
    packet->code = old_codes[packet->code];
    if (version == MW_MQTT_VERSION_5 && packet->code == MW_MQTT_SUCCESS) {
        return mw_fail(why, MW_ERR_PARSE, "CONNACK is of another version than CONNECT", 1);
    }
    return MW_OK;
}

static mw_err decode_puback(const uint8_t *body, size_t length, struct mw_mqtt_packet *packet,
                            struct mw_why *why)
{
    size_t at = 2;
    mw_err err = MW_OK;
    if (length > at) { /* version 5, as check_head has seen */
        packet->code = body[at++];
    }
    if (length > at) {
        err = decode_properties(body, &at, length, packet, why);
    }
    bool known = packet->code == 0 || packet->code == 0x10 || packet->code >= MW_MQTT_FAILURE;
    if (err == MW_OK && (!known || at != length)) {
        return mw_fail(why, MW_ERR_PARSE, "PUBACK has a reserved code or a wrong length", 4);
    }
    return err;
}

static mw_err decode_suback(const uint8_t *body, size_t length, enum mw_mqtt_version version,
                            struct mw_mqtt_packet *packet, struct mw_why *why)
{
    size_t at = 2;
    if (version == MW_MQTT_VERSION_5) {
        mw_err err = decode_properties(body, &at, length, packet, why);
        if (err != MW_OK) {
            return err;
        }
    }
    if (length - at != 1) {
        return mw_fail(why, MW_ERR_PARSE, "SUBACK has not one code for one filter", at);
    }
    packet->code = body[at];
    bool failed = version == MW_MQTT_VERSION_5 ? packet->code >= MW_MQTT_FAILURE
                                               : packet->code == MW_MQTT_FAILURE;
    return packet->code <= 2 || failed
               ? MW_OK
               : mw_fail(why, MW_ERR_PARSE, "SUBACK has a reserved code", at);
}

static mw_err decode_disconnect(const uint8_t *body, size_t length, struct mw_mqtt_packet *packet,
                                struct mw_why *why)
{
    size_t at = 0;
    if (length > at) {
        packet->code = body[at++];
    }
    mw_err err = length > at ? decode_properties(body, &at, length, packet, why) : MW_OK;
    bool known = packet->code == 0 || packet->code >= MW_MQTT_FAILURE;
    if (err == MW_OK && (!known || at != length)) {
        return mw_fail(why, MW_ERR_PARSE, "DISCONNECT has a reserved code or a wrong length", 2);
    }
    return err;
}

static mw_err decode_body(uint8_t first, const uint8_t *body, size_t there, size_t length,
                          enum mw_mqtt_version version, struct mw_mqtt_packet *packet,
                          struct mw_why *why)
{
    packet->type = (enum mw_mqtt_type)(first >> 4);
    if (packet->type == MW_MQTT_PUBACK || packet->type == MW_MQTT_SUBACK) {
        packet->id = number16(body);
        if (packet->id == 0) {
            return mw_fail(why, MW_ERR_PARSE, "packet identifier is 0", 2);
        }
    }
    switch (packet->type) {
    case MW_MQTT_PUBLISH:
        return decode_publish(first & 0x0f, body, there, length, version, packet, why);
    case MW_MQTT_CONNACK:
        return decode_connack(body, length, version, packet, why);
    case MW_MQTT_PUBACK:
        return decode_puback(body, length, packet, why);
    case MW_MQTT_SUBACK:
        return decode_suback(body, length, version, packet, why);
    case MW_MQTT_DISCONNECT:
        return decode_disconnect(body, length, packet, why);
    default:
        return MW_OK; /* PINGRESP */
    }
}

/* Checks what byte 1 and the length say together, before the body is there. */
static mw_err check_head(uint8_t first, size_t length, enum mw_mqtt_version version, size_t limit,
                         struct mw_why *why)
{
    bool five = version == MW_MQTT_VERSION_5;
    size_t least = 0;
    size_t most = 0;
    switch (first >> 4) {
    case MW_MQTT_PUBLISH:
        return MW_OK;
    case MW_MQTT_CONNACK:
    case MW_MQTT_PUBACK:
        least = 2;
        most = five ? limit : 2;
        break;
    case MW_MQTT_SUBACK:
        least = five ? 4 : 3;
        most = five ? limit : 3;
        break;
    case MW_MQTT_PINGRESP:
        break;
    case MW_MQTT_DISCONNECT:
        if (five) { /* in 3.1.1 only a client says it */
            most = limit;
            break;
        }
        /* fall through */
    default:
        return mw_fail(why, MW_ERR_PARSE, "packet of a type that no client receives", 0);
    }
    if ((first & 0x0f) != 0) {
        return mw_fail(why, MW_ERR_PARSE, "reserved flags are set", 0);
    }
    return length >= least && length <= most
               ? MW_OK
               : mw_fail(why, MW_ERR_PARSE, "length does not fit the type", 1);
}

mw_err mw_mqtt_decode(struct mw_span bytes, enum mw_mqtt_version version, size_t limit,
                      struct mw_mqtt_packet *packet, size_t *used, struct mw_why *why)
{
    *packet = (struct mw_mqtt_packet){0};
    *used = 0;
    const uint8_t *data = (const uint8_t *)bytes.data;
    if (bytes.size < 2) {
        return MW_ERR_AGAIN;
    }
    size_t length = 0;
    size_t length_size = 0;
    mw_err err = mw_mqtt_length_read(data + 1, bytes.size - 1, &length, &length_size, why);
    if (err == MW_OK) {
        err = check_head(data[0], length, version, limit, why);
    }
    if (err != MW_OK) {
        return err;
    }
    size_t there = length < limit ? length : limit;
    const uint8_t *body = data + 1 + length_size;
    if (bytes.size - 1 - length_size < there) {
        return MW_ERR_AGAIN;
    }
    err = decode_body(data[0], body, there, length, version, packet, why);
    *used = err == MW_OK ? 1 + length_size + there : 0;
    return err;
}
