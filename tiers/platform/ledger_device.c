#include "tiers/platform/ledger_device.h"

#include "lib/base/file.h"

/* ---- events ---- */

static bool is_served(const struct mw_ledger_device *device, const struct mw_ledger_event *event)
{
    return event->flag != 0 || (device->served != 0 && event->appended > device->served);
}

static mw_err take_stored(struct mw_ledger_device *device, const struct mw_ledger_event *event)
{
    bool again = false;
    mw_err err =
        mw_ledger_book_mark(&device->book, event->boot, event->seq, MW_LEDGER_STORED, &again);
    if (err != MW_OK || again) {
        device->doubled += again ? 1 : 0;
        return err;
    }
    if (event->kind == MW_LEDGER_IS_SKETCH) {
        device->sketches++;
        device->suppressed += event->count[0];
        device->merged += event->count[1];
        return MW_OK;
    }
    err = mw_ledger_book_mark(&device->book, event->boot, event->seq, MW_LEDGER_TELEMETRY, &again);
    if (err == MW_OK && is_served(device, event)) {
        err = mw_ledger_book_mark(&device->book, event->boot, event->seq, MW_LEDGER_SERVED, &again);
    }
    return err;
}

static mw_err take_status(struct mw_ledger_device *device, const struct mw_ledger_event *event)
{
    struct mw_ledger_boot *entry = mw_ledger_book_boot(&device->book, event->boot);
    if (entry == NULL) {
        return MW_ERR_MEMORY;
    }
    entry->given = event->seq > entry->given ? event->seq : entry->given;
    device->said_boot = event->boot;
    if ((event->flag & MW_LEDGER_SAYS_PUBLISHED) != 0) {
        device->said_published = event->count[0];
    }
    if ((event->flag & MW_LEDGER_SAYS_DROPPED) != 0) {
        device->said_dropped = event->count[1];
    }
    return MW_OK;
}

static mw_err take_mark(struct mw_ledger_device *device, const struct mw_ledger_event *event)
{
    enum mw_ledger_mark mark = event->kind == MW_LEDGER_IS_DEAD      ? MW_LEDGER_DEAD
                               : event->kind == MW_LEDGER_IS_REFUSED ? MW_LEDGER_REFUSED
                                                                     : MW_LEDGER_SCORED;
    bool again = false;
    mw_err err = mw_ledger_book_mark(&device->book, event->boot, event->seq, mark, &again);
    device->doubled += again && mark == MW_LEDGER_SCORED ? 1 : 0;
    return err;
}

mw_err mw_ledger_device_take(struct mw_ledger_device *device, const struct mw_ledger_event *event)
{
    switch ((enum mw_ledger_kind)event->kind) {
    case MW_LEDGER_IS_POSITION:
        device->position.known = true;
        device->position.boot = event->boot;
        device->position.next = event->seq;
        device->position.stored = event->count[0];
        device->position.dead = event->count[1];
        device->position.skipped = event->count[2];
        device->position.dropped = event->count[3];
        device->position.merged = event->count[4];
        return MW_OK;
    case MW_LEDGER_IS_STORED:
    case MW_LEDGER_IS_SKETCH:
        return take_stored(device, event);
    case MW_LEDGER_IS_UNNUMBERED:
        device->unnumbered++;
        return MW_OK;
    case MW_LEDGER_IS_DEAD_UNNUMBERED:
        device->dead_unnumbered++;
        return MW_OK;
    case MW_LEDGER_IS_DEAD:
    case MW_LEDGER_IS_REFUSED:
    case MW_LEDGER_IS_SCORED:
        return take_mark(device, event);
    case MW_LEDGER_IS_STATUS:
        return take_status(device, event);
    case MW_LEDGER_IS_SERVED:
        if (event->flag == 0 || device->served == 0) {
            device->served = event->flag == 0 ? 0 : event->appended;
        }
        return MW_OK;
    }
    return MW_OK;
}

void mw_ledger_device_clear(struct mw_ledger_device *device)
{
    mw_ledger_book_clear(&device->book);
    *device = (struct mw_ledger_device){0};
}

/* ---- the row ---- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The bridge has counted what it stored. What of that is not in the stream was removed from it, as
 * far as that many were removed; the rest never got there. */
static uint64_t take_from(uint64_t *removed, uint64_t was, uint64_t found)
{
    uint64_t gone = was > found ? less(was - found, *removed) : 0;
    *removed -= gone;
    return gone;
}

bool mw_ledger_device_account(const struct mw_ledger_device *device,
                              struct mw_ledger_removed *removed, struct mw_ledger_row *row)
{
    struct mw_ledger_count count;
    mw_ledger_book_count(&device->book, device->position.known, device->position.boot,
                         device->position.next, &count);
    *row = (struct mw_ledger_row){
        .doubled = device->doubled,
        .sketches = device->sketches,
        .suppressed = device->suppressed,
        .unnumbered = device->unnumbered,
        .dead_unnumbered = device->dead_unnumbered,
        .scored = count.scored,
        .unscored = count.unscored,
        .awaiting = count.awaiting,
        .unscorable = count.unscorable,
        .passed = count.unscored_between,
    };
    if (device->position.known) {
        row->expired = take_from(&removed->stored, device->position.stored, count.stored);
        row->dead = take_from(&removed->dead, device->position.dead, count.dead);
    }
    uint64_t unseen = row->expired + row->dead;
    row->stored = count.stored + row->expired;
    row->dead += count.dead;
    uint64_t lost = count.lost > unseen ? count.lost - unseen : 0;

    /* More than the numbers tell of: made in a boot that no status came from since. They wait in
     * the outbox as long as the bridge is not yet through with the older boots. */
    uint64_t known = row->stored + row->dead + lost + count.pending;
    uint64_t excess = device->said_published > known ? device->said_published - known : 0;
    row->published = known + excess;
    row->pending = count.pending;
    if (!device->position.known || device->position.boot < device->said_boot) {
        row->pending += excess;
    } else {
        lost += excess;
    }

    /* Their numbers are in the sketches that they were added to, some of them ahead of what has
     * come so far: a spool is being drained. The position still knows of sketches that have
     * expired. */
    uint64_t merged =
        device->merged > device->position.merged ? device->merged : device->position.merged;
    uint64_t ahead = less(merged - less(merged, lost), row->pending);
    row->merged = less(merged, lost) + ahead;
    row->stored += row->merged;
    row->pending -= ahead;
    lost -= less(merged, lost);

    /* What the thing gave up is not missing, nor does it wait. */
    uint64_t skipped = device->position.skipped;
    uint64_t given_up = device->said_dropped > skipped ? device->said_dropped : skipped;
    given_up += device->position.dropped;
    row->missing = lost > given_up ? lost - given_up : 0;
    uint64_t rest = less(given_up - less(given_up, lost), row->pending);
    row->pending -= rest;
    row->dropped = less(given_up, lost) + rest;
    return row->published > 0 || row->unnumbered > 0 || row->dead_unnumbered > 0;
}

bool mw_ledger_balances(const struct mw_ledger_row *row)
{
    return row->published == row->stored + row->pending + row->dead + row->dropped + row->missing;
}

/* ---- printing ---- */

/* The counters of a row, in the order in which they are printed. */
#define COUNTERS(X) \
    X(published)    \
    X(stored)       \
    X(pending)      \
    X(dead)         \
    X(dropped)      \
    X(missing)      \
    X(doubled)      \
    X(sketches)     \
    X(expired)      \
    X(merged)       \
    X(suppressed)   \
    X(scored)       \
    X(unscored)     \
    X(awaiting)     \
    X(unscorable)   \
    X(passed)       \
    X(unnumbered)   \
    X(dead_unnumbered)

void mw_ledger_add_row(struct mw_ledger_row *total, const struct mw_ledger_row *row)
{
#define ADD(field) total->field += row->field;
    COUNTERS(ADD)
#undef ADD
}

mw_err mw_ledger_print_row(const struct mw_ledger_row *row, struct mw_buffer *out)
{
    mw_err err = row->device[0] == '\0' ? mw_buffer_printf(out, "{")
                                        : mw_buffer_printf(out, "{\"device\":\"%s\",", row->device);
    const char *comma = "";
#define PRINT(field)                                                           \
    err = err == MW_OK ? mw_buffer_printf(out, "%s\"" #field "\":%llu", comma, \
                                          (unsigned long long)row->field)      \
                       : err;                                                  \
    comma = ",";
    COUNTERS(PRINT)
#undef PRINT
    return err == MW_OK ? mw_buffer_add(out, "}", 1) : err;
}
