/* sqlite_retain.c - removes old records, a bounded piece a call. */
#include "core/wire/number.h"
#include "lib/stream/sqlite_internal.h"

#include <stdio.h>
#include <string.h>

#define PIECE 2000 /* records looked at a call */
#define AHEAD 200  /* records that may stay, before the search ends */

struct cut {
    int64_t last;  /* offset of the last record to remove; -1: none */
    int64_t bytes; /* payload of those records */
};

/* Finds how many of the topic's first records go: all up to the last one from before `oldest`, and
 * until `excess` bytes are gone. It looks some records further than the first that may stay,
 * because a few with a time from the future (a clock that was wrong) must not keep older ones
 * behind them. */
static mw_err find_cut(struct mw_sqlite *stream, const struct mw_sqlite_topic *topic,
                       int64_t oldest, int64_t excess, struct cut *cut, struct mw_error *error)
{
    *cut = (struct cut){.last = -1};
    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT offset, appended, length(key) + length(value)"
                   " FROM record_%lld ORDER BY offset LIMIT %d",
                   (long long)topic->id, PIECE);
    sqlite3_stmt *stmt = NULL;
    mw_err err = mw_sqlite_prepare(&stream->own, sql, &stmt, error);
    int step = SQLITE_DONE;
    int64_t bytes = 0;
    int staying = 0;
    while (err == MW_OK && staying < AHEAD && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        bool remove = sqlite3_column_int64(stmt, 1) < oldest || bytes < excess;
        bytes += sqlite3_column_int64(stmt, 2);
        staying = remove ? 0 : staying + 1;
        if (remove) {
            cut->last = sqlite3_column_int64(stmt, 0);
            cut->bytes = bytes;
        }
    }
    if (err == MW_OK && step != SQLITE_DONE && step != SQLITE_ROW) {
        err = mw_sqlite_fail(error, stream->own.db, stream->own.path);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

/* Adds to what the topic has lost so far. The topic's own struct may move. */
static mw_err count_removed(struct mw_sqlite *stream, const char *topic, int64_t n,
                            struct mw_error *error)
{
    struct mw_span value;
    char text[32];
    uint64_t before = 0;
    mw_err err =
        mw_sqlite_get(&stream->base, NULL, MW_STREAM_REMOVED, mw_span_of(topic), &value, error);
    if (err == MW_OK) {
        err = mw_number_parse_u64(value, &before);
    } else if (err == MW_ERR_NOT_FOUND) {
        err = MW_OK;
        if (error != NULL) {
            *error = (struct mw_error){0};
        }
    }
    if (err != MW_OK) {
        return err;
    }
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)(before + (uint64_t)n));
    return mw_sqlite_put(&stream->base, MW_STREAM_REMOVED, mw_span_of(topic), mw_span_of(text),
                         error);
}

/* Removes in a transaction of its own. */
static mw_err remove_cut(struct mw_sqlite *stream, struct mw_sqlite_topic *topic,
                         const struct cut *cut, struct mw_error *error)
{
    mw_err err = mw_sqlite_begin(&stream->base, error);
    if (err != MW_OK) {
        return err;
    }
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "DELETE FROM record_%lld WHERE offset <= %lld",
                   (long long)topic->id, (long long)cut->last);
    if (sqlite3_exec(stream->own.db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        err = mw_sqlite_fail(error, stream->own.db, stream->own.path);
    }
    if (err == MW_OK) {
        topic->bytes -= cut->bytes;
        topic->changed = true;
        err = count_removed(stream, topic->name, sqlite3_changes64(stream->own.db), error);
    }
    if (err == MW_OK) {
        err = mw_sqlite_commit(&stream->base, NULL, error);
    }
    if (err != MW_OK) {
        mw_sqlite_rollback(&stream->base);
    }
    return err;
}

/* Cuts one topic, if there is something to cut. */
static mw_err retain_topic(struct mw_sqlite *stream, struct mw_sqlite_topic *topic, int64_t oldest,
                           int64_t excess, bool *removed, struct mw_error *error)
{
    struct cut cut;
    mw_err err = find_cut(stream, topic, oldest, excess, &cut, error);
    if (err == MW_OK && cut.last >= 0) {
        err = remove_cut(stream, topic, &cut, error);
        *removed = err == MW_OK;
    }
    return err;
}

mw_err mw_sqlite_retain(struct mw_stream *base, int64_t age, int64_t bytes, int64_t now, bool *more,
                        struct mw_error *error)
{
    struct mw_sqlite *stream = (struct mw_sqlite *)base;
    struct mw_sqlite_topic *fullest = NULL;
    int64_t total = 0;
    mw_err err = MW_OK;
    /* A piece that was removed may have more behind it: the next call looks. */
    for (size_t i = 0; err == MW_OK && !*more && age >= 0 && i < stream->topics_n; i++) {
        err = retain_topic(stream, &stream->topics[i], now - age, 0, more, error);
    }
    for (size_t i = 0; i < stream->topics_n; i++) {
        total += stream->topics[i].bytes;
        if (fullest == NULL || stream->topics[i].bytes > fullest->bytes) {
            fullest = &stream->topics[i];
        }
    }
    if (err == MW_OK && !*more && bytes >= 0 && total > bytes) {
        err = retain_topic(stream, fullest, INT64_MIN, total - bytes, more, error);
    }
    return err;
}

static mw_err sum_bytes(struct mw_sqlite *stream, int64_t topic, int64_t before, int64_t *bytes,
                        struct mw_error *error)
{
    char sql[160];
    sqlite3_stmt *stmt = NULL;
    (void)snprintf(sql, sizeof(sql),
                   "SELECT total(length(key) + length(value)) FROM record_%lld WHERE offset < %lld",
                   (long long)topic, (long long)before);
    mw_err err = mw_sqlite_prepare(&stream->own, sql, &stmt, error);
    if (err == MW_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        *bytes = sqlite3_column_int64(stmt, 0);
    } else if (err == MW_OK) {
        err = mw_sqlite_fail(error, stream->own.db, stream->own.path);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

mw_err mw_sqlite_trim(struct mw_stream *base, const char *name, int64_t before,
                      struct mw_error *error)
{
    struct mw_sqlite *stream = (struct mw_sqlite *)base;
    struct mw_sqlite_topic *topic = NULL;
    int64_t bytes = 0;
    char sql[96];
    for (size_t i = 0; i < stream->topics_n; i++) {
        topic = strcmp(stream->topics[i].name, name) == 0 ? &stream->topics[i] : topic;
    }
    if (topic == NULL) {
        return MW_OK; /* it has no record yet */
    }
    mw_err err = sum_bytes(stream, topic->id, before, &bytes, error);
    if (err != MW_OK) {
        return err;
    }
    (void)snprintf(sql, sizeof(sql), "DELETE FROM record_%lld WHERE offset < %lld",
                   (long long)topic->id, (long long)before);
    if (sqlite3_exec(stream->own.db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return mw_sqlite_fail(error, stream->own.db, stream->own.path);
    }
    topic->bytes -= bytes;
    topic->changed = true;
    return MW_OK;
}
