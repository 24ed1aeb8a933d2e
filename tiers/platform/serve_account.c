#include "tiers/platform/serve_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { STEP = 512 }; /* records between looks at the clock */

static void take_total(struct mw_serve *serve)
{
    struct mw_ledger_row total;
    if (mw_ledger_rows(serve->ledger, NULL, NULL, &total, NULL) == MW_OK) {
        serve->total = total;
        serve->accounted = true;
        serve->current = true;
    }
}

void mw_serve_account(struct mw_serve *serve, int64_t microseconds)
{
    struct mw_error error = {0};
    int64_t end = mw_clock_monotonic() + microseconds;
    bool more = true;
    serve->current = false;
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
        take_total(serve);
    }
}
