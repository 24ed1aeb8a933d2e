/* The relay: the stream's conformance suite through it, and what only a relay can do wrong. The
 * suite is the program stream_test beside this one; both ends run on SQLite in a fresh folder, or
 * on the log that MILLWRIGHT_STREAM_URI names. */
#include "lib/stream/members.h"
#include "lib/stream/relay_frame.h"
#include "lib/stream/relay_test_place.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char beside[512]; /* the folder of this program */

static void test_is_a_stream(void **state)
{
    (void)state;
    char program[600];
    (void)snprintf(program, sizeof program, "%s/lib_stream_stream_test", beside);
    pid_t child = fork();
    if (child == 0) {
        (void)setenv("MILLWRIGHT_STREAM_RELAY", "1", 1);
        (void)execl(program, program, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void *sync_often(void *context)
{
    for (int i = 0; i < 50; i++) {
        if (mw_stream_sync(context, NULL) != MW_OK) {
            return context;
        }
    }
    return NULL;
}

static void test_syncs_on_any_thread(void **state)
{
    const struct relay_place *held = *state;
    struct mw_stream *stream = NULL;
    pthread_t thread;
    void *failed = NULL;
    (void)place_must_open(&held->place, "bridge", &stream);
    assert_int_equal(pthread_create(&thread, NULL, sync_often, stream), 0);
    for (int i = 0; i < 50; i++) {
        place_append(stream, "telemetry", 4 * i, 4);
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    struct mw_stream_reader *reader = place_read(stream, "telemetry", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, 200);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

/* More than a frame of the relay's takes, in records and in bytes. */
static void test_carries_large_records(void **state)
{
    const struct relay_place *held = *state;
    enum { LARGE = 900000, N = 20 };
    struct mw_stream *stream = NULL;
    char *value = malloc(LARGE);
    assert_non_null(value);
    (void)place_must_open(&held->place, "bridge", &stream);
    assert_ok(mw_stream_begin(stream, &why));
    for (int i = 0; i < N; i++) {
        memset(value, 'a' + i, LARGE);
        struct mw_span span = {value, LARGE};
        assert_ok(mw_stream_append(stream, "telemetry", mw_span_of("k"), span, &why));
        assert_ok(
            mw_stream_put(stream, "held", (struct mw_span){value, (size_t)i + 1}, span, &why));
    }
    assert_ok(mw_stream_commit(stream, NULL, &why));
    struct mw_stream_reader *reader = place_read(stream, "telemetry", MW_STREAM_EARLIEST);
    for (int seen = 0; seen < N;) {
        struct mw_stream_record records[N];
        size_t n = place_poll(reader, records, N);
        for (size_t i = 0; i < n; i++, seen++) {
            assert_int_equal(records[i].value.size, LARGE);
            assert_int_equal(records[i].value.data[LARGE - 1], 'a' + seen);
        }
    }
    struct mw_span found = {NULL, 0};
    assert_ok(mw_stream_get(stream, NULL, "held", mw_span_of("cccc"), &found, &why) == MW_OK
                  ? MW_ERR_EXISTS
                  : MW_OK);
    assert_ok(mw_stream_get(stream, "bridge", "held", mw_span_of("ccc"), &found, &why));
    assert_int_equal(found.size, LARGE);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    free(value);
}

static void test_says_what_an_append_met(void **state)
{
    const struct relay_place *held = *state;
    struct mw_stream *one = NULL, *other = NULL;
    (void)place_must_open(&held->place, "score", &one);
    mw_err err = place_open(&held->place, "score", &other, &why);
    if (err == MW_OK) { /* Kafka: the second has taken the first one's writer */
        assert_ok(mw_stream_begin(other, &why));
        assert_ok(mw_stream_commit(other, NULL, &why));
        (void)mw_stream_begin(one, NULL);
        (void)mw_stream_append(one, "score", mw_span_of("k"), mw_span_of("v"), NULL);
        assert_int_not_equal(mw_stream_commit(one, NULL, &why), MW_OK);
        assert_true(mw_stream_ended(one));
    } else {
        assert_int_equal(err, MW_ERR_BUSY);
        assert_non_null(strstr(why.text, "score"));
    }
    mw_stream_close(other);
    mw_stream_close(one);
}

static uint64_t wait_for_shares(struct mw_stream_members *members, uint64_t wanted)
{
    int64_t limit = mw_clock_monotonic() + 30 * MW_SECOND;
    uint64_t mine = 0;
    while (mine != wanted && mw_clock_monotonic() < limit) {
        struct pollfd wait = {.fd = mw_stream_members_fd(members), .events = POLLIN};
        (void)poll(&wait, 1, 200);
        assert_ok(mw_stream_members_poll(members, &mine, &why));
    }
    return mine;
}

/* Shares are Kafka's: behind a relay as well, and SQLite says so. */
static void test_divides_what_its_log_divides(void **state)
{
    struct relay_place *held = *state;
    struct mw_stream *stream = NULL;
    struct mw_stream_members *members = NULL;
    struct mw_stream_reader *reader = NULL;
    const char *topic = "telemetry";
    struct mw_stream_share half = {.topic = topic, .share = 1, .shares = 2};
    struct mw_stream_members_options options = {
        .uri = held->place.uri, .plant = held->place.plant, .role = "score", .shares = 2};
    (void)place_must_open(&held->place, "score", &stream);
    mw_err read =
        mw_stream_reader_open_share(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &half, &why);
    mw_err joined = mw_stream_members_join(&members, &options, &why);
    if (strncmp(held->behind, "kafka:", 6) != 0) {
        assert_int_equal(read, MW_ERR_UNSUPPORTED);
        assert_int_equal(joined, MW_ERR_UNSUPPORTED);
        assert_non_null(strstr(why.text, "Kafka"));
        assert_ok(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &why));
    } else {
        uint64_t mine = 0;
        assert_ok(read);
        assert_ok(joined);
        assert_int_equal(wait_for_shares(members, 3), 3);
        relay_place_stop(held);
        assert_int_equal(mw_stream_members_poll(members, &mine, &why), MW_ERR_STATE);
    }
    mw_stream_members_leave(members);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_ends_with_its_relay(void **state)
{
    struct relay_place *held = *state;
    struct mw_stream *stream = NULL;
    struct mw_stream_record record;
    size_t n = 0;
    (void)place_must_open(&held->place, "score", &stream);
    place_append(stream, "score", 0, 1);
    struct mw_stream_reader *reader = place_read(stream, "score", MW_STREAM_EARLIEST);
    assert_ok(mw_stream_begin(stream, &why));
    relay_place_stop(held);
    assert_int_equal(mw_stream_commit(stream, reader, &why), MW_ERR_NET);
    assert_non_null(strstr(why.text, "relay"));
    assert_true(mw_stream_ended(stream));
    assert_int_equal(mw_stream_begin(stream, NULL), MW_ERR_STATE);
    assert_int_equal(mw_stream_poll(reader, &record, 1, &n, NULL), MW_ERR_NET);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    assert_int_equal(place_open(&held->place, "score", &stream, &why), MW_ERR_NET);
    assert_non_null(strstr(why.text, held->path));
}

static int connect_raw(const struct relay_place *held)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(held->path) < sizeof address.sun_path);
    memcpy(address.sun_path, held->path, strlen(held->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void open_frame(struct mw_relay_out *out, unsigned version)
{
    mw_relay_begin(out, MW_RELAY_OPEN);
    mw_relay_u8(out, version);
    mw_relay_bytes(out, mw_span_of("plant"));
    mw_relay_u8(out, 1);
    mw_relay_bytes(out, mw_span_of("raw"));
    mw_relay_end(out);
}

/* Sends frames; the relay answers with `err`, or hangs up (-1). */
static void expect_answer(const struct relay_place *held, struct mw_relay_out *out, int err)
{
    struct mw_relay_pipe pipe = {.fd = connect_raw(held), .received = -1};
    struct mw_relay_in in;
    enum mw_relay_op op;
    mw_err got = MW_OK;
    int last = -1;
    assert_ok(mw_relay_send(&pipe, out, -1, &why));
    assert_int_equal(shutdown(pipe.fd, SHUT_WR), 0);
    while ((got = mw_relay_receive(&pipe, &op, &in, &why)) == MW_OK) {
        assert_int_equal(op, MW_RELAY_REPLY);
        last = (int)mw_relay_take_u8(&in);
    }
    assert_int_equal(got, MW_ERR_NET);
    assert_int_equal(last, err);
    mw_relay_pipe_close(&pipe);
    mw_relay_out_free(out);
}

static void test_hangs_up_on_nonsense(void **state)
{
    const struct relay_place *held = *state;
    struct mw_relay_out out = {0};
    mw_relay_u32(&out, 0); /* a frame of nothing */
    expect_answer(held, &out, -1);
    mw_relay_u32(&out, UINT32_MAX);
    expect_answer(held, &out, -1);
    mw_relay_begin(&out, MW_RELAY_BEGIN); /* before OPEN */
    mw_relay_end(&out);
    expect_answer(held, &out, -1);
    open_frame(&out, MW_RELAY_VERSION + 1);
    expect_answer(held, &out, MW_ERR_VERSION);
    open_frame(&out, MW_RELAY_VERSION);
    open_frame(&out, MW_RELAY_VERSION);
    expect_answer(held, &out, MW_ERR_STATE);
    open_frame(&out, MW_RELAY_VERSION);
    mw_relay_begin(&out, (enum mw_relay_op)99);
    mw_relay_end(&out);
    expect_answer(held, &out, MW_OK);
    open_frame(&out, MW_RELAY_VERSION);
    mw_relay_begin(&out, MW_RELAY_POLL);
    mw_relay_u8(&out, 3); /* no such reader */
    mw_relay_u8(&out, 1);
    mw_relay_u32(&out, 10);
    mw_relay_end(&out);
    expect_answer(held, &out, MW_ERR_ARGUMENT);
    open_frame(&out, MW_RELAY_VERSION);
    mw_relay_begin(&out, MW_RELAY_BEGIN);
    mw_relay_end(&out);
    mw_relay_begin(&out, MW_RELAY_COMMIT);
    mw_relay_u8(&out, 3);
    mw_relay_end(&out);
    expect_answer(held, &out, MW_ERR_ARGUMENT);

    struct mw_stream *stream = NULL; /* and serves others as before */
    (void)place_must_open(&held->place, "score", &stream);
    place_append(stream, "score", 0, 3);
    mw_stream_close(stream);
}

static void test_refuses_a_place_that_is_taken(void **state)
{
    const struct relay_place *held = *state;
    struct mw_relay *second = NULL;
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(mw_relay_new(&second, held->path, "sqlite:x", NULL, &why), MW_ERR_BUSY);
    assert_int_equal(mw_relay_new(&second, "/", "sqlite:x", NULL, &why), MW_ERR_EXISTS);
    assert_int_equal(mw_relay_new(&second, longest, "sqlite:x", NULL, &why), MW_ERR_ARGUMENT);
    assert_int_equal(mw_relay_new(&second, "", "sqlite:x", NULL, &why), MW_ERR_ARGUMENT);
    assert_null(second);
}

static void test_serves_its_plant_only(void **state)
{
    struct relay_place *held = *state;
    struct mw_stream *stream = NULL;
    relay_place_stop(held);
    assert_int_equal(relay_place_start(held, "hall"), 0);
    assert_int_equal(place_open(&held->place, "score", &stream, &why), MW_ERR_ARGUMENT);
    assert_non_null(strstr(why.text, "hall"));
    (void)snprintf(held->place.plant, sizeof held->place.plant, "hall");
    (void)place_must_open(&held->place, "score", &stream);
    mw_stream_close(stream);
}

int main(int n, char **words)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_place_set_up, relay_place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_is_a_stream),
        TEST(test_syncs_on_any_thread),
        TEST(test_carries_large_records),
        TEST(test_says_what_an_append_met),
        TEST(test_divides_what_its_log_divides),
        TEST(test_ends_with_its_relay),
        TEST(test_hangs_up_on_nonsense),
        TEST(test_refuses_a_place_that_is_taken),
        TEST(test_serves_its_plant_only),
    };
    (void)n;
    (void)snprintf(beside, sizeof beside, "%.*s", (int)(strrchr(words[0], '/') - words[0]),
                   words[0]);
    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
