/* sqlite_source.h - a reader of a folder, from inside.
 *
 * A reader has a source for each writer's file, and a source a cursor for each topic. Statements
 * run only during a poll, so that a reader never keeps the writer's log from starting anew. */
#ifndef MW_STREAM_SQLITE_SOURCE_H
#define MW_STREAM_SQLITE_SOURCE_H

#include "lib/stream/sqlite_internal.h"

#include <time.h>

struct mw_sqlite_cursor {
    sqlite3_stmt *stmt; /* NULL until the file has the topic */
    int64_t start;      /* where to go on without a committed position */
    int64_t next;       /* behind what was polled */
    int64_t committed;  /* -1: none */
    bool row;           /* stmt is on a row that is not yet handed out */
    int64_t offset;     /* of that row */
};

struct mw_sqlite_source {
    struct mw_sqlite_file file;
    sqlite3_stmt *version; /* PRAGMA data_version: moves when the file is written to */
    sqlite3_stmt *begin;   /* with end: all cursors of a poll see the same commits */
    sqlite3_stmt *end;
    bool unsynced; /* records were polled that may not be on the disk yet */
    int64_t seen;  /* version at the last poll that read everything; -1: read again */
    struct mw_sqlite_cursor *cursors; /* one a topic of the reader */
    struct mw_sqlite_cursor *head;    /* the cursor with the lowest offset; NULL at the end */
};

struct mw_sqlite_reader {
    struct mw_stream_reader base;
    struct mw_sqlite *stream;
    char (*topics)[MW_SQLITE_NAME];
    size_t topics_n;
    enum mw_stream_start start;
    struct mw_sqlite_source *sources;
    size_t sources_n;
    struct timespec changed; /* the folder's time of change at the last scan; 0: scan again */
    int64_t scanned;         /* monotonic time of the last scan */
    char *arena;             /* what the records of the last poll point to */
    size_t arena_size, arena_capacity;
    struct mw_wake wake;
};

/* Looks for new and replaced files when the folder has changed, may have changed, or was not looked
 * at for a second. `latest`: a file without a committed position is read from its end. */
mw_err mw_sqlite_sources_scan(struct mw_sqlite_reader *reader, bool latest, struct mw_error *error);
void mw_sqlite_source_close(struct mw_sqlite_source *source, size_t topics_n);

/* Sets the cursors on their first rows and head on the first of them; nothing when the file has not
 * changed since everything in it was read. */
mw_err mw_sqlite_source_start(struct mw_sqlite_reader *reader, struct mw_sqlite_source *source,
                              struct mw_error *error);
/* Moves head to the row behind it. */
mw_err mw_sqlite_source_step(struct mw_sqlite_reader *reader, struct mw_sqlite_source *source,
                             struct mw_error *error);
/* Ends the statements and lets go of what they saw. */
void mw_sqlite_source_finish(struct mw_sqlite_source *source, size_t topics_n, bool failed);

#endif
