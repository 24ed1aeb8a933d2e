/* sqlite_source.c - finds the files of a folder and walks through each. */
#include "lib/stream/sqlite_source.h"
#include "lib/base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RESCAN (1 * MW_SECOND) /* at the latest */
#define TICK_NS 50000000 /* a change so soon after another may not show in the folder's time */

void mw_sqlite_source_close(struct mw_sqlite_source *source, size_t topics_n)
{
    for (size_t i = 0; source->cursors != NULL && i < topics_n; i++) {
        (void)sqlite3_finalize(source->cursors[i].stmt);
    }
    free(source->cursors);
    (void)sqlite3_finalize(source->version);
    (void)sqlite3_finalize(source->begin);
    (void)sqlite3_finalize(source->end);
    mw_sqlite_file_close(&source->file);
}

/* Reads one integer; *value stays when there is no row. */
static mw_err query(const struct mw_sqlite_file *file, const char *sql, const char *text1,
                    const char *text2, int64_t integer3, int64_t *value, struct mw_error *error)
{
    sqlite3_stmt *stmt = NULL;
    mw_err err = mw_sqlite_prepare(file, sql, &stmt, error);
    if (err != MW_OK) {
        return err;
    }
    (void)sqlite3_bind_text(stmt, 1, text1, -1, SQLITE_STATIC);
    if (text2 != NULL) {
        (void)sqlite3_bind_text(stmt, 2, text2, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 3, integer3);
    }
    int step = sqlite3_step(stmt);
    if (step == SQLITE_ROW) {
        *value = sqlite3_column_int64(stmt, 0);
    } else if (step != SQLITE_DONE) {
        err = mw_sqlite_fail(error, file->db, file->path);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

/* Finds where a cursor of a new source begins. */
static mw_err place_cursor(struct mw_sqlite_reader *reader, struct mw_sqlite_source *source,
                           const char *topic, bool latest, struct mw_sqlite_cursor *cursor,
                           struct mw_error *error)
{
    mw_err err = MW_OK;
    cursor->committed = -1;
    cursor->start = 0;
    if (latest) {
        err = query(&source->file, "SELECT next FROM topic WHERE name = ?1", topic, NULL, 0,
                    &cursor->start, error);
    }
    if (err == MW_OK && reader->stream->own.db != NULL) {
        /* A position in a file that another one has replaced means nothing. */
        err = query(&reader->stream->own,
                    "SELECT next FROM position WHERE topic = ?1 AND writer = ?2 AND identity = ?3",
                    topic, source->file.writer, source->file.identity, &cursor->committed, error);
    }
    cursor->next = cursor->committed >= 0 ? cursor->committed : cursor->start;
    return err;
}

static mw_err prepare_source(struct mw_sqlite_source *source, size_t topics_n,
                             struct mw_error *error)
{
    source->cursors = calloc(topics_n, sizeof(source->cursors[0]));
    if (source->cursors == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", source->file.path);
    }
    mw_err err = mw_sqlite_prepare(&source->file, "PRAGMA data_version", &source->version, error);
    if (err == MW_OK) {
        err = mw_sqlite_prepare(&source->file, "BEGIN", &source->begin, error);
    }
    return err == MW_OK ? mw_sqlite_prepare(&source->file, "COMMIT", &source->end, error) : err;
}

/* Opens a writer's file as a source; one that is not complete yet is left for a later scan. */
static mw_err add_source(struct mw_sqlite_reader *reader, const char *writer, bool latest,
                         bool *incomplete, struct mw_error *error)
{
    void *sources = realloc(reader->sources, (reader->sources_n + 1) * sizeof(reader->sources[0]));
    if (sources == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", reader->stream->folder);
    }
    reader->sources = sources;
    struct mw_sqlite_source *source = &reader->sources[reader->sources_n];
    memset(source, 0, sizeof(*source));
    source->seen = -1;
    mw_err err = mw_sqlite_file_open(&source->file, reader->stream->folder, writer, false, error);
    if (err == MW_ERR_AGAIN) {
        *incomplete = true;
        return MW_OK;
    }
    if (err == MW_OK) {
        err = prepare_source(source, reader->topics_n, error);
    }
    for (size_t i = 0; err == MW_OK && i < reader->topics_n; i++) {
        err = place_cursor(reader, source, reader->topics[i], latest, &source->cursors[i], error);
    }
    if (err != MW_OK) {
        mw_sqlite_source_close(source, reader->topics_n);
        return err;
    }
    reader->sources_n++;
    return MW_OK;
}

/* If `name` is "<writer>.db", copies the writer's name. */
static bool writer_of(const char *name, char writer[MW_SQLITE_NAME])
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (length == 0 || length >= MW_SQLITE_NAME || strcmp(name + length, ".db") != 0) {
        return false;
    }
    memcpy(writer, name, length);
    writer[length] = '\0';
    return true;
}

static bool has_source(const struct mw_sqlite_reader *reader, const char *writer)
{
    for (size_t i = 0; i < reader->sources_n; i++) {
        if (strcmp(reader->sources[i].file.writer, writer) == 0) {
            return true;
        }
    }
    return false;
}

/* Lists the folder: drops sources whose file is gone, adds new ones. */
static mw_err scan(struct mw_sqlite_reader *reader, bool latest, bool *incomplete,
                   struct mw_error *error)
{
    for (size_t i = reader->sources_n; i-- > 0;) {
        if (!mw_sqlite_file_current(&reader->sources[i].file)) {
            mw_sqlite_source_close(&reader->sources[i], reader->topics_n);
            reader->sources[i] = reader->sources[--reader->sources_n];
        }
    }
    DIR *names = opendir(reader->stream->folder);
    if (names == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", reader->stream->folder);
    }
    mw_err err = MW_OK;
    char writer[MW_SQLITE_NAME];
    const struct dirent *entry = readdir(names);
    for (; err == MW_OK && entry != NULL; entry = readdir(names)) {
        if (writer_of(entry->d_name, writer) && !has_source(reader, writer)) {
            err = add_source(reader, writer, latest, incomplete, error);
        }
    }
    (void)closedir(names);
    return err;
}

/* Scans when the folder has changed, may have changed, or was not looked at for long. */
mw_err mw_sqlite_sources_scan(struct mw_sqlite_reader *reader, bool latest, struct mw_error *error)
{
    struct stat status;
    if (stat(reader->stream->folder, &status) != 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", reader->stream->folder);
    }
    int64_t now = mw_clock_monotonic();
    if (reader->scanned != 0 && now - reader->scanned < RESCAN &&
        reader->changed.tv_sec == status.st_mtim.tv_sec &&
        reader->changed.tv_nsec == status.st_mtim.tv_nsec) {
        return MW_OK;
    }
    bool incomplete = false;
    mw_err err = scan(reader, latest, &incomplete, error);
    int64_t changed_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    bool settled = mw_clock_utc() * 1000 - changed_ns > TICK_NS;
    reader->changed = settled && !incomplete ? status.st_mtim : (struct timespec){0};
    reader->scanned = now;
    return err;
}

/* Makes the cursor's statement if the file has the topic by now. */
static mw_err prepare_cursor(struct mw_sqlite_source *source, const char *topic,
                             struct mw_sqlite_cursor *cursor, struct mw_error *error)
{
    int64_t id = -1;
    mw_err err =
        query(&source->file, "SELECT id FROM topic WHERE name = ?1", topic, NULL, 0, &id, error);
    if (err == MW_OK && id >= 0) {
        char sql[120];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT offset, appended, key, value FROM record_%lld WHERE offset >= ?1"
                       " ORDER BY offset",
                       (long long)id);
        err = mw_sqlite_prepare(&source->file, sql, &cursor->stmt, error);
    }
    return err;
}

static mw_err step_cursor(struct mw_sqlite_source *source, struct mw_sqlite_cursor *cursor,
                          struct mw_error *error)
{
    int step = sqlite3_step(cursor->stmt);
    cursor->row = step == SQLITE_ROW;
    if (cursor->row) {
        cursor->offset = sqlite3_column_int64(cursor->stmt, 0);
    } else if (step != SQLITE_DONE) {
        return mw_sqlite_fail(error, source->file.db, source->file.path);
    }
    return MW_OK;
}

static void find_head(struct mw_sqlite_source *source, size_t topics_n)
{
    source->head = NULL;
    for (size_t i = 0; i < topics_n; i++) {
        struct mw_sqlite_cursor *cursor = &source->cursors[i];
        if (cursor->row && (source->head == NULL || cursor->offset < source->head->offset)) {
            source->head = cursor;
        }
    }
}

mw_err mw_sqlite_source_start(struct mw_sqlite_reader *reader, struct mw_sqlite_source *source,
                              struct mw_error *error)
{
    source->head = NULL;
    bool known = sqlite3_step(source->version) == SQLITE_ROW;
    int64_t version = known ? sqlite3_column_int64(source->version, 0) : 0;
    if (known && version == source->seen) {
        (void)sqlite3_reset(source->version);
        return MW_OK;
    }
    (void)sqlite3_reset(source->version);
    if (!known || sqlite3_step(source->begin) != SQLITE_DONE) {
        mw_err failed = mw_sqlite_fail(error, source->file.db, source->file.path);
        (void)sqlite3_reset(source->begin);
        return failed;
    }
    (void)sqlite3_reset(source->begin);
    source->seen = version; /* taken back by mw_sqlite_source_finish when rows are left over */
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < reader->topics_n; i++) {
        struct mw_sqlite_cursor *cursor = &source->cursors[i];
        if (cursor->stmt == NULL) {
            err = prepare_cursor(source, reader->topics[i], cursor, error);
        }
        if (err == MW_OK && cursor->stmt != NULL) {
            (void)sqlite3_bind_int64(cursor->stmt, 1, cursor->next);
            err = step_cursor(source, cursor, error);
        }
    }
    find_head(source, reader->topics_n);
    return err;
}

void mw_sqlite_source_finish(struct mw_sqlite_source *source, size_t topics_n, bool failed)
{
    for (size_t i = 0; i < topics_n; i++) {
        struct mw_sqlite_cursor *cursor = &source->cursors[i];
        if (cursor->row || failed) {
            source->seen = -1;
        }
        (void)sqlite3_reset(cursor->stmt);
        cursor->row = false;
    }
    if (sqlite3_get_autocommit(source->file.db) == 0) {
        (void)sqlite3_step(source->end);
        (void)sqlite3_reset(source->end);
    }
}

mw_err mw_sqlite_source_step(struct mw_sqlite_reader *reader, struct mw_sqlite_source *source,
                             struct mw_error *error)
{
    mw_err err = step_cursor(source, source->head, error);
    find_head(source, reader->topics_n);
    return err;
}
