/* The client against a peer of version 5 that the test plays itself, byte by byte. */
#include "lib/mqtt/client_test_peer.h"

#define CONNECT_SIZE 33 /* of this client's CONNECT in version 5, with a topic alias maximum */
#define OLD_SIZE 29     /* and in 3.1.1 */

static struct mw_mqtt_options options_of(const struct peer *peer)
{
    return (struct mw_mqtt_options){
        .url = peer->url, .speak = MW_MQTT_5, .client_id = "c", .clean_session = true};
}

static void answer(struct peer *peer, const char *bytes, size_t size)
{
    peer->answer = bytes;
    peer->answer_size = size;
}
#define ANSWER(peer, text) answer((peer), (text), sizeof(text) - 1)
#define SEND(peer, text) peer_send((peer), (text), sizeof(text) - 1)

static void expect_at(const struct peer *peer, size_t at, const char *bytes, size_t size)
{
    assert_true(peer->received.size >= at + size);
    assert_memory_equal(peer->received.data + at, bytes, size);
}
#define EXPECT_AT(peer, at, text) expect_at((peer), (at), (text), sizeof(text) - 1)

static void test_keeps_to_what_the_broker_takes(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.client_id = "";
    /* assigned name "given", receive maximum 2, topic alias maximum 1, packets up to 60 bytes */
    ANSWER(peer,
           "\x20\x16\x00\x00\x13\x12\x00\x05given\x21\x00\x02\x22\x00\x01\x27\x00\x00\x00\x3c");
    seen_new(&seen, peer->loop, options);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seen_publish(&seen, "t", i, 1), MW_OK);
    }
    struct mw_span mass = {"0123456789012345678901234567890123456789", 40};
    run_until(peer->loop, is_up, &seen);
    assert_string_equal(mw_mqtt_client_id(seen.client), "given");
    assert_int_equal(mw_mqtt_version(seen.client), 5);
    run_until_received(peer, CONNECT_SIZE - 1 + 12 + 11); /* two of three */
    EXPECT_AT(
        peer, 0,
        "\x10\x1e\x00\x04MQTT\x05\xc2\x00\x1e\x03\x22\x00\x20\x00\x00\x00\x04user\x00\x06secret");
    EXPECT_AT(peer, CONNECT_SIZE - 1,
              "\x32\x0a\x00\x01t\x00\x01\x03\x23\x00\x01"
              "0\x32\x09\x00\x00\x00\x02\x03\x23\x00\x01"
              "1");
    assert_int_equal(mw_mqtt_publish(seen.client, "longer", mass, 1, false), MW_ERR_TOO_LARGE);
    /* Refused for a quota: done with all the same, and its place in the window is free. */
    SEND(peer, "\x40\x03\x00\x01\x97");
    run_until_received(peer, CONNECT_SIZE - 1 + 12 + 11 + 11);
    SEND(peer, "\x40\x02\x00\x02\x40\x02\x00\x03");
    run_until(peer->loop, is_sent, &seen);
    mw_mqtt_free(seen.client);
}

static void test_aliases_of_the_broker(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    ANSWER(peer, "\x20\x03\x00\x00\x00");
    seen_new(&seen, peer->loop, options_of(peer));
    run_until(peer->loop, is_up, &seen);
    run_until_received(peer, CONNECT_SIZE);
    SEND(peer, "\x32\x0b\x00\x03"
               "a/b\x00\x07\x03\x23\x00\x20"
               "\x30\x08\x00\x00\x03\x23\x00\x20"
               "42");
    run_until_received(peer, CONNECT_SIZE + 4);
    assert_int_equal(seen.messages, 2);
    assert_string_equal(seen.last, "a/b=42");
    SEND(peer, "\x30\x06\x00\x00\x03\x23\x00\x1f"); /* never told */
    run_until(peer->loop, is_down, &seen);
    assert_non_null(strstr(seen.reason, "unknown topic alias 31"));
    run_until(peer->loop, is_up, &seen);
    assert_int_equal(seen.messages, 2);
    SEND(peer, "\x30\x06\x00\x00\x03\x23\x00\x20"); /* of the connection before */
    run_until(peer->loop, is_down, &seen);
    mw_mqtt_free(seen.client);
}

static bool has_ended(void *context)
{
    return ((const struct peer *)context)->ended > 0;
}

/* What the client finds wrong, it says in a DISCONNECT. */
static void test_says_what_is_wrong(void **state)
{
    struct peer *peer = *state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *farewell, *reason;
    } cases[] = {
        {"\x32\x06\x00\x01t\x00\x01\x00\x32\x06\x00\x01t\x00\x02\x00\x32\x06\x00\x01t\x00\x03\x00",
         24, "\xe0\x01\x93", "more than 2 messages"},
        {"\x30\x06\x00\x00\x03\x23\x00\x21", 8, "\xe0\x01\x94", "unknown topic alias 33"},
        {"\x30\x03\x00\x01t", 5, "\xe0\x01\x81", "malformed: properties go past the end"},
        {"\x20\x03\x00\x00\x00", 5, "\xe0\x01\x82", "a second CONNACK"},
    };
    ANSWER(peer, "\x20\x03\x00\x00\x00");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen;
        struct mw_mqtt_options options = options_of(peer);
        options.manual_ack = true;
        options.receive_maximum = 2;
        peer->ended = 0;
        seen_new(&seen, peer->loop, options);
        seen.ack_until = -1;
        run_until(peer->loop, is_up, &seen);
        peer_send(peer, cases[i].bytes, cases[i].size);
        run_until(peer->loop, has_ended, peer);
        assert_non_null(strstr(seen.reason, cases[i].reason));
        size_t size = peer->received.size;
        assert_true(size > 3);
        assert_memory_equal(peer->received.data + size - 3, cases[i].farewell, 3);
        mw_mqtt_free(seen.client);
        peer_hang_up(peer);
    }
}

static void test_reason_of_the_broker(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    ANSWER(peer, "\x20\x03\x00\x00\x00");
    seen_new(&seen, peer->loop, options_of(peer));
    run_until(peer->loop, is_up, &seen);
    SEND(peer, "\xe0\x09\x8b\x07\x1f\x00\x04"
               "cold");
    run_until(peer->loop, is_down, &seen);
    assert_string_equal(seen.reason,
                        "the broker ends the connection: broker is shutting down (cold)");
    mw_mqtt_free(seen.client);
}

static bool said_version_4(void *context)
{
    const struct peer *peer = context;
    return peer->received.size >= OLD_SIZE && peer->received.data[8] == 4;
}

static bool said_version_5(void *context)
{
    const struct peer *peer = context;
    return peer->received.size >= CONNECT_SIZE && peer->received.data[8] == 5;
}

/* A broker that knows only 3.1.1 says so in its own way or in that of 5; one that says nothing gets
 * the one and the other by turns. */
static void test_falls_back(void **state)
{
    struct peer *peer = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } answers[] = {{"\x20\x02\x00\x01", 4}, {"\x20\x03\x00\x84\x00", 5}};
    struct mw_mqtt_options options = options_of(peer);
    options.speak = MW_MQTT_AUTO;
    for (size_t i = 0; i < 2; i++) {
        struct seen seen;
        answer(peer, answers[i].bytes, answers[i].size);
        seen_new(&seen, peer->loop, options);
        run_until(peer->loop, said_version_5, peer);
        ANSWER(peer, ACCEPTED);
        run_until(peer->loop, said_version_4, peer);
        run_until(peer->loop, is_up, &seen);
        assert_int_equal(mw_mqtt_version(seen.client), 4);
        assert_non_null(strstr(seen.client->reason, "does not speak MQTT 5, going on with 3.1.1"));
        peer_hang_up(peer); /* it is remembered */
        run_until(peer->loop, is_down, &seen);
        run_until(peer->loop, is_up, &seen);
        assert_int_equal(mw_mqtt_version(seen.client), 4);
        mw_mqtt_free(seen.client);
        peer_hang_up(peer);
        mw_buffer_clear(&peer->received);
    }
    struct seen seen;
    ANSWER(peer, "");
    seen_new(&seen, peer->loop, options);
    for (int round = 0; round < 2; round++) {
        run_until(peer->loop, said_version_5, peer);
        peer_hang_up(peer);
        run_until(peer->loop, said_version_4, peer);
        peer_hang_up(peer);
    }
    mw_mqtt_free(seen.client);
}

static bool was_refused(void *context)
{
    const struct seen *seen = context;
    return strstr(seen->client->reason, "refused: ") != NULL;
}

/* An answer that is no other version is no reason to try another one. */
static void test_refusals_in_words(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.speak = MW_MQTT_AUTO;
    ANSWER(peer, "\x20\x0b\x00\x9d\x08\x1c\x00\x05other");
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, was_refused, &seen);
    assert_string_equal(seen.client->reason, "refused: server has moved (other)");
    assert_int_equal(mw_mqtt_version(seen.client), 5);
    mw_mqtt_free(seen.client);
    peer_hang_up(peer);
    ANSWER(peer, "\x20\x02\x00\x01");
    options.speak = MW_MQTT_5; /* which was asked for, and nothing else */
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, was_refused, &seen);
    assert_string_equal(seen.client->reason, "refused: the broker does not speak MQTT 5");
    assert_int_equal(mw_mqtt_version(seen.client), 5);
    mw_mqtt_free(seen.client);
}

static bool is_lost(void *context)
{
    return ((const struct seen *)context)->disconnects > 0;
}

static void test_keep_alive_of_the_broker(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    ANSWER(peer, "\x20\x06\x00\x00\x03\x13\x00\x01"); /* one second, and not the client's thirty */
    seen_new(&seen, peer->loop, options_of(peer));
    run_until(peer->loop, is_lost, &seen);
    assert_string_equal(seen.reason, "broker is silent");
    mw_mqtt_free(seen.client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_set_up, peer_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_keeps_to_what_the_broker_takes),
        TEST(test_aliases_of_the_broker),
        TEST(test_says_what_is_wrong),
        TEST(test_reason_of_the_broker),
        TEST(test_falls_back),
        TEST(test_refusals_in_words),
        TEST(test_keep_alive_of_the_broker),
    };
    return cmocka_run_group_tests_name("connection_5", tests, NULL, NULL);
}
