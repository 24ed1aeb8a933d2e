#include "tiers/platform/serve_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdlib.h>

enum { STEP = 512 }; /* records between looks at the clock */

static void take_rows(struct mw_serve *serve)
{
    struct mw_ledger_row *rows = NULL;
    size_t n = 0;
    if (mw_ledger_rows(serve->ledger, &rows, &n, &serve->total) == MW_OK) {
        free(serve->rows);
        serve->rows = rows;
        serve->n_rows = n;
        serve->accounted = true;
    }
}

void mw_serve_account(struct mw_serve *serve, int64_t microseconds)
{
    struct mw_error error = {0};
    int64_t end = mw_clock_monotonic() + microseconds;
    bool more = true;
    mw_err err = MW_OK;
    if (serve->ledger == NULL) {
        err = mw_ledger_open(&serve->ledger, serve->plant, &error);
    }
    while (err == MW_OK && more && mw_clock_monotonic() < end) {
        err = mw_ledger_advance(serve->ledger, STEP, &more, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "the ledger cannot be read", MW_KS("reason", error.text));
        mw_ledger_close(serve->ledger);
        serve->ledger = NULL;
    } else if (!more) {
        take_rows(serve);
    }
}
