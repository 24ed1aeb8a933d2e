/* What only MQTT 5 has, with a real mosquitto, and with paho-mqtt as an independent peer. */
#include "lib/mqtt/client_test_broker.h"

static struct mw_mqtt_options options_5(const struct fixture *fixture, const char *client_id)
{
    struct mw_mqtt_options options = options_of(fixture, client_id);
    options.speak = MW_MQTT_5;
    return options;
}

/* --- properties there and back, by way of paho-mqtt --- */

struct asking {
    struct mw_mqtt *client;
    pid_t peer;
    int status;
    bool gone, ready, up;
    int answers;
    char json[2][1024], user[256];
    struct mw_mqtt_properties properties[2];
    char content_type[64], correlation[16];
};

static void on_answer(void *context, const struct mw_mqtt_message *message)
{
    struct asking *asking = context;
    if (mw_span_is(message->topic, "ready")) {
        asking->ready = true;
        return;
    }
    const struct mw_mqtt_properties *said = message->properties;
    struct mw_span rest = said->all;
    struct mw_span key;
    struct mw_span value;
    size_t n = 0;
    while (mw_mqtt_next_user_property(&rest, &key, &value)) {
        n += (size_t)snprintf(asking->user + n, sizeof(asking->user) - n, "%.*s=%.*s ",
                              (int)key.size, key.data, (int)value.size, value.data);
    }
    (void)snprintf(asking->json[asking->answers % 2], sizeof(asking->json[0]), "%.*s",
                   (int)message->payload.size, message->payload.data);
    (void)snprintf(asking->content_type, sizeof(asking->content_type), "%.*s",
                   (int)said->content_type.size, said->content_type.data);
    assert_int_equal(said->correlation.size, 3);
    memcpy(asking->correlation, said->correlation.data, 3);
    asking->properties[asking->answers % 2] = *said;
    asking->answers++;
}

static void on_up(void *context, bool session_present)
{
    (void)session_present;
    ((struct asking *)context)->up = true;
}

static bool is_ready_or_gone(void *context)
{
    struct asking *asking = context;
    asking->gone = waitpid(asking->peer, &asking->status, WNOHANG) == asking->peer;
    return (asking->ready && asking->up) || asking->gone;
}

static bool has_two_answers(void *context)
{
    return ((const struct asking *)context)->answers >= 2;
}

static pid_t start_peer(const struct fixture *fixture)
{
    char python[] = "/usr/bin/python3";
    char script[] = MW_SOURCE_DIR "/tests/tools/mqtt5_echo.py";
    char dry[] = "-B";
    char port[16];
    char user[48];
    char password[64];
    (void)snprintf(port, sizeof(port), "%u", fixture->mosquitto.port);
    (void)snprintf(user, sizeof(user), "%s", fixture->mosquitto.username);
    (void)snprintf(password, sizeof(password), "%s", fixture->mosquitto.password);
    char *argv[] = {python, dry, script, port, user, password, NULL};
    struct mw_process_spec spec = {.argv = argv};
    struct mw_error error = {0};
    pid_t pid = 0;
    if (mw_process_start(&spec, &pid, NULL, &error) != MW_OK) {
        return 0;
    }
    return pid;
}

static void check_answers(const struct asking *asking)
{
    static const char wanted[] =
        "{\"topic\":\"ask/a\",\"qos\":1,\"payload\":\"{}\",\"content_type\":\"application/json\","
        "\"format\":1,\"expiry\":600,\"correlation\":\"000102\","
        "\"user\":[[\"unit\",\"\\u00b0C\"],[\"unit\",\"\"]]}";
    for (size_t i = 0; i < 2; i++) { /* the second one came by alias to the broker */
        assert_string_equal(asking->json[i], wanted);
        assert_int_equal(asking->properties[i].message_expiry, 100);
        assert_int_equal(asking->properties[i].payload_format, 1);
    }
    assert_string_equal(asking->content_type, "application/json");
    assert_string_equal(asking->user, "answers=ask/a answers=again ");
    assert_memory_equal(asking->correlation, "\0\1\2", 3);
}

static void test_properties_by_way_of_another_client(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct seen probe;
    seen_new(&probe, fixture->loop, options_5(fixture, "probe"));
    run_until(fixture->loop, is_up, &probe); /* the broker listens */
    mw_mqtt_free(probe.client);
    struct asking asking = {.peer = start_peer(fixture)};
    if (asking.peer == 0) {
        print_message("skipped: no /usr/bin/python3\n");
        skip();
    }
    struct mw_mqtt_options options = options_5(fixture, "asking");
    options.on_message = on_answer;
    options.on_connect = on_up;
    options.context = &asking;
    assert_int_equal(mw_mqtt_new(&asking.client, fixture->loop, &options, NULL), MW_OK);
    assert_int_equal(mw_mqtt_subscribe(asking.client, "ready", 1, NULL), MW_OK);
    assert_int_equal(mw_mqtt_subscribe(asking.client, "to/me", 1, NULL), MW_OK);
    run_until(fixture->loop, is_ready_or_gone, &asking);
    if (asking.gone) {
        mw_mqtt_free(asking.client);
        assert_true(WIFEXITED(asking.status) && WEXITSTATUS(asking.status) == 77);
        print_message("skipped: no paho-mqtt (python3-paho-mqtt)\n");
        skip();
    }
    const struct mw_mqtt_pair user[] = {{mw_span_of("unit"), mw_span_of("\xc2\xb0"
                                                                        "C")},
                                        {mw_span_of("unit"), mw_span_of("")}};
    const struct mw_mqtt_about about = {.content_type = "application/json",
                                        .response_topic = "to/me",
                                        .correlation = {"\0\1\2", 3},
                                        .expiry = 600,
                                        .text = true,
                                        .user = user,
                                        .user_n = 2};
    assert_int_equal(
        mw_mqtt_publish_with(asking.client, "ask/a", mw_span_of("{}"), 1, false, &about), MW_OK);
    run_until(fixture->loop, has_two_answers, &asking);
    check_answers(&asking);
    mw_mqtt_free(asking.client);
    (void)kill(asking.peer, SIGKILL);
    (void)waitpid(asking.peer, NULL, 0);
}

/* --- mosquitto --- */

struct group {
    struct seen *seen;
    int n, wanted;
};

static bool group_has_all(void *context)
{
    const struct group *group = context;
    int all = 0;
    for (int i = 0; i < group->n; i++) {
        all += group->seen[i].messages;
    }
    return all >= group->wanted;
}

/* Two share a filter: each message comes to one of them, in either version. */
static void test_shared_subscription(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct seen bridge[2];
    struct seen thing;
    for (int i = 0; i < 2; i++) {
        struct mw_mqtt_options options = options_5(fixture, i == 0 ? "bridge-0" : "bridge-1");
        options.speak = i == 0 ? MW_MQTT_5 : MW_MQTT_3_1_1;
        seen_new(&bridge[i], fixture->loop, options);
        subscribe(&bridge[i], "$share/bridges/mw/+");
        run_until(fixture->loop, is_up, &bridge[i]);
    }
    seen_new(&thing, fixture->loop, options_5(fixture, "thing"));
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(seen_publish(&thing, "mw/a", i, 1), MW_OK);
    }
    struct group group = {bridge, 2, 1000};
    run_until(fixture->loop, group_has_all, &group);
    run_until(fixture->loop, is_sent, &thing);
    assert_int_equal(bridge[0].messages + bridge[1].messages, 1000);
    assert_true(bridge[0].messages > 100 && bridge[1].messages > 100);
    for (int i = 0; i < 2; i++) {
        mw_mqtt_free(bridge[i].client);
    }
    mw_mqtt_free(thing.client);
}

static void test_options_of_a_subscription(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct seen seen;
    struct mw_error error = {0};
    seen_new(&seen, fixture->loop, options_5(fixture, "both"));
    run_until(fixture->loop, is_up, &seen);
    assert_int_equal(mw_mqtt_publish(seen.client, "kept", mw_span_of("1"), 1, true), MW_OK);
    run_until(fixture->loop, is_sent, &seen);
    assert_int_equal(mw_mqtt_subscribe_with(seen.client, "own", 1 | MW_MQTT_NO_LOCAL, &error),
                     MW_OK);
    assert_int_equal(mw_mqtt_subscribe_with(seen.client, "kept", 1 | MW_MQTT_RETAIN_NEVER, &error),
                     MW_OK);
    assert_int_equal(
        mw_mqtt_subscribe_with(seen.client, "flag", 1 | MW_MQTT_RETAIN_AS_PUBLISHED, &error),
        MW_OK);
    assert_int_equal(mw_mqtt_publish(seen.client, "own", mw_span_of("2"), 1, false), MW_OK);
    assert_int_equal(mw_mqtt_publish(seen.client, "flag", mw_span_of("3"), 1, true), MW_OK);
    run_until(fixture->loop, is_sent, &seen);
    struct group group = {&seen, 1, 1};
    run_until(fixture->loop, group_has_all, &group);
    assert_string_equal(seen.last, "flag=3"); /* neither the retained one nor its own came before */
    assert_int_equal(seen.messages, 1);
    assert_true(seen.retained);
    mw_mqtt_free(seen.client);
}

/* The broker's limits and a name that it gives, as mosquitto has them. */
static void test_terms_of_the_broker(void **state)
{
    struct fixture *fixture = fixture_of(state);
    broker_start_with(fixture, "max_packet_size 2000\nmax_keepalive 20\nmax_inflight_messages 5\n");
    struct seen seen;
    seen_new(&seen, fixture->loop, options_5(fixture, ""));
    char mass[3000];
    memset(mass, '7', sizeof(mass));
    struct mw_span span = {mass, sizeof(mass)};
    assert_int_equal(mw_mqtt_publish(seen.client, "t", span, 1, false), MW_OK); /* not known yet */
    subscribe(&seen, "t");
    run_until(fixture->loop, is_up, &seen);
    assert_true(strlen(mw_mqtt_client_id(seen.client)) > 3);
    assert_int_equal(seen.client->keepalive, 20);
    assert_int_equal(seen.client->outbox.terms.window, 5);
    assert_int_equal(seen.client->outbox.terms.largest, 2000);
    assert_true(seen.client->outbox.terms.aliases > 0);
    assert_int_equal(mw_mqtt_publish(seen.client, "t", span, 1, false), MW_ERR_TOO_LARGE);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(seen_publish(&seen, "t", i, 1), MW_OK);
    }
    run_until(fixture->loop, is_sent, &seen);
    struct group group = {&seen, 1, 100};
    run_until(fixture->loop, group_has_all, &group);
    assert_int_equal(seen.next, 100); /* in order, each once, and the long one not at all */
    assert_int_equal(seen.messages, 100);
    assert_int_equal(seen.disconnects, 0);
    mw_mqtt_free(seen.client);
}

/* A message that the broker refuses is done with, and what it lets through goes on, although
 * mosquitto 2.0.11 ends the connection over it. */
static void test_refused_message(void **state)
{
    struct fixture *fixture = fixture_of(state);
    char rules[320];
    char lines[400];
    (void)snprintf(rules, sizeof(rules), "%s/rules", fixture->folder);
    (void)snprintf(lines, sizeof(lines), "acl_file %s\n", rules);
    assert_int_equal(mw_file_write(rules, "pattern readwrite ok\n", 21, 0600, NULL), MW_OK);
    broker_start_with(fixture, lines);
    struct seen seen;
    struct mw_mqtt_options options = options_5(fixture, "c");
    seen_new(&seen, fixture->loop, options);
    subscribe(&seen, "ok");
    subscribe(&seen, "secret");
    run_until(fixture->loop, is_up, &seen);
    assert_int_equal(seen_publish(&seen, "secret", 1, 1), MW_OK);
    assert_int_equal(seen_publish(&seen, "ok", 2, 1), MW_OK);
    run_until(fixture->loop, is_sent, &seen);
    struct group group = {&seen, 1, 1};
    run_until(fixture->loop, group_has_all, &group);
    assert_string_equal(seen.last, "ok=2");
    assert_int_equal(seen.messages, 1);
    mw_mqtt_free(seen.client);
}

/* A session ends when it was said to, and not before. */
static void test_session_expiry(void **state)
{
    struct fixture *fixture = fixture_of(state);
    const uint32_t expiry[] = {1, 0};
    for (size_t i = 0; i < 2; i++) {
        struct mw_mqtt_options options = options_5(fixture, i == 0 ? "short" : "long");
        options.clean_session = false;
        options.session_expiry = expiry[i];
        for (int round = 0; round < 2; round++) {
            struct seen seen;
            seen_new(&seen, fixture->loop, options);
            run_until(fixture->loop, is_up, &seen);
            assert_true(seen.session_present == (round == 1));
            mw_mqtt_free(seen.client);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_set_up, broker_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_properties_by_way_of_another_client),
        TEST(test_shared_subscription),
        TEST(test_options_of_a_subscription),
        TEST(test_terms_of_the_broker),
        TEST(test_refused_message),
        TEST(test_session_expiry),
    };
    return cmocka_run_group_tests_name("client_5", tests, NULL, NULL);
}
