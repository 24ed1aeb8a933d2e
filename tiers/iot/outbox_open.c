/* outbox_open.c - the file of an outbox, its tables and its statements. */
#include "tiers/iot/outbox_internal.h"

#include <stdlib.h>

#define APPLICATION_ID 0x4d574f42 /* "MWOB" */
#define SCHEMA_VERSION 1

static const char *const statement_text[MW_ST_COUNT] = {
    [MW_ST_BEGIN] = "BEGIN IMMEDIATE",
    [MW_ST_COMMIT] = "COMMIT",
    [MW_ST_ROLLBACK] = "ROLLBACK",
    [MW_ST_DEVICE_NEW] = "INSERT OR IGNORE INTO device(name) VALUES (?1)",
    [MW_ST_DEVICE_GET] = "SELECT id,boot,first,next,published,dropped,suppressed,draws "
                         "FROM device WHERE name=?1",
    [MW_ST_DEVICE_PUT] = "UPDATE device SET boot=?2,first=?3,next=?4,published=?5,dropped=?6,"
                         "suppressed=?7,draws=?8 WHERE id=?1",
    [MW_ST_ADD] = "INSERT INTO record(device,seq,text) VALUES (?1,?2,?3)",
    [MW_ST_REMOVE] = "DELETE FROM record WHERE device=?1 AND seq>=?2 AND seq<?3 "
                     "RETURNING length(text)",
    /* Row by row upwards: the lower number is always free before it is taken. */
    [MW_ST_RENUMBER] = "UPDATE record SET seq=seq-?2 WHERE device=?1 AND seq>=?3",
    [MW_ST_READ] = "SELECT seq,text FROM record WHERE device=?1 AND seq>=?2 ORDER BY seq LIMIT ?3",
    [MW_ST_PUT] = "INSERT OR REPLACE INTO value(part,key,value) VALUES (?1,?2,?3)",
    [MW_ST_DELETE] = "DELETE FROM value WHERE part=?1 AND key=?2",
    [MW_ST_GET] = "SELECT value FROM value WHERE part=?1 AND key=?2",
    [MW_ST_VISIT] = "SELECT key,value FROM value WHERE part=?1 ORDER BY key",
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS device(id INTEGER PRIMARY KEY,name TEXT UNIQUE NOT NULL,"
    " boot INTEGER NOT NULL DEFAULT 0,first INTEGER NOT NULL DEFAULT 0,"
    " next INTEGER NOT NULL DEFAULT 0,published INTEGER NOT NULL DEFAULT 0,"
    " dropped INTEGER NOT NULL DEFAULT 0,suppressed INTEGER NOT NULL DEFAULT 0,"
    " draws INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS record(device INTEGER NOT NULL,seq INTEGER NOT NULL,"
    " text BLOB NOT NULL,PRIMARY KEY(device,seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS value(part TEXT NOT NULL,key TEXT NOT NULL,value BLOB NOT NULL,"
    " PRIMARY KEY(part,key)) WITHOUT ROWID;"
    "PRAGMA application_id=1297567554;"
    "PRAGMA user_version=1;"
    "COMMIT;";

mw_err mw_outbox_fail(struct mw_outbox *outbox, const char *what, struct mw_error *error)
{
    int code = sqlite3_errcode(outbox->db);
    mw_err err = code == SQLITE_FULL      ? MW_ERR_FULL
                 : code == SQLITE_NOMEM   ? MW_ERR_MEMORY
                 : code == SQLITE_BUSY    ? MW_ERR_BUSY
                 : code == SQLITE_CORRUPT ? MW_ERR_CORRUPT
                 : code == SQLITE_NOTADB  ? MW_ERR_CORRUPT
                                          : MW_ERR_IO;
    if (outbox->in_transaction && sqlite3_get_autocommit(outbox->db) != 0) {
        /* A full disk and the like roll back at once: later statements must not go in alone. */
        outbox->in_transaction = false;
        outbox->rolled_back++;
        outbox->bytes = outbox->bytes_before;
    }
    return mw_error_set(error, err, "outbox %s: %s: %s", sqlite3_db_filename(outbox->db, "main"),
                        what, sqlite3_errmsg(outbox->db));
}

static mw_err ask(struct mw_outbox *outbox, const char *text, int64_t *value,
                  struct mw_error *error)
{
    sqlite3_stmt *statement = NULL;
    mw_err err = MW_OK;
    if (sqlite3_prepare_v2(outbox->db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
    } else {
        err = mw_outbox_fail(outbox, text, error);
    }
    sqlite3_finalize(statement);
    return err;
}

static mw_err execute(struct mw_outbox *outbox, const char *text, struct mw_error *error)
{
    return sqlite3_exec(outbox->db, text, NULL, NULL, NULL) == SQLITE_OK
               ? MW_OK
               : mw_outbox_fail(outbox, "open", error);
}

static mw_err check_version(struct mw_outbox *outbox, const char *path, struct mw_error *error)
{
    int64_t application = 0, version = 0;
    mw_err err = ask(outbox, "PRAGMA application_id", &application, error);
    if (err == MW_OK) {
        err = ask(outbox, "PRAGMA user_version", &version, error);
    }
    if (err != MW_OK) {
        return err;
    }
    if (application == APPLICATION_ID ? version > SCHEMA_VERSION
                                      : application != 0 || version != 0) {
        return mw_error_set(error, MW_ERR_VERSION,
                            "%s: application id %lld, version %lld; an outbox of version up to %d "
                            "was expected",
                            path, (long long)application, (long long)version, SCHEMA_VERSION);
    }
    return MW_OK;
}

/* One process has it: kept as a lock on the file, which ends with the process. */
static mw_err prepare(struct mw_outbox *outbox, const char *path, struct mw_error *error)
{
    mw_err err = execute(outbox, "PRAGMA locking_mode=EXCLUSIVE;PRAGMA cache_size=-256;", error);
    if (err == MW_OK) {
        err = check_version(outbox, path, error);
    }
    if (err == MW_OK) {
        err = execute(outbox,
                      "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
                      "PRAGMA temp_store=MEMORY;",
                      error);
    }
    if (err == MW_OK) {
        err = execute(outbox, schema, error);
    }
    if (err != MW_OK) {
        return err;
    }
    for (int i = 0; i < MW_ST_COUNT; i++) {
        if (sqlite3_prepare_v3(outbox->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &outbox->statement[i], NULL) != SQLITE_OK) {
            return mw_outbox_fail(outbox, statement_text[i], error);
        }
    }
    return ask(outbox, "SELECT coalesce(sum(length(text)),0) FROM record", &outbox->bytes, error);
}

mw_err mw_outbox_open(struct mw_outbox **out, const char *path, struct mw_error *error)
{
    *out = NULL;
    struct mw_outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = MW_OK;
    if (sqlite3_open_v2(path, &outbox->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        err = mw_error_set(error, MW_ERR_IO, "outbox %s: %s", path,
                           outbox->db == NULL ? "out of memory" : sqlite3_errmsg(outbox->db));
    } else {
        sqlite3_busy_timeout(outbox->db, 2000);
        err = prepare(outbox, path, error);
    }
    if (err != MW_OK) {
        mw_outbox_close(outbox);
        return err;
    }
    *out = outbox;
    return MW_OK;
}

void mw_outbox_close(struct mw_outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    for (int i = 0; i < MW_ST_COUNT; i++) {
        sqlite3_finalize(outbox->statement[i]);
    }
    sqlite3_close(outbox->db);
    mw_buffer_free(&outbox->value);
    free(outbox);
}
