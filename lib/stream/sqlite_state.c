/* sqlite_state.c - reads compacted topics, the own ones and other writers'. */
#include "lib/stream/sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

/* Finds or opens another writer's file; AGAIN when it is not there. */
static mw_err open_other(struct mw_sqlite *stream, const char *writer, struct mw_sqlite_file **file,
                         struct mw_error *error)
{
    for (size_t i = 0; i < stream->others_n; i++) {
        if (strcmp(stream->others[i].writer, writer) != 0) {
            continue;
        }
        if (mw_sqlite_file_current(&stream->others[i])) {
            *file = &stream->others[i];
            return MW_OK;
        }
        mw_sqlite_file_close(&stream->others[i]);
        stream->others[i] = stream->others[--stream->others_n];
        break;
    }
    void *others = realloc(stream->others, (stream->others_n + 1) * sizeof(stream->others[0]));
    if (others == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", stream->folder);
    }
    stream->others = others;
    *file = &stream->others[stream->others_n];
    mw_err err = mw_sqlite_file_open(*file, stream->folder, writer, false, error);
    stream->others_n += err == MW_OK ? 1 : 0;
    return err;
}

static mw_err choose_file(struct mw_sqlite *stream, const char *writer,
                          struct mw_sqlite_file **file, struct mw_error *error)
{
    if (stream->own.db != NULL && (writer == NULL || strcmp(writer, stream->own.writer) == 0)) {
        *file = &stream->own;
        return MW_OK;
    }
    return open_other(stream, writer, file, error);
}

/* The first step of a look at a file, which from then on sees the same commits. What a writer reads
 * in another's file it may build on, so it has to be on the disk. */
static mw_err first_step(const struct mw_sqlite *stream, const struct mw_sqlite_file *file,
                         sqlite3_stmt *stmt, int *step, struct mw_error *error)
{
    *step = sqlite3_step(stmt);
    if (*step != SQLITE_ROW && *step != SQLITE_DONE) {
        return mw_sqlite_fail(error, file->db, file->path);
    }
    bool builds = stream->own.db != NULL && file != &stream->own;
    return builds ? mw_sqlite_file_sync(file, error) : MW_OK;
}

mw_err mw_sqlite_get(struct mw_stream *base, const char *writer, const char *topic,
                     struct mw_span key, struct mw_span *value, struct mw_error *error)
{
    struct mw_sqlite *stream = (struct mw_sqlite *)base;
    struct mw_sqlite_file *file = NULL;
    sqlite3_stmt *stmt = NULL;
    mw_buffer_clear(&stream->value);
    mw_err err = choose_file(stream, writer, &file, error);
    if (err == MW_OK) {
        err = mw_sqlite_prepare(file,
                                "SELECT value FROM state WHERE key = ?2 AND topic ="
                                " (SELECT id FROM topic WHERE name = ?1)",
                                &stmt, error);
    }
    if (err == MW_OK) {
        (void)sqlite3_bind_text(stmt, 1, topic, -1, SQLITE_STATIC);
        mw_sqlite_bind_span(stmt, 2, key);
        int step = SQLITE_DONE;
        err = first_step(stream, file, stmt, &step, error);
        if (err == MW_OK && step == SQLITE_ROW) {
            struct mw_span found = mw_sqlite_column_span(stmt, 0);
            err = mw_buffer_add(&stream->value, found.data, found.size);
            *value = (struct mw_span){stream->value.data, stream->value.size};
            if (err != MW_OK) {
                err = mw_error_set(error, err, "%s: out of memory", file->path);
            }
        } else if (err == MW_OK) {
            err = MW_ERR_AGAIN;
        }
    }
    (void)sqlite3_finalize(stmt);
    if (err == MW_ERR_AGAIN) { /* no file, no topic or no key: all the same to the caller */
        int size = key.size < 80 ? (int)key.size : 80;
        err = mw_error_set(error, MW_ERR_NOT_FOUND, "%s has no key \"%.*s\"", topic, size,
                           size == 0 ? "" : key.data);
    }
    return err;
}

mw_err mw_sqlite_visit(struct mw_stream *base, const char *writer, const char *topic,
                       mw_stream_visit_fn *fn, void *context, struct mw_error *error)
{
    struct mw_sqlite *stream = (struct mw_sqlite *)base;
    struct mw_sqlite_file *file = NULL;
    mw_err err = choose_file(stream, writer, &file, error);
    if (err != MW_OK) {
        return err == MW_ERR_AGAIN ? MW_OK : err; /* no file has no keys */
    }
    sqlite3_stmt *stmt = NULL;
    err = mw_sqlite_prepare(file,
                            "SELECT key, value FROM state WHERE topic ="
                            " (SELECT id FROM topic WHERE name = ?1) ORDER BY key",
                            &stmt, error);
    if (err != MW_OK) {
        return err;
    }
    (void)sqlite3_bind_text(stmt, 1, topic, -1, SQLITE_STATIC);
    int step = SQLITE_DONE;
    err = first_step(stream, file, stmt, &step, error);
    while (err == MW_OK && step == SQLITE_ROW &&
           fn(context, mw_sqlite_column_span(stmt, 0), mw_sqlite_column_span(stmt, 1))) {
        step = sqlite3_step(stmt);
    }
    if (err == MW_OK && step != SQLITE_ROW && step != SQLITE_DONE) {
        err = mw_sqlite_fail(error, file->db, file->path);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}
