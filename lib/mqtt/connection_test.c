/* The client against a peer that the test plays itself, byte by byte. */
#include "lib/mqtt/client_test_peer.h"

static struct mw_mqtt_options options_of(const struct peer *peer)
{
    return (struct mw_mqtt_options){
        .url = peer->url, .speak = MW_MQTT_3_1_1, .client_id = "c", .clean_session = true};
}

#define CONNECT_SIZE 29 /* of this client's CONNECT */

static void test_greets_and_resends_with_duplicate_flag(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    for (int i = 0; i < 3; i++) { /* said before there is a connection */
        assert_int_equal(seen_publish(&seen, "t", i, 1), MW_OK);
    }
    assert_int_equal(seen_publish(&seen, "t", 9, 0), MW_ERR_NET);
    run_until_received(peer, CONNECT_SIZE + 3 * 8);
    assert_memory_equal(peer->received.data,
                        "\x10\x1b\x00\x04MQTT\x04\xc2\x00\x1e\x00\x01"
                        "c\x00\x04user\x00\x06secret",
                        CONNECT_SIZE);
    assert_memory_equal(peer->received.data + CONNECT_SIZE,
                        "\x32\x06\x00\x01t\x00\x01"
                        "0\x32\x06\x00\x01t\x00\x02"
                        "1\x32\x06\x00\x01t\x00\x03"
                        "2",
                        24);
    size_t queued = mw_mqtt_queued(seen.client);
    assert_int_equal(queued, 3 * mw_mqtt_outbox_cost(2));
    peer_send(peer, "\x40\x02\x00\x02", 4); /* only the middle one is acknowledged */
    peer_hang_up(peer);
    run_until(peer->loop, is_down, &seen);
    assert_string_equal(seen.reason, "closed by the broker");
    assert_int_equal(mw_mqtt_queued(seen.client), 2 * mw_mqtt_outbox_cost(2));
    run_until(peer->loop, is_up, &seen);
    run_until_received(peer, CONNECT_SIZE + 16);
    assert_memory_equal(peer->received.data + CONNECT_SIZE,
                        "\x3a\x06\x00\x01t\x00\x01"
                        "0\x3a\x06\x00\x01t\x00\x03"
                        "2",
                        16);
    peer_send(peer, "\x40\x02\x00\x01\x40\x02\x00\x03", 8);
    run_until(peer->loop, is_sent, &seen);
    mw_mqtt_free(seen.client);
}

static void test_one_write_a_round(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.manual_ack = true;
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, is_up, &seen);
    run_until_received(peer, CONNECT_SIZE);
    peer->first = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(seen_publish(&seen, "t", i % 10, i % 2 == 0 ? 1 : 0), MW_OK);
        mw_mqtt_acknowledge(seen.client, 1, (uint16_t)(i + 1));
    }
    run_until_received(peer, CONNECT_SIZE + 50 * 8 + 50 * 6 + 100 * 4);
    assert_int_equal(peer->first, 50 * 8 + 50 * 6 + 100 * 4);
    mw_mqtt_free(seen.client);
}

static bool has_come_twice(void *context)
{
    return ((const struct peer *)context)->accepted >= 2;
}

static void test_refused_or_malformed_connections_are_tried_again(void **state)
{
    struct peer *peer = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } answers[] = {{"\x20\x02\x00\x05", 4}, /* not authorised */
                   {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
                   {"\x40\x02\x00\x01", 4}, /* PUBACK before CONNACK */
                   {ACCEPTED ACCEPTED, 8}};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct seen seen;
        peer->accepted = 0;
        peer->answer = answers[i].bytes;
        peer->answer_size = answers[i].size;
        seen_new(&seen, peer->loop, options_of(peer));
        run_until(peer->loop, has_come_twice, peer);
        assert_false(mw_mqtt_connected(seen.client));
        mw_mqtt_free(seen.client);
    }
}

static bool is_in_vain(void *context)
{
    return !mw_mqtt_starting(((const struct seen *)context)->client);
}

static void test_starting_is_not_yet_in_vain(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    assert_true(mw_mqtt_starting(seen.client));
    run_until(peer->loop, is_up, &seen);
    assert_false(mw_mqtt_starting(seen.client));
    peer_hang_up(peer);
    run_until(peer->loop, is_down, &seen);
    assert_false(mw_mqtt_starting(seen.client)); /* there was a broker, and it is gone */
    mw_mqtt_free(seen.client);
    peer->answer = "\x20\x02\x00\x05"; /* not authorised */
    peer->answer_size = 4;
    seen_new(&seen, peer->loop, options_of(peer));
    assert_true(mw_mqtt_starting(seen.client));
    run_until(peer->loop, is_in_vain, &seen);
    assert_false(mw_mqtt_connected(seen.client));
    mw_mqtt_free(seen.client);
}

static bool is_lost(void *context)
{
    return ((const struct seen *)context)->disconnects > 0;
}

static void test_silent_broker_is_left(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.keepalive = 1;
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, is_lost, &seen);
    assert_string_equal(seen.reason, "broker is silent");
    size_t size = peer->received.size;
    assert_true(size >= CONNECT_SIZE + 2);
    assert_memory_equal(peer->received.data + size - 2, "\xc0\x00", 2); /* it had asked */
    mw_mqtt_free(seen.client);
}

static bool has_two_messages(void *context)
{
    return ((const struct seen *)context)->messages >= 2;
}

static void test_over_long_message_is_cut(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    run_until(peer->loop, is_up, &seen);
    struct mw_buffer out = {0};
    char *payload = calloc(1, 2000000);
    assert_non_null(payload);
    const struct mw_mqtt_publish publish = {.version = MW_MQTT_VERSION_3_1_1,
                                            .topic = mw_span_of("t"),
                                            .payload = {payload, 2000000},
                                            .qos = 1,
                                            .id = 3};
    assert_int_equal(mw_mqtt_encode_publish(&out, &publish), MW_OK);
    size_t at = 0;
    while (at < out.size) { /* the client has to read in between */
        ssize_t n = send(peer->fd, out.data + at, out.size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        mw_loop_wake(peer->loop);
        struct bytes_wanted nothing = {peer, 0};
        run_until(peer->loop, has_bytes, &nothing);
    }
    peer_send(peer, "\x30\x04\x00\x01tA", 6);
    run_until(peer->loop, has_two_messages, &seen);
    assert_string_equal(seen.last, "t=A"); /* the next one is whole */
    assert_int_equal(seen.disconnects, 0);
    run_until_received(peer, CONNECT_SIZE + 4);
    assert_memory_equal(peer->received.data + CONNECT_SIZE, "\x40\x02\x00\x03", 4);
    mw_buffer_free(&out);
    free(payload);
    mw_mqtt_free(seen.client);
}

static bool is_writable(void *context)
{
    return ((const struct seen *)context)->writables > 0;
}

static void test_deaf_broker_fills_the_queue_only(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.queue_limit = 1000000;
    peer->deaf = true;
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, is_up, &seen);
    char payload[1000];
    memset(payload, 'x', sizeof(payload));
    struct mw_span span = {payload, sizeof(payload)};
    size_t sent = 0;
    mw_err err = MW_OK;
    while (err == MW_OK) { /* into the socket's buffers, then into the queue */
        err = mw_mqtt_publish(seen.client, "t", span, 0, false);
        sent += err == MW_OK ? 1 : 0;
        mw_mqtt_flush(seen.client);
        assert_true(sent < 100000);
    }
    assert_int_equal(err, MW_ERR_AGAIN);
    assert_true(mw_mqtt_queued(seen.client) <= 1000000);
    assert_int_equal(seen.writables, 0);
    assert_int_equal(
        mw_mqtt_publish(seen.client, "t", (struct mw_span){payload, 1000000}, 0, false),
        MW_ERR_TOO_LARGE);
    peer_listen_to(peer);
    run_until(peer->loop, is_writable, &seen);
    run_until(peer->loop, is_sent, &seen);
    run_until_received(peer, CONNECT_SIZE + sent * 1006);
    assert_int_equal(seen.disconnects, 0);
    mw_mqtt_free(seen.client);
}

static void test_many_subscriptions(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_error error = {0};
    char filter[32];
    seen_new(&seen, peer->loop, options_of(peer));
    for (int round = 0; round < 2; round++) { /* the second time they are known */
        for (int i = 0; i < 5000; i++) {
            (void)snprintf(filter, sizeof(filter), "mw/p/ack/motor-%05d", i);
            assert_int_equal(mw_mqtt_subscribe(seen.client, filter, 1, &error), MW_OK);
        }
    }
    assert_int_equal(seen.client->subscriptions_n, 5000);
    run_until_received(peer, CONNECT_SIZE + 5000 * 27);
    assert_int_equal(seen.connects, 0);
    for (unsigned id = 1; id <= 5000; id++) { /* one is refused, the rest granted */
        const char answer[] = {(char)0x90, 3, (char)(id >> 8), (char)(id & 0xff),
                               (char)(id == 777 ? 0x80 : 1)};
        peer_send(peer, answer, sizeof(answer));
    }
    run_until(peer->loop, is_up, &seen);
    mw_mqtt_free(seen.client);
}

static void test_refuses_wrong_arguments(void **state)
{
    struct peer *peer = *state;
    struct mw_error error = {0};
    struct mw_mqtt *client = NULL;
    struct mw_mqtt_options options = options_of(peer);
    options.url = "http://127.0.0.1";
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_UNSUPPORTED);
    options.url = "mqtt://127.0.0.1:none";
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_PARSE);
    options = options_of(peer);
    options.client_id = ""; /* a broker has to be told whose session it keeps */
    options.clean_session = false;
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_ARGUMENT);
    options = options_of(peer);
    options.tls.ca_file = "/etc/ssl/cert.pem"; /* without mqtts:// */
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_ARGUMENT);
    assert_null(client);
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    struct mw_span span = {"x", 1};
    assert_int_equal(mw_mqtt_publish(seen.client, "a/#", span, 1, false), MW_ERR_ARGUMENT);
    assert_int_equal(mw_mqtt_publish(seen.client, "a", span, 2, false), MW_ERR_ARGUMENT);
    assert_int_equal(mw_mqtt_subscribe(seen.client, "a#", 1, &error), MW_ERR_ARGUMENT);
    assert_int_equal(mw_mqtt_subscribe(seen.client, "a", 2, &error), MW_ERR_ARGUMENT);
    assert_int_equal(
        mw_mqtt_subscribe_with(seen.client, "$share/g/a", 1 | MW_MQTT_NO_LOCAL, &error),
        MW_ERR_ARGUMENT);
    assert_int_equal(mw_mqtt_subscribe_with(seen.client, "a", 0x31, &error), MW_ERR_ARGUMENT);
    mw_mqtt_free(seen.client);
    mw_mqtt_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_set_up, peer_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_greets_and_resends_with_duplicate_flag),
        TEST(test_one_write_a_round),
        TEST(test_refused_or_malformed_connections_are_tried_again),
        TEST(test_starting_is_not_yet_in_vain),
        TEST(test_silent_broker_is_left),
        TEST(test_over_long_message_is_cut),
        TEST(test_deaf_broker_fills_the_queue_only),
        TEST(test_many_subscriptions),
        TEST(test_refuses_wrong_arguments),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
