#include "tiers/platform/ledger.h"

#include "core/wire/number.h"
#include "lib/base/file.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge_position.h"
#include "tiers/platform/ledger_book.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 8192, BATCH = 512, HIGHEST_LEVEL = 3 };

struct device {
    struct mw_table_key key;
    struct mw_ledger_row row; /* what is counted right away */
    struct mw_ledger_book book;
    struct mw_bridge_device position; /* as it was before the newest reading began */
    uint64_t said_published, said_dropped;
    uint32_t said_boot;
    int64_t served; /* a model of its own, since: time of append, 0 when there is none */
};

struct mw_ledger {
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_table devices;
    struct mw_wire_parser *parser;
    void *memory;
    bool reading;                   /* positions were taken, and the end not reached since */
    bool whole;                     /* the end was reached once */
    uint64_t removed, removed_dead; /* by age or size, before they could be read here */
    int64_t served; /* a model for all that have none of their own, since; 0: none */
    mw_err failed;
};

static void device_free(void *entry)
{
    struct device *device = entry;
    mw_ledger_book_clear(&device->book);
    free(device->position.machines);
    free(device);
}

static struct device *device_of(struct mw_ledger *ledger, struct mw_span name)
{
    struct device *device = mw_table_find(&ledger->devices, name);
    if (device != NULL || !mw_name_valid(name)) {
        return device;
    }
    device = calloc(1, sizeof *device);
    if (device == NULL) {
        ledger->failed = MW_ERR_MEMORY;
        return NULL;
    }
    memcpy(device->row.device, name.data, name.size);
    device->key.name = (struct mw_span){device->row.device, name.size};
    if (mw_table_add(&ledger->devices, device) != MW_OK) {
        ledger->failed = MW_ERR_MEMORY;
        free(device);
        return NULL;
    }
    return device;
}

/* ---- one record ---- */

static bool get_u64(const struct mw_ledger *ledger, const char *key, uint64_t *value)
{
    struct mw_span text;
    return mw_wire_get(ledger->parser, 0, key, &text) == MW_OK &&
           mw_number_parse_u64(text, value) == MW_OK;
}

static bool get_number(const struct mw_ledger *ledger, uint32_t *boot, uint64_t *seq)
{
    uint64_t wide;
    bool there =
        get_u64(ledger, "boot", &wide) && wide <= UINT32_MAX && get_u64(ledger, "seq", seq);
    *boot = there ? (uint32_t)wide : 0;
    return there;
}

static bool mark(struct mw_ledger *ledger, struct device *device, uint32_t boot, uint64_t seq,
                 enum mw_ledger_mark which)
{
    bool again = false;
    if (mw_ledger_book_mark(&device->book, boot, seq, which, &again) != MW_OK) {
        ledger->failed = MW_ERR_MEMORY;
    }
    return again;
}

/* From the scorer's word on, each record that is stored will get a score. */
static bool is_served(const struct mw_ledger *ledger, const struct device *device, int64_t appended)
{
    return (ledger->served != 0 && appended > ledger->served) ||
           (device->served != 0 && appended > device->served);
}

static void take_stored(struct mw_ledger *ledger, struct device *device, bool sketch,
                        int64_t appended)
{
    uint32_t boot;
    uint64_t seq, count = 0;
    if (!get_number(ledger, &boot, &seq)) {
        device->row.unnumbered++;
        return;
    }
    if (mark(ledger, device, boot, seq, MW_LEDGER_STORED)) {
        device->row.doubled++;
        return;
    }
    if (!sketch) {
        (void)mark(ledger, device, boot, seq, MW_LEDGER_TELEMETRY);
        if (is_served(ledger, device, appended)) {
            (void)mark(ledger, device, boot, seq, MW_LEDGER_SERVED);
        }
        return;
    }
    device->row.sketches++;
    if (get_u64(ledger, "count", &count)) {
        device->row.suppressed += count;
    }
}

static void take_dead(struct mw_ledger *ledger, struct device *device)
{
    uint32_t boot;
    uint64_t seq;
    struct mw_span by;
    if (mw_wire_get(ledger->parser, 0, "by", &by) == MW_OK && mw_span_is(by, "score")) {
        if (get_number(ledger, &boot, &seq)) {
            (void)mark(ledger, device, boot, seq, MW_LEDGER_REFUSED);
        }
    } else if (get_number(ledger, &boot, &seq)) {
        (void)mark(ledger, device, boot, seq, MW_LEDGER_DEAD);
    } else {
        device->row.dead_unnumbered++;
    }
}

static void take_score(struct mw_ledger *ledger, struct device *device)
{
    uint32_t boot;
    uint64_t seq, level;
    if (get_u64(ledger, "level", &level) && level == HIGHEST_LEVEL &&
        get_number(ledger, &boot, &seq) && mark(ledger, device, boot, seq, MW_LEDGER_SCORED)) {
        device->row.doubled++;
    }
}

static void take_status(struct mw_ledger *ledger, struct device *device)
{
    struct mw_span last;
    int64_t last_seq;
    uint64_t boot;
    if (!get_u64(ledger, "boot", &boot) || boot > UINT32_MAX ||
        mw_wire_get(ledger->parser, 0, "last_seq", &last) != MW_OK ||
        mw_number_parse_i64(last, &last_seq) != MW_OK) {
        return;
    }
    struct mw_ledger_boot *entry = mw_ledger_book_boot(&device->book, (uint32_t)boot);
    if (entry == NULL) {
        ledger->failed = MW_ERR_MEMORY;
        return;
    }
    uint64_t given = last_seq < 0 ? 0 : (uint64_t)last_seq + 1;
    entry->given = given > entry->given ? given : entry->given;
    device->said_boot = (uint32_t)boot;
    (void)get_u64(ledger, "published", &device->said_published);
    (void)get_u64(ledger, "dropped", &device->said_dropped);
}

/* The scorer says which bundle serves a device, or all ("*"). */
static void take_served(struct mw_ledger *ledger, int64_t appended)
{
    struct mw_span reported, serves, bundle;
    if (mw_wire_get(ledger->parser, 0, "reported", &reported) != MW_OK ||
        mw_wire_open(ledger->parser, reported, NULL) != MW_OK ||
        mw_wire_get(ledger->parser, 0, "serves", &serves) != MW_OK ||
        mw_wire_get(ledger->parser, 0, "bundle", &bundle) != MW_OK) {
        return;
    }
    bool all = mw_span_is(serves, "*");
    struct device *device = all ? NULL : device_of(ledger, serves);
    int64_t *since = all ? &ledger->served : device != NULL ? &device->served : NULL;
    if (since != NULL && (bundle.size == 0 || *since == 0)) {
        *since = bundle.size == 0 ? 0 : appended;
    }
}

static void take(struct mw_ledger *ledger, const struct mw_stream_record *record)
{
    bool stored = strcmp(record->topic, "telemetry") == 0;
    struct device *device = device_of(ledger, record->key);
    if (device == NULL || mw_wire_open(ledger->parser, record->value, NULL) != MW_OK) {
        return;
    }
    if (stored || strcmp(record->topic, "sketch") == 0) {
        take_stored(ledger, device, !stored, record->appended);
    } else if (strcmp(record->topic, "dead") == 0) {
        take_dead(ledger, device);
    } else if (strcmp(record->topic, "score") == 0) {
        take_score(ledger, device);
    } else if (mw_span_is(record->key, "score")) {
        take_served(ledger, record->appended);
    } else {
        take_status(ledger, device);
    }
}

/* ---- reading on ---- */

static bool take_position(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_ledger *ledger = context;
    struct device *device = device_of(ledger, key);
    if (device != NULL) {
        free(device->position.machines);
        device->position = (struct mw_bridge_device){.key.name = device->key.name};
        (void)mw_bridge_read_position(ledger->parser, value, &device->position);
    }
    return true;
}

static bool take_removed(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_ledger *ledger = context;
    uint64_t n = 0;
    (void)mw_number_parse_u64(value, &n);
    if (mw_span_is(key, "telemetry") || mw_span_is(key, "sketch")) {
        ledger->removed += n;
    } else if (mw_span_is(key, "dead")) {
        ledger->removed_dead += n;
    }
    return true;
}

mw_err mw_ledger_advance(struct mw_ledger *ledger, size_t records, bool *more,
                         struct mw_error *error)
{
    /* Positions first: what they call taken must then be found by reading to the end. */
    *more = true;
    if (!ledger->reading) {
        mw_err err =
            mw_stream_visit(ledger->stream, "bridge", "position", take_position, ledger, error);
        if (err != MW_OK) {
            return err;
        }
        ledger->reading = true;
    }
    for (size_t done = 0; done < records && *more;) {
        struct mw_stream_record record[BATCH];
        size_t n = 0;
        mw_err err = mw_stream_poll(ledger->reader, record, BATCH, &n, error);
        if (err != MW_OK) {
            return err;
        }
        for (size_t i = 0; i < n; i++) {
            take(ledger, &record[i]);
        }
        done += n;
        *more = n > 0;
    }
    ledger->reading = *more;
    if (!*more && !ledger->whole) {
        /* Asked at the end, so that nothing is removed between the question and the reading; what
         * is removed later has been read. */
        mw_err err = mw_stream_visit(ledger->stream, "bridge", MW_STREAM_REMOVED, take_removed,
                                     ledger, error);
        if (err != MW_OK) {
            return err;
        }
        ledger->whole = true;
    }
    return ledger->failed == MW_OK ? MW_OK : mw_error_set(error, ledger->failed, "out of memory");
}

/* ---- rows ---- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What was removed by age or size and has not been put into a row yet. */
struct removed {
    uint64_t stored, dead;
};

/* The bridge has counted what it stored. What of that is not in the stream was removed from it, as
 * far as that many were removed; the rest never got there. */
static uint64_t take_from(uint64_t *removed, uint64_t was, uint64_t found)
{
    uint64_t gone = was > found ? less(was - found, *removed) : 0;
    *removed -= gone;
    return gone;
}

/* What was found, what the bridge counted and what the thing says, in one row. */
static void account(const struct device *device, struct removed *removed, struct mw_ledger_row *row)
{
    const struct mw_bridge_device *position = &device->position;
    struct mw_ledger_count count;
    mw_ledger_book_count(&device->book, position->known, position->boot, position->next, &count);
    *row = device->row;

    if (position->known) {
        row->expired = take_from(&removed->stored, position->stored, count.stored);
        row->dead = take_from(&removed->dead, position->dead, count.dead);
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
    if (!position->known || position->boot < device->said_boot) {
        row->pending += excess;
    } else {
        lost += excess;
    }

    /* What the thing gave up is not missing, nor does it wait. */
    uint64_t given_up =
        device->said_dropped > position->skipped ? device->said_dropped : position->skipped;
    row->missing = lost > given_up ? lost - given_up : 0;
    uint64_t rest = less(given_up - less(given_up, lost), row->pending);
    row->pending -= rest;
    row->dropped = less(given_up, lost) + rest;

    row->scored = count.scored;
    row->unscored = count.unscored;
    row->awaiting = count.awaiting;
    row->unscorable = count.unscorable;
    row->passed = count.unscored_between;
}

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
    X(suppressed)   \
    X(scored)       \
    X(unscored)     \
    X(awaiting)     \
    X(unscorable)   \
    X(passed)       \
    X(unnumbered)   \
    X(dead_unnumbered)

static void add_row(struct mw_ledger_row *total, const struct mw_ledger_row *row)
{
#define ADD(field) total->field += row->field;
    COUNTERS(ADD)
#undef ADD
}

static int by_device(const void *a, const void *b)
{
    return strcmp(((const struct mw_ledger_row *)a)->device,
                  ((const struct mw_ledger_row *)b)->device);
}

/* A key of the dead or the status topic need not be a thing that ever sent a record. */
static bool says_nothing(const struct mw_ledger_row *row)
{
    return row->published == 0 && row->unnumbered == 0 && row->dead_unnumbered == 0;
}

mw_err mw_ledger_rows(struct mw_ledger *ledger, struct mw_ledger_row **rows, size_t *n,
                      struct mw_ledger_row *total)
{
    *total = (struct mw_ledger_row){0};
    *n = 0;
    *rows = calloc(ledger->devices.count + 1, sizeof **rows);
    if (*rows == NULL) {
        return MW_ERR_MEMORY;
    }
    size_t at = 0;
    const struct device *device;
    struct removed removed = {ledger->removed, ledger->removed_dead};
    while ((device = mw_table_next(&ledger->devices, &at)) != NULL) {
        struct mw_ledger_row *row = &(*rows)[*n];
        account(device, &removed, row);
        if (!says_nothing(row)) {
            add_row(total, row);
            (*n)++;
        }
    }
    qsort(*rows, *n, sizeof **rows, by_device);
    return MW_OK;
}

bool mw_ledger_balances(const struct mw_ledger_row *row)
{
    return row->published == row->stored + row->pending + row->dead + row->dropped + row->missing;
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

/* ---- opening ---- */

mw_err mw_ledger_open(struct mw_ledger **ledger, const struct mw_plant *plant,
                      struct mw_error *error)
{
    static const char *const topics[] = {"telemetry", "sketch", "dead", "status", "score"};
    char uri[4096 + 16];
    *ledger = NULL;
    struct mw_ledger *made = calloc(1, sizeof *made);
    size_t bytes = mw_wire_parser_size(TOKENS);
    if (made == NULL || (made->memory = malloc(bytes)) == NULL) {
        mw_ledger_close(made);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(made->memory, bytes, &made->parser);
    if (err == MW_OK) {
        err = mw_plant_stream_uri(plant, uri, sizeof uri);
    }
    if (err != MW_OK) {
        mw_ledger_close(made);
        return mw_error_set(error, err, "ledger: %s", mw_err_text(err));
    }
    struct mw_stream_options options = {uri, plant->plant, NULL};
    err = mw_stream_open(&made->stream, &options, error);
    if (err == MW_OK) {
        err = mw_stream_reader_open(&made->reader, made->stream, topics, 5, MW_STREAM_EARLIEST,
                                    error);
    }
    if (err != MW_OK) {
        mw_ledger_close(made);
        return err;
    }
    *ledger = made;
    return MW_OK;
}

void mw_ledger_close(struct mw_ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    mw_stream_reader_close(ledger->reader);
    mw_stream_close(ledger->stream);
    mw_table_clear(&ledger->devices, device_free);
    free(ledger->memory);
    free(ledger);
}

mw_err mw_ledger_read(const struct mw_plant *plant, struct mw_ledger_row **rows, size_t *n,
                      struct mw_ledger_row *total, struct mw_error *error)
{
    struct mw_ledger *ledger = NULL;
    mw_err err = mw_ledger_open(&ledger, plant, error);
    for (bool more = true; err == MW_OK && more;) {
        err = mw_ledger_advance(ledger, SIZE_MAX, &more, error);
    }
    if (err == MW_OK && mw_ledger_rows(ledger, rows, n, total) != MW_OK) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_ledger_close(ledger);
    return err;
}
