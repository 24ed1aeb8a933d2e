/* outbox_internal.h - the open file and its statements: outbox_open.c makes them, outbox.c runs
 * them. */
#ifndef MW_IOT_OUTBOX_INTERNAL_H
#define MW_IOT_OUTBOX_INTERNAL_H

#include "lib/base/file.h"
#include "tiers/iot/outbox.h"

#include <sqlite3.h>

enum mw_outbox_statement {
    MW_ST_BEGIN,
    MW_ST_COMMIT,
    MW_ST_ROLLBACK,
    MW_ST_DEVICE_NEW,
    MW_ST_DEVICE_GET,
    MW_ST_DEVICE_PUT,
    MW_ST_ADD,
    MW_ST_REMOVE,
    MW_ST_RENUMBER,
    MW_ST_READ,
    MW_ST_PUT,
    MW_ST_DELETE,
    MW_ST_GET,
    MW_ST_VISIT,
    MW_ST_COUNT
};

struct mw_outbox {
    sqlite3 *db;
    sqlite3_stmt *statement[MW_ST_COUNT];
    bool in_transaction;
    uint64_t rolled_back;        /* transactions that left nothing */
    int64_t bytes, bytes_before; /* now, and when the transaction began */
    struct mw_buffer value;      /* what mw_outbox_get gave last */
};

/* Makes an error of what SQLite said last, and notes when that ended the transaction. */
mw_err mw_outbox_fail(struct mw_outbox *outbox, const char *what, struct mw_error *error);

#endif
