/* Fuzzes the MQTT packet decoder as the client uses it (a stream of packets, cut where it is over
 * the limit), the checks of topics and filters, and the broker's address. */
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

/* What was decoded whole has to encode to the bytes that it came from. */
static void check_publish(const struct mw_mqtt_packet *packet, const uint8_t *bytes, size_t used)
{
    require(mw_mqtt_topic_ok(packet->topic) && mw_mqtt_filter_ok(packet->topic));
    if (packet->cut > 0) {
        return;
    }
    struct mw_buffer out = {0};
    require(mw_mqtt_encode_publish(&out, packet->topic, packet->payload, packet->qos,
                                   packet->retained, packet->id) == MW_OK);
    if (packet->duplicate) {
        out.data[0] = (char)(out.data[0] | MW_MQTT_DUPLICATE);
    }
    require(out.size == used && memcmp(out.data, bytes, used) == 0);
    if (packet->qos == 1) {
        size_t at = mw_mqtt_publish_id_at(bytes, used);
        require(at + 1 < used && ((bytes[at] << 8) | bytes[at + 1]) == packet->id);
    }
    mw_buffer_free(&out);
}

static void decode_stream(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        struct mw_mqtt_packet packet;
        struct mw_why why = {0};
        size_t used = 0;
        struct mw_span rest = {(const char *)data + at, size - at};
        mw_err err = mw_mqtt_decode(rest, LIMIT, &packet, &used, &why);
        if (err != MW_OK) {
            require(used == 0 &&
                    (err == MW_ERR_AGAIN || (err == MW_ERR_PARSE && why.text != NULL)));
            return;
        }
        require(used >= 2 && used <= rest.size);
        if (packet.type == MW_MQTT_PUBLISH) {
            check_publish(&packet, data + at, used);
        }
        at += used;
        at += packet.cut < size - at ? packet.cut : size - at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_stream(data, size);
    struct mw_span text = {(const char *)data, size};
    if (mw_mqtt_topic_ok(text)) {
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
