/* The conformance suite of the stream: what every backend has to do. It runs on SQLite in a fresh
 * folder, or on the log that MILLWRIGHT_STREAM_URI names; with MILLWRIGHT_STREAM_RELAY behind a
 * relay that holds that. */
#include "lib/stream/relay_test_place.h"

static void test_reads_what_was_appended(void **state)
{
    struct mw_stream *stream = NULL;
    assert_ok(place_open(*state, "bridge", &stream, &why));
    int64_t before = mw_clock_utc();
    static const char binary[] = {0, 1, (char)255, '\n', 0};
    struct mw_span empty = {NULL, 0};
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_append(stream, "telemetry", mw_span_of("motor-1"), mw_span_of("{\"v\":1}"),
                               &why));
    assert_ok(mw_stream_append(stream, "telemetry", mw_span_of("motor-2"),
                               (struct mw_span){binary, sizeof(binary)}, &why));
    assert_ok(mw_stream_append(stream, "telemetry", empty, empty, &why));
    assert_ok(mw_stream_commit(stream, NULL, &why));
    int64_t after = mw_clock_utc();

    struct mw_stream_reader *reader = place_read(stream, "telemetry", MW_STREAM_EARLIEST);
    struct mw_stream_record records[8];
    int64_t last = before;
    for (size_t seen = 0; seen < 3; seen++) { /* all there: by time, whatever the partition */
        assert_int_equal(place_poll(reader, records, 1), 1);
        assert_string_equal(records[0].topic, "telemetry");
        assert_true(records[0].offset >= 0);
        assert_true(records[0].appended >= last && records[0].appended <= after + 3);
        last = records[0].appended;
        if (seen == 0) {
            assert_true(mw_span_is(records[0].key, "motor-1"));
            assert_true(mw_span_is(records[0].value, "{\"v\":1}"));
        } else if (seen == 1) {
            assert_true(mw_span_is(records[0].key, "motor-2"));
            assert_true(mw_span_equal(records[0].value, (struct mw_span){binary, sizeof(binary)}));
        } else {
            assert_int_equal(records[0].key.size + records[0].value.size, 0);
        }
    }
    place_expect_nothing(reader);
    mw_stream_tidy(stream); /* of whatever backend */
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_one_transaction_spans_topics_in_order(void **state)
{
    struct mw_stream *stream = NULL;
    assert_ok(place_open(*state, "score", &stream, &why));
    const char *const topics[] = {"score", "command"};
    struct mw_stream_reader *reader = NULL;
    assert_ok(mw_stream_reader_open(&reader, stream, topics, 2, MW_STREAM_EARLIEST, &why));
    assert_ok(mw_stream_begin(stream, &why));
    for (int i = 0; i < 100; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        assert_ok(
            mw_stream_append(stream, topics[i % 3 == 0], mw_span_of("k"), mw_span_of(text), &why));
        place_expect_nothing(reader); /* not committed: nobody sees it */
    }
    assert_ok(mw_stream_commit(stream, NULL, &why));
    /* Who was waiting may see one topic's part a moment before the other's. */
    int next[2] = {1, 0};
    for (int seen = 0; seen < 100;) {
        struct mw_stream_record records[16];
        size_t n = place_poll(reader, records, 16);
        for (size_t i = 0; i < n; i++, seen++) {
            int *expected = &next[strcmp(records[i].topic, "command") == 0];
            assert_int_equal(number_of(records[i].value), *expected);
            *expected += expected == &next[1] ? 3 : *expected % 3 == 1 ? 1 : 2;
        }
    }
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    /* Who comes later sees all in the order of append. */
    assert_ok(mw_stream_reader_open(&reader, stream, topics, 2, MW_STREAM_EARLIEST, &why));
    for (int seen = 0; seen < 100;) {
        struct mw_stream_record records[16];
        size_t n = place_poll(reader, records, 16);
        for (size_t i = 0; i < n; i++, seen++) {
            assert_int_equal(number_of(records[i].value), seen);
        }
    }
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_rollback_leaves_nothing(void **state)
{
    struct mw_stream *stream = NULL;
    struct mw_span value;
    assert_ok(place_open(*state, "score", &stream, &why));
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_append(stream, "new", mw_span_of("k"), mw_span_of("7"), &why));
    assert_ok(mw_stream_put(stream, "position", mw_span_of("k"), mw_span_of("7"), &why));
    mw_stream_rollback(stream);
    mw_stream_rollback(stream); /* without a transaction: nothing to do */
    assert_int_equal(mw_stream_get(stream, NULL, "position", mw_span_of("k"), &value, NULL),
                     MW_ERR_NOT_FOUND);
    place_append(stream, "new", 0, 3); /* the topic has to be made again */
    struct mw_stream_reader *reader = place_read(stream, "new", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, 3);
    place_expect_nothing(reader);

    assert_ok(mw_stream_begin(stream, &why)); /* closing rolls back as well */
    assert_ok(mw_stream_append(stream, "new", mw_span_of("k"), mw_span_of("8"), &why));
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    assert_ok(place_open(*state, "score", &stream, &why));
    reader = place_read(stream, "new", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, 3);
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

struct visited {
    char text[128];
    int stop_after;
};

static bool visit(void *context, struct mw_span key, struct mw_span value)
{
    struct visited *visited = context;
    size_t used = strlen(visited->text);
    (void)snprintf(visited->text + used, sizeof(visited->text) - used, "%.*s=%.*s ", (int)key.size,
                   key.data, (int)value.size, value.data);
    return --visited->stop_after != 0;
}

static void test_put_keeps_the_newest_value(void **state)
{
    struct mw_stream *bridge = NULL;
    struct mw_stream *other = NULL;
    struct mw_span value;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    assert_ok(mw_stream_begin(bridge, &why));
    assert_ok(mw_stream_put(bridge, "position", mw_span_of("b"), mw_span_of("1"), &why));
    assert_ok(mw_stream_put(bridge, "position", mw_span_of("a"), mw_span_of("2"), &why));
    assert_ok(mw_stream_put(bridge, "position", mw_span_of("c"), mw_span_of("3"), &why));
    assert_ok(mw_stream_put(bridge, "position", mw_span_of("b"), mw_span_of("4"), &why));
    assert_ok(mw_stream_put(bridge, "other", mw_span_of("b"), mw_span_of("9"), &why));
    assert_ok(mw_stream_commit(bridge, NULL, &why));
    assert_ok(mw_stream_get(bridge, NULL, "position", mw_span_of("b"), &value, &why));
    assert_true(mw_span_is(value, "4"));

    assert_ok(place_open(*state, NULL, &other, &why));
    assert_ok(mw_stream_get(other, "bridge", "position", mw_span_of("a"), &value, &why));
    assert_true(mw_span_is(value, "2"));
    assert_int_equal(mw_stream_get(other, "nobody", "position", mw_span_of("a"), &value, NULL),
                     MW_ERR_NOT_FOUND);
    assert_int_equal(mw_stream_get(other, NULL, "position", mw_span_of("a"), &value, NULL),
                     MW_ERR_ARGUMENT);

    assert_ok(mw_stream_begin(bridge, &why)); /* an empty value deletes */
    assert_ok(mw_stream_put(bridge, "position", mw_span_of("c"), (struct mw_span){NULL, 0}, &why));
    assert_ok(mw_stream_commit(bridge, NULL, &why));
    struct visited visited = {0};
    assert_ok(mw_stream_visit(other, "bridge", "position", visit, &visited, &why));
    assert_string_equal(visited.text, "a=2 b=4 ");
    visited = (struct visited){.stop_after = 1};
    assert_ok(mw_stream_visit(bridge, NULL, "position", visit, &visited, &why));
    assert_string_equal(visited.text, "a=2 ");
    visited = (struct visited){0};
    assert_ok(mw_stream_visit(other, "nobody", "position", visit, &visited, &why));
    assert_string_equal(visited.text, "");
    mw_stream_close(other);
    mw_stream_close(bridge);
}

static void test_group_goes_on_behind_its_commit(void **state)
{
    struct mw_stream *bridge = NULL;
    struct mw_stream *score = NULL;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    place_append(bridge, "telemetry", 0, 100);
    for (int run = 0; run < 4; run++) {
        assert_ok(place_open(*state, "score", &score, &why));
        struct mw_stream_reader *reader = place_read(score, "telemetry", MW_STREAM_EARLIEST);
        (void)place_expect(reader, run * 20, 20);
        assert_ok(mw_stream_begin(score, &why));
        assert_ok(mw_stream_append(score, "score", mw_span_of("k"), mw_span_of("1"), &why));
        assert_ok(mw_stream_commit(score, reader, &why));
        (void)place_expect(reader, run * 20 + 20, 20); /* read, and never committed */
        mw_stream_reader_close(reader);
        mw_stream_close(score);
    }
    assert_ok(place_open(*state, "score", &score, &why));
    struct mw_stream_reader *reader = place_read(score, "telemetry", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 80, 20);
    place_expect_nothing(reader);
    place_append(bridge, "telemetry", 100, 5);
    (void)place_expect(reader, 100, 5);

    /* A rollback with its input read again. */
    assert_ok(mw_stream_reader_rewind(reader, &why));
    (void)place_expect(reader, 80, 25);
    assert_ok(mw_stream_begin(score, &why));
    assert_ok(mw_stream_commit(score, reader, &why)); /* a position alone */
    assert_ok(mw_stream_reader_rewind(reader, &why));
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    mw_stream_close(score);
    mw_stream_close(bridge);
}

static void test_without_a_writer_starts_where_told(void **state)
{
    struct mw_stream *bridge = NULL;
    struct mw_stream *view = NULL;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    place_append(bridge, "telemetry", 0, 10);
    assert_ok(place_open(*state, NULL, &view, &why));
    struct mw_stream_reader *all = place_read(view, "telemetry", MW_STREAM_EARLIEST);
    struct mw_stream_reader *fresh = place_read(view, "telemetry", MW_STREAM_LATEST);
    place_expect_nothing(fresh);
    (void)place_expect(all, 0, 10);
    place_append(bridge, "telemetry", 10, 5);
    (void)place_expect(fresh, 10, 5);
    (void)place_expect(all, 10, 5);
    assert_ok(mw_stream_reader_rewind(fresh, &why));
    (void)place_expect(fresh, 10, 5);
    assert_int_equal(mw_stream_begin(view, NULL), MW_ERR_STATE);
    mw_stream_reader_close(all);
    mw_stream_reader_close(fresh);
    mw_stream_close(view);
    mw_stream_close(bridge);
}

static void test_writers_that_come_later_are_read_too(void **state)
{
    struct mw_stream *view = NULL;
    struct mw_stream *writers[3] = {NULL};
    const char *const names[] = {"bridge-0", "bridge-1", "bridge-2"};
    assert_ok(place_open(*state, NULL, &view, &why));
    struct mw_stream_reader *reader = place_read(view, "telemetry", MW_STREAM_LATEST);
    place_expect_nothing(reader);
    for (int i = 0; i < 3; i++) {
        assert_ok(place_open(*state, names[i], &writers[i], &why));
        place_append(writers[i], "telemetry", 1000 * i, 10);
        (void)place_expect(reader, 1000 * i, 10);
    }
    for (int i = 0; i < 3; i++) { /* all three at once: each in its own order */
        place_append(writers[i], "telemetry", 1000 * i + 10, 10);
    }
    int next[3] = {10, 10, 10};
    for (int seen = 0; seen < 30;) {
        struct mw_stream_record records[7];
        size_t n = place_poll(reader, records, 7);
        for (size_t i = 0; i < n; i++, seen++) {
            int number = number_of(records[i].value);
            assert_int_equal(number % 1000, next[number / 1000]++);
        }
    }
    mw_stream_reader_close(reader);
    for (int i = 0; i < 3; i++) {
        mw_stream_close(writers[i]);
    }
    mw_stream_close(view);
}

static void test_commit_wakes_readers(void **state)
{
    struct mw_stream *bridge = NULL;
    struct mw_stream *view = NULL;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    assert_ok(place_open(*state, NULL, &view, &why));
    place_append(bridge, "telemetry", 0, 1);
    struct mw_stream_reader *reader = place_read(view, "telemetry", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, 1);
    struct pollfd wait = {.fd = mw_stream_reader_fd(reader), .events = POLLIN};
    for (int i = 0; i < 3; i++) {
        int64_t limit = mw_clock_monotonic() + 20 * MW_SECOND;
        do { /* a hint may come twice, but not for ever */
            assert_true(mw_clock_monotonic() < limit);
            mw_stream_reader_drain(reader);
            place_expect_nothing(reader);
        } while (poll(&wait, 1, 0) != 0);
        place_append(bridge, "telemetry", i, 1);
        assert_int_equal(poll(&wait, 1, 10000), 1);
        (void)place_expect(reader, i, 1);
    }
    mw_stream_reader_close(reader);
    mw_stream_close(view);
    mw_stream_close(bridge);
}

static void test_poll_takes_any_size(void **state)
{
    struct mw_stream *stream = NULL;
    assert_ok(place_open(*state, "bridge", &stream, &why));
    char *large = malloc(MW_STREAM_RECORD_MAX);
    assert_non_null(large);
    const size_t sizes[] = {0, 1, 300000, 300000, MW_STREAM_RECORD_MAX, 4096, 500000, 524288, 5};
    const size_t n = sizeof(sizes) / sizeof(sizes[0]);
    assert_ok(mw_stream_begin(stream, &why));
    for (size_t i = 0; i < n; i++) {
        memset(large, 'a' + (int)i, sizes[i]);
        assert_ok(mw_stream_append(stream, "big", (struct mw_span){NULL, 0},
                                   (struct mw_span){large, sizes[i]}, &why));
    }
    assert_ok(mw_stream_commit(stream, NULL, &why));
    struct mw_stream_reader *reader = place_read(stream, "big", MW_STREAM_EARLIEST);
    for (size_t seen = 0; seen < n;) {
        struct mw_stream_record records[16];
        size_t count = place_poll(reader, records, 16);
        for (size_t i = 0; i < count; i++, seen++) { /* all of a poll are valid together */
            assert_int_equal(records[i].value.size, sizes[seen]);
            memset(large, 'a' + (int)seen, sizes[seen]);
            assert_true(mw_span_equal(records[i].value, (struct mw_span){large, sizes[seen]}));
        }
    }
    assert_ok(mw_stream_begin(stream, &why));
    assert_int_equal(mw_stream_append(stream, "big", mw_span_of("k"),
                                      (struct mw_span){large, MW_STREAM_RECORD_MAX}, NULL),
                     MW_ERR_TOO_LARGE);
    free(large);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_refuses_calls_out_of_turn(void **state)
{
    const struct place *place = *state;
    struct mw_stream *stream = NULL;
    struct mw_stream *other = NULL;
    struct mw_span one = mw_span_of("1");
    assert_ok(place_open(place, "bridge", &stream, &why));
    assert_int_equal(mw_stream_append(stream, "t", one, one, NULL), MW_ERR_STATE);
    assert_int_equal(mw_stream_put(stream, "t", one, one, NULL), MW_ERR_STATE);
    assert_int_equal(mw_stream_commit(stream, NULL, NULL), MW_ERR_STATE);
    assert_ok(mw_stream_begin(stream, &why));
    assert_int_equal(mw_stream_begin(stream, NULL), MW_ERR_STATE);
    assert_ok(mw_stream_append(stream, "t", one, one, &why));
    assert_int_equal(mw_stream_append(stream, "no/topic", one, one, NULL), MW_ERR_ARGUMENT);
    assert_int_equal(mw_stream_commit(stream, NULL, NULL), MW_ERR_STATE); /* it was rolled back */

    assert_ok(place_open(place, "score", &other, &why));
    struct mw_stream_reader *reader = place_read(other, "t", MW_STREAM_EARLIEST);
    place_expect_nothing(reader);
    assert_ok(mw_stream_begin(stream, &why));
    assert_int_equal(mw_stream_commit(stream, reader, NULL), MW_ERR_ARGUMENT);
    mw_stream_reader_close(reader);
    mw_stream_close(other);
    mw_stream_close(stream);
}

static void test_refuses_wrong_names(void **state)
{
    const struct place *place = *state;
    struct mw_stream *stream = NULL;
    struct mw_error error = {0};
    const char *const uris[] = {"", "sqlite", "file:x", "kafkaesque://x", "sqlit:x"};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct mw_stream_options options = {.uri = uris[i], .plant = "p", .writer = "w"};
        assert_int_equal(mw_stream_open(&stream, &options, &error), MW_ERR_UNSUPPORTED);
        assert_null(stream);
    }
    const char *const names[] = {"", "../x", "UPPER", "under_score", "a b"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(place_open(place, names[i], &stream, &error), MW_ERR_ARGUMENT);
        assert_non_null(strstr(error.text, "writer"));
    }
    struct mw_stream_options no_place = {.uri = "sqlite:", .plant = "p", .writer = NULL};
    assert_int_equal(mw_stream_open(&stream, &no_place, &error), MW_ERR_ARGUMENT);
}

static int set_up(void **state)
{
    return getenv("MILLWRIGHT_STREAM_RELAY") == NULL ? place_set_up(state)
                                                     : relay_place_set_up(state);
}

static int tear_down(void **state)
{
    return getenv("MILLWRIGHT_STREAM_RELAY") == NULL ? place_tear_down(state)
                                                     : relay_place_tear_down(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_reads_what_was_appended),
        TEST(test_one_transaction_spans_topics_in_order),
        TEST(test_rollback_leaves_nothing),
        TEST(test_put_keeps_the_newest_value),
        TEST(test_group_goes_on_behind_its_commit),
        TEST(test_without_a_writer_starts_where_told),
        TEST(test_writers_that_come_later_are_read_too),
        TEST(test_commit_wakes_readers),
        TEST(test_poll_takes_any_size),
        TEST(test_refuses_calls_out_of_turn),
        TEST(test_refuses_wrong_names),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
