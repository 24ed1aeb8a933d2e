#include "lib/mqtt/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

static const struct mw_mqtt_terms old_terms = {.version = MW_MQTT_VERSION_3_1_1,
                                               .window = MW_MQTT_WINDOW,
                                               .largest = SIZE_MAX,
                                               .retain = true};

static void add(struct mw_mqtt_outbox *outbox, const char *text, uint8_t qos)
{
    assert_int_equal(mw_mqtt_outbox_add(outbox, mw_span_of("t"), (struct mw_span){NULL, 0},
                                        mw_span_of(text), qos, false),
                     MW_OK);
}

/* "Writes" all that is gathered, in pieces of `step` bytes, and prints what a broker would read:
 * payload, identifier for QoS 1, ! for a duplicate. */
static void drain(struct mw_mqtt_outbox *outbox, size_t step, char *text, size_t capacity)
{
    struct mw_buffer wire = {0};
    struct iovec pieces[3];
    for (size_t n = 1; n > 0;) {
        n = mw_mqtt_outbox_gather(outbox, pieces, 3);
        size_t left = step;
        size_t written = 0;
        for (size_t i = 0; i < n && left > 0; i++) {
            size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
            assert_int_equal(mw_buffer_add(&wire, pieces[i].iov_base, part), MW_OK);
            left -= part;
            written += part;
        }
        mw_mqtt_outbox_advance(outbox, written);
    }
    size_t length = 0;
    text[0] = '\0';
    for (size_t at = 0; at < wire.size;) {
        struct mw_mqtt_packet packet;
        size_t used = 0;
        struct mw_span rest = {wire.data + at, wire.size - at};
        assert_int_equal(mw_mqtt_decode(rest, outbox->terms.version, 100000, &packet, &used, NULL),
                         MW_OK);
        length += (size_t)snprintf(text + length, capacity - length, "%.*s",
                                   (int)packet.payload.size, packet.payload.data);
        if (packet.qos > 0) {
            length += (size_t)snprintf(text + length, capacity - length, "%u%s", packet.id,
                                       packet.duplicate ? "!" : "");
        }
        length += (size_t)snprintf(text + length, capacity - length, " ");
        at += used;
    }
    mw_buffer_free(&wire);
}

static void expect(struct mw_mqtt_outbox *outbox, size_t step, const char *wanted)
{
    char text[256];
    drain(outbox, step, text, sizeof(text));
    assert_string_equal(text, wanted);
}

static void test_order_and_acknowledgement(void **state)
{
    (void)state;
    for (size_t step = 1; step < 60; step += 7) {
        struct mw_mqtt_outbox outbox = {.terms = old_terms};
        add(&outbox, "a", 1);
        add(&outbox, "b", 0);
        add(&outbox, "c", 1);
        add(&outbox, "d", 1);
        expect(&outbox, step, "a1 b c2 d3 ");
        assert_int_equal(outbox.unacknowledged, 3);
        mw_mqtt_outbox_acknowledge(&outbox, 2); /* not in order */
        mw_mqtt_outbox_acknowledge(&outbox, 2);
        mw_mqtt_outbox_acknowledge(&outbox, 77);
        assert_int_equal(outbox.unacknowledged, 2);
        mw_mqtt_outbox_acknowledge(&outbox, 1);
        mw_mqtt_outbox_acknowledge(&outbox, 3);
        assert_int_equal(outbox.bytes, 0);
        assert_int_equal(outbox.head, outbox.tail);
        expect(&outbox, step, "");
        mw_mqtt_outbox_free(&outbox);
    }
}

static void test_restart_sends_again(void **state)
{
    (void)state;
    struct mw_mqtt_outbox outbox = {.terms = old_terms};
    add(&outbox, "a", 1);
    add(&outbox, "b", 1);
    add(&outbox, "c", 0);
    expect(&outbox, 100, "a1 b2 c ");
    mw_mqtt_outbox_acknowledge(&outbox, 1);
    add(&outbox, "d", 0); /* at QoS 0 a loss drops it */
    add(&outbox, "e", 1);
    mw_mqtt_outbox_restart(&outbox);
    add(&outbox, "f", 1);
    expect(&outbox, 100, "b2! e3 f4 ");
    mw_mqtt_outbox_restart(&outbox);
    mw_mqtt_outbox_acknowledge(&outbox,
                               2); /* of the old connection: it goes out again all the same */
    expect(&outbox, 100, "b2! e3! f4! ");
    mw_mqtt_outbox_free(&outbox);
}

static void test_loss_in_the_middle_of_a_packet(void **state)
{
    (void)state;
    struct mw_mqtt_outbox outbox = {.terms = old_terms};
    struct iovec piece;
    add(&outbox, "a", 1);
    assert_int_equal(mw_mqtt_outbox_gather(&outbox, &piece, 1), 1);
    mw_mqtt_outbox_advance(&outbox, 3);
    mw_mqtt_outbox_restart(&outbox);
    expect(&outbox, 100, "a1! ");
    assert_int_equal(outbox.unacknowledged, 1);
    mw_mqtt_outbox_acknowledge(&outbox, 1);
    assert_int_equal(outbox.bytes, 0);
    mw_mqtt_outbox_free(&outbox);
}

static void test_window_and_identifiers(void **state)
{
    (void)state;
    static struct mw_mqtt_outbox outbox;
    static struct iovec pieces[70000];
    mw_mqtt_outbox_begin(&outbox, &old_terms);
    for (int i = 0; i < 70000; i++) {
        add(&outbox, "x", 1);
    }
    size_t n = mw_mqtt_outbox_gather(&outbox, pieces, 70000);
    assert_int_equal(n, MW_MQTT_WINDOW);
    mw_mqtt_outbox_advance(&outbox, n * pieces[0].iov_len);
    assert_int_equal(mw_mqtt_outbox_gather(&outbox, pieces, 70000), 0);
    for (unsigned id = 2; id <= MW_MQTT_WINDOW; id++) { /* the first one's never comes */
        mw_mqtt_outbox_acknowledge(&outbox, (uint16_t)id);
    }
    for (unsigned round = 0; round < 5; round++) { /* once around all identifiers */
        n = mw_mqtt_outbox_gather(&outbox, pieces, 70000);
        mw_mqtt_outbox_advance(&outbox, n * pieces[0].iov_len);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *packet = pieces[i].iov_base; /* freed by its own acknowledgement only */
            uint16_t id = (uint16_t)((packet[5] << 8) | packet[6]);
            assert_true(id > 1); /* neither 0 nor the one that is still out */
            mw_mqtt_outbox_acknowledge(&outbox, id);
        }
    }
    assert_int_equal(outbox.unacknowledged, 1);
    assert_int_equal(outbox.next, outbox.tail);
    mw_mqtt_outbox_free(&outbox);
}

/* Prints topic, alias, properties' bytes, identifier and duplicate flag of all that is gathered. */
static void expect_packets(struct mw_mqtt_outbox *outbox, const char *wanted)
{
    struct iovec pieces[16];
    char text[512] = "";
    size_t length = 0;
    size_t total = 0;
    size_t n = mw_mqtt_outbox_gather(outbox, pieces, 16);
    for (size_t i = 0; i < n; i++) {
        struct mw_mqtt_packet packet;
        size_t used = 0;
        struct mw_span bytes = {pieces[i].iov_base, pieces[i].iov_len};
        assert_int_equal(mw_mqtt_decode(bytes, outbox->terms.version, 100000, &packet, &used, NULL),
                         MW_OK);
        assert_int_equal(used, pieces[i].iov_len);
        length += (size_t)snprintf(
            text + length, sizeof(text) - length, "%.*s:%u:%zu:%u%s%s ", (int)packet.topic.size,
            packet.topic.data, packet.properties.topic_alias, packet.properties.all.size, packet.id,
            packet.duplicate ? "!" : "", packet.retained ? "r" : "");
        assert_true(mw_span_is(packet.payload, "payload"));
        total += used;
    }
    mw_mqtt_outbox_advance(outbox, total);
    assert_string_equal(text, wanted);
}

static void add_about(struct mw_mqtt_outbox *outbox, const char *topic, uint8_t qos)
{
    static const char properties[] = {MW_MQTT_PAYLOAD_FORMAT, 1};
    assert_int_equal(mw_mqtt_outbox_add(outbox, mw_span_of(topic), (struct mw_span){properties, 2},
                                        mw_span_of("payload"), qos, true),
                     MW_OK);
}

/* The same messages on one connection after the other, each with other terms. */
static void test_keeps_to_the_terms(void **state)
{
    (void)state;
    struct mw_mqtt_outbox outbox = {0};
    struct mw_mqtt_terms terms = {
        .version = MW_MQTT_VERSION_5, .window = 3, .largest = 1000, .aliases = 1};
    add_about(&outbox, "long/topic/a", 1);
    add_about(&outbox, "long/topic/a", 0);
    add_about(&outbox, "long/topic/a", 1);
    add_about(&outbox, "b", 1);
    add_about(&outbox, "b", 1);
    mw_mqtt_outbox_begin(&outbox, &terms);
    expect_packets(&outbox, "long/topic/a:1:5:1 :1:5:0 :1:5:2 b:1:5:3 ");
    expect_packets(&outbox, ""); /* three are out, which is the window */
    mw_mqtt_outbox_acknowledge(&outbox, 1);
    expect_packets(&outbox, ":1:5:4 ");

    /* A new connection: the broker knows no alias any more, and takes none. */
    mw_mqtt_outbox_restart(&outbox);
    terms.aliases = 0;
    terms.retain = true;
    mw_mqtt_outbox_begin(&outbox, &terms);
    expect_packets(&outbox, "long/topic/a:0:2:2!r b:0:2:3!r b:0:2:4!r ");

    /* One of 3.1.1 has no properties, and a later one of 5 cannot bring them back. */
    mw_mqtt_outbox_restart(&outbox);
    mw_mqtt_outbox_begin(&outbox, &old_terms);
    expect_packets(&outbox, "long/topic/a:0:0:2!r b:0:0:3!r b:0:0:4!r ");
    mw_mqtt_outbox_restart(&outbox);
    terms.aliases = 7;
    terms.window = 16;
    mw_mqtt_outbox_begin(&outbox, &terms);
    add_about(&outbox, "b", 0); /* both topics want the same place */
    expect_packets(&outbox, "long/topic/a:7:3:2!r b:7:3:3!r :7:3:4!r :7:5:0r ");

    /* What is too long for the broker is dropped, and its identifier is free. */
    mw_mqtt_outbox_restart(&outbox);
    terms.largest = 30;
    mw_mqtt_outbox_begin(&outbox, &terms);
    expect_packets(&outbox, "b:7:3:3!r :7:3:4!r ");
    assert_int_equal(outbox.too_large, 1);
    mw_mqtt_outbox_acknowledge(&outbox, 3);
    mw_mqtt_outbox_acknowledge(&outbox, 4);
    assert_int_equal(outbox.bytes, 0);
    assert_int_equal(outbox.unacknowledged, 0);
    assert_int_equal(outbox.head, outbox.tail);
    mw_mqtt_outbox_free(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_acknowledgement),
        cmocka_unit_test(test_restart_sends_again),
        cmocka_unit_test(test_loss_in_the_middle_of_a_packet),
        cmocka_unit_test(test_window_and_identifiers),
        cmocka_unit_test(test_keeps_to_the_terms),
    };
    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
