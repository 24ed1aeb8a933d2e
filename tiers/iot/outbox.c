#include "tiers/iot/outbox.h"

#include "lib/base/file.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x4d574f42 /* "MWOB" */
#define SCHEMA_VERSION 1

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_DEVICE_NEW,
    ST_DEVICE_GET,
    ST_DEVICE_PUT,
    ST_ADD,
    ST_REMOVE,
    ST_RENUMBER,
    ST_READ,
    ST_PUT,
    ST_DELETE,
    ST_GET,
    ST_VISIT,
    ST_COUNT
};

static const char *const statement_text[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_DEVICE_NEW] = "INSERT OR IGNORE INTO device(name) VALUES (?1)",
    [ST_DEVICE_GET] = "SELECT id,boot,first,next,published,dropped,suppressed,draws "
                      "FROM device WHERE name=?1",
    [ST_DEVICE_PUT] = "UPDATE device SET boot=?2,first=?3,next=?4,published=?5,dropped=?6,"
                      "suppressed=?7,draws=?8 WHERE id=?1",
    [ST_ADD] = "INSERT INTO record(device,seq,text) VALUES (?1,?2,?3)",
    [ST_REMOVE] = "DELETE FROM record WHERE device=?1 AND seq>=?2 AND seq<?3 "
                  "RETURNING length(text)",
    /* Row by row upwards: the lower number is always free before it is taken. */
    [ST_RENUMBER] = "UPDATE record SET seq=seq-?2 WHERE device=?1 AND seq>=?3",
    [ST_READ] = "SELECT seq,text FROM record WHERE device=?1 AND seq>=?2 ORDER BY seq LIMIT ?3",
    [ST_PUT] = "INSERT OR REPLACE INTO value(part,key,value) VALUES (?1,?2,?3)",
    [ST_DELETE] = "DELETE FROM value WHERE part=?1 AND key=?2",
    [ST_GET] = "SELECT value FROM value WHERE part=?1 AND key=?2",
    [ST_VISIT] = "SELECT key,value FROM value WHERE part=?1 ORDER BY key",
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

struct mw_outbox {
    sqlite3 *db;
    sqlite3_stmt *statement[ST_COUNT];
    bool in_transaction;
    int64_t bytes, bytes_before; /* now, and when the transaction began */
    struct mw_buffer value;      /* what mw_outbox_get gave last */
};

static mw_err fail(struct mw_outbox *outbox, const char *what, struct mw_error *error)
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
        outbox->bytes = outbox->bytes_before;
    }
    return mw_error_set(error, err, "outbox %s: %s: %s", sqlite3_db_filename(outbox->db, "main"),
                        what, sqlite3_errmsg(outbox->db));
}

/* Runs a statement that gives no rows and resets it. */
static mw_err step(struct mw_outbox *outbox, enum statement which, struct mw_error *error)
{
    sqlite3_stmt *statement = outbox->statement[which];
    int code = sqlite3_step(statement);
    mw_err err = MW_OK;
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        err = fail(outbox, statement_text[which], error);
    }
    sqlite3_reset(statement);
    return err;
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
        err = fail(outbox, text, error);
    }
    sqlite3_finalize(statement);
    return err;
}

static mw_err execute(struct mw_outbox *outbox, const char *text, struct mw_error *error)
{
    return sqlite3_exec(outbox->db, text, NULL, NULL, NULL) == SQLITE_OK
               ? MW_OK
               : fail(outbox, "open", error);
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
    for (int i = 0; i < ST_COUNT; i++) {
        if (sqlite3_prepare_v3(outbox->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &outbox->statement[i], NULL) != SQLITE_OK) {
            return fail(outbox, statement_text[i], error);
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
    for (int i = 0; i < ST_COUNT; i++) {
        sqlite3_finalize(outbox->statement[i]);
    }
    sqlite3_close(outbox->db);
    mw_buffer_free(&outbox->value);
    free(outbox);
}

mw_err mw_outbox_begin(struct mw_outbox *outbox, struct mw_error *error)
{
    if (outbox->in_transaction) {
        return MW_OK;
    }
    mw_err err = step(outbox, ST_BEGIN, error);
    outbox->in_transaction = err == MW_OK;
    outbox->bytes_before = outbox->bytes;
    return err;
}

mw_err mw_outbox_commit(struct mw_outbox *outbox, struct mw_error *error)
{
    if (!outbox->in_transaction) {
        return MW_OK;
    }
    mw_err err = step(outbox, ST_COMMIT, error);
    if (err != MW_OK) {
        mw_outbox_rollback(outbox);
        return err;
    }
    outbox->in_transaction = false;
    return MW_OK;
}

void mw_outbox_rollback(struct mw_outbox *outbox)
{
    if (outbox->in_transaction) {
        if (sqlite3_get_autocommit(outbox->db) == 0) {
            step(outbox, ST_ROLLBACK, NULL);
        }
        outbox->in_transaction = false;
        outbox->bytes = outbox->bytes_before;
    }
}

mw_err mw_outbox_device(struct mw_outbox *outbox, const char *name, struct mw_outbox_device *device,
                        struct mw_error *error)
{
    *device = (struct mw_outbox_device){0};
    sqlite3_bind_text(outbox->statement[ST_DEVICE_NEW], 1, name, -1, SQLITE_STATIC);
    mw_err err = step(outbox, ST_DEVICE_NEW, error);
    if (err != MW_OK) {
        return err;
    }
    sqlite3_stmt *get = outbox->statement[ST_DEVICE_GET];
    sqlite3_bind_text(get, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(get) != SQLITE_ROW) {
        err = fail(outbox, "device", error);
    } else {
        device->id = sqlite3_column_int64(get, 0);
        device->boot = (uint32_t)sqlite3_column_int64(get, 1);
        device->first = (uint64_t)sqlite3_column_int64(get, 2);
        device->next = (uint64_t)sqlite3_column_int64(get, 3);
        device->published = (uint64_t)sqlite3_column_int64(get, 4);
        device->dropped = (uint64_t)sqlite3_column_int64(get, 5);
        device->suppressed = (uint64_t)sqlite3_column_int64(get, 6);
        device->draws = (uint64_t)sqlite3_column_int64(get, 7);
    }
    sqlite3_reset(get);
    return err;
}

mw_err mw_outbox_device_put(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                            struct mw_error *error)
{
    sqlite3_stmt *put = outbox->statement[ST_DEVICE_PUT];
    const uint64_t values[] = {device->boot,    device->first,      device->next, device->published,
                               device->dropped, device->suppressed, device->draws};
    sqlite3_bind_int64(put, 1, device->id);
    for (int i = 0; i < 7; i++) {
        sqlite3_bind_int64(put, i + 2, (sqlite3_int64)values[i]);
    }
    return step(outbox, ST_DEVICE_PUT, error);
}

mw_err mw_outbox_add(struct mw_outbox *outbox, struct mw_outbox_device *device, struct mw_span text,
                     struct mw_error *error)
{
    sqlite3_stmt *add = outbox->statement[ST_ADD];
    sqlite3_bind_int64(add, 1, device->id);
    sqlite3_bind_int64(add, 2, (sqlite3_int64)device->next);
    sqlite3_bind_blob(add, 3, text.data, (int)text.size, SQLITE_STATIC);
    mw_err err = step(outbox, ST_ADD, error);
    if (err == MW_OK) {
        device->next++;
        device->published++;
        outbox->bytes += (int64_t)text.size;
    }
    return err;
}

/* Removes numbers from .. to-1 and counts their bytes off. */
static mw_err remove_records(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                             uint64_t from, uint64_t to, struct mw_error *error)
{
    sqlite3_stmt *removal = outbox->statement[ST_REMOVE];
    sqlite3_bind_int64(removal, 1, device->id);
    sqlite3_bind_int64(removal, 2, (sqlite3_int64)from);
    sqlite3_bind_int64(removal, 3, (sqlite3_int64)to);
    int code;
    while ((code = sqlite3_step(removal)) == SQLITE_ROW) {
        outbox->bytes -= sqlite3_column_int64(removal, 0);
    }
    mw_err err = code == SQLITE_DONE ? MW_OK : fail(outbox, "remove", error);
    sqlite3_reset(removal);
    return err;
}

/* Takes `shift` off the numbers from `from` on. */
static mw_err shift_down(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                         uint64_t from, uint64_t shift, struct mw_error *error)
{
    if (shift == 0) {
        return MW_OK;
    }
    sqlite3_stmt *renumber = outbox->statement[ST_RENUMBER];
    sqlite3_bind_int64(renumber, 1, device->id);
    sqlite3_bind_int64(renumber, 2, (sqlite3_int64)shift);
    sqlite3_bind_int64(renumber, 3, (sqlite3_int64)from);
    return step(outbox, ST_RENUMBER, error);
}

mw_err mw_outbox_acknowledge(struct mw_outbox *outbox, struct mw_outbox_device *device,
                             uint64_t next, struct mw_error *error)
{
    /* From 0, so that what a rolled back acknowledgement left behind goes too. */
    mw_err err = remove_records(outbox, device, 0, next, error);
    if (err == MW_OK) {
        device->first = next;
        err = mw_outbox_device_put(outbox, device, error);
    }
    return err;
}

mw_err mw_outbox_renumber(struct mw_outbox *outbox, struct mw_outbox_device *device, uint32_t boot,
                          struct mw_error *error)
{
    struct mw_outbox_device renumbered = *device;
    renumbered.next -= device->first;
    renumbered.first = 0;
    renumbered.boot = boot;
    mw_err err = shift_down(outbox, device, device->first, device->first, error);
    if (err == MW_OK) {
        err = mw_outbox_device_put(outbox, &renumbered, error);
    }
    if (err == MW_OK) {
        *device = renumbered;
    }
    return err;
}

mw_err mw_outbox_drop(struct mw_outbox *outbox, struct mw_outbox_device *device, uint64_t unsent,
                      uint64_t n, struct mw_error *error)
{
    if (unsent < device->first || unsent > device->next) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "outbox: nothing waits at number %llu",
                            (unsigned long long)unsent);
    }
    n = n > device->next - unsent ? device->next - unsent : n;
    mw_err err = remove_records(outbox, device, unsent, unsent + n, error);
    if (err == MW_OK) {
        err = shift_down(outbox, device, unsent + n, n, error);
    }
    if (err == MW_OK) {
        device->next -= n;
        device->dropped += n;
        err = mw_outbox_device_put(outbox, device, error);
    }
    return err;
}

mw_err mw_outbox_read(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                      uint64_t from, size_t max, mw_outbox_record_fn *fn, void *context,
                      struct mw_error *error)
{
    sqlite3_stmt *read = outbox->statement[ST_READ];
    sqlite3_bind_int64(read, 1, device->id);
    sqlite3_bind_int64(read, 2, (sqlite3_int64)from);
    sqlite3_bind_int64(read, 3, (sqlite3_int64)max);
    int code;
    while ((code = sqlite3_step(read)) == SQLITE_ROW) {
        struct mw_span text = {sqlite3_column_blob(read, 1), (size_t)sqlite3_column_bytes(read, 1)};
        fn(context, (uint64_t)sqlite3_column_int64(read, 0), text);
    }
    mw_err err = code == SQLITE_DONE ? MW_OK : fail(outbox, "read", error);
    sqlite3_reset(read);
    return err;
}

int64_t mw_outbox_bytes(const struct mw_outbox *outbox)
{
    return outbox->bytes;
}

static void bind_key(sqlite3_stmt *statement, const char *table, const char *key)
{
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    if (key != NULL) {
        sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
    }
}

mw_err mw_outbox_put(struct mw_outbox *outbox, const char *table, const char *key,
                     struct mw_span value, struct mw_error *error)
{
    enum statement which = value.size == 0 ? ST_DELETE : ST_PUT;
    bind_key(outbox->statement[which], table, key);
    if (which == ST_PUT) {
        sqlite3_bind_blob(outbox->statement[which], 3, value.data, (int)value.size, SQLITE_STATIC);
    }
    return step(outbox, which, error);
}

mw_err mw_outbox_get(struct mw_outbox *outbox, const char *table, const char *key,
                     struct mw_span *value, struct mw_error *error)
{
    sqlite3_stmt *get = outbox->statement[ST_GET];
    bind_key(get, table, key);
    int code = sqlite3_step(get);
    mw_err err = code == SQLITE_DONE  ? MW_ERR_NOT_FOUND
                 : code != SQLITE_ROW ? fail(outbox, "get", error)
                                      : MW_OK;
    if (err == MW_OK) {
        mw_buffer_clear(&outbox->value);
        err = mw_buffer_add(&outbox->value, sqlite3_column_blob(get, 0),
                            (size_t)sqlite3_column_bytes(get, 0));
        *value = (struct mw_span){outbox->value.data, outbox->value.size};
    }
    sqlite3_reset(get);
    return err;
}

mw_err mw_outbox_visit(struct mw_outbox *outbox, const char *table, mw_outbox_visit_fn *fn,
                       void *context, struct mw_error *error)
{
    sqlite3_stmt *visit = outbox->statement[ST_VISIT];
    bind_key(visit, table, NULL);
    int code;
    while ((code = sqlite3_step(visit)) == SQLITE_ROW) {
        struct mw_span value = {sqlite3_column_blob(visit, 1),
                                (size_t)sqlite3_column_bytes(visit, 1)};
        if (!fn(context, (const char *)sqlite3_column_text(visit, 0), value)) {
            code = SQLITE_DONE; /* it has seen enough */
            break;
        }
    }
    mw_err err = code == SQLITE_DONE ? MW_OK : fail(outbox, "visit", error);
    sqlite3_reset(visit);
    return err;
}
