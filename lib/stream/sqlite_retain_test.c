/* Retention by age and size, and that the files stay small with it. */
#include "lib/stream/stream_test_place.h"

static off_t size_of(const struct place *place, const char *name)
{
    char path[300];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", place->folder, name);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

static void retain_all(struct mw_stream *stream, int64_t age, int64_t bytes, int64_t now)
{
    bool more = true;
    for (int calls = 0; more; calls++) {
        assert_true(calls < 100);
        assert_ok(mw_stream_retain(stream, age, bytes, now, &more, &why));
    }
}

static void test_retention_by_age(void **state)
{
    struct mw_stream *stream = NULL;
    assert_ok(place_open(*state, "bridge", &stream, &why));
    place_append(stream, "t", 0, 5000);
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_put(stream, "position", mw_span_of("k"), mw_span_of("1"), &why));
    assert_ok(mw_stream_commit(stream, NULL, &why));
    int64_t between = mw_clock_utc();
    while (mw_clock_utc() <= between) { /* the next record has another microsecond */
    }
    place_append(stream, "t", 5000, 10);
    struct mw_stream_reader *reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    retain_all(stream, 3600 * MW_SECOND, -1, mw_clock_utc()); /* nothing is that old */
    (void)place_expect(reader, 0, 5010);
    retain_all(stream, MW_SECOND, -1, between + MW_SECOND + 1);
    assert_ok(mw_stream_reader_rewind(reader, &why));
    int64_t last = place_expect(reader, 5000, 10);
    assert_int_equal(last, 5009);
    retain_all(stream, 0, -1, mw_clock_utc() + MW_SECOND); /* all of them */
    struct mw_span value;
    assert_ok(mw_stream_get(stream, NULL, "position", mw_span_of("k"), &value, &why));
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    assert_ok(place_open(*state, "bridge", &stream, &why));
    place_append(stream, "t", 7, 1);
    reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    assert_int_equal(place_expect(reader, 7, 1), 5010); /* never used again */
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

/* Removes within a transaction, and with it comes back. */
static void test_trim(void **state)
{
    struct mw_stream *stream = NULL;
    struct mw_span value;
    assert_ok(place_open(*state, "bridge", &stream, &why));
    place_append(stream, "t", 0, 100);
    struct mw_stream_reader *reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_trim(stream, "t", 60, &why));
    assert_ok(mw_stream_trim(stream, "other", 60, &why)); /* there is none */
    mw_stream_rollback(stream);
    (void)place_expect(reader, 0, 100);
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_trim(stream, "t", 60, &why));
    assert_ok(mw_stream_commit(stream, NULL, &why));
    assert_ok(mw_stream_reader_rewind(reader, &why));
    assert_int_equal(place_expect(reader, 60, 40), 99);
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_trim(stream, "t", 100, &why));
    assert_ok(mw_stream_commit(stream, NULL, &why));
    place_append(stream, "t", 100, 1);
    assert_int_equal(place_expect(reader, 100, 1), 100); /* never used again */
    assert_int_equal(mw_stream_get(stream, NULL, MW_STREAM_REMOVED, mw_span_of("t"), &value, NULL),
                     MW_ERR_NOT_FOUND);
    assert_int_equal(mw_stream_trim(stream, "t", 1, NULL), MW_ERR_STATE);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_wrong_clock_does_not_keep_old_records(void **state)
{
    const struct place *place = *state;
    struct mw_stream *stream = NULL;
    assert_ok(place_open(place, "bridge", &stream, &why));
    place_append(stream, "t", 0, 100);
    mw_stream_close(stream);
    place_run_sql(place, "bridge",
                  "UPDATE record_1 SET appended = 9000000000000000 WHERE offset < 20;"
                  "UPDATE record_1 SET appended = 1000 WHERE offset >= 20");
    assert_ok(place_open(place, "bridge", &stream, &why));
    retain_all(stream, MW_SECOND, -1, mw_clock_utc());
    struct mw_stream_reader *reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_retention_by_size(void **state)
{
    struct mw_stream *stream = NULL;
    assert_ok(place_open(*state, "bridge", &stream, &why));
    char value[300];
    memset(value, 'x', sizeof(value));
    assert_ok(mw_stream_begin(stream, &why));
    for (int i = 0; i < 6000; i++) {
        assert_ok(mw_stream_append(stream, "telemetry", (struct mw_span){NULL, 0},
                                   (struct mw_span){value, 300}, &why));
        if (i % 10 == 0) {
            assert_ok(mw_stream_append(stream, "event", mw_span_of("k"),
                                       (struct mw_span){value, 99}, &why));
        }
    }
    assert_ok(mw_stream_commit(stream, NULL, &why));
    retain_all(stream, -1, 60000 + 300 * 1000, mw_clock_utc());
    struct mw_stream_reader *events = place_read(stream, "event", MW_STREAM_EARLIEST);
    struct mw_stream_reader *telemetry = place_read(stream, "telemetry", MW_STREAM_EARLIEST);
    static struct mw_stream_record records[MW_STREAM_POLL_MAX];
    size_t n = 0;
    assert_ok(mw_stream_poll(events, records, MW_STREAM_POLL_MAX, &n, &why));
    assert_int_equal(n, 600); /* not the fullest topic */
    assert_ok(mw_stream_poll(telemetry, records, MW_STREAM_POLL_MAX, &n, &why));
    assert_int_equal(n, 1000);
    assert_int_equal(records[n - 1].offset, 6599); /* of 6,600: no record was renumbered */
    mw_stream_reader_close(events);
    mw_stream_reader_close(telemetry);
    /* The sums survive: nothing is left to do after a new start. */
    mw_stream_close(stream);
    assert_ok(place_open(*state, "bridge", &stream, &why));
    bool more = true;
    assert_ok(mw_stream_retain(stream, -1, 60000 + 300 * 1000, 0, &more, &why));
    assert_false(more);
    mw_stream_close(stream);
}

/* The freed room is used again, and a reader that is open all the time does not make the log grow.
 */
static void test_files_stay_small(void **state)
{
    struct mw_stream *stream = NULL;
    assert_ok(place_open(*state, "bridge", &stream, &why));
    struct mw_stream_reader *reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    char value[1000];
    memset(value, 'x', sizeof(value));
    static struct mw_stream_record records[MW_STREAM_POLL_MAX];
    for (int round = 0; round < 60; round++) { /* 60 MB in all, 2 MB kept */
        assert_ok(mw_stream_begin(stream, &why));
        for (int i = 0; i < 1000; i++) {
            assert_ok(mw_stream_append(stream, "t", mw_span_of("k"),
                                       (struct mw_span){value, sizeof(value)}, &why));
        }
        assert_ok(mw_stream_commit(stream, NULL, &why));
        size_t n = 1;
        for (size_t seen = 0; n > 0; seen += n) {
            assert_ok(mw_stream_poll(reader, records, MW_STREAM_POLL_MAX, &n, &why));
            assert_true(n > 0 || seen == 1000);
        }
        retain_all(stream, -1, 2000000, mw_clock_utc());
    }
    assert_true(size_of(*state, "bridge.db") < 8000000);
    assert_true(size_of(*state, "bridge.db-wal") < 16000000);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_replace(void **state)
{
    struct mw_stream *stream = NULL;
    struct mw_stream_record record;
    size_t n;
    const struct mw_span none = {NULL, 0};
    assert_ok(place_open(*state, "bridge", &stream, &why));
    place_append(stream, "t", 0, 10);
    struct mw_stream_reader *reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_replace(stream, "t", 3, none, none, &why));
    assert_ok(mw_stream_replace(stream, "t", 4, mw_span_of("k"), mw_span_of("other"), &why));
    mw_stream_rollback(stream);
    (void)place_expect(reader, 0, 10);
    assert_ok(mw_stream_begin(stream, &why));
    assert_ok(mw_stream_replace(stream, "t", 3, none, none, &why));
    assert_ok(mw_stream_replace(stream, "t", 3, mw_span_of("k"), mw_span_of("late"), &why));
    assert_ok(mw_stream_replace(stream, "t", 4, mw_span_of("k"), mw_span_of("other"), &why));
    assert_ok(mw_stream_commit(stream, NULL, &why));
    assert_ok(mw_stream_reader_seek(reader, 3, &why));
    assert_ok(mw_stream_poll(reader, &record, 1, &n, &why));
    assert_int_equal(n, 1);
    assert_int_equal(record.offset, 4); /* 3 is gone, and stays so */
    assert_true(mw_span_is(record.key, "k") && mw_span_is(record.value, "other"));
    (void)place_expect(reader, 5, 5);
    place_append(stream, "t", 10, 1);
    assert_int_equal(place_expect(reader, 10, 1), 10);
    assert_int_equal(mw_stream_replace(stream, "t", 1, none, none, NULL), MW_ERR_STATE);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up_sqlite, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_retention_by_age),  TEST(test_trim),
        TEST(test_replace),           TEST(test_wrong_clock_does_not_keep_old_records),
        TEST(test_retention_by_size), TEST(test_files_stay_small),
    };
    return cmocka_run_group_tests_name("sqlite_retain", tests, NULL, NULL);
}
