/* The client with a real mosquitto, which the test starts on a free port. */
#include "lib/mqtt/client_internal.h"
#include "lib/mqtt/client_test_broker.h"

static bool has_10(void *context)
{
    return ((const struct seen *)context)->next >= 10;
}

static bool has_2000(void *context)
{
    return ((const struct seen *)context)->next >= 2000;
}

static bool has_20000(void *context)
{
    return ((const struct seen *)context)->next >= 20000;
}

static bool has_message(void *context)
{
    return ((const struct seen *)context)->messages > 0;
}

static void test_publishes_and_receives(void **state)
{
    struct fixture *fixture = fixture_of(state);
    for (uint8_t qos = 0; qos < 2; qos++) {
        struct seen seen;
        seen_new(&seen, fixture->loop, options_of(fixture, "both"));
        subscribe(&seen, "mw/plant/+/motor-7");
        run_until(fixture->loop, is_up, &seen);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(seen_publish(&seen, "mw/plant/telemetry/motor-7", i, qos), MW_OK);
        }
        assert_int_equal(seen_publish(&seen, "mw/other/telemetry/motor-7", 99, qos), MW_OK);
        run_until(fixture->loop, has_10, &seen);
        run_until(fixture->loop, is_sent, &seen);
        assert_int_equal(seen.messages, 10);
        assert_true(seen.idles > 0);
        assert_string_equal(seen.last, "mw/plant/telemetry/motor-7=9");
        assert_false(seen.retained || seen.duplicate);
        assert_int_equal(mw_mqtt_connection(seen.client), 1);
        mw_mqtt_free(seen.client);
    }
}

static void test_retained_message(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct seen writer;
    struct seen reader;
    seen_new(&writer, fixture->loop, options_of(fixture, "writer"));
    assert_int_equal(mw_mqtt_publish(writer.client, "update/a", mw_span_of("new"), 1, true), MW_OK);
    run_until(fixture->loop, is_sent, &writer);
    seen_new(&reader, fixture->loop, options_of(fixture, "reader"));
    subscribe(&reader, "update/#");
    run_until(fixture->loop, has_message, &reader);
    assert_string_equal(reader.last, "update/a=new");
    assert_true(reader.retained);
    mw_mqtt_free(writer.client);
    mw_mqtt_free(reader.client);
}

static void test_unacknowledged_messages_come_again(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct mw_mqtt_options options = options_of(fixture, "bridge");
    options.clean_session = false;
    options.manual_ack = true;
    struct seen bridge;
    struct seen thing;
    seen_new(&bridge, fixture->loop, options);
    bridge.ack_until = 5;
    subscribe(&bridge, "t");
    run_until(fixture->loop, is_up, &bridge);
    assert_false(bridge.session_present);
    seen_new(&thing, fixture->loop, options_of(fixture, "thing"));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(seen_publish(&thing, "t", i, 1), MW_OK);
    }
    run_until(fixture->loop, has_10, &bridge);
    mw_mqtt_free(bridge.client); /* its last acknowledgements leave with it */

    seen_new(&bridge, fixture->loop, options);
    bridge.next = 5;
    subscribe(&bridge, "t");
    run_until(fixture->loop, has_10, &bridge);
    assert_true(bridge.session_present && bridge.duplicate);
    assert_int_equal(bridge.messages, 5);
    mw_mqtt_acknowledge(bridge.client, mw_mqtt_connection(bridge.client) - 1, 1); /* ignored */
    run_until(fixture->loop, is_sent, &bridge);
    mw_mqtt_free(bridge.client);

    seen_new(&bridge, fixture->loop, options); /* all are acknowledged now */
    bridge.next = 10;
    subscribe(&bridge, "t");
    run_until(fixture->loop, is_up, &bridge);
    assert_int_equal(seen_publish(&thing, "t", 10, 1), MW_OK);
    run_until(fixture->loop, has_message, &bridge);
    assert_string_equal(bridge.last, "t=10");
    mw_mqtt_free(bridge.client);
    mw_mqtt_free(thing.client);
}

static void test_rests(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct seen bridge, thing;
    seen_new(&bridge, fixture->loop, options_of(fixture, "bridge"));
    seen_new(&thing, fixture->loop, options_of(fixture, "thing"));
    subscribe(&bridge, "up");
    subscribe(&thing, "down");
    run_until(fixture->loop, is_up, &bridge);
    run_until(fixture->loop, is_up, &thing);
    mw_mqtt_rest(bridge.client, 3600 * MW_SECOND);
    assert_int_equal(seen_publish(&thing, "up", 1, 1), MW_OK);
    run_until(fixture->loop, is_sent, &thing);
    assert_int_equal(seen_publish(&bridge, "down", 2, 0), MW_OK);
    run_until(fixture->loop, has_message, &thing); /* sending goes on */
    assert_int_equal(bridge.messages, 0);
    mw_mqtt_rest(bridge.client, 0);
    run_until(fixture->loop, has_message, &bridge);
    assert_string_equal(bridge.last, "up=1");
    bridge.client->more = true; /* as after a turn that has left something */
    mw_mqtt_rest(bridge.client, 3600 * MW_SECOND);
    assert_int_equal(seen_publish(&thing, "up", 3, 1), MW_OK);
    bridge.messages = 0;
    run_until(fixture->loop, has_message, &bridge);
    assert_string_equal(bridge.last, "up=3");
    mw_mqtt_free(bridge.client);
    mw_mqtt_free(thing.client);
}

static void test_large_backlog(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct mw_mqtt_options options = options_of(fixture, "bridge");
    options.clean_session = false;
    struct seen bridge;
    struct seen thing;
    seen_new(&bridge, fixture->loop, options);
    subscribe(&bridge, "t");
    run_until(fixture->loop, is_up, &bridge);
    mw_mqtt_free(bridge.client);
    seen_new(&thing, fixture->loop, options_of(fixture, "thing"));
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(seen_publish(&thing, "t", i, 1), MW_OK);
    }
    run_until(fixture->loop, is_sent, &thing);
    seen_new(&bridge, fixture->loop, options);
    run_until(fixture->loop, has_20000, &bridge);
    assert_int_equal(bridge.messages, 20000); /* in order, none twice */
    assert_true(bridge.session_present);
    mw_mqtt_free(bridge.client);
    mw_mqtt_free(thing.client);
}

static void test_survives_the_broker(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct seen reader;
    struct seen writer;
    seen_new(&reader, fixture->loop, options_of(fixture, "reader"));
    subscribe(&reader, "t");
    seen_new(&writer, fixture->loop, options_of(fixture, "writer"));
    run_until(fixture->loop, is_up, &reader);
    run_until(fixture->loop, is_up, &writer);
    for (int round = 0; round < 2; round++) {
        kill_broker(fixture);
        run_until(fixture->loop, is_down, &writer);
        run_until(fixture->loop, is_down, &reader);
        assert_false(mw_mqtt_connected(writer.client));
        assert_int_equal(seen_publish(&writer, "t", 0, 0), MW_ERR_NET);
        /* Said while nobody listens: kept, and sent when the broker is back. The reader may come
         * back later than the writer, so that this one only has to be acknowledged. */
        assert_int_equal(seen_publish(&writer, "early", 0, 1), MW_OK);
        start_broker(fixture);
        run_until(fixture->loop, is_up, &writer);
        run_until(fixture->loop, is_up, &reader);
        run_until(fixture->loop, is_sent, &writer);
    }
    assert_int_equal(mw_mqtt_connection(reader.client), 3);
    for (int i = 0; i < 2000; i++) { /* the subscription was renewed */
        assert_int_equal(seen_publish(&writer, "t", i, 1), MW_OK);
    }
    run_until(fixture->loop, has_2000, &reader);
    assert_int_equal(reader.messages, 2000);
    mw_mqtt_free(reader.client);
    mw_mqtt_free(writer.client);
}

static void test_will_is_published_when_a_client_vanishes(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct mw_mqtt_options options = options_of(fixture, "thing");
    options.will_topic = "status/thing";
    options.will_payload = "gone, retained";
    options.will_size = 4;
    struct seen thing;
    struct seen watcher;
    seen_new(&watcher, fixture->loop, options_of(fixture, "watcher"));
    subscribe(&watcher, "status/+");
    run_until(fixture->loop, is_up, &watcher);
    seen_new(&thing, fixture->loop, options);
    run_until(fixture->loop, is_up, &thing);
    mw_mqtt_free(thing.client); /* a farewell takes the will back */
    seen_new(&thing, fixture->loop, options);
    run_until(fixture->loop, is_up, &thing);
    assert_int_equal(watcher.messages, 0);
    assert_int_equal(shutdown(thing.client->fd, SHUT_RDWR), 0);
    run_until(fixture->loop, has_message, &watcher);
    assert_string_equal(watcher.last, "status/thing=gone");
    run_until(fixture->loop, is_up, &thing);
    mw_mqtt_free(thing.client);
    mw_mqtt_free(watcher.client);
}

/* A tight queue: what publish refuses is given again on on_writable, and all of it arrives. */
static void test_back_pressure(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct mw_mqtt_options options = options_of(fixture, "writer");
    options.queue_limit = 2000;
    struct seen reader;
    struct seen writer;
    seen_new(&reader, fixture->loop, options_of(fixture, "reader"));
    subscribe(&reader, "t");
    run_until(fixture->loop, is_up, &reader);
    for (uint8_t qos = 0; qos < 2; qos++) {
        reader.next = 0;
        seen_new(&writer, fixture->loop, options);
        run_until(fixture->loop, is_up, &writer);
        for (int i = 0; i < 2000;) {
            mw_err err = seen_publish(&writer, "t", i, qos);
            if (err == MW_OK) {
                i++;
                continue;
            }
            assert_int_equal(err, MW_ERR_AGAIN);
            assert_true(mw_mqtt_queued(writer.client) <= 2000);
            int writables = writer.writables;
            while (writer.writables == writables) {
                run_until(fixture->loop, is_sent, &writer);
            }
        }
        run_until(fixture->loop, has_2000, &reader);
        assert_true(writer.writables > 5);
        mw_mqtt_free(writer.client);
    }
    assert_int_equal(reader.messages, 4000);
    mw_mqtt_free(reader.client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_set_up, broker_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_publishes_and_receives),
        TEST(test_retained_message),
        TEST(test_unacknowledged_messages_come_again),
        TEST(test_rests),
        TEST(test_large_backlog),
        TEST(test_survives_the_broker),
        TEST(test_will_is_published_when_a_client_vanishes),
        TEST(test_back_pressure),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
