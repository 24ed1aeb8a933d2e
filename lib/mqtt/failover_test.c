/* Several brokers, and brokers that refuse, reset, half-close or give our session away; the test
 * plays them itself. */
#include "lib/mqtt/client_test_peer.h"

struct pair {
    struct mw_loop *loop;
    struct peer first, second;
    char urls[160];
    struct seen seen;
};

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct mw_error error = {0};
    if (pair == NULL || mw_loop_new(&pair->loop, &error) != MW_OK ||
        peer_open(&pair->first, pair->loop, 0) != 0 ||
        peer_open(&pair->second, pair->loop, 0) != 0) {
        return -1;
    }
    (void)snprintf(pair->urls, sizeof(pair->urls), "%s, %s", pair->first.url, pair->second.url);
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    mw_mqtt_free(pair->seen.client);
    peer_close(&pair->first);
    peer_close(&pair->second);
    mw_buffer_free(&pair->first.received);
    mw_buffer_free(&pair->second.received);
    mw_loop_free(pair->loop);
    free(pair);
    return 0;
}

static void begin(struct pair *pair, enum mw_mqtt_speak speak)
{
    seen_new(&pair->seen, pair->loop,
             (struct mw_mqtt_options){.url = pair->urls,
                                      .speak = speak,
                                      .client_id = "c",
                                      .clean_session = true,
                                      .return_gap = MW_SECOND / 50});
}

/* Up at which of the two; 0: at none. */
static int broker_of(const struct pair *pair)
{
    return !mw_mqtt_connected(pair->seen.client)                       ? 0
           : pair->seen.client->url == &pair->seen.client->urls.url[0] ? 1
                                                                       : 2;
}

static bool at_first(void *context)
{
    return broker_of(context) == 1;
}

static bool at_second(void *context)
{
    return broker_of(context) == 2;
}

static void test_begins_with_the_first(void **state)
{
    struct pair *pair = *state;
    begin(pair, MW_MQTT_3_1_1);
    run_until(pair->loop, at_first, pair);
    assert_int_equal(pair->second.accepted, 0);
}

static void test_goes_on_when_it_is_not_there_and_back_when_it_is(void **state)
{
    struct pair *pair = *state;
    unsigned port = pair->first.port;
    peer_close(&pair->first);
    begin(pair, MW_MQTT_3_1_1);
    run_until(pair->loop, at_second, pair);
    assert_int_equal(peer_open(&pair->first, pair->loop, port), 0);
    run_until(pair->loop, at_first, pair);
    assert_non_null(strstr(pair->seen.reason, "is there again"));
    assert_true(pair->first.accepted >= 1);
}

static void test_goes_on_when_it_refuses(void **state)
{
    struct pair *pair = *state;
    pair->first.answer = "\x20\x02\x00\x05"; /* not authorised */
    begin(pair, MW_MQTT_3_1_1);
    run_until(pair->loop, at_second, pair);
    assert_int_equal(pair->first.accepted, 1);
}

static void test_each_broker_is_asked_for_its_own_version(void **state)
{
    struct pair *pair = *state;
    pair->first.answer = "\x20\x02\x00\x01"; /* does not know 5, and then refuses 3.1.1 as well */
    pair->second.answer = "\x20\x03\x00\x00\x00";
    pair->second.answer_size = 5;
    begin(pair, MW_MQTT_AUTO);
    run_until(pair->loop, at_second, pair);
    assert_int_equal(pair->first.accepted, 2);
    assert_int_equal(mw_mqtt_version(pair->seen.client), 5);
}

static void test_what_was_not_acknowledged_goes_to_the_next(void **state)
{
    struct pair *pair = *state;
    begin(pair, MW_MQTT_3_1_1);
    run_until(pair->loop, at_first, pair);
    assert_int_equal(seen_publish(&pair->seen, "t", 1, 1), MW_OK);
    run_until_received(&pair->first, 29 + 8);
    peer_close(&pair->first);
    run_until_received(&pair->second, 29 + 8);
    assert_memory_equal(pair->second.received.data + 29,
                        "\x3a\x06\x00\x01t\x00\x01"
                        "1",
                        8);
    assert_int_equal(peer_open(&pair->first, pair->loop, 0), 0); /* for the end of the test */
}

static bool came_again(void *context)
{
    const struct pair *pair = context;
    return pair->first.accepted + pair->second.accepted >= 2 && broker_of(pair) != 0;
}

static void test_half_closed_is_lost(void **state)
{
    struct pair *pair = *state;
    begin(pair, MW_MQTT_3_1_1);
    run_until(pair->loop, at_first, pair);
    assert_int_equal(shutdown(pair->first.fd, SHUT_WR), 0);
    run_until(pair->loop, came_again, pair);
    assert_string_equal(pair->seen.reason, "closed by the broker");
}

static void test_reset_is_lost(void **state)
{
    struct pair *pair = *state;
    begin(pair, MW_MQTT_3_1_1);
    run_until(pair->loop, at_first, pair);
    const struct linger hard = {1, 0};
    assert_int_equal(setsockopt(pair->first.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    peer_hang_up(&pair->first);
    run_until(pair->loop, came_again, pair);
    assert_non_null(strstr(pair->seen.reason, "reset"));
}

static bool is_waiting(void *context)
{
    const struct pair *pair = context;
    return pair->seen.disconnects > 0;
}

static void test_who_lost_its_session_to_another_waits(void **state)
{
    struct pair *pair = *state;
    pair->first.answer = "\x20\x03\x00\x00\x00";
    pair->first.answer_size = 5;
    begin(pair, MW_MQTT_5);
    run_until(pair->loop, at_first, pair);
    peer_send(&pair->first, "\xe0\x01\x8e", 3);
    run_until(pair->loop, is_waiting, pair);
    assert_non_null(strstr(pair->seen.reason, "another client has connected as c"));
    /* At the same broker, and not at once: the other one would only be pushed out in turn. */
    assert_ptr_equal(pair->seen.client->url, &pair->seen.client->urls.url[0]);
    assert_true(pair->seen.client->backoff >= 4 * MW_SECOND);
    assert_int_equal(pair->first.accepted + pair->second.accepted, 1);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_begins_with_the_first),
        TEST(test_goes_on_when_it_is_not_there_and_back_when_it_is),
        TEST(test_goes_on_when_it_refuses),
        TEST(test_each_broker_is_asked_for_its_own_version),
        TEST(test_what_was_not_acknowledged_goes_to_the_next),
        TEST(test_half_closed_is_lost),
        TEST(test_reset_is_lost),
        TEST(test_who_lost_its_session_to_another_waits),
    };
    return cmocka_run_group_tests_name("failover", tests, NULL, NULL);
}
