/* sqlite_file.c - opens, migrates and closes the file of a writer; turns SQLite's errors into ours.
 */
#include "lib/stream/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x4d575354 /* "MWST" */
#define BUSY_MS 2000           /* a reader that recovers the log after a crash holds it briefly */
#define CHECKPOINT_FRAMES 1000 /* pages in the write-ahead log that a tidy moves: 4 MiB */
#define COMMIT_FRAMES 2000     /* with so many pages a commit moves them itself */
#define RESTART_FRAMES 16000   /* with so many pages, wait for readers and start the log anew */

/* migrations[v] takes a file from user_version v to v + 1. */
static const char *const migrations[] = {
    "CREATE TABLE file(identity INTEGER NOT NULL);"
    "INSERT INTO file VALUES(random());"
    "CREATE TABLE topic(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  next INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "CREATE TABLE state(topic INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
    "  PRIMARY KEY(topic, key)) WITHOUT ROWID;"
    "CREATE TABLE position(topic TEXT NOT NULL, writer TEXT NOT NULL, identity INTEGER NOT NULL,"
    "  next INTEGER NOT NULL, PRIMARY KEY(topic, writer)) WITHOUT ROWID;",
};
#define VERSION ((int64_t)(sizeof(migrations) / sizeof(migrations[0])))

mw_err mw_sqlite_fail(struct mw_error *error, sqlite3 *db, const char *path)
{
    int code = sqlite3_errcode(db) & 0xff;
    int system = sqlite3_system_errno(db);
    mw_err err = MW_ERR_IO;
    if (code == SQLITE_FULL ||
        (code == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT || system == EFBIG))) {
        err = MW_ERR_FULL;
    } else if (code == SQLITE_NOMEM) {
        err = MW_ERR_MEMORY;
    } else if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        err = MW_ERR_BUSY;
    } else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
        err = MW_ERR_CORRUPT;
    } else if (code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_AUTH) {
        err = MW_ERR_DENIED;
    }
    const char *detail = code == SQLITE_IOERR && system != 0 ? strerror(system) : "";
    return mw_error_set(error, err, "%s: %s%s%s", path, sqlite3_errmsg(db),
                        detail[0] == '\0' ? "" : ": ", detail);
}

mw_err mw_sqlite_prepare(const struct mw_sqlite_file *file, const char *sql, sqlite3_stmt **stmt,
                         struct mw_error *error)
{
    if (sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL) != SQLITE_OK) {
        return mw_sqlite_fail(error, file->db, file->path);
    }
    return MW_OK;
}

void mw_sqlite_bind_span(sqlite3_stmt *stmt, int index, struct mw_span span)
{
    /* A null pointer would bind NULL instead of an empty value. */
    (void)sqlite3_bind_blob(stmt, index, span.size == 0 ? "" : span.data, (int)span.size,
                            SQLITE_STATIC);
}

struct mw_span mw_sqlite_column_span(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    return (struct mw_span){data, (size_t)sqlite3_column_bytes(stmt, column)};
}

static mw_err run(const struct mw_sqlite_file *file, const char *sql, struct mw_error *error)
{
    if (sqlite3_exec(file->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return mw_sqlite_fail(error, file->db, file->path);
    }
    return MW_OK;
}

static mw_err read_integer(const struct mw_sqlite_file *file, const char *sql, int64_t *value,
                           struct mw_error *error)
{
    sqlite3_stmt *stmt = NULL;
    mw_err err = mw_sqlite_prepare(file, sql, &stmt, error);
    if (err == MW_OK && sqlite3_step(stmt) != SQLITE_ROW) {
        err = mw_sqlite_fail(error, file->db, file->path);
    }
    if (err == MW_OK) {
        *value = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

/* Reads *version; refuses what is not ours. A file that nothing was written to has version 0. */
static mw_err check_version(const struct mw_sqlite_file *file, int64_t *version,
                            struct mw_error *error)
{
    int64_t application = 0;
    int64_t changes = 0;
    /* The application is read last: a file that its writer finishes meanwhile then looks like one
     * without a version yet, never like one of somebody else. */
    mw_err err = read_integer(file, "PRAGMA user_version", version, error);
    if (err == MW_OK) {
        err = read_integer(file, "PRAGMA schema_version", &changes, error);
    }
    if (err == MW_OK) {
        err = read_integer(file, "PRAGMA application_id", &application, error);
    }
    if (err != MW_OK) {
        return err;
    }
    if (application != APPLICATION_ID && (application != 0 || *version != 0 || changes != 0)) {
        return mw_error_set(error, MW_ERR_CORRUPT, "%s: is not a stream's file", file->path);
    }
    if (*version < 0 || *version > VERSION) {
        return mw_error_set(error, MW_ERR_VERSION,
                            "%s: has version %lld, this program knows up to %lld", file->path,
                            (long long)*version, (long long)VERSION);
    }
    return MW_OK;
}

static mw_err migrate(const struct mw_sqlite_file *file, struct mw_error *error)
{
    int64_t version = 0;
    mw_err err = run(file, "BEGIN IMMEDIATE", error);
    if (err == MW_OK) {
        err = check_version(file, &version, error);
    }
    for (int64_t v = version; err == MW_OK && v < VERSION; v++) {
        err = run(file, migrations[v], error);
    }
    if (err == MW_OK && version < VERSION) {
        char sql[96];
        (void)snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%lld",
                       APPLICATION_ID, (long long)VERSION);
        err = run(file, sql, error);
    }
    if (err == MW_OK) {
        err = run(file, "COMMIT", error);
    }
    if (err != MW_OK) {
        (void)run(file, "ROLLBACK", NULL);
    }
    return err;
}

/* What fails here is done at a later commit. */
static void checkpoint(const struct mw_sqlite_file *file, int mode)
{
    (void)sqlite3_wal_checkpoint_v2(file->db, "main", mode, NULL, NULL);
}

/* Nobody may have had time to tidy. Readers do not hinder that the log is moved into the file, but
 * as long as one reads, the log cannot start anew; past a limit this waits for them. */
static int on_commit(void *context, sqlite3 *db, const char *schema, int frames)
{
    struct mw_sqlite_file *file = context;
    (void)db;
    (void)schema;
    file->frames = frames;
    if (frames >= COMMIT_FRAMES) {
        checkpoint(file, frames >= RESTART_FRAMES ? SQLITE_CHECKPOINT_RESTART
                                                  : SQLITE_CHECKPOINT_PASSIVE);
    }
    return SQLITE_OK;
}

void mw_sqlite_tidy(struct mw_stream *base)
{
    struct mw_sqlite_file *file = &((struct mw_sqlite *)base)->own;
    if (file->frames >= CHECKPOINT_FRAMES) {
        checkpoint(file, SQLITE_CHECKPOINT_PASSIVE);
        file->frames = 0; /* the next commit says how many there are */
    }
}

static mw_err set_up_writer(struct mw_sqlite_file *file, struct mw_error *error)
{
    /* NORMAL: a commit does not wait for the disk, mw_sqlite_file_sync does. secure_delete would
     * overwrite what retention frees; Debian's SQLite has it on. */
    mw_err err = run(file,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-512;"
                     "PRAGMA secure_delete=OFF; PRAGMA journal_size_limit=8388608;"
                     "PRAGMA wal_autocheckpoint=0",
                     error);
    if (err == MW_OK) {
        err = migrate(file, error);
    }
    if (err == MW_OK) {
        (void)sqlite3_wal_hook(file->db, on_commit, file);
    }
    return err;
}

static mw_err set_up_reader(struct mw_sqlite_file *file, struct mw_error *error)
{
    int64_t version = 0;
    mw_err err = run(file, "PRAGMA cache_size=-128", error);
    if (err == MW_OK) {
        err = check_version(file, &version, error);
    }
    if (err == MW_OK && version < VERSION) {
        return MW_ERR_AGAIN; /* its writer has still to make or migrate it */
    }
    return err;
}

/* CRC-32 (IEEE 802.3), bit by bit: a name is short. */
static uint32_t partition_of(const char *name)
{
    uint32_t crc = 0xffffffffU;
    for (; *name != '\0'; name++) {
        crc ^= (unsigned char)*name;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

/* What SQLite does not have in the log, a checkpoint has moved to the file; it brings the log to
 * the disk before and the file afterwards, so the log is all there is to see to. A descriptor of
 * its own lets this run beside the writer, and for other writers' files; SQLite's locks, which
 * would end with it, are on other files. */
mw_err mw_sqlite_file_sync(const struct mw_sqlite_file *file, struct mw_error *error)
{
    char path[PATH_MAX + 4];
    (void)snprintf(path, sizeof(path), "%s-wal", file->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    mw_err err = fdatasync(fd) == 0 ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s", path);
    (void)close(fd);
    return err;
}

static mw_err remember_inode(struct mw_sqlite_file *file, struct mw_error *error)
{
    struct stat status;
    if (stat(file->path, &status) != 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", file->path);
    }
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return MW_OK;
}

mw_err mw_sqlite_file_open(struct mw_sqlite_file *file, const char *folder, const char *writer,
                           bool write, struct mw_error *error)
{
    memset(file, 0, sizeof(*file));
    (void)snprintf(file->writer, sizeof(file->writer), "%s", writer);
    int length = snprintf(file->path, sizeof(file->path), "%s/%s.db", folder, writer);
    if (length < 0 || (size_t)length >= sizeof(file->path)) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%.100s...: path is too long", folder);
    }
    if (!write && !mw_file_exists(file->path)) {
        return MW_ERR_AGAIN;
    }
    file->partition = partition_of(writer);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    mw_err err = MW_OK;
    if (sqlite3_open_v2(file->path, &file->db, flags, NULL) != SQLITE_OK) {
        err = file->db == NULL ? mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", file->path)
                               : mw_sqlite_fail(error, file->db, file->path);
    } else {
        (void)sqlite3_busy_timeout(file->db, BUSY_MS);
        err = write ? set_up_writer(file, error) : set_up_reader(file, error);
    }
    if (err == MW_OK) {
        err = read_integer(file, "SELECT identity FROM file", &file->identity, error);
    }
    if (err == MW_OK) {
        err = remember_inode(file, error);
    }
    if (err != MW_OK) {
        mw_sqlite_file_close(file);
    } else if (write) {
        sync_folder(folder);
    }
    return err;
}

bool mw_sqlite_file_current(const struct mw_sqlite_file *file)
{
    struct stat status;
    return stat(file->path, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

void mw_sqlite_file_close(struct mw_sqlite_file *file)
{
    (void)sqlite3_close(file->db);
    file->db = NULL;
}
