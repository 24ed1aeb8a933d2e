/* Fuzzes the MQTT packet decoder as the client uses it (a stream of packets, cut where it is over
 * the limit) in both versions, the properties, the checks of topics and filters, and the broker's
 * address. */
#include "lib/mqtt/packet.h"
#include "lib/mqtt/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 65539

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* The properties but for the topic alias, which is encoded first. */
static struct mw_span copy_properties(const struct mw_mqtt_packet *packet, struct mw_buffer *copy)
{
    struct mw_span all = packet->properties.all;
    static const char alias[] = {MW_MQTT_TOPIC_ALIAS};
    bool first = packet->properties.topic_alias != 0 && all.data[0] == alias[0];
    struct mw_span rest = first ? (struct mw_span){all.data + 3, all.size - 3} : all;
    require(rest.size == 0 || mw_buffer_add(copy, rest.data, rest.size) == MW_OK);
    return (struct mw_span){copy->data, copy->size};
}

/* User properties are where they were verified, each within the whole. */
static void check_properties(const struct mw_mqtt_properties *properties)
{
    struct mw_span rest = properties->all;
    struct mw_span key;
    struct mw_span value;
    size_t n = 0;
    while (mw_mqtt_next_user_property(&rest, &key, &value)) {
        require(mw_mqtt_text_ok(key) && mw_mqtt_text_ok(value));
        n++;
    }
    require((n > 0) == mw_mqtt_has_property(properties, MW_MQTT_USER_PROPERTY));
    require(rest.size == 0);
}

/* What was decoded whole has to encode to the bytes that it came from; a topic alias only when it
 * is the first property. */
static void check_publish(const struct mw_mqtt_packet *packet, enum mw_mqtt_version version,
                          const uint8_t *bytes, size_t used)
{
    bool alias = packet->properties.topic_alias != 0;
    require(mw_mqtt_topic_ok(packet->topic) || (alias && packet->topic.size == 0));
    if (packet->cut > 0 || (alias && packet->properties.all.data[0] != MW_MQTT_TOPIC_ALIAS)) {
        return;
    }
    struct mw_buffer properties = {0};
    struct mw_buffer out = {0};
    struct mw_mqtt_publish publish = {
        .version = version,
        .qos = packet->qos,
        .retain = packet->retained,
        .duplicate = packet->duplicate,
        .id = packet->id,
        .alias = (uint16_t)packet->properties.topic_alias,
        .topic = packet->topic,
        .properties = copy_properties(packet, &properties),
        .payload = packet->payload,
    };
    require(mw_mqtt_encode_publish(&out, &publish) == MW_OK);
    require(out.size == used && memcmp(out.data, bytes, used) == 0);
    mw_buffer_free(&out);
    mw_buffer_free(&properties);
}

static void decode_stream(enum mw_mqtt_version version, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        struct mw_mqtt_packet packet;
        struct mw_why why = {0};
        size_t used = 0;
        struct mw_span rest = {(const char *)data + at, size - at};
        mw_err err = mw_mqtt_decode(rest, version, LIMIT, &packet, &used, &why);
        if (err != MW_OK) {
            require(used == 0 &&
                    (err == MW_ERR_AGAIN || (err == MW_ERR_PARSE && why.text != NULL)));
            return;
        }
        require(used >= 2 && used <= rest.size);
        require(mw_mqtt_reason_text(packet.code) != NULL);
        check_properties(&packet.properties);
        if (packet.type == MW_MQTT_PUBLISH) {
            check_publish(&packet, version, data + at, used);
        }
        at += used;
        at += packet.cut < size - at ? packet.cut : size - at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_stream(MW_MQTT_VERSION_3_1_1, data, size);
    decode_stream(MW_MQTT_VERSION_5, data, size);
    struct mw_span text = {(const char *)data, size};
    if (mw_mqtt_topic_ok(text) && memcmp(data, "$share", size < 6 ? size : 6) != 0) {
        require(mw_mqtt_filter_ok(text));
    }
    char url[512];
    if (size < sizeof(url)) {
        struct mw_mqtt_url parsed;
        if (size > 0) {
            memcpy(url, data, size);
        }
        url[size] = '\0';
        if (mw_mqtt_url_parse(&parsed, url, NULL) == MW_OK) {
            require(parsed.host[0] != '\0' && atoi(parsed.port) > 0);
        }
    }
    return 0;
}
