#include "tiers/iot/outbox_internal.h"

/* Runs a statement that gives no rows and resets it. */
static mw_err step(struct mw_outbox *outbox, enum mw_outbox_statement which, struct mw_error *error)
{
    sqlite3_stmt *statement = outbox->statement[which];
    int code = sqlite3_step(statement);
    mw_err err = MW_OK;
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        err = mw_outbox_fail(outbox, sqlite3_sql(statement), error);
    }
    sqlite3_reset(statement);
    return err;
}

mw_err mw_outbox_begin(struct mw_outbox *outbox, struct mw_error *error)
{
    if (outbox->in_transaction) {
        return MW_OK;
    }
    mw_err err = step(outbox, MW_ST_BEGIN, error);
    outbox->in_transaction = err == MW_OK;
    outbox->bytes_before = outbox->bytes;
    return err;
}

mw_err mw_outbox_commit(struct mw_outbox *outbox, struct mw_error *error)
{
    if (!outbox->in_transaction) {
        return MW_OK;
    }
    mw_err err = step(outbox, MW_ST_COMMIT, error);
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
            step(outbox, MW_ST_ROLLBACK, NULL);
        }
        outbox->in_transaction = false;
        outbox->rolled_back++;
        outbox->bytes = outbox->bytes_before;
    }
}

uint64_t mw_outbox_rolled_back(const struct mw_outbox *outbox)
{
    return outbox->rolled_back;
}

mw_err mw_outbox_device(struct mw_outbox *outbox, const char *name, struct mw_outbox_device *device,
                        struct mw_error *error)
{
    *device = (struct mw_outbox_device){0};
    sqlite3_bind_text(outbox->statement[MW_ST_DEVICE_NEW], 1, name, -1, SQLITE_STATIC);
    mw_err err = step(outbox, MW_ST_DEVICE_NEW, error);
    if (err != MW_OK) {
        return err;
    }
    sqlite3_stmt *get = outbox->statement[MW_ST_DEVICE_GET];
    sqlite3_bind_text(get, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(get) != SQLITE_ROW) {
        err = mw_outbox_fail(outbox, "device", error);
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
    sqlite3_stmt *put = outbox->statement[MW_ST_DEVICE_PUT];
    const uint64_t values[] = {device->boot,    device->first,      device->next, device->published,
                               device->dropped, device->suppressed, device->draws};
    sqlite3_bind_int64(put, 1, device->id);
    for (int i = 0; i < 7; i++) {
        sqlite3_bind_int64(put, i + 2, (sqlite3_int64)values[i]);
    }
    return step(outbox, MW_ST_DEVICE_PUT, error);
}

mw_err mw_outbox_add(struct mw_outbox *outbox, struct mw_outbox_device *device, struct mw_span text,
                     struct mw_error *error)
{
    sqlite3_stmt *add = outbox->statement[MW_ST_ADD];
    sqlite3_bind_int64(add, 1, device->id);
    sqlite3_bind_int64(add, 2, (sqlite3_int64)device->next);
    sqlite3_bind_blob(add, 3, text.data, (int)text.size, SQLITE_STATIC);
    mw_err err = step(outbox, MW_ST_ADD, error);
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
    sqlite3_stmt *removal = outbox->statement[MW_ST_REMOVE];
    sqlite3_bind_int64(removal, 1, device->id);
    sqlite3_bind_int64(removal, 2, (sqlite3_int64)from);
    sqlite3_bind_int64(removal, 3, (sqlite3_int64)to);
    int code;
    while ((code = sqlite3_step(removal)) == SQLITE_ROW) {
        outbox->bytes -= sqlite3_column_int64(removal, 0);
    }
    mw_err err = code == SQLITE_DONE ? MW_OK : mw_outbox_fail(outbox, "remove", error);
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
    sqlite3_stmt *renumber = outbox->statement[MW_ST_RENUMBER];
    sqlite3_bind_int64(renumber, 1, device->id);
    sqlite3_bind_int64(renumber, 2, (sqlite3_int64)shift);
    sqlite3_bind_int64(renumber, 3, (sqlite3_int64)from);
    return step(outbox, MW_ST_RENUMBER, error);
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
    sqlite3_stmt *read = outbox->statement[MW_ST_READ];
    sqlite3_bind_int64(read, 1, device->id);
    sqlite3_bind_int64(read, 2, (sqlite3_int64)from);
    sqlite3_bind_int64(read, 3, (sqlite3_int64)max);
    int code;
    while ((code = sqlite3_step(read)) == SQLITE_ROW) {
        struct mw_span text = {sqlite3_column_blob(read, 1), (size_t)sqlite3_column_bytes(read, 1)};
        fn(context, (uint64_t)sqlite3_column_int64(read, 0), text);
    }
    mw_err err = code == SQLITE_DONE ? MW_OK : mw_outbox_fail(outbox, "read", error);
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
    enum mw_outbox_statement which = value.size == 0 ? MW_ST_DELETE : MW_ST_PUT;
    bind_key(outbox->statement[which], table, key);
    if (which == MW_ST_PUT) {
        sqlite3_bind_blob(outbox->statement[which], 3, value.data, (int)value.size, SQLITE_STATIC);
    }
    return step(outbox, which, error);
}

mw_err mw_outbox_get(struct mw_outbox *outbox, const char *table, const char *key,
                     struct mw_span *value, struct mw_error *error)
{
    sqlite3_stmt *get = outbox->statement[MW_ST_GET];
    bind_key(get, table, key);
    int code = sqlite3_step(get);
    mw_err err = code == SQLITE_DONE  ? MW_ERR_NOT_FOUND
                 : code != SQLITE_ROW ? mw_outbox_fail(outbox, "get", error)
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
    sqlite3_stmt *visit = outbox->statement[MW_ST_VISIT];
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
    mw_err err = code == SQLITE_DONE ? MW_OK : mw_outbox_fail(outbox, "visit", error);
    sqlite3_reset(visit);
    return err;
}
