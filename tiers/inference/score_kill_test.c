/* The whole role in its own process, killed again and again while it works. */
#include "tiers/inference/score_test_plant.h"

#include "tiers/inference/score.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define RECORDS 12000
#define DEVICES 7
#define KILLS 12

static pid_t start_role(const struct test_plant *test)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct mw_error error = {0};
        mw_err err = mw_score_run(&test->plant, &error);
        if (err != MW_OK) {
            (void)fprintf(stderr, "score: %s\n", error.text);
        }
        _exit(err == MW_OK ? 0 : 1);
    }
    return pid;
}

struct watcher {
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    size_t seen;
    unsigned char scored[DEVICES][RECORDS / DEVICES + 1];
};

static void watch(struct watcher *watcher, const struct test_plant *test)
{
    const char *topic = "score";
    char uri[400];
    (void)snprintf(uri, sizeof uri, "sqlite:%s/stream", test->place->folder);
    struct mw_stream_options options = {.uri = uri, .plant = "test"};
    assert_ok(mw_stream_open(&watcher->stream, &options, error));
    assert_ok(mw_stream_reader_open(&watcher->reader, watcher->stream, &topic, 1,
                                    MW_STREAM_EARLIEST, error));
}

static void note(struct watcher *watcher, struct mw_span value)
{
    char text[512];
    unsigned device = 0, seq = 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)value.size, value.data);
    assert_int_equal(
        sscanf(text, "{\"v\":1,\"device\":\"motor-%u\",\"boot\":1,\"seq\":%u,", &device, &seq), 2);
    assert_true(device < DEVICES && seq <= RECORDS / DEVICES);
    assert_int_equal(watcher->scored[device][seq], 0); /* a second one would be doubled */
    watcher->scored[device][seq] = 1;
    watcher->seen++;
}

/* Reads scores until there are `wanted`, or the time is up. */
static void read_until(struct watcher *watcher, size_t wanted)
{
    struct mw_stream_record records[64];
    int64_t limit = mw_clock_monotonic() + 60 * MW_SECOND;
    while (watcher->seen < wanted) {
        size_t n = 0;
        assert_true(mw_clock_monotonic() < limit);
        mw_stream_reader_drain(watcher->reader);
        assert_ok(mw_stream_poll(watcher->reader, records, 64, &n, error));
        for (size_t i = 0; i < n; i++) {
            note(watcher, records[i].value);
        }
        if (n == 0) {
            struct pollfd wait = {.fd = mw_stream_reader_fd(watcher->reader), .events = POLLIN};
            (void)poll(&wait, 1, 100);
        }
    }
}

/* Appends some records as a bridge would, in small transactions, with bundles changing in between.
 */
static unsigned feed(struct test_plant *test, unsigned from, unsigned n, const char *digest)
{
    unsigned i = from, end = from + n < RECORDS ? from + n : RECORDS;
    test_plant_begin(test);
    test_plant_update(test, i % 2 == 0 ? "*" : "motor-3", digest);
    while (i < end) {
        char name[32];
        (void)snprintf(name, sizeof name, "motor-%u", i % DEVICES);
        test_plant_record(test, name, 1, i / DEVICES, 0.9F, 0.9F);
        if (++i % 97 == 0) {
            test_plant_commit(test);
            test_plant_begin(test);
        }
    }
    test_plant_commit(test);
    return end;
}

static void test_kill_at_any_moment(void **state)
{
    struct test_plant *test = *state;
    static struct watcher watcher;
    struct mw_buffer lines = {0};
    char digest[2][MW_DIGEST_TEXT];
    unsigned fed = 0;
    int status = 0;
    free(test->plant.action.immediate);
    test->plant.action.immediate = strdup("stop");
    test->plant.action.expires = 100 * MW_SECOND;
    test_plant_publish(test, 1.0F, digest[0]);
    test_plant_publish(test, 0.95F, digest[1]);
    srand(20261123);
    fed = feed(test, 0, 700, digest[0]);
    watch(&watcher, test);
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        pid_t pid = start_role(test);
        /* Some work is waiting, some comes while it runs; the kill falls into the middle of it. */
        fed = feed(test, fed, 900, digest[kill_number % 2]);
        size_t left = fed - watcher.seen;
        read_until(&watcher, watcher.seen + (size_t)rand() % left);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    fed = feed(test, fed, RECORDS, digest[0]);
    assert_int_equal(fed, RECORDS);
    pid_t pid = start_role(test);
    read_until(&watcher, RECORDS);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    mw_stream_reader_close(watcher.reader);
    mw_stream_close(watcher.stream);

    assert_int_equal(test_plant_all(test, "score", &lines), RECORDS);
    /* One command a machine at record 1 and every 100 s (records) after: never one twice or none.
     */
    size_t commands = test_plant_all(test, "command", &lines);
    assert_int_equal(commands, (size_t)DEVICES * ((RECORDS / DEVICES - 2) / 100 + 1));
    for (unsigned device = 0; device < DEVICES; device++) {
        for (unsigned seq = 1; seq < RECORDS / DEVICES; seq += 100) {
            char id[64];
            (void)snprintf(id, sizeof id, "\"id\":\"motor-%u-1-%u\"", device, seq);
            assert_int_equal(test_plant_count(lines.data, id), 1);
        }
    }
    mw_buffer_clear(&lines);
    assert_ok(mw_file_read(place_path(test->place, "../run/score.json"), 4096, &lines, error));
    assert_non_null(strstr(lines.data, "\"refused\":0,\"bundles\":[\"sha256:"));
    mw_buffer_free(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_at_any_moment, test_plant_set_up,
                                        test_plant_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
