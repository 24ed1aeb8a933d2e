/* sqlite_reader.c - reads topics from all files of a folder, merged: within a file by offset, which
 * is the order of append; across files by time. */
#include "lib/stream/sqlite_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA 524288 /* bytes of keys and values a poll, unless a single record has more */

mw_err mw_sqlite_reader_open(struct mw_stream_reader **opened, struct mw_stream *stream,
                             const char *const *topics, size_t n, enum mw_stream_start start,
                             const struct mw_stream_share *share, struct mw_error *error)
{
    struct mw_sqlite_reader *reader = calloc(1, sizeof(*reader));
    (void)share; /* the whole: stream.c has seen to that */
    if (reader == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a reader");
    }
    reader->stream = (struct mw_sqlite *)stream;
    reader->wake = (struct mw_wake){.folder = -1, .fd = -1};
    reader->start = start;
    reader->topics = calloc(n, sizeof(reader->topics[0]));
    reader->arena = malloc(ARENA);
    reader->arena_capacity = ARENA;
    mw_err err = MW_OK;
    if (reader->topics == NULL || reader->arena == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory for a reader");
    }
    uint64_t mask = 0;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        (void)snprintf(reader->topics[i], sizeof(reader->topics[i]), "%s", topics[i]);
        mask |= mw_wake_mask(topics[i]);
        reader->topics_n = i + 1;
    }
    if (err == MW_OK) { /* before the first look, so that nothing slips in between */
        err = mw_wake_init(&reader->wake, reader->stream->folder, mask, error);
    }
    if (err == MW_OK) {
        err = mw_sqlite_sources_scan(reader, start == MW_STREAM_LATEST, error);
    }
    if (err != MW_OK) {
        mw_sqlite_reader_close(&reader->base);
        return err;
    }
    *opened = &reader->base;
    return MW_OK;
}

void mw_sqlite_reader_close(struct mw_stream_reader *base)
{
    struct mw_sqlite_reader *reader = (struct mw_sqlite_reader *)base;
    for (size_t i = 0; i < reader->sources_n; i++) {
        mw_sqlite_source_close(&reader->sources[i], reader->topics_n);
    }
    free(reader->sources);
    free(reader->topics);
    free(reader->arena);
    mw_wake_fini(&reader->wake);
    free(reader);
}

/* The source whose next record is the oldest; NULL at the end. */
static struct mw_sqlite_source *next_source(struct mw_sqlite_reader *reader)
{
    struct mw_sqlite_source *best = NULL;
    int64_t best_time = 0;
    for (size_t i = 0; i < reader->sources_n; i++) {
        struct mw_sqlite_source *source = &reader->sources[i];
        if (source->head == NULL) {
            continue;
        }
        if (reader->sources_n == 1) {
            return source;
        }
        int64_t time = sqlite3_column_int64(source->head->stmt, 1);
        if (best == NULL || time < best_time) {
            best = source;
            best_time = time;
        }
    }
    return best;
}

/* Copies the source's head into the arena; *full when it has to wait for the next poll. */
static mw_err take(struct mw_sqlite_reader *reader, struct mw_sqlite_source *source,
                   struct mw_stream_record *record, bool first, bool *full, struct mw_error *error)
{
    struct mw_sqlite_cursor *cursor = source->head;
    struct mw_span key = mw_sqlite_column_span(cursor->stmt, 2);
    struct mw_span value = mw_sqlite_column_span(cursor->stmt, 3);
    size_t size = key.size + value.size;
    if (size > reader->arena_capacity - reader->arena_size) {
        *full = !first;
        if (*full) {
            return MW_OK;
        }
        char *arena = realloc(reader->arena, size); /* nothing points to it yet */
        if (arena == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", source->file.path);
        }
        reader->arena = arena;
        reader->arena_capacity = size;
    }
    char *place = reader->arena + reader->arena_size;
    if (key.size > 0) {
        memcpy(place, key.data, key.size);
    }
    if (value.size > 0) {
        memcpy(place + key.size, value.data, value.size);
    }
    reader->arena_size += size;
    *record = (struct mw_stream_record){
        .topic = reader->topics[cursor - source->cursors],
        .partition = source->file.partition,
        .offset = cursor->offset,
        .appended = sqlite3_column_int64(cursor->stmt, 1),
        .key = {place, key.size},
        .value = {place + key.size, value.size},
    };
    cursor->next = cursor->offset + 1;
    source->unsynced = true;
    return mw_sqlite_source_step(reader, source, error);
}

mw_err mw_sqlite_poll(struct mw_stream_reader *base, struct mw_stream_record *records, size_t max,
                      size_t *count, struct mw_error *error)
{
    struct mw_sqlite_reader *reader = (struct mw_sqlite_reader *)base;
    reader->arena_size = 0;
    mw_err err = mw_sqlite_sources_scan(reader, false, error);
    for (size_t i = 0; err == MW_OK && i < reader->sources_n; i++) {
        err = mw_sqlite_source_start(reader, &reader->sources[i], error);
    }
    bool full = false;
    size_t n = 0;
    while (err == MW_OK && n < max && !full) {
        struct mw_sqlite_source *source = next_source(reader);
        if (source == NULL) {
            break;
        }
        err = take(reader, source, &records[n], n == 0, &full, error);
        n += err == MW_OK && !full ? 1 : 0;
    }
    for (size_t i = 0; i < reader->sources_n; i++) {
        mw_sqlite_source_finish(&reader->sources[i], reader->topics_n, err != MW_OK);
    }
    *count = err == MW_OK ? n : 0;
    return err;
}

mw_err mw_sqlite_rewind(struct mw_stream_reader *base, struct mw_error *error)
{
    (void)error;
    struct mw_sqlite_reader *reader = (struct mw_sqlite_reader *)base;
    for (size_t i = 0; i < reader->sources_n; i++) {
        struct mw_sqlite_source *source = &reader->sources[i];
        source->seen = -1;
        for (size_t j = 0; j < reader->topics_n; j++) {
            struct mw_sqlite_cursor *cursor = &source->cursors[j];
            cursor->next = cursor->committed >= 0 ? cursor->committed : cursor->start;
        }
    }
    return MW_OK;
}

void mw_sqlite_seek(struct mw_stream_reader *base, int64_t offset)
{
    struct mw_sqlite_reader *reader = (struct mw_sqlite_reader *)base;
    for (size_t i = 0; i < reader->sources_n; i++) {
        reader->sources[i].seen = -1;
        for (size_t j = 0; j < reader->topics_n; j++) {
            reader->sources[i].cursors[j].next = offset;
        }
    }
}

int mw_sqlite_reader_fd(const struct mw_stream_reader *reader)
{
    return ((const struct mw_sqlite_reader *)reader)->wake.fd;
}

void mw_sqlite_reader_drain(struct mw_stream_reader *reader)
{
    mw_wake_drain(&((struct mw_sqlite_reader *)reader)->wake);
}

/* The writer's own file needs none: its records and positions are in one log, in order. */
static mw_err sync_sources(struct mw_sqlite_reader *reader, struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < reader->sources_n; i++) {
        struct mw_sqlite_source *source = &reader->sources[i];
        bool own = source->file.identity == reader->stream->own.identity;
        if (source->unsynced && !own) {
            err = mw_sqlite_file_sync(&source->file, error);
        }
        source->unsynced &= err != MW_OK;
    }
    return err;
}

mw_err mw_sqlite_reader_store(struct mw_stream_reader *base, struct mw_error *error)
{
    struct mw_sqlite_reader *reader = (struct mw_sqlite_reader *)base;
    struct mw_sqlite *stream = reader->stream;
    sqlite3_stmt *stmt = stream->position_set;
    mw_err err = sync_sources(reader, error);
    if (err != MW_OK) {
        return err;
    }
    for (size_t i = 0; i < reader->sources_n * reader->topics_n; i++) {
        const struct mw_sqlite_source *source = &reader->sources[i / reader->topics_n];
        const struct mw_sqlite_cursor *cursor = &source->cursors[i % reader->topics_n];
        if (cursor->next == cursor->committed) {
            continue;
        }
        (void)sqlite3_bind_text(stmt, 1, reader->topics[i % reader->topics_n], -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 2, source->file.writer, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 3, source->file.identity);
        (void)sqlite3_bind_int64(stmt, 4, cursor->next);
        int step = sqlite3_step(stmt);
        (void)sqlite3_reset(stmt);
        if (step != SQLITE_DONE) {
            return mw_sqlite_fail(error, stream->own.db, stream->own.path);
        }
    }
    return MW_OK;
}

void mw_sqlite_reader_stored(struct mw_stream_reader *base)
{
    struct mw_sqlite_reader *reader = (struct mw_sqlite_reader *)base;
    for (size_t i = 0; i < reader->sources_n * reader->topics_n; i++) {
        struct mw_sqlite_cursor *cursor =
            &reader->sources[i / reader->topics_n].cursors[i % reader->topics_n];
        cursor->committed = cursor->next;
    }
}
