/* stream_test_place.h - a fresh place for each test of the stream, and the steps that tests share.
 */
#ifndef MW_STREAM_STREAM_TEST_PLACE_H
#define MW_STREAM_STREAM_TEST_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/stream/stream.h"

#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[256]; /* empty with a URI from MILLWRIGHT_STREAM_URI */
    char uri[512];
    char plant[64]; /* keeps tests apart where the log is shared */
};

static struct mw_error why; /* of the call that failed */

static inline void place_assert_ok(mw_err err, const char *call, const char *file, int line)
{
    if (err != MW_OK) {
        print_error("%s: %s (%s)\n", call, why.text, mw_err_text(err));
        _fail(file, line);
    }
}
#define assert_ok(call) place_assert_ok((call), #call, __FILE__, __LINE__)

static inline int place_set_up(void **state)
{
    static unsigned number;
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL) {
        return -1;
    }
    const char *uri = getenv("MILLWRIGHT_STREAM_URI");
    (void)snprintf(place->plant, sizeof(place->plant), "test-%ld-%u", (long)getpid(), number++);
    if (uri != NULL) {
        (void)snprintf(place->uri, sizeof(place->uri), "%s", uri);
    } else {
        const char *parent = getenv("TMPDIR");
        (void)snprintf(place->folder, sizeof(place->folder), "%s/mw-stream-XXXXXX",
                       parent == NULL ? "/tmp" : parent);
        if (mkdtemp(place->folder) == NULL) {
            free(place);
            return -1;
        }
        (void)snprintf(place->uri, sizeof(place->uri), "sqlite:%s", place->folder);
    }
    *state = place;
    return 0;
}

/* The same, and SQLite whatever the environment says. */
static inline int place_set_up_sqlite(void **state)
{
    (void)unsetenv("MILLWRIGHT_STREAM_URI");
    return place_set_up(state);
}

static inline int place_remove_one(const char *path, const struct stat *status, int type,
                                   struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int place_tear_down(void **state)
{
    struct place *place = *state;
    if (place->folder[0] != '\0') {
        (void)nftw(place->folder, place_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    free(place);
    return 0;
}

/* Runs SQL on a writer's file behind the stream's back. */
static inline void place_run_sql(const struct place *place, const char *name, const char *sql)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/%s.db", place->folder, name);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline mw_err place_open(const struct place *place, const char *writer,
                                struct mw_stream **stream, struct mw_error *error)
{
    struct mw_stream_options options = {.uri = place->uri, .plant = place->plant, .writer = writer};
    return mw_stream_open(stream, &options, error);
}

static inline struct mw_stream *place_must_open(const struct place *place, const char *writer,
                                                struct mw_stream **stream)
{
    assert_ok(place_open(place, writer, stream, &why));
    return *stream;
}

/* Puts NAME=VALUE behind the URI. */
static inline void place_add_option(struct place *place, const char *option)
{
    size_t used = strlen(place->uri);
    (void)snprintf(place->uri + used, sizeof(place->uri) - used, "%c%s",
                   strchr(place->uri, '?') == NULL ? '?' : '&', option);
}

static inline struct mw_stream_reader *place_read(struct mw_stream *stream, const char *topic,
                                                  enum mw_stream_start start)
{
    struct mw_stream_reader *reader = NULL;
    assert_ok(mw_stream_reader_open(&reader, stream, &topic, 1, start, &why));
    return reader;
}

/* Appends "<first>", "<first + 1>" ... to a topic in one transaction. */
static inline void place_append(struct mw_stream *stream, const char *topic, int first, int n)
{
    assert_ok(mw_stream_begin(stream, &why));
    for (int i = first; i < first + n; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        assert_ok(mw_stream_append(stream, topic, mw_span_of("key"), mw_span_of(text), &why));
    }
    assert_ok(mw_stream_commit(stream, NULL, &why));
}

static inline int number_of(struct mw_span span)
{
    char text[16] = {0};
    assert_true(span.size < sizeof(text));
    memcpy(text, span.data, span.size);
    return atoi(text);
}

/* Polls once something is there; gives up after 20 s. */
static inline size_t place_poll(struct mw_stream_reader *reader, struct mw_stream_record *records,
                                size_t max)
{
    int64_t limit = mw_clock_monotonic() + 20 * MW_SECOND;
    for (;;) {
        size_t n = 0;
        mw_stream_reader_drain(reader);
        assert_ok(mw_stream_poll(reader, records, max, &n, &why));
        if (n > 0) {
            return n;
        }
        assert_true(mw_clock_monotonic() < limit);
        struct pollfd wait = {.fd = mw_stream_reader_fd(reader), .events = POLLIN};
        (void)poll(&wait, 1, 200);
    }
}

/* Reads records that must be "<first>" ... in order, with growing offsets; returns the last offset.
 */
static inline int64_t place_expect(struct mw_stream_reader *reader, int first, int n)
{
    struct mw_stream_record records[64];
    int64_t last = -1;
    for (int seen = 0; seen < n;) {
        size_t left = (size_t)(n - seen);
        size_t count = place_poll(reader, records, left < 64 ? left : 64);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_int_equal(number_of(records[i].value), first + seen);
            assert_true(records[i].offset > last);
            last = records[i].offset;
        }
    }
    return last;
}

static inline void place_expect_nothing(struct mw_stream_reader *reader)
{
    struct mw_stream_record record;
    size_t n = 1;
    assert_ok(mw_stream_poll(reader, &record, 1, &n, &why));
    assert_int_equal(n, 0);
}

#endif
