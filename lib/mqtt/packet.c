#include "lib/mqtt/packet.h"

/* --- decoding --- */

/* Reads the length behind byte 1; *size is its own number of bytes. AGAIN: not all there. */
static mw_err read_length(const uint8_t *data, size_t available, size_t *length, size_t *size,
                          struct mw_why *why)
{
    *length = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i >= available) {
            return MW_ERR_AGAIN;
        }
        *length |= (size_t)(data[i] & 0x7f) << (7 * i);
        if ((data[i] & 0x80) == 0) {
            *size = i + 1;
            if (i > 0 && data[i] == 0) {
                return mw_fail(why, MW_ERR_PARSE, "length has needless bytes", i + 1);
            }
            return MW_OK;
        }
    }
    return mw_fail(why, MW_ERR_PARSE, "length has more than four bytes", 4);
}

static uint16_t number16(const uint8_t *data)
{
    return (uint16_t)((data[0] << 8) | data[1]);
}

/* `body` holds the first `there` bytes of `length`. */
static mw_err decode_publish(uint8_t flags, const uint8_t *body, size_t there, size_t length,
                             struct mw_mqtt_packet *packet, struct mw_why *why)
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
    if (!mw_mqtt_topic_ok(packet->topic)) {
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
    packet->payload = (struct mw_span){(const char *)body + at, there - at};
    packet->cut = length - there;
    return MW_OK;
}

static mw_err decode_connack(const uint8_t *body, struct mw_mqtt_packet *packet, struct mw_why *why)
{
    packet->session_present = body[0] == 1;
    packet->code = body[1];
    if (body[0] > 1 || body[1] > 5 || (body[0] == 1 && body[1] != 0)) {
        return mw_fail(why, MW_ERR_PARSE, "CONNACK has reserved flags or codes", 2);
    }
    return MW_OK;
}

static mw_err decode_acknowledgement(const uint8_t *body, struct mw_mqtt_packet *packet,
                                     struct mw_why *why)
{
    packet->id = number16(body);
    if (packet->id == 0) {
        return mw_fail(why, MW_ERR_PARSE, "packet identifier is 0", 2);
    }
    if (packet->type == MW_MQTT_SUBACK) {
        packet->code = body[2];
        if (packet->code > 2 && packet->code != 0x80) {
            return mw_fail(why, MW_ERR_PARSE, "SUBACK has a reserved code", 4);
        }
    }
    return MW_OK;
}

/* Checks what byte 1 and the length say together, before the body is there. */
static mw_err check_head(uint8_t first, size_t length, struct mw_why *why)
{
    size_t wanted = 0;
    switch (first >> 4) {
    case MW_MQTT_PUBLISH:
        return MW_OK;
    case MW_MQTT_CONNACK:
    case MW_MQTT_PUBACK:
        wanted = 2;
        break;
    case MW_MQTT_SUBACK:
        wanted = 3;
        break;
    case MW_MQTT_PINGRESP:
        break;
    default:
        return mw_fail(why, MW_ERR_PARSE, "packet of a type that no client receives", 0);
    }
    if ((first & 0x0f) != 0) {
        return mw_fail(why, MW_ERR_PARSE, "reserved flags are set", 0);
    }
    return length == wanted ? MW_OK : mw_fail(why, MW_ERR_PARSE, "length does not fit the type", 1);
}

mw_err mw_mqtt_decode(struct mw_span bytes, size_t limit, struct mw_mqtt_packet *packet,
                      size_t *used, struct mw_why *why)
{
    *packet = (struct mw_mqtt_packet){0};
    *used = 0;
    const uint8_t *data = (const uint8_t *)bytes.data;
    if (bytes.size < 2) {
        return MW_ERR_AGAIN;
    }
    size_t length = 0;
    size_t length_size = 0;
    mw_err err = read_length(data + 1, bytes.size - 1, &length, &length_size, why);
    if (err == MW_OK) {
        err = check_head(data[0], length, why);
    }
    if (err != MW_OK) {
        return err;
    }
    size_t there = length < limit ? length : limit;
    const uint8_t *body = data + 1 + length_size;
    if (bytes.size - 1 - length_size < there) {
        return MW_ERR_AGAIN;
    }
    packet->type = (enum mw_mqtt_type)(data[0] >> 4);
    if (packet->type == MW_MQTT_PUBLISH) {
        err = decode_publish(data[0] & 0x0f, body, there, length, packet, why);
    } else if (packet->type == MW_MQTT_CONNACK) {
        err = decode_connack(body, packet, why);
    } else if (packet->type != MW_MQTT_PINGRESP) {
        err = decode_acknowledgement(body, packet, why);
    }
    *used = err == MW_OK ? 1 + length_size + there : 0;
    return err;
}

const char *mw_mqtt_connack_text(uint8_t code)
{
    static const char *const texts[] = {
        "accepted",
        "refused: the broker does not speak MQTT 3.1.1",
        "refused: client identifier rejected",
        "refused: broker unavailable",
        "refused: bad user name or password",
        "refused: not authorised",
    };
    return code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : "refused";
}

/* --- encoding --- */

/* Makes room for a packet with that body and writes its head. */
static mw_err start_packet(struct mw_buffer *out, uint8_t first, size_t body)
{
    if (body > MW_MQTT_BODY_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    uint8_t head[5] = {first};
    size_t n = 1;
    size_t length = body;
    do {
        head[n++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        length >>= 7;
    } while (length > 0);
    mw_err err = mw_buffer_reserve(out, n + body);
    return err == MW_OK ? mw_buffer_add(out, head, n) : err;
}

/* The room is reserved, so these cannot fail. */
static void add_byte(struct mw_buffer *out, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    (void)mw_buffer_add(out, &byte, 1);
}

static void add_number16(struct mw_buffer *out, size_t value)
{
    add_byte(out, (unsigned)(value >> 8));
    add_byte(out, (unsigned)(value & 0xff));
}

static void add_text(struct mw_buffer *out, struct mw_span text)
{
    add_number16(out, text.size);
    if (text.size > 0) {
        (void)mw_buffer_add(out, text.data, text.size);
    }
}

mw_err mw_mqtt_encode_connect(struct mw_buffer *out, const struct mw_mqtt_connect *connect)
{
    const char *const texts[] = {connect->client_id, connect->will_topic, connect->will_payload,
                                 connect->username,
                                 connect->username == NULL ? NULL : connect->password};
    const unsigned flags[] = {0, 0x0c, 0, 0x80, 0x40}; /* 0x0c: a will, at QoS 1 */
    size_t body = 10;
    size_t sizes[5] = {0};
    unsigned all = connect->clean_session ? 0x02 : 0;
    all |= connect->will_topic != NULL && connect->will_retain ? 0x20 : 0;
    for (size_t i = 0; i < 5; i++) {
        if (texts[i] != NULL) {
            sizes[i] = i == 2 && connect->will_size > 0 ? connect->will_size : strlen(texts[i]);
            if (sizes[i] > MW_MQTT_TEXT_MAX) {
                return MW_ERR_TOO_LARGE;
            }
            body += 2 + sizes[i];
            all |= flags[i];
        }
    }
    mw_err err = start_packet(out, MW_MQTT_CONNECT << 4, body);
    if (err != MW_OK) {
        return err;
    }
    add_text(out, mw_span_of("MQTT"));
    add_byte(out, 4); /* MQTT 3.1.1 */
    add_byte(out, all);
    add_number16(out, connect->keepalive);
    for (size_t i = 0; i < 5; i++) {
        if (texts[i] != NULL) {
            add_text(out, (struct mw_span){texts[i], sizes[i]});
        }
    }
    return MW_OK;
}

mw_err mw_mqtt_encode_publish(struct mw_buffer *out, struct mw_span topic, struct mw_span payload,
                              uint8_t qos, bool retain, uint16_t id)
{
    size_t head = 2 + topic.size + (qos > 0 ? 2 : 0);
    if (topic.size > MW_MQTT_TEXT_MAX || payload.size > MW_MQTT_BODY_MAX - head) {
        return MW_ERR_TOO_LARGE;
    }
    unsigned first = (MW_MQTT_PUBLISH << 4) | (unsigned)(qos << 1) | (retain ? 1U : 0U);
    mw_err err = start_packet(out, (uint8_t)first, head + payload.size);
    if (err != MW_OK) {
        return err;
    }
    add_text(out, topic);
    if (qos > 0) {
        add_number16(out, id);
    }
    return payload.size > 0 ? mw_buffer_add(out, payload.data, payload.size) : MW_OK;
}

mw_err mw_mqtt_encode_puback(struct mw_buffer *out, uint16_t id)
{
    const uint8_t packet[] = {MW_MQTT_PUBACK << 4, 2, (uint8_t)(id >> 8), (uint8_t)(id & 0xff)};
    return mw_buffer_add(out, packet, sizeof(packet));
}

mw_err mw_mqtt_encode_subscribe(struct mw_buffer *out, uint16_t id, struct mw_span filter,
                                uint8_t qos)
{
    if (filter.size > MW_MQTT_TEXT_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    mw_err err = start_packet(out, (MW_MQTT_SUBSCRIBE << 4) | 2, 2 + 2 + filter.size + 1);
    if (err == MW_OK) {
        add_number16(out, id);
        add_text(out, filter);
        add_byte(out, qos);
    }
    return err;
}

mw_err mw_mqtt_encode_empty(struct mw_buffer *out, enum mw_mqtt_type type)
{
    const uint8_t packet[] = {(uint8_t)(type << 4), 0};
    return mw_buffer_add(out, packet, sizeof(packet));
}

size_t mw_mqtt_publish_id_at(const uint8_t *packet, size_t size)
{
    size_t at = 1;
    while (at < size && (packet[at] & 0x80) != 0) {
        at++;
    }
    at++;
    return at + 1 < size ? at + 2 + number16(packet + at) : size;
}
