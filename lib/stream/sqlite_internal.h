/* sqlite_internal.h - the stream on SQLite: a folder with one database a writer.
 *
 *   FOLDER/<writer>.db     the writer's records, state, and its group's positions
 *   FOLDER/<writer>.lock   held by the writer's process
 *   FOLDER/wake/           sockets of the readers
 *
 * Tables of a file (application_id "MWST", user_version 1):
 *
 *   file(identity)                          random; tells a file from one that replaced it
 *   topic(id, name, next, bytes)            next: offset behind its last record ever; bytes:
 * payload record_<id>(offset, appended, key, value)   one table a topic state(topic, key, value)
 * compacted topics position(topic, writer, identity, next) where the group goes on in <writer>'s
 * file
 *
 * A table a topic, and not one for all, so that every append goes to the right edge of a tree,
 * which SQLite fills densely and without rebalancing, and retention cuts off the left edge. Offsets
 * count through the whole file: two topics of a file merge into append order by offset, and one
 * topic sees gaps. topic.next outlives the records, so an offset is never used again. */
#ifndef MW_STREAM_SQLITE_INTERNAL_H
#define MW_STREAM_SQLITE_INTERNAL_H

#include "lib/base/file.h"
#include "lib/stream/stream_internal.h"
#include "lib/stream/wake.h"

#include <limits.h>
#include <sqlite3.h>
#include <sys/types.h>

#define MW_SQLITE_NAME 64 /* bytes of a name with its NUL */

/* A database file, open for writing or for reading. */
struct mw_sqlite_file {
    sqlite3 *db;
    char writer[MW_SQLITE_NAME];
    char path[PATH_MAX];
    uint32_t partition; /* CRC-32 of the writer's name */
    int64_t identity;
    dev_t device; /* with inode: to notice that another file took its place */
    ino_t inode;
    int frames; /* pages in the log after the last commit */
};

/* What the writer knows of a topic in its own file. */
struct mw_sqlite_topic {
    char name[MW_SQLITE_NAME];
    int64_t id, next, bytes;
    int64_t saved_next, saved_bytes; /* as committed; saved_next is -1 when the row is not */
    bool changed;
    sqlite3_stmt *insert; /* made at the first append */
    sqlite3_stmt *take;   /* made at the first replacement */
};

struct mw_sqlite {
    struct mw_stream base;
    char folder[PATH_MAX];

    /* The writer's side; own.db is NULL and lock -1 in a stream for reading only. */
    struct mw_sqlite_file own;
    int lock;
    sqlite3_stmt *begin, *commit, *rollback, *update_topic, *put, *erase, *position_set;
    struct mw_sqlite_topic *topics;
    size_t topics_n, topics_capacity;
    int64_t next;     /* offset of the next record */
    uint64_t touched; /* wake mask of the transaction */
    struct mw_waker waker;

    /* Other writers' files that mw_stream_get and mw_stream_visit opened. */
    struct mw_sqlite_file *others;
    size_t others_n;
    struct mw_buffer value; /* of the last get */
};

/* --- sqlite_file.c --- */

/* An SQLite result as an mw_err: FULL for no space in any of its guises. */
mw_err mw_sqlite_fail(struct mw_error *error, sqlite3 *db, const char *path);
mw_err mw_sqlite_prepare(const struct mw_sqlite_file *file, const char *sql, sqlite3_stmt **stmt,
                         struct mw_error *error);
void mw_sqlite_bind_span(sqlite3_stmt *stmt, int index, struct mw_span span);
struct mw_span mw_sqlite_column_span(sqlite3_stmt *stmt, int column);

/* *file must stay where it is until it is closed. Opens FOLDER/<writer>.db, made and migrated when
 * `write`. For reading AGAIN means that the file is not there or not yet complete; no error text.
 */
mw_err mw_sqlite_file_open(struct mw_sqlite_file *file, const char *folder, const char *writer,
                           bool write, struct mw_error *error);
/* Whether the path still names the file that is open. */
bool mw_sqlite_file_current(const struct mw_sqlite_file *file);
void mw_sqlite_file_close(struct mw_sqlite_file *file); /* {0} and closed ones allowed */
/* Waits until all that was committed to the file, by whatever process, is on the disk. On any
 * thread. */
mw_err mw_sqlite_file_sync(const struct mw_sqlite_file *file, struct mw_error *error);
void mw_sqlite_tidy(struct mw_stream *stream);

/* --- sqlite_writer.c --- */
mw_err mw_sqlite_writer_init(struct mw_sqlite *stream, struct mw_error *error);
void mw_sqlite_writer_fini(struct mw_sqlite *stream);
mw_err mw_sqlite_begin(struct mw_stream *stream, struct mw_error *error);
mw_err mw_sqlite_append(struct mw_stream *stream, const char *topic, struct mw_span key,
                        struct mw_span value, struct mw_error *error);
mw_err mw_sqlite_put(struct mw_stream *stream, const char *topic, struct mw_span key,
                     struct mw_span value, struct mw_error *error);
mw_err mw_sqlite_replace(struct mw_stream *stream, const char *topic, int64_t offset,
                         struct mw_span key, struct mw_span value, struct mw_error *error);
mw_err mw_sqlite_commit(struct mw_stream *stream, struct mw_stream_reader *reader,
                        struct mw_error *error);
void mw_sqlite_rollback(struct mw_stream *stream);
mw_err mw_sqlite_sync(const struct mw_stream *stream, struct mw_error *error);

/* --- sqlite_state.c --- */
mw_err mw_sqlite_get(struct mw_stream *stream, const char *writer, const char *topic,
                     struct mw_span key, struct mw_span *value, struct mw_error *error);
mw_err mw_sqlite_visit(struct mw_stream *stream, const char *writer, const char *topic,
                       mw_stream_visit_fn *fn, void *context, struct mw_error *error);

/* --- sqlite_retain.c --- */
mw_err mw_sqlite_retain(struct mw_stream *stream, int64_t age, int64_t bytes, int64_t now,
                        bool *more, struct mw_error *error);
mw_err mw_sqlite_trim(struct mw_stream *stream, const char *topic, int64_t before,
                      struct mw_error *error);

/* --- sqlite_reader.c --- */
mw_err mw_sqlite_reader_open(struct mw_stream_reader **reader, struct mw_stream *stream,
                             const char *const *topics, size_t n, enum mw_stream_start start,
                             const struct mw_stream_share *share, struct mw_error *error);
void mw_sqlite_reader_close(struct mw_stream_reader *reader);
mw_err mw_sqlite_poll(struct mw_stream_reader *reader, struct mw_stream_record *records, size_t max,
                      size_t *count, struct mw_error *error);
mw_err mw_sqlite_rewind(struct mw_stream_reader *reader, struct mw_error *error);
void mw_sqlite_seek(struct mw_stream_reader *reader, int64_t offset);
int mw_sqlite_reader_fd(const struct mw_stream_reader *reader);
void mw_sqlite_reader_drain(struct mw_stream_reader *reader);
/* Writes the reader's positions into the open transaction, when what they have passed is on the
 * disk; _stored says that it was committed. */
mw_err mw_sqlite_reader_store(struct mw_stream_reader *reader, struct mw_error *error);
void mw_sqlite_reader_stored(struct mw_stream_reader *reader);

#endif
