/* sqlite_writer.c - transactions on a writer's own file. */
#include "lib/base/clock.h"
#include "lib/stream/sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mw_sqlite *of(struct mw_stream *stream)
{
    return (struct mw_sqlite *)stream;
}

static mw_err fail(struct mw_sqlite *stream, struct mw_error *error)
{
    return mw_sqlite_fail(error, stream->own.db, stream->own.path);
}

/* Runs a statement that gives no rows and makes it ready for the next time. */
static mw_err run(struct mw_sqlite *stream, sqlite3_stmt *stmt, struct mw_error *error)
{
    mw_err err = sqlite3_step(stmt) == SQLITE_DONE ? MW_OK : fail(stream, error);
    (void)sqlite3_reset(stmt);
    return err;
}

static mw_err add_topic(struct mw_sqlite *stream, const char *name, struct mw_sqlite_topic **topic,
                        struct mw_error *error)
{
    if (stream->topics_n == stream->topics_capacity) {
        size_t capacity = stream->topics_capacity == 0 ? 8 : 2 * stream->topics_capacity;
        void *topics = realloc(stream->topics, capacity * sizeof(stream->topics[0]));
        if (topics == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", stream->own.path);
        }
        stream->topics = topics;
        stream->topics_capacity = capacity;
    }
    *topic = &stream->topics[stream->topics_n++];
    memset(*topic, 0, sizeof(**topic));
    (void)snprintf((*topic)->name, sizeof((*topic)->name), "%s", name);
    return MW_OK;
}

static mw_err load_topics(struct mw_sqlite *stream, struct mw_error *error)
{
    sqlite3_stmt *stmt = NULL;
    mw_err err =
        mw_sqlite_prepare(&stream->own, "SELECT id, name, next, bytes FROM topic", &stmt, error);
    int step = SQLITE_DONE;
    while (err == MW_OK && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct mw_sqlite_topic *topic = NULL;
        err = add_topic(stream, (const char *)sqlite3_column_text(stmt, 1), &topic, error);
        if (err == MW_OK) {
            topic->id = sqlite3_column_int64(stmt, 0);
            topic->next = topic->saved_next = sqlite3_column_int64(stmt, 2);
            topic->bytes = topic->saved_bytes = sqlite3_column_int64(stmt, 3);
            stream->next = topic->next > stream->next ? topic->next : stream->next;
        }
    }
    if (err == MW_OK && step != SQLITE_DONE) {
        err = fail(stream, error);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

mw_err mw_sqlite_writer_init(struct mw_sqlite *stream, struct mw_error *error)
{
    const struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } statements[] = {
        {&stream->begin, "BEGIN IMMEDIATE"},
        {&stream->commit, "COMMIT"},
        {&stream->rollback, "ROLLBACK"},
        {&stream->update_topic, "UPDATE topic SET next = ?2, bytes = ?3 WHERE id = ?1"},
        {&stream->put, "INSERT OR REPLACE INTO state VALUES(?1, ?2, ?3)"},
        {&stream->erase, "DELETE FROM state WHERE topic = ?1 AND key = ?2"},
        {&stream->position_set, "INSERT OR REPLACE INTO position VALUES(?1, ?2, ?3, ?4)"},
    };
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < sizeof(statements) / sizeof(statements[0]); i++) {
        err = mw_sqlite_prepare(&stream->own, statements[i].sql, statements[i].stmt, error);
    }
    return err == MW_OK ? load_topics(stream, error) : err;
}

void mw_sqlite_writer_fini(struct mw_sqlite *stream)
{
    for (size_t i = 0; i < stream->topics_n; i++) {
        (void)sqlite3_finalize(stream->topics[i].insert);
        (void)sqlite3_finalize(stream->topics[i].take);
    }
    free(stream->topics);
    sqlite3_stmt *const statements[] = {stream->begin,        stream->commit, stream->rollback,
                                        stream->update_topic, stream->put,    stream->erase,
                                        stream->position_set};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        (void)sqlite3_finalize(statements[i]);
    }
}

mw_err mw_sqlite_begin(struct mw_stream *base, struct mw_error *error)
{
    struct mw_sqlite *stream = of(base);
    stream->touched = 0;
    return run(stream, stream->begin, error);
}

/* Makes the topic's row, and the table of its records, in the open transaction. */
static mw_err create_topic(struct mw_sqlite *stream, struct mw_sqlite_topic *topic,
                           struct mw_error *error)
{
    int64_t id = 1;
    for (size_t i = 0; i < stream->topics_n; i++) {
        id = stream->topics[i].id >= id ? stream->topics[i].id + 1 : id;
    }
    topic->id = id;
    topic->saved_next = -1;
    char sql[320];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO topic VALUES(%lld, '%s', 0, 0);"
                   "CREATE TABLE record_%lld(offset INTEGER PRIMARY KEY,"
                   " appended INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL)",
                   (long long)id, topic->name, (long long)id);
    if (sqlite3_exec(stream->own.db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return fail(stream, error);
    }
    return MW_OK;
}

static mw_err find_topic(struct mw_sqlite *stream, const char *name, struct mw_sqlite_topic **found,
                         struct mw_error *error)
{
    for (size_t i = 0; i < stream->topics_n; i++) {
        if (strcmp(stream->topics[i].name, name) == 0) {
            *found = &stream->topics[i];
            return MW_OK;
        }
    }
    mw_err err = add_topic(stream, name, found, error);
    return err == MW_OK ? create_topic(stream, *found, error) : err;
}

static mw_err insert(struct mw_sqlite *stream, struct mw_sqlite_topic *topic, int64_t offset,
                     int64_t appended, struct mw_span key, struct mw_span value,
                     struct mw_error *error)
{
    mw_err err = MW_OK;
    if (topic->insert == NULL) {
        char sql[80];
        (void)snprintf(sql, sizeof(sql), "INSERT INTO record_%lld VALUES(?1, ?2, ?3, ?4)",
                       (long long)topic->id);
        err = mw_sqlite_prepare(&stream->own, sql, &topic->insert, error);
    }
    if (err != MW_OK) {
        return err;
    }
    (void)sqlite3_bind_int64(topic->insert, 1, offset);
    (void)sqlite3_bind_int64(topic->insert, 2, appended);
    mw_sqlite_bind_span(topic->insert, 3, key);
    mw_sqlite_bind_span(topic->insert, 4, value);
    err = run(stream, topic->insert, error);
    if (err == MW_OK) {
        topic->bytes += (int64_t)(key.size + value.size);
        topic->changed = true;
    }
    return err;
}

mw_err mw_sqlite_append(struct mw_stream *base, const char *name, struct mw_span key,
                        struct mw_span value, struct mw_error *error)
{
    struct mw_sqlite *stream = of(base);
    struct mw_sqlite_topic *topic = NULL;
    mw_err err = find_topic(stream, name, &topic, error);
    if (err == MW_OK) {
        err = insert(stream, topic, stream->next, mw_clock_utc(), key, value, error);
    }
    if (err == MW_OK) {
        topic->next = ++stream->next;
        stream->touched |= mw_wake_mask(name);
    }
    return err;
}

/* Removes a record; *appended is its time, -1 when there was none. */
static mw_err take_record(struct mw_sqlite *stream, struct mw_sqlite_topic *topic, int64_t offset,
                          int64_t *appended, struct mw_error *error)
{
    mw_err err = MW_OK;
    *appended = -1;
    if (topic->take == NULL) {
        char sql[128];
        (void)snprintf(sql, sizeof(sql),
                       "DELETE FROM record_%lld WHERE offset = ?1"
                       " RETURNING appended, length(key) + length(value)",
                       (long long)topic->id);
        err = mw_sqlite_prepare(&stream->own, sql, &topic->take, error);
    }
    if (err != MW_OK) {
        return err;
    }
    (void)sqlite3_bind_int64(topic->take, 1, offset);
    int step = sqlite3_step(topic->take);
    if (step == SQLITE_ROW) {
        *appended = sqlite3_column_int64(topic->take, 0);
        topic->bytes -= sqlite3_column_int64(topic->take, 1);
        topic->changed = true;
        step = sqlite3_step(topic->take);
    }
    err = step == SQLITE_DONE ? MW_OK : fail(stream, error);
    (void)sqlite3_reset(topic->take);
    return err;
}

mw_err mw_sqlite_replace(struct mw_stream *base, const char *name, int64_t offset,
                         struct mw_span key, struct mw_span value, struct mw_error *error)
{
    struct mw_sqlite *stream = of(base);
    struct mw_sqlite_topic *topic = NULL;
    int64_t appended;
    mw_err err = find_topic(stream, name, &topic, error);
    err = err == MW_OK ? take_record(stream, topic, offset, &appended, error) : err;
    if (err != MW_OK || appended < 0 || key.size + value.size == 0) {
        return err;
    }
    return insert(stream, topic, offset, appended, key, value, error);
}

mw_err mw_sqlite_put(struct mw_stream *base, const char *name, struct mw_span key,
                     struct mw_span value, struct mw_error *error)
{
    struct mw_sqlite *stream = of(base);
    struct mw_sqlite_topic *topic = NULL;
    mw_err err = find_topic(stream, name, &topic, error);
    if (err != MW_OK) {
        return err;
    }
    sqlite3_stmt *stmt = value.size == 0 ? stream->erase : stream->put;
    (void)sqlite3_bind_int64(stmt, 1, topic->id);
    mw_sqlite_bind_span(stmt, 2, key);
    if (value.size != 0) {
        mw_sqlite_bind_span(stmt, 3, value);
    }
    stream->touched |= mw_wake_mask(name);
    return run(stream, stmt, error);
}

static mw_err update_topics(struct mw_sqlite *stream, struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < stream->topics_n; i++) {
        const struct mw_sqlite_topic *topic = &stream->topics[i];
        if (topic->changed) {
            (void)sqlite3_bind_int64(stream->update_topic, 1, topic->id);
            (void)sqlite3_bind_int64(stream->update_topic, 2, topic->next);
            (void)sqlite3_bind_int64(stream->update_topic, 3, topic->bytes);
            err = run(stream, stream->update_topic, error);
        }
    }
    return err;
}

mw_err mw_sqlite_commit(struct mw_stream *base, struct mw_stream_reader *reader,
                        struct mw_error *error)
{
    struct mw_sqlite *stream = of(base);
    mw_err err = update_topics(stream, error);
    if (err == MW_OK && reader != NULL) {
        err = mw_sqlite_reader_store(reader, error);
    }
    if (err == MW_OK) {
        err = run(stream, stream->commit, error);
    }
    if (err != MW_OK) {
        return err;
    }
    for (size_t i = 0; i < stream->topics_n; i++) {
        struct mw_sqlite_topic *topic = &stream->topics[i];
        topic->saved_next = topic->next;
        topic->saved_bytes = topic->bytes;
        topic->changed = false;
    }
    if (reader != NULL) {
        mw_sqlite_reader_stored(reader);
    }
    if (stream->touched != 0) {
        mw_waker_send(&stream->waker, stream->folder, stream->touched);
    }
    return MW_OK;
}

void mw_sqlite_rollback(struct mw_stream *base)
{
    struct mw_sqlite *stream = of(base);
    /* SQLite has rolled back by itself after some errors. */
    if (sqlite3_get_autocommit(stream->own.db) == 0) {
        (void)run(stream, stream->rollback, NULL);
    }
    stream->next = 0;
    size_t kept = 0;
    for (size_t i = 0; i < stream->topics_n; i++) {
        struct mw_sqlite_topic topic = stream->topics[i];
        if (topic.saved_next < 0) { /* its table is gone again */
            (void)sqlite3_finalize(topic.insert);
            (void)sqlite3_finalize(topic.take);
            continue;
        }
        topic.next = topic.saved_next;
        topic.bytes = topic.saved_bytes;
        topic.changed = false;
        stream->next = topic.next > stream->next ? topic.next : stream->next;
        stream->topics[kept++] = topic;
    }
    stream->topics_n = kept;
    /* After a full disk: with its pages moved to the file, the log is written from its start again
     * and needs no new room. */
    (void)sqlite3_wal_checkpoint_v2(stream->own.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

mw_err mw_sqlite_sync(const struct mw_stream *stream, struct mw_error *error)
{
    return mw_sqlite_file_sync(&((const struct mw_sqlite *)stream)->own, error);
}
