#include "tiers/platform/bridge_condense.h"

#include "core/wire/message.h"
#include "core/wire/number.h"
#include "tiers/platform/bridge_position.h"
#include "tiers/platform/bridge_sketches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 256,
    WINDOW = 4096, /* items looked at in a transaction */
    TOKENS = 8192,
    SLACK = 1 << 20 /* bytes below the limit, at most, so that not every round has to come here */
};

/* The newest value of a compacted key. */
struct newest {
    struct mw_table_key key;
    int64_t offset, bytes;
    char text[];
};

/* What a device has given up. */
struct lost {
    struct mw_table_key key;
    int64_t offset, bytes; /* of the position that tells of it; offset -1: there is none */
    uint32_t boot;         /* and where that position ends */
    uint64_t next;
    uint64_t stored, dead, merged; /* numbers gone in this transaction, by what they were */
    struct lost *chain;            /* of those that have lost in this transaction */
    bool chained;
    char name[];
};

struct mw_bridge_condense {
    struct mw_stream_reader *scan;
    struct mw_wire_parser *parser;
    void *memory;
    struct mw_bridge_sketches *sketches;
    struct mw_table newest, lost;    /* struct newest, struct lost; owned */
    struct mw_table *devices;        /* borrowed, for a call */
    int64_t squeezed_to, dropped_to; /* offsets */
    struct mw_bridge_condensed done;

    /* Of the transaction. */
    bool dropping;
    struct lost *chain;
    struct mw_bridge_round gone, added; /* items that wait no more; that wait in addition */
    int64_t freed;
    uint64_t merged, dropped;
};

/* ---- the pieces ---- */

static mw_err init(struct mw_bridge_spool *spool, struct mw_error *error)
{
    static const char *const topics[] = {MW_BRIDGE_ITEM};
    size_t bytes = mw_wire_parser_size(TOKENS);
    struct mw_bridge_condense *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return MW_ERR_MEMORY;
    }
    mw_err err = MW_ERR_MEMORY;
    c->memory = malloc(bytes);
    if (c->memory != NULL && mw_wire_parser_init(c->memory, bytes, &c->parser) == MW_OK) {
        err = mw_bridge_sketches_new(&c->sketches, spool->stream, c->parser, error);
    }
    if (err == MW_OK) {
        err = mw_stream_reader_open(&c->scan, spool->stream, topics, 1, MW_STREAM_EARLIEST, error);
    }
    if (err != MW_OK) {
        mw_bridge_condense_free(c);
        return err;
    }
    spool->condense = c;
    return MW_OK;
}

void mw_bridge_condense_free(struct mw_bridge_condense *c)
{
    if (c == NULL) {
        return;
    }
    mw_bridge_sketches_free(c->sketches);
    mw_stream_reader_close(c->scan);
    mw_table_clear(&c->newest, free);
    mw_table_clear(&c->lost, free);
    mw_bridge_round_free(&c->gone);
    mw_bridge_round_free(&c->added);
    free(c->memory);
    free(c);
}

static int64_t size_of(const struct mw_stream_record *record)
{
    return (int64_t)(record->key.size + record->value.size);
}

/* Takes an item out of the spool. */
static mw_err remove_item(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                          struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    const struct mw_span none = {NULL, 0};
    const struct mw_stream_record bare = {.key = record->key, .value = {record->key.data, 0}};
    c->freed += size_of(record);
    mw_err err = mw_bridge_spool_read(&c->gone, &bare, error);
    return err == MW_OK
               ? mw_stream_replace(spool->stream, MW_BRIDGE_ITEM, record->offset, none, none, error)
               : err;
}

/* ---- whose numbers go ---- */

static struct lost *lost_of(struct mw_bridge_condense *c, struct mw_span device)
{
    struct lost *lost = mw_table_find(&c->lost, device);
    if (lost == NULL && (lost = calloc(1, sizeof *lost + device.size + 1)) != NULL) {
        memcpy(lost->name, device.data, device.size);
        lost->key.name = (struct mw_span){lost->name, device.size};
        lost->offset = -1;
        if (mw_table_add(&c->lost, lost) != MW_OK) {
            free(lost);
            return NULL;
        }
    }
    if (lost != NULL && !lost->chained) {
        lost->chained = true;
        lost->chain = c->chain;
        c->chain = lost;
    }
    return lost;
}

/* ---- squeezing: nothing is lost ---- */

static mw_err take_put(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                       struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    struct newest *newest = mw_table_find(&c->newest, record->key);
    mw_err err = MW_OK;
    if (newest == NULL) {
        newest = calloc(1, sizeof *newest + record->key.size);
        if (newest == NULL) {
            return MW_ERR_MEMORY;
        }
        memcpy(newest->text, record->key.data, record->key.size);
        newest->key.name = (struct mw_span){newest->text, record->key.size};
        newest->offset = -1;
        if (mw_table_add(&c->newest, newest) != MW_OK) {
            free(newest);
            return MW_ERR_MEMORY;
        }
    }
    if (newest->offset >= mw_bridge_spool_floor(spool)) {
        struct mw_stream_record old = {.offset = newest->offset, .key = record->key};
        err = remove_item(spool, &old, error);
        c->freed += newest->bytes - size_of(&old);
    }
    newest->offset = record->offset;
    newest->bytes = size_of(record);
    return err;
}

static mw_err take_sketch(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                          struct mw_span device, struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    bool merged = false;
    if (mw_table_find(c->devices, device) == NULL) {
        return MW_OK;
    }
    mw_err err =
        mw_bridge_sketches_take(c->sketches, record, mw_bridge_spool_floor(spool), &merged, error);
    if (err != MW_OK || !merged) {
        return err;
    }
    struct lost *lost = lost_of(c, device);
    if (lost == NULL) {
        return MW_ERR_MEMORY;
    }
    lost->merged++;
    c->merged++;
    return remove_item(spool, record, error);
}

/* "+sketch motor-1" into its parts. */
static bool split(struct mw_span key, struct mw_span *topic, struct mw_span *device)
{
    const char *space = key.size < 2 ? NULL : memchr(key.data, ' ', key.size);
    if (space == NULL) {
        return false;
    }
    *topic = (struct mw_span){key.data + 1, (size_t)(space - key.data) - 1};
    *device = (struct mw_span){space + 1, (size_t)(key.data + key.size - space) - 1};
    return true;
}

static mw_err squeeze_item(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                           struct mw_error *error)
{
    struct mw_span topic, device;
    if (!split(record->key, &topic, &device)) {
        return MW_OK;
    }
    if (record->key.data[0] == '=') {
        return take_put(spool, record, error);
    }
    return mw_span_is(topic, "sketch") && record->key.data[0] == '+'
               ? take_sketch(spool, record, device, error)
               : MW_OK;
}

/* ---- dropping ---- */

struct number {
    uint32_t boot;
    uint64_t seq;
};

/* The number of the message that the parser has open; false: it has none. */
static bool read_number(const struct mw_wire_parser *parser, struct number *number)
{
    struct mw_span boot, seq;
    uint64_t wide = 0;
    bool there = mw_wire_get(parser, 0, "boot", &boot) == MW_OK &&
                 mw_wire_get(parser, 0, "seq", &seq) == MW_OK &&
                 mw_number_parse_u64(boot, &wide) == MW_OK && wide <= UINT32_MAX &&
                 mw_number_parse_u64(seq, &number->seq) == MW_OK;
    number->boot = (uint32_t)wide;
    return there;
}

/* Removes a device's item that had a number; the first such leaves its place to a position. */
static mw_err give_up(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                      struct lost *lost, const struct number *number, struct mw_error *error)
{
    if (lost->offset >= mw_bridge_spool_floor(spool)) {
        return remove_item(spool, record, error);
    }
    lost->offset = record->offset;
    lost->bytes = size_of(record);
    lost->boot = number->boot;
    lost->next = number->seq + 1;
    return MW_OK;
}

static mw_err drop_item(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                        struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    struct mw_span topic, device;
    struct number number;
    if (record->key.data[0] != '+' || !split(record->key, &topic, &device)) {
        return MW_OK;
    }
    bool dead = mw_span_is(topic, "dead");
    bool telemetry = mw_span_is(topic, "telemetry");
    if (!dead && !telemetry && !mw_span_is(topic, "status")) {
        return MW_OK;
    }
    c->dropped++;
    if ((!dead && !telemetry) || mw_table_find(c->devices, device) == NULL ||
        mw_wire_open(c->parser, record->value, NULL) != MW_OK || !read_number(c->parser, &number)) {
        return remove_item(spool, record, error);
    }
    struct lost *lost = lost_of(c, device);
    if (lost == NULL) {
        return MW_ERR_MEMORY;
    }
    lost->stored += telemetry ? 1 : 0;
    lost->dead += dead ? 1 : 0;
    return give_up(spool, record, lost, &number, error);
}

/* ---- a transaction ---- */

static mw_err print_position(const struct lost *lost, const struct mw_bridge_device *device,
                             bool whole, struct mw_buffer *out)
{
    struct mw_bridge_device as = *device;
    as.stored -= lost->stored + lost->merged;
    as.sketches -= lost->merged;
    as.dead -= lost->dead;
    as.dropped += lost->stored + lost->dead;
    as.merged += lost->merged;
    if (!whole) {
        as.boot = lost->boot;
        as.next = lost->next;
    }
    mw_buffer_clear(out);
    return mw_bridge_print_position(&as, out);
}

/* When all that waits has been looked at, the newest position is known, and written anew where it
 * is; else one is added behind. */
static mw_err write_newest(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                           struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    struct newest *newest = c->dropping ? mw_table_find(&c->newest, record->key) : NULL;
    struct mw_span topic, device;
    if (spool->known && split(record->key, &topic, &device)) {
        mw_err err = mw_stream_put(spool->stream, "position", device, record->value, error);
        if (err != MW_OK) {
            return err;
        }
    }
    if (newest != NULL && newest->offset >= mw_bridge_spool_floor(spool)) {
        c->freed += newest->bytes - size_of(record);
        newest->bytes = size_of(record);
        return mw_stream_replace(spool->stream, MW_BRIDGE_ITEM, newest->offset, record->key,
                                 record->value, error);
    }
    c->freed -= size_of(record);
    mw_err err = mw_bridge_spool_read(&c->added, record, error);
    return err == MW_OK
               ? mw_stream_append(spool->stream, MW_BRIDGE_ITEM, record->key, record->value, error)
               : err;
}

/* Writes the newest position, and the one in the place of the first number that was dropped. */
static mw_err write_positions(struct mw_bridge_spool *spool, struct lost *lost,
                              struct mw_buffer *text, struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    const struct mw_bridge_device *device = mw_table_find(c->devices, lost->key.name);
    char key[MW_NAME_MAX + 32];
    snprintf(key, sizeof key, "=position %s", lost->name);
    mw_err err = print_position(lost, device, true, text);
    struct mw_stream_record record = {.key = mw_span_of(key), .value = {text->data, text->size}};
    err = err == MW_OK ? write_newest(spool, &record, error) : err;
    if (err == MW_OK && c->dropping) {
        key[0] = '!';
        err = print_position(lost, device, false, text);
        record.value = (struct mw_span){text->data, text->size};
        c->freed += lost->bytes - size_of(&record);
        lost->bytes = size_of(&record);
        err = err == MW_OK ? mw_stream_replace(spool->stream, MW_BRIDGE_ITEM, lost->offset,
                                               record.key, record.value, error)
                           : err;
    }
    return err;
}

static mw_err write_all_positions(struct mw_bridge_spool *spool, struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    struct mw_buffer text = {0};
    mw_err err = MW_OK;
    for (struct lost *lost = c->chain; lost != NULL && err == MW_OK; lost = lost->chain) {
        err = write_positions(spool, lost, &text, error);
    }
    for (size_t i = 0; i < c->added.n_items && err == MW_OK; i++) {
        err = mw_bridge_spool_expect(spool, &c->added, i);
    }
    mw_buffer_free(&text);
    return err;
}

static void end_chain(struct mw_bridge_condense *c, bool stored)
{
    while (c->chain != NULL) {
        struct lost *lost = c->chain;
        if (stored) {
            struct mw_bridge_device *device = mw_table_find(c->devices, lost->key.name);
            device->stored -= lost->stored + lost->merged;
            device->sketches -= lost->merged;
            device->dead -= lost->dead;
            device->dropped += lost->stored + lost->dead;
            device->merged += lost->merged;
        }
        c->chain = lost->chain;
        lost->chained = false;
        lost->stored = lost->dead = lost->merged = 0;
    }
}

/* Of a transaction that was committed. */
static void settle(struct mw_bridge_spool *spool)
{
    struct mw_bridge_condense *c = spool->condense;
    for (size_t i = 0; i < c->added.n_items; i++) {
        mw_bridge_spool_note(spool, &c->added, i);
    }
    for (size_t i = 0; i < c->gone.n_items; i++) {
        mw_bridge_spool_forget(spool, &c->gone, i);
    }
    end_chain(c, true);
    mw_bridge_sketches_settle(c->sketches);
    spool->bytes -= c->freed;
    c->done.merged += c->merged;
    c->done.dropped += c->dropped;
}

/* Nothing of it happened; where what lies is not known any more, so nothing refers to it. */
static void give_back(struct mw_bridge_condense *c)
{
    end_chain(c, false);
    mw_table_clear(&c->lost, free);
    mw_table_clear(&c->newest, free);
    mw_bridge_sketches_clear(c->sketches);
}

typedef mw_err item_fn(struct mw_bridge_spool *spool, const struct mw_stream_record *record,
                       struct mw_error *error);

/* Goes through items from *from on until `wanted` bytes are free, or a window is through. */
static mw_err walk(struct mw_bridge_spool *spool, item_fn *fn, int64_t *from, int64_t wanted,
                   bool *end, struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    struct mw_stream_record records[BATCH];
    size_t n = 0, seen = 0;
    int64_t floor = mw_bridge_spool_floor(spool);
    *from = *from < floor ? floor : *from;
    mw_err err = mw_stream_reader_seek(c->scan, *from, error);
    do {
        err = err == MW_OK ? mw_stream_poll(c->scan, records, BATCH, &n, error) : err;
        for (size_t i = 0; i < n && err == MW_OK && c->freed < wanted; i++) {
            err = fn(spool, &records[i], error);
            *from = records[i].offset + 1;
        }
        seen += n;
    } while (err == MW_OK && n > 0 && seen < WINDOW && c->freed < wanted);
    *end = n == 0;
    return err;
}

static mw_err pass(struct mw_bridge_spool *spool, item_fn *fn, int64_t *from, int64_t wanted,
                   bool *end, struct mw_error *error)
{
    struct mw_bridge_condense *c = spool->condense;
    int64_t at = *from;
    mw_bridge_round_clear(&c->gone);
    mw_bridge_round_clear(&c->added);
    c->freed = 0;
    c->merged = c->dropped = 0;
    mw_err err = mw_stream_begin(spool->stream, error);
    err = err == MW_OK ? walk(spool, fn, &at, wanted, end, error) : err;
    err = err == MW_OK ? mw_bridge_sketches_write(c->sketches, &c->freed, error) : err;
    err = err == MW_OK ? write_all_positions(spool, error) : err;
    err = err == MW_OK ? mw_stream_commit(spool->stream, NULL, error) : err;
    if (err != MW_OK) {
        mw_stream_rollback(spool->stream);
        give_back(c);
        return err;
    }
    *from = at;
    *end &= c->added.n_items == 0; /* which lies behind the end that was seen */
    settle(spool);
    return MW_OK;
}

mw_err mw_bridge_spool_condense(struct mw_bridge_spool *spool, struct mw_table *devices,
                                struct mw_error *error)
{
    mw_err err = spool->condense == NULL ? init(spool, error) : MW_OK;
    struct mw_bridge_condense *c = spool->condense;
    int64_t slack = spool->limit / 16 < SLACK ? spool->limit / 16 : SLACK;
    int64_t target = spool->limit - slack;
    bool end = err != MW_OK;
    if (err == MW_OK) {
        c->devices = devices;
        c->dropping = false;
    }
    while (err == MW_OK && spool->bytes > target && !end) {
        err = pass(spool, squeeze_item, &c->squeezed_to, spool->bytes - target, &end, error);
    }
    while (err == MW_OK && spool->bytes > target) {
        c->dropping = true;
        err = pass(spool, drop_item, &c->dropped_to, spool->bytes - target, &end, error);
        if (end) {
            break;
        }
    }
    spool->full = err == MW_OK && spool->bytes > spool->limit;
    return err == MW_ERR_MEMORY ? mw_error_set(error, err, "out of memory") : err;
}

struct mw_bridge_condensed mw_bridge_spool_condensed(const struct mw_bridge_spool *spool)
{
    return spool->condense == NULL ? (struct mw_bridge_condensed){0, 0} : spool->condense->done;
}
