#include "lib/mqtt/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define LIMIT 100000

static void expect_bytes(struct mw_buffer *out, const char *bytes, size_t size)
{
    assert_int_equal(out->size, size);
    assert_memory_equal(out->data, bytes, size);
    mw_buffer_free(out);
}
#define EXPECT(out, text) expect_bytes((out), (text), sizeof(text) - 1)

static mw_err encode_publish(struct mw_buffer *out, struct mw_span topic, struct mw_span payload,
                             uint8_t qos, bool retain, uint16_t id)
{
    struct mw_mqtt_publish publish = {.version = MW_MQTT_VERSION_3_1_1,
                                      .topic = topic,
                                      .payload = payload,
                                      .qos = qos,
                                      .retain = retain,
                                      .id = id};
    return mw_mqtt_encode_publish(out, &publish);
}

static mw_err decode(struct mw_span bytes, struct mw_mqtt_packet *packet, size_t *used,
                     struct mw_why *why)
{
    return mw_mqtt_decode(bytes, MW_MQTT_VERSION_3_1_1, LIMIT, packet, used, why);
}

static void test_encodes_connect(void **state)
{
    (void)state;
    struct mw_buffer out = {0};
    struct mw_mqtt_connect bare = {
        .version = MW_MQTT_VERSION_3_1_1, .client_id = "a", .keepalive = 30, .clean_session = true};
    assert_int_equal(mw_mqtt_encode_connect(&out, &bare), MW_OK);
    EXPECT(&out, "\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01"
                 "a");
    struct mw_mqtt_connect whole = {.version = MW_MQTT_VERSION_3_1_1,
                                    .client_id = "id",
                                    .username = "u",
                                    .password = "pw",
                                    .will_topic = "w",
                                    .will_payload = "gone",
                                    .keepalive = 258};
    assert_int_equal(mw_mqtt_encode_connect(&out, &whole), MW_OK);
    EXPECT(&out, "\x10\x1e\x00\x04MQTT\x04\xcc\x01\x02\x00\x02id\x00\x01w\x00\x04gone\x00\x01u"
                 "\x00\x02pw");
    whole.will_retain = true;
    whole.will_payload = "a\0b";
    whole.will_size = 3;
    assert_int_equal(mw_mqtt_encode_connect(&out, &whole), MW_OK);
    EXPECT(&out, "\x10\x1d\x00\x04MQTT\x04\xec\x01\x02\x00\x02id\x00\x01w\x00\x03"
                 "a\x00"
                 "b\x00\x01u\x00\x02pw");
    whole.username = NULL; /* a password alone is not allowed */
    whole.will_topic = whole.will_payload = NULL;
    assert_int_equal(mw_mqtt_encode_connect(&out, &whole), MW_OK);
    EXPECT(&out, "\x10\x0e\x00\x04MQTT\x04\x00\x01\x02\x00\x02id");
}

static void test_encodes_the_rest(void **state)
{
    (void)state;
    struct mw_buffer out = {0};
    assert_int_equal(encode_publish(&out, mw_span_of("a/b"), mw_span_of("hi"), 0, true, 0), MW_OK);
    EXPECT(&out, "\x31\x07\x00\x03"
                 "a/bhi");
    assert_int_equal(
        encode_publish(&out, mw_span_of("a"), (struct mw_span){NULL, 0}, 1, false, 513), MW_OK);
    EXPECT(&out, "\x32\x05\x00\x01"
                 "a\x02\x01");
    assert_int_equal(mw_mqtt_encode_puback(&out, 0xabcd), MW_OK);
    EXPECT(&out, "\x40\x02\xab\xcd");
    assert_int_equal(mw_mqtt_encode_subscribe(&out, MW_MQTT_VERSION_3_1_1, 7, mw_span_of("x/#"),
                                              1 | MW_MQTT_NO_LOCAL),
                     MW_OK);
    EXPECT(&out, "\x82\x08\x00\x07\x00\x03x/#\x01");
    assert_int_equal(mw_mqtt_encode_ping(&out), MW_OK);
    EXPECT(&out, "\xc0\x00");
    assert_int_equal(mw_mqtt_encode_disconnect(&out, MW_MQTT_VERSION_3_1_1, MW_MQTT_MALFORMED),
                     MW_OK);
    EXPECT(&out, "\xe0\x00");
}

static void test_refuses_to_encode_what_is_too_long(void **state)
{
    (void)state;
    struct mw_buffer out = {0};
    char *text = malloc(65537);
    assert_non_null(text);
    memset(text, 'a', 65536);
    text[65536] = '\0';
    struct mw_mqtt_connect connect = {.client_id = text};
    assert_int_equal(mw_mqtt_encode_connect(&out, &connect), MW_ERR_TOO_LARGE);
    assert_int_equal(mw_mqtt_encode_subscribe(&out, MW_MQTT_VERSION_5, 1, mw_span_of(text), 0),
                     MW_ERR_TOO_LARGE);
    assert_int_equal(encode_publish(&out, mw_span_of("t"), (struct mw_span){text, MW_MQTT_BODY_MAX},
                                    0, false, 0),
                     MW_ERR_TOO_LARGE);
    assert_int_equal(out.size, 0);
    free(text);
}

/* Lengths at each border of the encoding survive the way there and back, and any shorter prefix
 * asks for more. */
static void test_publish_round_trip(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 121, 122, 123, 16376, 16377, 16378, 90000};
    char *payload = malloc(90000);
    assert_non_null(payload);
    for (size_t i = 0; i < 90000; i++) {
        payload[i] = (char)(i * 7);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct mw_buffer out = {0};
        struct mw_mqtt_packet packet;
        struct mw_why why = {0};
        struct mw_span sent = {payload, sizes[i]};
        size_t used = 0;
        assert_int_equal(encode_publish(&out, mw_span_of("t"), sent, 1, true, 9), MW_OK);
        struct mw_span bytes = {out.data, out.size};
        assert_int_equal(decode(bytes, &packet, &used, &why), MW_OK);
        assert_int_equal(used, out.size);
        assert_int_equal(packet.type, MW_MQTT_PUBLISH);
        assert_true(mw_span_is(packet.topic, "t"));
        assert_true(mw_span_equal(packet.payload, sent));
        assert_int_equal(packet.id, 9);
        assert_int_equal(packet.qos, 1);
        assert_true(packet.retained && !packet.duplicate && packet.cut == 0);
        size_t step = out.size / 50 + 1;
        for (bytes.size = 0; bytes.size < out.size; bytes.size += step) {
            assert_int_equal(decode(bytes, &packet, &used, &why), MW_ERR_AGAIN);
            assert_int_equal(used, 0);
        }
        mw_buffer_free(&out);
    }
    free(payload);
}

static void test_cuts_what_is_over_the_limit(void **state)
{
    (void)state;
    char *payload = calloc(1, 300000);
    assert_non_null(payload);
    struct mw_buffer out = {0};
    struct mw_mqtt_packet packet;
    size_t used = 0;
    assert_int_equal(
        encode_publish(&out, mw_span_of("topic"), (struct mw_span){payload, 300000}, 1, false, 9),
        MW_OK);
    struct mw_span first = {out.data, LIMIT + 4}; /* head of four bytes */
    assert_int_equal(decode(first, &packet, &used, NULL), MW_OK);
    assert_int_equal(used, LIMIT + 4);
    assert_int_equal(packet.payload.size, LIMIT - 9);
    assert_int_equal(packet.payload.size + packet.cut, 300000);
    assert_int_equal(packet.id, 9);
    mw_buffer_free(&out);
    free(payload);
}

struct sample {
    const char *name, *bytes;
    size_t size;
    mw_err err;
};
#define SAMPLE(name, bytes, err)            \
    {                                       \
        name, bytes, sizeof(bytes) - 1, err \
    }

static void test_decodes_strictly(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        SAMPLE("CONNACK", "\x20\x02\x01\x00", MW_OK),
        SAMPLE("CONNACK refused", "\x20\x02\x00\x05", MW_OK),
        SAMPLE("PUBACK", "\x40\x02\x00\x01", MW_OK),
        SAMPLE("SUBACK", "\x90\x03\x00\x01\x80", MW_OK),
        SAMPLE("PINGRESP", "\xd0\x00", MW_OK),
        SAMPLE("no bytes", "", MW_ERR_AGAIN),
        SAMPLE("length goes on", "\x30\xff\xff\xff", MW_ERR_AGAIN),
        SAMPLE("length of five bytes", "\x30\xff\xff\xff\xff\x01", MW_ERR_PARSE),
        SAMPLE("length with needless bytes", "\x20\x82\x00\x00\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK flags", "\x21\x02\x00\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK reserved", "\x20\x02\x02\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK code", "\x20\x02\x00\x06", MW_ERR_PARSE),
        SAMPLE("CONNACK refused with a session", "\x20\x02\x01\x05", MW_ERR_PARSE),
        SAMPLE("CONNACK short", "\x20\x01\x00", MW_ERR_PARSE),
        SAMPLE("PUBACK 0", "\x40\x02\x00\x00", MW_ERR_PARSE),
        SAMPLE("PUBACK long", "\x40\x03\x00\x01\x00", MW_ERR_PARSE),
        SAMPLE("SUBACK code", "\x90\x03\x00\x01\x03", MW_ERR_PARSE),
        SAMPLE("PINGRESP long", "\xd0\x01\x00", MW_ERR_PARSE),
        SAMPLE("DISCONNECT", "\xe0\x00", MW_ERR_PARSE),
        SAMPLE("type 0", "\x00\x00", MW_ERR_PARSE),
        SAMPLE("CONNECT", "\x10\x00", MW_ERR_PARSE),
        SAMPLE("SUBSCRIBE", "\x82\x00", MW_ERR_PARSE),
        SAMPLE("PUBREL", "\x62\x02\x00\x01", MW_ERR_PARSE),
        SAMPLE("type 15", "\xf0\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH at QoS 2", "\x34\x05\x00\x01t\x00\x01", MW_ERR_PARSE),
        SAMPLE("PUBLISH at QoS 3", "\x36\x05\x00\x01t\x00\x01", MW_ERR_PARSE),
        SAMPLE("PUBLISH duplicate at QoS 0", "\x38\x03\x00\x01t", MW_ERR_PARSE),
        SAMPLE("PUBLISH empty", "\x30\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH without a topic", "\x30\x02\x00\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH topic past the end", "\x30\x03\x00\x02t", MW_ERR_PARSE),
        SAMPLE("PUBLISH without its identifier", "\x32\x04\x00\x01t\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH identifier 0", "\x32\x05\x00\x01t\x00\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH wildcard", "\x30\x03\x00\x01#", MW_ERR_PARSE),
        SAMPLE("PUBLISH NUL in topic", "\x30\x04\x00\x02t\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH bad UTF-8", "\x30\x04\x00\x02\xc3(", MW_ERR_PARSE),
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct mw_mqtt_packet packet;
        struct mw_why why = {0};
        size_t used = 99;
        struct mw_span bytes = {samples[i].bytes, samples[i].size};
        mw_err err = decode(bytes, &packet, &used, &why);
        if (err != samples[i].err) {
            fail_msg("%s: %s", samples[i].name, mw_err_text(err));
        }
        assert_int_equal(used, err == MW_OK ? samples[i].size : 0);
        assert_int_equal(why.text != NULL, err == MW_ERR_PARSE);
    }
}

/* --- version 5 --- */

static void test_encodes_version_5(void **state)
{
    (void)state;
    struct mw_buffer out = {0};
    struct mw_mqtt_connect connect = {.version = MW_MQTT_VERSION_5,
                                      .client_id = "a",
                                      .username = "u",
                                      .will_topic = "w",
                                      .will_payload = "",
                                      .keepalive = 30,
                                      .session_expiry = 0xffffffff,
                                      .receive_maximum = 300,
                                      .topic_alias_maximum = 32};
    assert_int_equal(mw_mqtt_encode_connect(&out, &connect), MW_OK);
    EXPECT(&out, "\x10\x22\x00\x04MQTT\x05\x8c\x00\x1e\x0b\x11\xff\xff\xff\xff\x21\x01\x2c\x22\x00 "
                 "\x00\x01"
                 "a\x00\x00\x01w\x00\x00\x00\x01u");
    struct mw_mqtt_connect bare = {
        .version = MW_MQTT_VERSION_5, .client_id = "", .clean_session = true};
    assert_int_equal(mw_mqtt_encode_connect(&out, &bare), MW_OK);
    EXPECT(&out, "\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00");
    assert_int_equal(mw_mqtt_encode_subscribe(&out, MW_MQTT_VERSION_5, 7, mw_span_of("x/#"),
                                              1 | MW_MQTT_NO_LOCAL | MW_MQTT_RETAIN_NEVER),
                     MW_OK);
    EXPECT(&out, "\x82\x09\x00\x07\x00\x00\x03x/#\x25");
    assert_int_equal(mw_mqtt_encode_disconnect(&out, MW_MQTT_VERSION_5, MW_MQTT_SUCCESS), MW_OK);
    EXPECT(&out, "\xe0\x00");
    assert_int_equal(mw_mqtt_encode_disconnect(&out, MW_MQTT_VERSION_5, MW_MQTT_MALFORMED), MW_OK);
    EXPECT(&out, "\xe0\x01\x81");
}

static void test_properties_round_trip(void **state)
{
    (void)state;
    const struct mw_mqtt_pair user[] = {{mw_span_of("key"), mw_span_of("value")},
                                        {mw_span_of("key"), mw_span_of("")}};
    const struct mw_mqtt_about about = {.content_type = "application/json",
                                        .response_topic = "to/me",
                                        .correlation = {"\x00\x01", 2},
                                        .expiry = 70000,
                                        .text = true,
                                        .user = user,
                                        .user_n = 2};
    struct mw_buffer properties = {0};
    struct mw_buffer out = {0};
    assert_int_equal(mw_mqtt_properties_encode(&properties, &about), MW_OK);
    for (uint16_t alias = 0; alias < 8; alias = (uint16_t)(alias + 7)) {
        struct mw_mqtt_publish publish = {.version = MW_MQTT_VERSION_5,
                                          .qos = 1,
                                          .id = 9,
                                          .alias = alias,
                                          .topic = mw_span_of(alias == 0 ? "t" : ""),
                                          .properties = {properties.data, properties.size},
                                          .payload = mw_span_of("{}")};
        assert_int_equal(mw_mqtt_encode_publish(&out, &publish), MW_OK);
        struct mw_mqtt_packet packet;
        size_t used = 0;
        struct mw_span bytes = {out.data, out.size};
        assert_int_equal(mw_mqtt_decode(bytes, MW_MQTT_VERSION_5, LIMIT, &packet, &used, NULL),
                         MW_OK);
        assert_int_equal(used, out.size);
        const struct mw_mqtt_properties *found = &packet.properties;
        assert_true(mw_span_equal(packet.topic, publish.topic));
        assert_true(mw_span_is(packet.payload, "{}"));
        assert_int_equal(found->topic_alias, alias);
        assert_int_equal(found->message_expiry, 70000);
        assert_int_equal(found->payload_format, 1);
        assert_true(mw_span_is(found->content_type, "application/json"));
        assert_true(mw_span_is(found->response_topic, "to/me"));
        assert_true(mw_span_equal(found->correlation, about.correlation));
        assert_true(mw_mqtt_has_property(found, MW_MQTT_USER_PROPERTY));
        assert_false(mw_mqtt_has_property(found, MW_MQTT_REASON));
        struct mw_span rest = found->all;
        for (size_t i = 0; i < 2; i++) {
            struct mw_span key;
            struct mw_span value;
            assert_true(mw_mqtt_next_user_property(&rest, &key, &value));
            assert_true(mw_span_equal(key, user[i].key) && mw_span_equal(value, user[i].value));
        }
        struct mw_span none;
        assert_false(mw_mqtt_next_user_property(&rest, &none, &none));
        mw_buffer_free(&out);
    }
    size_t before = properties.size;
    const struct mw_mqtt_about wrong = {.content_type = "ok", .response_topic = "a/#"};
    assert_int_equal(mw_mqtt_properties_encode(&properties, &wrong), MW_ERR_ARGUMENT);
    assert_int_equal(properties.size, before);
    mw_buffer_free(&properties);
}

static void test_decodes_version_5_strictly(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        SAMPLE("CONNACK", "\x20\x03\x00\x00\x00", MW_OK),
        SAMPLE(
            "CONNACK with all",
            "\x20\x28\x01\x00\x25\x11\x00\x00\x00\x0a\x12\x00\x01g\x13\x00\x3c\x1f\x00\x01r\x21\x00"
            "\x14\x22\x00\x0a\x24\x01\x25\x01\x27\x00\x00\x10\x00\x28\x01\x29\x00\x2a\x01",
            MW_OK),
        SAMPLE("CONNACK of 3.1.1", "\x20\x02\x00\x01", MW_OK),
        SAMPLE("CONNACK of 3.1.1 accepts", "\x20\x02\x00\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK code", "\x20\x03\x00\x01\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK refused with a session", "\x20\x03\x01\x87\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK goes on", "\x20\x04\x00\x00\x00\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK receive maximum 0", "\x20\x06\x00\x00\x03\x21\x00\x00", MW_ERR_PARSE),
        SAMPLE("CONNACK QoS 2 at most", "\x20\x05\x00\x00\x02\x24\x02", MW_ERR_PARSE),
        SAMPLE("CONNACK property twice", "\x20\x07\x00\x00\x04\x24\x01\x24\x01", MW_ERR_PARSE),
        SAMPLE("CONNACK content type", "\x20\x07\x00\x00\x04\x03\x00\x01t", MW_ERR_PARSE),
        SAMPLE("CONNACK authentication", "\x20\x07\x00\x00\x04\x15\x00\x01m", MW_ERR_PARSE),
        SAMPLE("CONNACK cut text", "\x20\x06\x00\x00\x03\x12\x00\x01", MW_ERR_PARSE),
        SAMPLE("PUBACK", "\x40\x02\x00\x01", MW_OK),
        SAMPLE("PUBACK with a code", "\x40\x03\x00\x01\x10", MW_OK),
        SAMPLE("PUBACK with a reason", "\x40\x0a\x00\x01\x97\x06\x1f\x00\x03low", MW_OK),
        SAMPLE("PUBACK code", "\x40\x03\x00\x01\x01", MW_ERR_PARSE),
        SAMPLE("PUBACK goes on", "\x40\x05\x00\x01\x00\x00\x00", MW_ERR_PARSE),
        SAMPLE("SUBACK", "\x90\x04\x00\x01\x00\x01", MW_OK),
        SAMPLE("SUBACK refused", "\x90\x04\x00\x01\x00\x87", MW_OK),
        SAMPLE("SUBACK of 3.1.1", "\x90\x03\x00\x01\x00", MW_ERR_PARSE),
        SAMPLE("SUBACK two codes", "\x90\x05\x00\x01\x00\x01\x01", MW_ERR_PARSE),
        SAMPLE("DISCONNECT", "\xe0\x00", MW_OK),
        SAMPLE("DISCONNECT with a code", "\xe0\x01\x8e", MW_OK),
        SAMPLE("DISCONNECT moved", "\xe0\x06\x9d\x04\x1c\x00\x01h", MW_OK),
        SAMPLE("DISCONNECT code", "\xe0\x01\x04", MW_ERR_PARSE),
        SAMPLE("AUTH", "\xf0\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH", "\x30\x05\x00\x01t\x00x", MW_OK),
        SAMPLE("PUBLISH without properties", "\x30\x03\x00\x01t", MW_ERR_PARSE),
        SAMPLE("PUBLISH alias", "\x30\x06\x00\x00\x03\x23\x00\x01", MW_OK),
        SAMPLE("PUBLISH alias 0", "\x30\x06\x00\x00\x03\x23\x00\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH of nothing", "\x30\x03\x00\x00\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH properties past the end", "\x30\x05\x00\x01t\x02\x01", MW_ERR_PARSE),
        SAMPLE("PUBLISH property cut", "\x30\x05\x00\x01t\x01\x01", MW_ERR_PARSE),
        SAMPLE("PUBLISH unknown property", "\x30\x06\x00\x01t\x02\x7f\x00", MW_ERR_PARSE),
        SAMPLE("PUBLISH format", "\x30\x06\x00\x01t\x02\x01\x02", MW_ERR_PARSE),
        SAMPLE("PUBLISH user property bad UTF-8", "\x30\x0b\x00\x01t\x07&\x00\x01\xff\x00\x01v",
               MW_ERR_PARSE),
        SAMPLE("PUBLISH response wildcard", "\x30\x08\x00\x01t\x04\x08\x00\x01#", MW_ERR_PARSE),
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct mw_mqtt_packet packet;
        struct mw_why why = {0};
        size_t used = 99;
        struct mw_span bytes = {samples[i].bytes, samples[i].size};
        mw_err err = mw_mqtt_decode(bytes, MW_MQTT_VERSION_5, LIMIT, &packet, &used, &why);
        if (err != samples[i].err) {
            fail_msg("%s: %s", samples[i].name, mw_err_text(err));
        }
        assert_int_equal(used, err == MW_OK ? samples[i].size : 0);
        assert_int_equal(why.text != NULL, err == MW_ERR_PARSE);
    }
}

/* Codes of 3.1.1 are given as those of 5 that mean the same, and have words. */
static void test_reasons(void **state)
{
    (void)state;
    struct mw_mqtt_packet packet;
    size_t used = 0;
    struct mw_span refused = {"\x20\x02\x00\x05", 4};
    assert_int_equal(decode(refused, &packet, &used, NULL), MW_OK);
    assert_string_equal(mw_mqtt_reason_text(packet.code), "not authorised");
    struct mw_span old = {"\x20\x02\x00\x01", 4};
    assert_int_equal(mw_mqtt_decode(old, MW_MQTT_VERSION_5, LIMIT, &packet, &used, NULL), MW_OK);
    assert_int_equal(packet.code, MW_MQTT_VERSION_UNSUPPORTED);
    assert_string_equal(mw_mqtt_reason_text(0x70), "unknown reason");
}

/* Properties have to be within the limit: only a payload is cut. */
static void test_properties_over_the_limit(void **state)
{
    (void)state;
    char *value = malloc(LIMIT);
    assert_non_null(value);
    memset(value, 'v', LIMIT);
    struct mw_mqtt_pair user[] = {{mw_span_of("k"), {value, 60000}},
                                  {mw_span_of("k"), {value, 60000}}};
    struct mw_mqtt_about about = {.user = user, .user_n = 1};
    for (about.user_n = 1; about.user_n <= 2; about.user_n++) {
        struct mw_buffer properties = {0};
        struct mw_buffer out = {0};
        assert_int_equal(mw_mqtt_properties_encode(&properties, &about), MW_OK);
        struct mw_mqtt_publish publish = {.version = MW_MQTT_VERSION_5,
                                          .topic = mw_span_of("t"),
                                          .properties = {properties.data, properties.size},
                                          .payload = {value, 90000}};
        assert_int_equal(mw_mqtt_encode_publish(&out, &publish), MW_OK);
        struct mw_mqtt_packet packet;
        size_t used = 0;
        struct mw_span bytes = {out.data, out.size};
        mw_err err = mw_mqtt_decode(bytes, MW_MQTT_VERSION_5, LIMIT, &packet, &used, NULL);
        assert_int_equal(err, about.user_n == 1 ? MW_OK : MW_ERR_PARSE);
        if (err == MW_OK) {
            assert_int_equal(packet.payload.size + packet.cut, 90000);
        }
        mw_buffer_free(&properties);
        mw_buffer_free(&out);
    }
    free(value);
}

static void test_topics_and_filters(void **state)
{
    (void)state;
    const char *const topics[] = {"a", "/", "a//b", "mw/plant/telemetry/motor-7",
                                  "\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x94\xa7"};
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        assert_true(mw_mqtt_topic_ok(mw_span_of(topics[i])));
        assert_true(mw_mqtt_filter_ok(mw_span_of(topics[i])));
    }
    const char *const filters[] = {"#",  "+",       "a/#",        "+/+",
                                   "/+", "a/+/b/#", "$share/g/#", "$share/g/a/+"};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        assert_false(mw_mqtt_topic_ok(mw_span_of(filters[i])));
        assert_true(mw_mqtt_filter_ok(mw_span_of(filters[i])));
    }
    assert_true(mw_mqtt_filter_shared(mw_span_of("$share/g/#")));
    assert_false(mw_mqtt_filter_shared(mw_span_of("$shared/g/#")));
    assert_false(mw_mqtt_filter_shared(mw_span_of("a")));
    const char *const groups[] = {"$share/",    "$share/g",    "$share/g/",  "$share//a",
                                  "$share/+/a", "$share/g#/a", "$share/g/a#"};
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        assert_false(mw_mqtt_filter_ok(mw_span_of(groups[i])));
    }
    const char *const wrong[] = {"",
                                 "a#",
                                 "#/a",
                                 "a+",
                                 "+a",
                                 "a/#/b",
                                 "\x80",
                                 "\xc0\xaf",
                                 "\xe0\x80\xaf",
                                 "\xed\xa0\x80",
                                 "\xf4\x90\x80\x80",
                                 "\xe2\x82"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(mw_mqtt_topic_ok(mw_span_of(wrong[i])));
        assert_false(mw_mqtt_filter_ok(mw_span_of(wrong[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodes_connect),
        cmocka_unit_test(test_encodes_the_rest),
        cmocka_unit_test(test_refuses_to_encode_what_is_too_long),
        cmocka_unit_test(test_publish_round_trip),
        cmocka_unit_test(test_cuts_what_is_over_the_limit),
        cmocka_unit_test(test_decodes_strictly),
        cmocka_unit_test(test_encodes_version_5),
        cmocka_unit_test(test_properties_round_trip),
        cmocka_unit_test(test_decodes_version_5_strictly),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_properties_over_the_limit),
        cmocka_unit_test(test_topics_and_filters),
    };
    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
