#include "lib/mqtt/property.h"

#include "lib/mqtt/packet.h"

enum kind { BYTE, TWO, FOUR, LENGTH, TEXT, BYTES, PAIR };

#define IN(type) (1U << MW_MQTT_##type)
#define EACH (IN(CONNACK) | IN(PUBLISH) | IN(PUBACK) | IN(SUBACK) | IN(DISCONNECT))
#define AT(field) offsetof(struct mw_mqtt_properties, field)
#define ANY 0xffffffffU

static const struct row {
    uint8_t id;
    enum kind kind;
    unsigned in; /* the packets that it may be in */
    uint32_t least, most;
    size_t at; /* of a uint32_t, or of a span */
} rows[] = {
    {MW_MQTT_PAYLOAD_FORMAT, BYTE, IN(PUBLISH), 0, 1, AT(payload_format)},
    {MW_MQTT_MESSAGE_EXPIRY, FOUR, IN(PUBLISH), 0, ANY, AT(message_expiry)},
    {MW_MQTT_CONTENT_TYPE, TEXT, IN(PUBLISH), 0, 0, AT(content_type)},
    {MW_MQTT_RESPONSE_TOPIC, TEXT, IN(PUBLISH), 0, 0, AT(response_topic)},
    {MW_MQTT_CORRELATION, BYTES, IN(PUBLISH), 0, 0, AT(correlation)},
    {MW_MQTT_SUBSCRIPTION_ID, LENGTH, IN(PUBLISH), 1, MW_MQTT_BODY_MAX, AT(subscription_id)},
    {MW_MQTT_SESSION_EXPIRY, FOUR, IN(CONNACK), 0, ANY, AT(session_expiry)},
    {MW_MQTT_ASSIGNED_CLIENT_ID, TEXT, IN(CONNACK), 0, 0, AT(assigned_client_id)},
    {MW_MQTT_SERVER_KEEPALIVE, TWO, IN(CONNACK), 0, 65535, AT(server_keepalive)},
    {MW_MQTT_RESPONSE_INFORMATION, TEXT, IN(CONNACK), 0, 0, AT(response_information)},
    {MW_MQTT_SERVER_REFERENCE, TEXT, IN(CONNACK) | IN(DISCONNECT), 0, 0, AT(server_reference)},
    {MW_MQTT_REASON, TEXT, EACH & ~IN(PUBLISH), 0, 0, AT(reason)},
    {MW_MQTT_RECEIVE_MAXIMUM, TWO, IN(CONNACK), 1, 65535, AT(receive_maximum)},
    {MW_MQTT_TOPIC_ALIAS_MAXIMUM, TWO, IN(CONNACK), 0, 65535, AT(topic_alias_maximum)},
    {MW_MQTT_TOPIC_ALIAS, TWO, IN(PUBLISH), 1, 65535, AT(topic_alias)},
    {MW_MQTT_MAXIMUM_QOS, BYTE, IN(CONNACK), 0, 1, AT(maximum_qos)},
    {MW_MQTT_RETAIN_AVAILABLE, BYTE, IN(CONNACK), 0, 1, AT(retain_available)},
    {MW_MQTT_USER_PROPERTY, PAIR, EACH, 0, 0, 0},
    {MW_MQTT_MAXIMUM_PACKET, FOUR, IN(CONNACK), 1, ANY, AT(maximum_packet)},
    {MW_MQTT_WILDCARD_AVAILABLE, BYTE, IN(CONNACK), 0, 1, AT(wildcard_available)},
    {MW_MQTT_SUBSCRIPTION_ID_AVAILABLE, BYTE, IN(CONNACK), 0, 1, AT(subscription_id_available)},
    {MW_MQTT_SHARED_AVAILABLE, BYTE, IN(CONNACK), 0, 1, AT(shared_available)},
};

mw_err mw_mqtt_length_read(const uint8_t *data, size_t available, size_t *length, size_t *size,
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

size_t mw_mqtt_length_write(uint8_t *data, size_t length)
{
    size_t n = 0;
    do {
        data[n++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        length >>= 7;
    } while (length > 0);
    return n;
}

/* --- decoding --- */

/* What is left of the properties; each take moves it on and returns false at the end. */
static bool take_number(struct mw_span *rest, size_t size, uint32_t *number)
{
    if (rest->size < size) {
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < size; i++) {
        *number = *number << 8 | (uint8_t)rest->data[i];
    }
    *rest = (struct mw_span){rest->data + size, rest->size - size};
    return true;
}

static bool take_bytes(struct mw_span *rest, struct mw_span *bytes)
{
    uint32_t size = 0;
    if (!take_number(rest, 2, &size) || rest->size < size) {
        return false;
    }
    *bytes = (struct mw_span){rest->data, size};
    *rest = (struct mw_span){rest->data + size, rest->size - size};
    return true;
}

static bool take_length(struct mw_span *rest, uint32_t *number)
{
    size_t length = 0;
    size_t size = 0;
    if (mw_mqtt_length_read((const uint8_t *)rest->data, rest->size, &length, &size, NULL) !=
        MW_OK) {
        return false;
    }
    *number = (uint32_t)length;
    *rest = (struct mw_span){rest->data + size, rest->size - size};
    return true;
}

/* Takes a value of that kind: *number or *text (of a pair the key, and *value). */
static bool take_value(struct mw_span *rest, enum kind kind, uint32_t *number, struct mw_span *text,
                       struct mw_span *value)
{
    switch (kind) {
    case BYTE:
        return take_number(rest, 1, number);
    case TWO:
        return take_number(rest, 2, number);
    case FOUR:
        return take_number(rest, 4, number);
    case LENGTH:
        return take_length(rest, number);
    case TEXT:
        return take_bytes(rest, text) && mw_mqtt_text_ok(*text);
    case BYTES:
        return take_bytes(rest, text);
    case PAIR:
        return take_bytes(rest, text) && take_bytes(rest, value) && mw_mqtt_text_ok(*text) &&
               mw_mqtt_text_ok(*value);
    }
    return false;
}

static const struct row *find_row(uint8_t id)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].id == id) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Takes one property; NULL, or what is wrong with it. */
static const char *take_property(struct mw_span *rest, unsigned type,
                                 struct mw_mqtt_properties *properties)
{
    const struct row *row = find_row((uint8_t)rest->data[0]);
    if (row == NULL || (row->in & 1U << type) == 0) {
        return "property that has no place in this packet";
    }
    *rest = (struct mw_span){rest->data + 1, rest->size - 1};
    bool repeats = row->kind == PAIR || row->kind == LENGTH;
    if ((properties->given >> row->id & 1) != 0 && !repeats) {
        return "property is there twice";
    }
    properties->given |= (uint64_t)1 << row->id;
    uint32_t number = 0;
    struct mw_span text = {NULL, 0};
    struct mw_span value = {NULL, 0};
    if (!take_value(rest, row->kind, &number, &text, &value)) {
        return "property is malformed";
    }
    if (row->kind == PAIR) {
        return NULL;
    }
    if (row->kind == TEXT || row->kind == BYTES) {
        memcpy((char *)properties + row->at, &text, sizeof(text));
        return row->id == MW_MQTT_RESPONSE_TOPIC && !mw_mqtt_topic_ok(text)
                   ? "response topic is malformed"
                   : NULL;
    }
    memcpy((char *)properties + row->at, &number, sizeof(number));
    return number < row->least || number > row->most ? "property is out of its range" : NULL;
}

mw_err mw_mqtt_properties_decode(struct mw_span bytes, unsigned type,
                                 struct mw_mqtt_properties *properties, size_t *used,
                                 struct mw_why *why)
{
    size_t length = 0;
    size_t size = 0;
    *properties = (struct mw_mqtt_properties){0};
    mw_err err = mw_mqtt_length_read((const uint8_t *)bytes.data, bytes.size, &length, &size, why);
    if (err == MW_ERR_AGAIN || (err == MW_OK && length > bytes.size - size)) {
        return mw_fail(why, MW_ERR_PARSE, "properties go past the end of the packet", 0);
    }
    if (err != MW_OK) {
        return err;
    }
    properties->all = (struct mw_span){bytes.data + size, length};
    struct mw_span rest = properties->all;
    while (rest.size > 0) {
        size_t at = size + length - rest.size;
        const char *wrong = take_property(&rest, type, properties);
        if (wrong != NULL) {
            return mw_fail(why, MW_ERR_PARSE, wrong, at);
        }
    }
    *used = size + length;
    return MW_OK;
}

bool mw_mqtt_next_user_property(struct mw_span *rest, struct mw_span *key, struct mw_span *value)
{
    while (rest->size > 0) {
        const struct row *row = find_row((uint8_t)rest->data[0]);
        *rest = (struct mw_span){rest->data + 1, rest->size - 1};
        uint32_t number = 0;
        if (row == NULL || !take_value(rest, row->kind, &number, key, value)) {
            break; /* not for what was decoded */
        }
        if (row->kind == PAIR) {
            return true;
        }
    }
    return false;
}

/* --- encoding --- */

static mw_err add_bytes(struct mw_buffer *out, struct mw_span bytes)
{
    if (bytes.size > MW_MQTT_TEXT_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    const uint8_t size[] = {(uint8_t)(bytes.size >> 8), (uint8_t)(bytes.size & 0xff)};
    mw_err err = mw_buffer_add(out, size, 2);
    return err != MW_OK || bytes.size == 0 ? err : mw_buffer_add(out, bytes.data, bytes.size);
}

static mw_err add_id(struct mw_buffer *out, enum mw_mqtt_property id)
{
    const uint8_t byte = (uint8_t)id;
    return mw_buffer_add(out, &byte, 1);
}

static mw_err add_property(struct mw_buffer *out, enum mw_mqtt_property id, struct mw_span bytes)
{
    mw_err err = add_id(out, id);
    return err == MW_OK ? add_bytes(out, bytes) : err;
}

static mw_err add_user(struct mw_buffer *out, const struct mw_mqtt_pair *pair)
{
    if (!mw_mqtt_text_ok(pair->key) || !mw_mqtt_text_ok(pair->value)) {
        return MW_ERR_ARGUMENT;
    }
    mw_err err = add_property(out, MW_MQTT_USER_PROPERTY, pair->key);
    return err == MW_OK ? add_bytes(out, pair->value) : err;
}

static mw_err encode(struct mw_buffer *out, const struct mw_mqtt_about *about)
{
    mw_err err = MW_OK;
    if (about->text) {
        const uint8_t property[] = {MW_MQTT_PAYLOAD_FORMAT, 1};
        err = mw_buffer_add(out, property, sizeof(property));
    }
    if (err == MW_OK && about->expiry != 0) {
        const uint8_t property[] = {MW_MQTT_MESSAGE_EXPIRY, (uint8_t)(about->expiry >> 24),
                                    (uint8_t)(about->expiry >> 16), (uint8_t)(about->expiry >> 8),
                                    (uint8_t)about->expiry};
        err = mw_buffer_add(out, property, sizeof(property));
    }
    if (err == MW_OK && about->content_type != NULL) {
        struct mw_span text = mw_span_of(about->content_type);
        err =
            mw_mqtt_text_ok(text) ? add_property(out, MW_MQTT_CONTENT_TYPE, text) : MW_ERR_ARGUMENT;
    }
    if (err == MW_OK && about->response_topic != NULL) {
        struct mw_span text = mw_span_of(about->response_topic);
        err = mw_mqtt_topic_ok(text) ? add_property(out, MW_MQTT_RESPONSE_TOPIC, text)
                                     : MW_ERR_ARGUMENT;
    }
    if (err == MW_OK && about->correlation.size > 0) {
        err = add_property(out, MW_MQTT_CORRELATION, about->correlation);
    }
    for (size_t i = 0; i < about->user_n && err == MW_OK; i++) {
        err = add_user(out, &about->user[i]);
    }
    return err;
}

mw_err mw_mqtt_properties_encode(struct mw_buffer *out, const struct mw_mqtt_about *about)
{
    size_t size = out->size;
    mw_err err = encode(out, about);
    if (err != MW_OK && out->data != NULL) {
        out->size = size;
        out->data[size] = '\0';
    }
    return err;
}
