/* A role that is killed at any moment neither loses nor doubles: part of the conformance suite. */
#include "lib/stream/stream_test_place.h"

#include <signal.h>
#include <sys/wait.h>

#define RECORDS 4000
#define KILLS 40

static void must(bool ok)
{
    if (!ok) {
        print_error("role: %s\n", why.text);
        _exit(1);
    }
}

/* Tells the parent how far it has come; this is what kills are timed by. */
static void tick(int fd)
{
    must(write(fd, ".", 1) == 1);
}

/* A role: copies telemetry to score, counts it in a compacted key, and commits both with its
 * position. Ends when everything is copied. */
static void run_role(const struct place *place, int ticks, unsigned seed)
{
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    const char *topic = "telemetry";
    must(place_open(place, "score", &stream, &why) == MW_OK);
    must(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &why) == MW_OK);
    int last = -1;
    while (last < RECORDS - 1) {
        struct mw_stream_record records[32];
        size_t n = 0;
        seed = seed * 1103515245U + 12345U;
        must(mw_stream_poll(reader, records, 1 + (seed >> 16) % 32, &n, &why) == MW_OK);
        if (n == 0) {
            break;
        }
        must(mw_stream_begin(stream, &why) == MW_OK);
        tick(ticks);
        for (size_t i = 0; i < n; i++) {
            must(mw_stream_append(stream, "score", records[i].key, records[i].value, &why) ==
                 MW_OK);
        }
        tick(ticks);
        must(mw_stream_put(stream, "count", mw_span_of("k"), records[n - 1].value, &why) == MW_OK);
        tick(ticks);
        last = number_of(records[n - 1].value);
        must(mw_stream_commit(stream, reader, &why) == MW_OK);
        tick(ticks);
    }
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

/* Starts the role, waits for so many ticks, kills it. Returns whether it had ended by itself. */
static bool run_and_kill(const struct place *place, int after, unsigned seed)
{
    int ticks[2];
    assert_int_equal(pipe(ticks), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ticks[0]);
        run_role(place, ticks[1], seed);
        _exit(0);
    }
    (void)close(ticks[1]);
    for (char byte = 0; after > 0 && read(ticks[0], &byte, 1) == 1; after--) {
    }
    if (after == 0) { /* not the end of the file */
        assert_int_equal(kill(child, SIGKILL), 0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ticks[0]);
    assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) || WIFSIGNALED(status));
    return WIFEXITED(status);
}

/* Output is 0, 1, 2 ... without a gap or a double, and the counter speaks of the last of them. */
static int check_output(const struct place *place)
{
    struct mw_stream *view = NULL;
    /* Who opens a writer again settles what the one before has left. */
    assert_ok(place_open(place, "score", &view, &why));
    mw_stream_close(view);
    assert_ok(place_open(place, NULL, &view, &why));
    struct mw_stream_reader *reader = place_read(view, "score", MW_STREAM_EARLIEST);
    int n = 0;
    for (;;) {
        struct mw_stream_record records[256];
        size_t count = 0;
        assert_ok(mw_stream_poll(reader, records, 256, &count, &why));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(number_of(records[i].value), n++);
        }
        if (count == 0) {
            break;
        }
    }
    struct mw_span value;
    mw_err err = mw_stream_get(view, "score", "count", mw_span_of("k"), &value, NULL);
    if (n == 0) {
        assert_int_equal(err, MW_ERR_NOT_FOUND);
    } else {
        assert_int_equal(err, MW_OK);
        assert_int_equal(number_of(value), n - 1);
    }
    mw_stream_reader_close(reader);
    mw_stream_close(view);
    return n;
}

static void test_kill_neither_loses_nor_doubles(void **state)
{
    const struct place *place = *state;
    struct mw_stream *bridge = NULL;
    assert_ok(place_open(place, "bridge", &bridge, &why));
    place_append(bridge, "telemetry", 0, RECORDS);
    mw_stream_close(bridge);
    unsigned seed = 20261123;
    int n = 0;
    for (int i = 0; i < KILLS; i++) {
        seed = seed * 1103515245U + 12345U;
        (void)run_and_kill(place, 1 + (int)((seed >> 16) % 24), seed);
        int now = check_output(place);
        assert_true(now >= n);
        n = now;
    }
    assert_true(n > 0 && n < RECORDS); /* else the kills proved nothing */
    assert_true(run_and_kill(place, INT_MAX, seed));
    assert_int_equal(check_output(place), RECORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_neither_loses_nor_doubles, place_set_up,
                                        place_tear_down),
    };
    return cmocka_run_group_tests_name("stream_kill", tests, NULL, NULL);
}
