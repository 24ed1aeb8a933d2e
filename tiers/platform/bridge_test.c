/* The bridge as a process of its own, between a real mosquitto and a real stream. */
#include "tiers/platform/bridge.h"

#include "lib/artifact/store.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/mqtt/client.h"
#include "lib/mqtt/mosquitto.h"
#include "lib/plant/broker.h"
#include "lib/stream/stream.h"
#include "tiers/platform/ledger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT (10 * MW_SECOND) /* a test that waits longer has failed */

struct place {
    char folder[64];
    struct mw_plant plant;
    struct mw_mosquitto mosquitto;
    struct mw_broker_address address;
    pid_t broker, bridge;
    struct mw_loop *loop;
    struct mw_mqtt *mqtt;
    struct mw_buffer last; /* newest message on command or update */
    unsigned commands, updates, events, orders;

    /* A thing with an outbox of `made` records; all before `acked` are stored. */
    uint64_t made, acked, sent;
    bool told; /* an ack has come since the last status */
    int64_t progress;
};

/* ---- processes ---- */

static pid_t start_broker(struct place *place)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        execv(place->mosquitto.argv[0], place->mosquitto.argv);
        _exit(127);
    }
    assert_true(pid > 0);
    int64_t end = mw_clock_monotonic() + LIMIT;
    while (!mw_mosquitto_accepts(&place->mosquitto)) {
        assert_true(mw_clock_monotonic() < end);
        usleep(2000);
    }
    return pid;
}

static pid_t start_bridge(struct place *place)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct mw_error error = {0};
        signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
        mw_log_init("bridge", MW_LOG_WARN, MW_LOG_TEXT);
        mw_err err = mw_bridge_run(&place->plant, &error);
        if (err != MW_OK) {
            fprintf(stderr, "bridge: %s\n", error.text);
        }
        _exit(err == MW_OK ? 0 : 1);
    }
    assert_true(pid > 0);
    return pid;
}

static int stop(pid_t pid, int with)
{
    int status = 0;
    assert_int_equal(kill(pid, with), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- the thing ---- */

static void publish(struct place *place, const char *kind, const char *text)
{
    char topic[64];
    snprintf(topic, sizeof topic, "mw/p/%s/m", kind);
    (void)mw_mqtt_publish(place->mqtt, topic, mw_span_of(text), 1, false);
}

static void send_status(struct place *place)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"m\",\"boot\":1,\"last_seq\":%lld,\"published\":%llu,"
             "\"dropped\":0,\"time\":1}",
             (long long)place->made - 1, (unsigned long long)place->made);
    place->told = false;
    publish(place, "status", text);
}

/* Sends what waits, in messages of three, at most 300 ahead of what is stored. */
static void send_records(struct place *place)
{
    while (place->told && place->sent < place->made && place->sent < place->acked + 300) {
        char text[1024] = "[";
        size_t at = 1;
        for (unsigned i = 0; i < 3 && place->sent < place->made; i++, place->sent++) {
            at +=
                (size_t)snprintf(text + at, sizeof text - at,
                                 "%s{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":%llu,"
                                 "\"time\":%llu,\"features\":{\"a\":%llu}}",
                                 i > 0 ? "," : "", (unsigned long long)place->sent,
                                 (unsigned long long)place->sent, (unsigned long long)place->sent);
        }
        snprintf(text + at, sizeof text - at, "]");
        publish(place, "telemetry", text);
    }
}

static void on_ack(struct place *place, const char *text)
{
    unsigned long long next;
    if (strstr(text, "\"event\"") != NULL) {
        place->events++;
    } else if (sscanf(text, "{\"v\":1,\"boot\":%*u,\"next\":%llu}", &next) == 1 &&
               next >= place->acked) {
        place->progress = next > place->acked ? mw_clock_monotonic() : place->progress;
        place->acked = next;
        place->sent = !place->told || place->sent < next ? next : place->sent;
        place->told = true;
    }
}

static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct place *place = context;
    struct mw_buffer text = {0};
    assert_int_equal(mw_buffer_add(&text, message->payload.data, message->payload.size), MW_OK);
    if (mw_span_is(message->topic, "mw/p/ack/m")) {
        on_ack(place, text.data);
        mw_buffer_free(&text);
        return;
    }
    bool command = mw_span_is(message->topic, "mw/p/command/m");
    bool order = mw_span_is(message->topic, "hall/Press/set");
    *(command ? &place->commands : order ? &place->orders : &place->updates) += 1;
    mw_buffer_free(&place->last);
    place->last = text;
}

static void on_connect(void *context, bool session_present)
{
    (void)session_present;
    send_status(context);
}

/* ---- waiting on a condition ---- */

typedef bool condition(struct place *place);

struct waiting {
    struct place *place;
    condition *met;
    int64_t end;
};

static void on_tick(void *context)
{
    struct waiting *waiting = context;
    struct place *place = waiting->place;
    int64_t now = mw_clock_monotonic();
    if (mw_mqtt_connected(place->mqtt)) {
        if (now - place->progress > MW_SECOND / 4) {
            place->progress = now;
            send_status(place); /* the answer says from where to go on */
        }
        send_records(place);
    }
    if (waiting->met(place) || now > waiting->end) {
        mw_loop_stop(place->loop);
    }
}

static bool wait_until(struct place *place, condition *met, int64_t limit)
{
    struct waiting waiting = {place, met, mw_clock_monotonic() + limit};
    struct mw_loop_watch *watch;
    assert_int_equal(mw_loop_add_timer(place->loop, 0, 2000, on_tick, &waiting, &watch, NULL),
                     MW_OK);
    assert_int_equal(mw_loop_run(place->loop, NULL), MW_OK);
    mw_loop_remove(place->loop, watch);
    return met(place);
}

static bool all_stored(struct place *place)
{
    return place->acked >= place->made;
}

static bool never(struct place *place)
{
    (void)place;
    return false;
}

/* ---- place ---- */

static void connect_thing(struct place *place)
{
    struct mw_mqtt_options options = {.url = place->address.url,
                                      .client_id = "m",
                                      .username = place->address.username,
                                      .password = place->address.password,
                                      .clean_session = true,
                                      .on_message = on_message,
                                      .on_connect = on_connect,
                                      .context = place};
    assert_int_equal(mw_mqtt_new(&place->mqtt, place->loop, &options, NULL), MW_OK);
    assert_int_equal(mw_mqtt_subscribe(place->mqtt, "mw/p/ack/m", 0, NULL), MW_OK);
    assert_int_equal(mw_mqtt_subscribe(place->mqtt, "mw/p/command/m", 1, NULL), MW_OK);
    assert_int_equal(mw_mqtt_subscribe(place->mqtt, "mw/p/update/m", 1, NULL), MW_OK);
    assert_int_equal(mw_mqtt_subscribe(place->mqtt, "hall/Press/set", 1, NULL), MW_OK);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct mw_error error = {0};
    assert_non_null(place);
    strcpy(place->folder, "/tmp/mw-bridge-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    if (mw_mosquitto_prepare(&place->mosquitto, place->folder, &error) == MW_ERR_NOT_FOUND) {
        print_message("no mosquitto here: skipped\n");
        *state = NULL;
        free(place);
        return 0;
    }
    assert_int_equal(error.code, MW_OK);
    assert_int_equal(mw_plant_read(&place->plant, NULL, &error), MW_OK);
    free(place->plant.plant);
    free(place->plant.data);
    place->plant.plant = strdup("p");
    place->plant.data = strdup(place->folder);
    assert_int_equal(mw_topic_maps_add(&place->plant.topics, "hall", "hall/{device}", NULL), MW_OK);
    assert_int_equal(
        mw_command_maps_add(&place->plant.commands, "hall.topic", "hall/{device}/set", NULL),
        MW_OK);
    assert_int_equal(mw_command_maps_add(&place->plant.commands, "hall.stop", "halt {id}", NULL),
                     MW_OK);
    snprintf(place->address.url, sizeof place->address.url, "mqtt://127.0.0.1:%u",
             place->mosquitto.port);
    snprintf(place->address.username, sizeof place->address.username, "%s",
             place->mosquitto.username);
    snprintf(place->address.password, sizeof place->address.password, "%s",
             place->mosquitto.password);
    assert_int_equal(mw_plant_broker_write(&place->plant, &place->address, &error), MW_OK);
    place->broker = start_broker(place);
    place->bridge = start_bridge(place);
    assert_int_equal(mw_loop_new(&place->loop, &error), MW_OK);
    connect_thing(place);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    if (place == NULL) {
        return 0;
    }
    mw_mqtt_free(place->mqtt);
    mw_loop_free(place->loop);
    int status = stop(place->bridge, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)stop(place->broker, SIGTERM);
    mw_plant_clear(&place->plant);
    mw_buffer_free(&place->last);
    snprintf(command, sizeof command, "rm -rf %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

#define PLACE(state)                \
    struct place *place = *(state); \
    if (place == NULL) {            \
        skip();                     \
    }

static struct mw_stream *open_writer(struct place *place, const char *writer)
{
    char uri[128];
    struct mw_stream *stream = NULL;
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", writer};
    assert_int_equal(mw_stream_open(&stream, &options, NULL), MW_OK);
    return stream;
}

static void append(struct mw_stream *stream, const char *topic, const char *key, const char *value)
{
    assert_int_equal(mw_stream_begin(stream, NULL), MW_OK);
    assert_int_equal(mw_stream_append(stream, topic, mw_span_of(key), mw_span_of(value), NULL),
                     MW_OK);
    assert_int_equal(mw_stream_commit(stream, NULL, NULL), MW_OK);
}

static void assert_all_there(struct place *place)
{
    struct mw_ledger_row total;
    assert_int_equal(mw_ledger_read(&place->plant, NULL, NULL, &total, NULL), MW_OK);
    assert_true(mw_ledger_balances(&total));
    assert_int_equal(total.published, place->made);
    assert_int_equal(total.stored, place->made);
    assert_int_equal(total.missing, 0);
    assert_int_equal(total.doubled, 0);
}

/* ---- tests ---- */

static void stores_then_acknowledges(void **state)
{
    PLACE(state)
    place->made = 1000;
    assert_true(wait_until(place, all_stored, LIMIT));
    assert_all_there(place);
}

/* Bridge and broker are killed again and again in the middle of the work. */
static void kills_lose_and_double_nothing(void **state)
{
    PLACE(state)
    for (unsigned i = 0; i < 6; i++) {
        place->made += 2000;
        (void)wait_until(place, all_stored, MW_SECOND / 50 * (1 + i));
        if (i == 3) {
            (void)stop(place->broker, SIGKILL);
            place->broker = start_broker(place);
        } else {
            (void)stop(place->bridge, SIGKILL);
            place->bridge = start_bridge(place);
        }
    }
    assert_true(wait_until(place, all_stored, LIMIT));
    assert_all_there(place);
}

static void set_file_limit(pid_t pid, rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static bool some_stored(struct place *place)
{
    return place->acked >= 500;
}

/* No file may grow any more: as on a full disk, appends fail. */
static void full_disk_stops_acks_and_nothing_else(void **state)
{
    PLACE(state)
    place->made = 500;
    assert_true(wait_until(place, some_stored, LIMIT));
    set_file_limit(place->bridge, 4096);
    place->made = 20000;
    assert_false(wait_until(place, all_stored, MW_SECOND));
    uint64_t acked = place->acked;
    assert_true(acked < 20000);
    set_file_limit(place->bridge, RLIM_INFINITY);
    assert_true(wait_until(place, all_stored, LIMIT));
    assert_all_there(place);
}

static bool has_command(struct place *place)
{
    return place->commands > 0;
}

static bool has_command_again(struct place *place)
{
    return place->commands > 1;
}

static void command_is_resent_until_answered(void **state)
{
    PLACE(state)
    place->made = 1;
    assert_true(wait_until(place, all_stored, LIMIT));
    struct mw_stream *score = open_writer(place, "score");
    place->plant.time.tolerance = -1;
    char text[256];
    snprintf(
        text, sizeof text,
        "{\"v\":1,\"id\":\"c-1\",\"device\":\"m\",\"machine\":\"m\",\"time\":1,\"action\":\"stop\","
        "\"expires\":%lld,\"cause\":\"test\"}",
        (long long)(mw_clock_utc() / MW_SECOND + 3600));
    append(score, "command", "m", text);
    assert_true(wait_until(place, has_command, LIMIT));
    assert_string_equal(place->last.data, text);
    assert_true(wait_until(place, has_command_again, LIMIT));
    /* A bridge that was killed goes on with it. */
    (void)stop(place->bridge, SIGKILL);
    place->commands = 0;
    place->bridge = start_bridge(place);
    assert_true(wait_until(place, has_command, LIMIT));
    publish(
        place, "status",
        "{\"v\":1,\"device\":\"m\",\"answer\":{\"id\":\"c-1\",\"result\":\"done\"},\"time\":1}");
    place->made++; /* stored behind the answer, so the answer has been taken */
    assert_true(wait_until(place, all_stored, LIMIT));
    place->commands = 0;
    assert_false(wait_until(place, never, MW_SECOND * 5 / 4));
    assert_int_equal(place->commands, 0);
    mw_stream_close(score);
}

static bool has_order(struct place *place)
{
    return place->orders > 0;
}

static void command_reaches_a_device_of_another_layout(void **state)
{
    PLACE(state)
    place->made = 1;
    assert_true(wait_until(place, all_stored, LIMIT));
    assert_int_equal(mw_mqtt_publish(place->mqtt, "hall/Press",
                                     mw_span_of("{\"current\":1,\"sound\":2}"), 1, false),
                     MW_OK);
    place->made++; /* behind it, so the bridge knows the press when this is stored */
    assert_true(wait_until(place, all_stored, LIMIT));
    struct mw_stream *score = open_writer(place, "score");
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"id\":\"c-2\",\"device\":\"press\",\"machine\":\"press\",\"time\":1,"
             "\"action\":\"stop\",\"expires\":%lld,\"cause\":\"test\"}",
             (long long)(mw_clock_utc() / MW_SECOND + 3600));
    append(score, "command", "press", text);
    assert_true(wait_until(place, has_order, LIMIT));
    assert_string_equal(place->last.data, "halt c-2");
    assert_false(wait_until(place, never, MW_SECOND * 5 / 4)); /* once, for nobody answers */
    assert_int_equal(place->orders, 1);
    mw_stream_close(score);
}

static bool has_update(struct place *place)
{
    return place->updates > 0;
}

static void update_brings_baseline_and_parts(void **state)
{
    PLACE(state)
    char uri[128], digest[MW_DIGEST_TEXT], text[256];
    struct mw_store *store = NULL;
    static char blob[40000];
    memset(blob, 'x', sizeof blob);
    snprintf(uri, sizeof uri, "oci:%s/artifacts", place->folder);
    assert_int_equal(mw_store_open(&store, uri, true, NULL), MW_OK);
    assert_int_equal(mw_store_put(store, blob, sizeof blob, digest, NULL), MW_OK);
    mw_store_close(store);
    place->made = 1;
    assert_true(wait_until(place, all_stored, LIMIT));

    struct mw_stream *learn = open_writer(place, "learn"), *serve = open_writer(place, "serve");
    append(learn, "baseline", "m", "{\"v\":1,\"machine\":\"m\",\"count\":2,\"features\":{}}");
    snprintf(text, sizeof text, "{\"v\":1,\"device\":\"*\",\"desired\":{\"bundle\":\"%s\"}}",
             digest);
    append(serve, "update", "*", text);
    assert_true(wait_until(place, has_update, LIMIT));
    assert_non_null(strstr(place->last.data, digest));
    if (strstr(place->last.data, "\"baseline\":{\"m\":{\"v\":1") == NULL) {
        place->updates = 0; /* the baseline came behind: it is told again */
        assert_true(wait_until(place, has_update, LIMIT));
    }
    assert_non_null(strstr(place->last.data, "\"baseline\":{\"m\":{\"v\":1"));

    place->updates = 0;
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"m\",\"want\":{\"digest\":\"%s\",\"offset\":39999}}", digest);
    publish(place, "status", text);
    assert_true(wait_until(place, has_update, LIMIT));
    assert_non_null(strstr(place->last.data, "\"offset\":39999,\"size\":40000,\"data\":\"eA==\""));
    mw_stream_close(learn);
    mw_stream_close(serve);
}

static bool has_event(struct place *place)
{
    return place->events > 0;
}

static void event_gets_its_receipt(void **state)
{
    PLACE(state)
    place->made = 1;
    assert_true(wait_until(place, all_stored, LIMIT));
    publish(place, "event",
            "{\"v\":1,\"id\":\"e-1\",\"machine\":\"m\",\"type\":\"failure\",\"time\":1,"
            "\"by\":\"test\"}");
    assert_true(wait_until(place, has_event, LIMIT));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stores_then_acknowledges),
        TEST(kills_lose_and_double_nothing),
        TEST(full_disk_stops_acks_and_nothing_else),
        TEST(command_is_resent_until_answered),
        TEST(command_reaches_a_device_of_another_layout),
        TEST(update_brings_baseline_and_parts),
        TEST(event_gets_its_receipt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
