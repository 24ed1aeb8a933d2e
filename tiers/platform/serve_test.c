/* The role as a process of its own, on a real stream, asked over HTTP. */
#include "tiers/platform/serve.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/http/client.h"
#include "lib/stream/stream.h"

#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT (20 * MW_SECOND)
#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct place {
    char folder[64], url[64];
    struct mw_plant plant;
    struct mw_stream *bridge, *score, *publish;
    pid_t pid;
};

static struct mw_stream *open_writer(const struct place *place, const char *writer)
{
    char uri[128];
    struct mw_stream *stream = NULL;
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", writer};
    assert_int_equal(mw_stream_open(&stream, &options, NULL), MW_OK);
    return stream;
}

static void start(struct place *place)
{
    char path[128];
    struct mw_buffer text = {0};
    snprintf(path, sizeof path, "%s/run/http", place->folder);
    unlink(path);
    fflush(NULL);
    place->pid = fork();
    if (place->pid == 0) {
        struct mw_error error = {0};
        mw_log_init("serve", MW_LOG_ERROR, MW_LOG_TEXT);
        mw_err err = mw_serve_run(&place->plant, &error);
        if (err != MW_OK) {
            fprintf(stderr, "serve: %s\n", error.text);
        }
        _exit(err == MW_OK ? 0 : 1);
    }
    assert_true(place->pid > 0);
    int64_t end = mw_clock_monotonic() + LIMIT;
    while (!mw_file_exists(path)) {
        assert_true(mw_clock_monotonic() < end);
        usleep(2000);
    }
    assert_int_equal(mw_file_read(path, 64, &text, NULL), MW_OK);
    snprintf(place->url, sizeof place->url, "http://127.0.0.1:%d", atoi(text.data));
    mw_buffer_free(&text);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->folder, "/tmp/mw-serve-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    assert_int_equal(mw_plant_read(&place->plant, NULL, NULL), MW_OK);
    free(place->plant.plant);
    free(place->plant.data);
    place->plant.plant = strdup("p");
    place->plant.data = strdup(place->folder);
    place->plant.http.port = 0;
    place->plant.rollout.records = 3;
    place->plant.time.tolerance = -1;
    place->bridge = open_writer(place, "bridge");
    place->score = open_writer(place, "score");
    place->publish = open_writer(place, "publish");
    start(place);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    int status = 0;
    assert_int_equal(kill(place->pid, SIGTERM), 0);
    assert_int_equal(waitpid(place->pid, &status, 0), place->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    mw_stream_close(place->bridge);
    mw_stream_close(place->score);
    mw_stream_close(place->publish);
    mw_plant_clear(&place->plant);
    snprintf(command, sizeof command, "rm -rf %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

static void append(struct mw_stream *stream, const char *topic, const char *key, const char *value)
{
    assert_int_equal(mw_stream_begin(stream, NULL), MW_OK);
    assert_int_equal(mw_stream_append(stream, topic, mw_span_of(key), mw_span_of(value), NULL),
                     MW_OK);
    assert_int_equal(mw_stream_commit(stream, NULL, NULL), MW_OK);
}

static void add_record(struct place *place, const char *device, unsigned seq)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"seq\":%u,\"time\":5,\"features\":{\"a\":1},"
             "\"received\":%lld}",
             device, seq, (long long)(mw_clock_utc() / MW_SECOND));
    append(place->bridge, "telemetry", device, text);
}

static void add_score(struct place *place, const char *device, unsigned seq)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"machine\":\"%s\",\"boot\":1,\"seq\":%u,\"time\":5,"
             "\"score\":0.25,\"band\":\"normal\",\"model\":\"" A "\",\"level\":3}",
             device, device, seq);
    append(place->score, "score", device, text);
}

static void add_status(struct place *place, const char *device, const char *bundle)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"last_seq\":-1,\"published\":0,"
             "\"reported\":{\"bundle\":\"%s\"}}",
             device, bundle);
    append(place->bridge, "status", device, text);
}

static json_t *ask(const struct place *place, const char *path, const char *body, long expected)
{
    char url[128];
    long status = 0;
    struct mw_buffer answer = {0};
    snprintf(url, sizeof url, "%s%s", place->url, path);
    struct mw_span sent = body == NULL ? (struct mw_span){NULL, 0} : mw_span_of(body);
    assert_int_equal(mw_http_request_json(url, sent, &status, &answer, NULL), MW_OK);
    assert_int_equal(status, expected);
    json_t *json = json_loadb(answer.data, answer.size, 0, NULL);
    assert_non_null(json);
    mw_buffer_free(&answer);
    return json;
}

/* Asks for the state until `path` in it ("rollout.state") is that text. */
static void wait_for(const struct place *place, const char *object, const char *key,
                     const char *expected)
{
    int64_t end = mw_clock_monotonic() + LIMIT;
    bool same = false;
    while (!same) {
        json_t *state = ask(place, "/api/state", NULL, 200);
        const char *text = json_string_value(json_object_get(json_object_get(state, object), key));
        same = text != NULL && strcmp(text, expected) == 0;
        json_decref(state);
        assert_true(same || mw_clock_monotonic() < end);
    }
}

static void wait_for_things(const struct place *place, json_int_t n, json_int_t scores)
{
    int64_t end = mw_clock_monotonic() + LIMIT;
    bool same = false;
    while (!same) {
        json_t *state = ask(place, "/api/state", NULL, 200);
        const json_t *things = json_object_get(state, "things");
        same = (json_int_t)json_array_size(things) == n &&
               json_integer_value(json_object_get(json_array_get(things, 0), "scores")) >= scores;
        json_decref(state);
        assert_true(same || mw_clock_monotonic() < end);
    }
}

static void state_shows_things(void **state)
{
    struct place *place = *state;
    add_record(place, "m2", 0);
    add_record(place, "m1", 0);
    add_score(place, "m1", 0);
    wait_for_things(place, 2, 1);
    json_t *shown = ask(place, "/api/state?limit=1", NULL, 200);
    const json_t *things = json_object_get(shown, "things");
    assert_int_equal(json_array_size(things), 1);
    const json_t *thing = json_array_get(things, 0);
    assert_string_equal(json_string_value(json_object_get(thing, "device")), "m1");
    assert_string_equal(json_string_value(json_object_get(thing, "band")), "normal");
    assert_true(json_is_true(json_object_get(thing, "alive")));
    const json_t *summary = json_object_get(shown, "summary");
    assert_int_equal(json_integer_value(json_object_get(summary, "things")), 2);
    json_decref(shown);
    json_t *ledger = ask(place, "/api/ledger", NULL, 200);
    assert_true(json_is_true(json_object_get(ledger, "complete")));
    assert_true(json_is_true(json_object_get(ledger, "balanced")));
    const json_t *total = json_object_get(ledger, "total");
    assert_int_equal(json_integer_value(json_object_get(total, "stored")), 2);
    assert_int_equal(json_integer_value(json_object_get(total, "scored")), 1);
    json_decref(ledger);
}

/* How many records there are, at most 64, and the newest one; `offset` may be NULL. */
static size_t look_at(struct place *place, const char *topic, char *last, size_t capacity,
                      int64_t *offset)
{
    const char *const topics[] = {topic};
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record record[64];
    size_t n = 0;
    assert_int_equal(
        mw_stream_reader_open(&reader, place->publish, topics, 1, MW_STREAM_EARLIEST, NULL), MW_OK);
    assert_int_equal(mw_stream_poll(reader, record, 64, &n, NULL), MW_OK);
    if (n > 0) {
        snprintf(last, capacity, "%.*s", (int)record[n - 1].value.size, record[n - 1].value.data);
        if (offset != NULL) {
            *offset = record[n - 1].offset;
        }
    }
    mw_stream_reader_close(reader);
    return n;
}

static size_t count(struct place *place, const char *topic, char *last, size_t capacity)
{
    return look_at(place, topic, last, capacity, NULL);
}

static void events_are_checked_and_stored(void **state)
{
    struct place *place = *state;
    char last[1024];
    add_record(place, "m1", 0);
    wait_for_things(place, 1, 0);
    static const char *const bad[] = {
        "{",
        "[]",
        "{\"machine\":\"m1\"}",
        "{\"machine\":\"M 1\",\"type\":\"failure\"}",
        "{\"machine\":\"m1\",\"type\":\"party\"}",
        "{\"machine\":\"m1\",\"type\":\"failure\",\"time\":\"soon\"}",
        "{\"v\":2,\"machine\":\"m1\",\"type\":\"failure\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *answer = ask(place, "/api/events", bad[i], 400);
        assert_non_null(json_object_get(answer, "error"));
        json_decref(answer);
    }
    assert_int_equal(count(place, "event", last, sizeof last), 0);
    json_t *answer = ask(place, "/api/events", "{\"machine\":\"m1\",\"type\":\"failure\"}", 200);
    /* The plant's time is that of the machine's newest record. */
    assert_true(json_number_value(json_object_get(answer, "time")) == 5);
    assert_non_null(json_string_value(json_object_get(answer, "id")));
    assert_null(json_object_get(answer, "warning"));
    json_decref(answer);
    assert_int_equal(count(place, "event", last, sizeof last), 1);
    assert_non_null(strstr(last, "\"machine\":\"m1\""));
    /* Kept, for a machine's first record may yet come; but not in silence. */
    answer = ask(place, "/api/events", "{\"machine\":\"m11\",\"type\":\"failure\"}", 200);
    assert_string_equal(json_string_value(json_object_get(answer, "warning")),
                        "nothing was heard of a machine m11 so far, did you mean m1?");
    json_decref(answer);
    assert_int_equal(count(place, "event", last, sizeof last), 2);
    assert_null(strstr(last, "warning"));
}

static void model_is_rolled_out(void **state)
{
    struct place *place = *state;
    char last[1024];
    add_status(place, "m1", "");
    add_status(place, "m2", "");
    wait_for_things(place, 2, 0);
    append(place->publish, "model", A,
           "{\"v\":1,\"time\":1,\"bundle\":\"" A "\",\"version\":1,\"cause\":\"first\"}");
    wait_for(place, "rollout", "state", "canary");
    assert_true(count(place, "update", last, sizeof last) > 0);
    assert_string_equal(last, "{\"v\":1,\"device\":\"m1\",\"desired\":{\"bundle\":\"" A
                              "\",\"rollout\":\"r-1\",\"stage\":\"canary\"}}");

    /* A restart goes on where it was. */
    assert_int_equal(kill(place->pid, SIGKILL), 0);
    assert_int_equal(waitpid(place->pid, NULL, 0), place->pid);
    start(place);
    wait_for(place, "rollout", "state", "canary");
    add_status(place, "m1", A);
    for (unsigned i = 0; i < 4; i++) {
        add_record(place, "m1", i);
        add_score(place, "m1", i);
    }
    wait_for(place, "rollout", "state", "all");
    add_status(place, "m2", A);
    append(place->score, "status", "score",
           "{\"v\":1,\"device\":\"score\",\"time\":1,\"reported\":{\"serves\":\"*\",\"bundle\":\"" A
           "\"}}");
    wait_for(place, "rollout", "state", "done");

    json_t *answer = ask(place, "/api/rollout", "{\"action\":\"halt\"}", 409);
    json_decref(answer);
    answer = ask(place, "/api/rollout", "{\"action\":\"rollback\",\"id\":\"r-1\"}", 200);
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "rolled-back");
    json_decref(answer);
    json_decref(ask(place, "/api/rollout", "{\"action\":\"dance\"}", 400));
    json_decref(ask(place, "/api/rollout", "{\"action\":\"halt\",\"id\":\"r-9\"}", 404));
}

/* A device of another layout numbers nothing: its record's offset is what the score names. */
static void one_without_numbers_goes_first(void **state)
{
    struct place *place = *state;
    char text[512], last[512];
    int64_t offset;
    assert_true(place->plant.level2.enabled);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(text, sizeof text,
                 "{\"v\":1,\"device\":\"m1\",\"time\":5,\"features\":{\"a\":1},\"received\":%lld}",
                 (long long)(mw_clock_utc() / MW_SECOND));
        append(place->bridge, "telemetry", "m1", text);
        if (i == 0) {
            wait_for_things(place, 1, 0);
            append(place->publish, "model", A,
                   "{\"v\":1,\"time\":1,\"bundle\":\"" A "\",\"version\":1,\"cause\":\"first\"}");
            wait_for(place, "rollout", "state", "canary");
            continue;
        }
        assert_int_equal(look_at(place, "telemetry", last, sizeof last, &offset), i + 1);
        snprintf(text, sizeof text,
                 "{\"v\":1,\"device\":\"m1\",\"machine\":\"m1\",\"boot\":0,\"seq\":%lld,\"time\":5,"
                 "\"score\":0.25,\"band\":\"normal\",\"model\":\"" A "\",\"level\":3}",
                 (long long)offset);
        append(place->score, "score", "m1", text);
    }
    wait_for(place, "rollout", "state", "all");
}

#define ASKED \
    "{\"v\":1,\"time\":1,\"started\":true,\"run\":\"ab12\",\"cause\":\"drift\",\"records\":7}"

static void what_came_of_a_run_is_told_once(void **state)
{
    struct place *place = *state;
    char last[1024];
    static const char refused[] = "{\"run\":\"ab12\",\"refused\":\"train failed: no data\"}";
    json_decref(ask(place, "/api/run", refused, 404)); /* nobody asked for it */
    append(place->publish, "model", "learn", ASKED);
    wait_for(place, "learn", "run", "ab12");
    json_decref(ask(place, "/api/run", "[]", 400));
    json_decref(ask(place, "/api/run", "{\"run\":\"ab12\"}", 400));
    json_decref(ask(place, "/api/run", "{\"run\":\"cd\",\"refused\":\"x\"}", 404));
    json_t *learn = ask(place, "/api/run", refused, 200);
    assert_null(json_object_get(learn, "started"));
    json_decref(learn);
    assert_int_equal(count(place, "model", last, sizeof last), 2);
    assert_non_null(strstr(last, "\"refused\":\"train failed: no data\""));
    assert_non_null(strstr(last, "\"records\":7"));
    json_decref(ask(place, "/api/run", refused, 404));
}

/* Somebody else has a lock on its file: whoever told of it tells again. */
static void what_could_not_be_stored_is_told_once(void **state)
{
    struct place *place = *state;
    static const char refused[] = "{\"run\":\"ab12\",\"refused\":\"train failed: no data\"}";
    char path[96], last[1024];
    sqlite3 *other;
    append(place->publish, "model", "learn", ASKED);
    wait_for(place, "learn", "run", "ab12");
    snprintf(path, sizeof path, "%s/stream/serve.db", place->folder);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    json_decref(ask(place, "/api/run", refused, 409));
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    json_decref(ask(place, "/api/run", refused, 200));
    assert_int_equal(count(place, "model", last, sizeof last), 2);
}

static void a_published_model_ends_the_run(void **state)
{
    struct place *place = *state;
    append(place->publish, "model", "learn", ASKED);
    wait_for(place, "learn", "run", "ab12");
    append(place->publish, "model", A,
           "{\"v\":1,\"time\":2,\"bundle\":\"" A "\",\"version\":1,\"cause\":\"drift\"}");
    wait_for(place, "learn", "bundle", A);
    json_decref(ask(place, "/api/run", "{\"run\":\"ab12\",\"refused\":\"late\"}", 404));
}

static void page_health_and_metrics(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *path, *text;
    } pages[] = {{"/", "<title>Millwright</title>"},
                 {"/healthz", "\"alive\":true"},
                 {"/metrics", "\nmillwright_things 0\n"}};
    for (size_t i = 0; i < 3; i++) {
        char url[128];
        long status = 0;
        struct mw_buffer answer = {0};
        snprintf(url, sizeof url, "%s%s", place->url, pages[i].path);
        assert_int_equal(
            mw_http_request_json(url, (struct mw_span){NULL, 0}, &status, &answer, NULL), MW_OK);
        assert_int_equal(status, 200);
        assert_non_null(strstr(answer.data, pages[i].text));
        mw_buffer_free(&answer);
    }
    json_decref(ask(place, "/api/nothing", NULL, 404));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(state_shows_things),
        TEST(events_are_checked_and_stored),
        TEST(model_is_rolled_out),
        TEST(one_without_numbers_goes_first),
        TEST(what_came_of_a_run_is_told_once),
        TEST(what_could_not_be_stored_is_told_once),
        TEST(a_published_model_ends_the_run),
        TEST(page_health_and_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
