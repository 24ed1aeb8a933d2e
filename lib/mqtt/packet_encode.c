#include "lib/mqtt/packet.h"

#include <string.h>

/* Makes room for a packet with that body and writes its head. */
static mw_err start_packet(struct mw_buffer *out, uint8_t first, size_t body)
{
    if (body > MW_MQTT_BODY_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    uint8_t head[5] = {first};
    size_t n = 1 + mw_mqtt_length_write(head + 1, body);
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

/* CONNECT's properties with their length; returns their size, which never needs a second byte for
 * the length. */
static size_t connect_properties(const struct mw_mqtt_connect *connect, uint8_t data[static 16])
{
    size_t n = 1;
    if (connect->session_expiry != 0) {
        data[n++] = MW_MQTT_SESSION_EXPIRY;
        for (int shift = 24; shift >= 0; shift -= 8) {
            data[n++] = (uint8_t)(connect->session_expiry >> shift);
        }
    }
    const struct {
        uint8_t id;
        uint16_t value;
    } numbers[] = {{MW_MQTT_RECEIVE_MAXIMUM, connect->receive_maximum},
                   {MW_MQTT_TOPIC_ALIAS_MAXIMUM, connect->topic_alias_maximum}};
    for (size_t i = 0; i < 2; i++) {
        if (numbers[i].value != 0) {
            data[n++] = numbers[i].id;
            data[n++] = (uint8_t)(numbers[i].value >> 8);
            data[n++] = (uint8_t)(numbers[i].value & 0xff);
        }
    }
    data[0] = (uint8_t)(n - 1);
    return n;
}

mw_err mw_mqtt_encode_connect(struct mw_buffer *out, const struct mw_mqtt_connect *connect)
{
    const char *const texts[] = {connect->client_id, connect->will_topic, connect->will_payload,
                                 connect->username,
                                 connect->username == NULL ? NULL : connect->password};
    const unsigned flags[] = {0, 0x0c, 0, 0x80, 0x40}; /* 0x0c: a will, at QoS 1 */
    bool five = connect->version == MW_MQTT_VERSION_5;
    uint8_t properties[16];
    size_t properties_size = five ? connect_properties(connect, properties) : 0;
    size_t body = 10 + properties_size;
    size_t sizes[5] = {0};
    unsigned all = connect->clean_session ? 0x02 : 0;
    all |= connect->will_topic != NULL && connect->will_retain ? 0x20 : 0;
    for (size_t i = 0; i < 5; i++) {
        if (texts[i] != NULL) {
            sizes[i] = i == 2 && connect->will_size > 0 ? connect->will_size : strlen(texts[i]);
            if (sizes[i] > MW_MQTT_TEXT_MAX) {
                return MW_ERR_TOO_LARGE;
            }
            body += 2 + sizes[i] + (five && i == 1 ? 1 : 0);
            all |= flags[i];
        }
    }
    mw_err err = start_packet(out, MW_MQTT_CONNECT << 4, body);
    if (err != MW_OK) {
        return err;
    }
    add_text(out, mw_span_of("MQTT"));
    add_byte(out, connect->version);
    add_byte(out, all);
    add_number16(out, connect->keepalive);
    (void)mw_buffer_add(out, properties, properties_size);
    for (size_t i = 0; i < 5; i++) {
        if (five && i == 1 && texts[i] != NULL) {
            add_byte(out, 0); /* no properties of the will */
        }
        if (texts[i] != NULL) {
            add_text(out, (struct mw_span){texts[i], sizes[i]});
        }
    }
    return MW_OK;
}

mw_err mw_mqtt_frame_publish(const struct mw_mqtt_publish *publish, struct mw_mqtt_frame *frame)
{
    size_t topic = publish->topic.size;
    size_t properties = 0;
    size_t n = 0;
    if (publish->qos > 0) {
        frame->middle[n++] = (uint8_t)(publish->id >> 8);
        frame->middle[n++] = (uint8_t)(publish->id & 0xff);
    }
    if (publish->version == MW_MQTT_VERSION_5) {
        properties = publish->properties.size;
        size_t length = properties + (publish->alias != 0 ? 3 : 0);
        if (properties > MW_MQTT_BODY_MAX - 3) {
            return MW_ERR_TOO_LARGE;
        }
        n += mw_mqtt_length_write(frame->middle + n, length);
        if (publish->alias != 0) {
            frame->middle[n++] = MW_MQTT_TOPIC_ALIAS;
            frame->middle[n++] = (uint8_t)(publish->alias >> 8);
            frame->middle[n++] = (uint8_t)(publish->alias & 0xff);
        }
    }
    frame->middle_size = n;
    size_t most = MW_MQTT_BODY_MAX - 2 - MW_MQTT_TEXT_MAX - sizeof(frame->middle);
    if (topic > MW_MQTT_TEXT_MAX || properties > most ||
        publish->payload.size > most - properties) {
        return MW_ERR_TOO_LARGE;
    }
    frame->front[0] =
        (uint8_t)((MW_MQTT_PUBLISH << 4) | (publish->duplicate ? MW_MQTT_DUPLICATE : 0) |
                  (publish->qos << 1) | (publish->retain ? 1 : 0));
    n = 1 + mw_mqtt_length_write(frame->front + 1, 2 + topic + frame->middle_size + properties +
                                                       publish->payload.size);
    frame->front[n++] = (uint8_t)(topic >> 8);
    frame->front[n++] = (uint8_t)(topic & 0xff);
    frame->front_size = n;
    return MW_OK;
}

mw_err mw_mqtt_encode_publish(struct mw_buffer *out, const struct mw_mqtt_publish *publish)
{
    struct mw_mqtt_frame frame;
    mw_err err = mw_mqtt_frame_publish(publish, &frame);
    if (err != MW_OK) {
        return err;
    }
    const struct mw_span parts[] = {
        {(const char *)frame.front, frame.front_size},
        publish->topic,
        {(const char *)frame.middle, frame.middle_size},
        {publish->properties.data,
         publish->version == MW_MQTT_VERSION_5 ? publish->properties.size : 0},
        publish->payload,
    };
    size_t size = 0;
    for (size_t i = 0; i < 5; i++) {
        size += parts[i].size;
    }
    err = mw_buffer_reserve(out, size);
    for (size_t i = 0; i < 5 && err == MW_OK; i++) {
        if (parts[i].size > 0) {
            err = mw_buffer_add(out, parts[i].data, parts[i].size);
        }
    }
    return err;
}

mw_err mw_mqtt_encode_puback(struct mw_buffer *out, uint16_t id)
{
    const uint8_t packet[] = {MW_MQTT_PUBACK << 4, 2, (uint8_t)(id >> 8), (uint8_t)(id & 0xff)};
    return mw_buffer_add(out, packet, sizeof(packet));
}

mw_err mw_mqtt_encode_subscribe(struct mw_buffer *out, enum mw_mqtt_version version, uint16_t id,
                                struct mw_span filter, uint8_t options)
{
    if (filter.size > MW_MQTT_TEXT_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    bool five = version == MW_MQTT_VERSION_5;
    size_t body = 2 + 2 + filter.size + 1;
    mw_err err = start_packet(out, (MW_MQTT_SUBSCRIBE << 4) | 2, five ? body + 1 : body);
    if (err == MW_OK) {
        add_number16(out, id);
        if (five) {
            add_byte(out, 0); /* no properties */
        }
        add_text(out, filter);
        add_byte(out, five ? options : options & 3U);
    }
    return err;
}

mw_err mw_mqtt_encode_ping(struct mw_buffer *out)
{
    const uint8_t packet[] = {MW_MQTT_PINGREQ << 4, 0};
    return mw_buffer_add(out, packet, sizeof(packet));
}

mw_err mw_mqtt_encode_disconnect(struct mw_buffer *out, enum mw_mqtt_version version,
                                 uint8_t reason)
{
    bool said = version == MW_MQTT_VERSION_5 && reason != MW_MQTT_SUCCESS;
    const uint8_t packet[] = {MW_MQTT_DISCONNECT << 4, said ? 1 : 0, reason};
    const size_t size = said ? 3 : 2;
    return mw_buffer_add(out, packet, size);
}
