#include "tiers/platform/bridge_sketches.h"

#include "core/wire/message.h"
#include "core/wire/number.h"
#include "lib/base/file.h"
#include "tiers/platform/bridge_spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sketch of a machine that others go into. */
struct head {
    struct mw_table_key key; /* "device machine" */
    int64_t offset, bytes;   /* bytes: as stored */
    char *item;              /* its key, a NUL and its value, while in use in a transaction */
    size_t key_size, value_size;
    bool grown;
    struct head *chain; /* of those with an item */
    char text[];
};

struct mw_bridge_sketches {
    struct mw_stream *stream;
    struct mw_stream_reader *look;
    struct mw_wire_parser *parser;
    struct mw_table heads; /* struct head, owned */
    struct head *chain;
    int64_t growth; /* bytes that were written for those that are no head any more */
    struct mw_sketch_record into, from;
};

static void free_head(void *head)
{
    free(((struct head *)head)->item);
    free(head);
}

mw_err mw_bridge_sketches_new(struct mw_bridge_sketches **sketches, struct mw_stream *spool,
                              struct mw_wire_parser *parser, struct mw_error *error)
{
    static const char *const topics[] = {MW_BRIDGE_ITEM};
    struct mw_bridge_sketches *made = calloc(1, sizeof *made);
    *sketches = NULL;
    if (made == NULL) {
        return MW_ERR_MEMORY;
    }
    made->stream = spool;
    made->parser = parser;
    mw_err err = mw_stream_reader_open(&made->look, spool, topics, 1, MW_STREAM_EARLIEST, error);
    if (err != MW_OK) {
        free(made);
        return err;
    }
    *sketches = made;
    return MW_OK;
}

void mw_bridge_sketches_free(struct mw_bridge_sketches *sketches)
{
    if (sketches != NULL) {
        mw_stream_reader_close(sketches->look);
        mw_table_clear(&sketches->heads, free_head);
        free(sketches);
    }
}

void mw_bridge_sketches_clear(struct mw_bridge_sketches *sketches)
{
    sketches->chain = NULL;
    sketches->growth = 0;
    mw_table_clear(&sketches->heads, free_head);
}

void mw_bridge_sketches_settle(struct mw_bridge_sketches *sketches)
{
    for (struct head *head = sketches->chain; head != NULL; head = head->chain) {
        head->bytes = (int64_t)(head->key_size + head->value_size);
        head->grown = false;
        free(head->item);
        head->item = NULL;
    }
    sketches->chain = NULL;
    sketches->growth = 0;
}

static mw_err write_head(struct mw_bridge_sketches *sketches, const struct head *head,
                         struct mw_error *error)
{
    struct mw_span key = {head->item, head->key_size};
    struct mw_span value = {head->item + head->key_size + 1, head->value_size};
    sketches->growth += (int64_t)(key.size + value.size) - head->bytes;
    return mw_stream_replace(sketches->stream, MW_BRIDGE_ITEM, head->offset, key, value, error);
}

mw_err mw_bridge_sketches_write(struct mw_bridge_sketches *sketches, int64_t *freed,
                                struct mw_error *error)
{
    mw_err err = MW_OK;
    for (struct head *head = sketches->chain; head != NULL && err == MW_OK; head = head->chain) {
        err = head->grown ? write_head(sketches, head, error) : MW_OK;
    }
    *freed -= sketches->growth;
    return err;
}

/* ---- the sketch that others go into ---- */

static struct head *head_of(struct mw_bridge_sketches *sketches, struct mw_span device,
                            struct mw_span machine)
{
    char text[2 * MW_NAME_MAX + 2];
    int n = snprintf(text, sizeof text, "%.*s %.*s", (int)device.size, device.data,
                     (int)machine.size, machine.data);
    struct mw_span name = {text, n < 0 ? 0 : (size_t)n};
    struct head *head = mw_table_find(&sketches->heads, name);
    if (head != NULL || (head = calloc(1, sizeof *head + name.size)) == NULL) {
        return head;
    }
    memcpy(head->text, text, name.size);
    head->key.name = (struct mw_span){head->text, name.size};
    head->offset = -1;
    if (mw_table_add(&sketches->heads, head) != MW_OK) {
        free(head);
        return NULL;
    }
    return head;
}

/* Makes an item the head's own. */
static mw_err hold(struct mw_bridge_sketches *sketches, struct head *head, struct mw_span key,
                   struct mw_span value)
{
    char *item = malloc(key.size + value.size + 1);
    if (item == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(item, key.data, key.size);
    item[key.size] = '\0';
    memcpy(item + key.size + 1, value.data, value.size);
    if (head->item == NULL) {
        head->chain = sketches->chain;
        sketches->chain = head;
    }
    free(head->item);
    head->item = item;
    head->key_size = key.size;
    head->value_size = value.size;
    return MW_OK;
}

/* Fetches the head's item. NOT_FOUND: its place holds no such thing (any more). */
static mw_err fetch(struct mw_bridge_sketches *sketches, struct head *head, int64_t floor,
                    struct mw_error *error)
{
    struct mw_stream_record record;
    size_t n = 0;
    if (head->offset < floor) {
        return MW_ERR_NOT_FOUND;
    }
    if (head->item != NULL) {
        return MW_OK;
    }
    mw_err err = mw_stream_reader_seek(sketches->look, head->offset, error);
    err = err == MW_OK ? mw_stream_poll(sketches->look, &record, 1, &n, error) : err;
    if (err != MW_OK || n == 0 || record.offset != head->offset) {
        return err == MW_OK ? MW_ERR_NOT_FOUND : err;
    }
    return hold(sketches, head, record.key, record.value);
}

/* ---- adding ---- */

static bool mergeable(const struct mw_sketch_record *into, const struct mw_sketch_record *from)
{
    bool same = mw_span_equal(into->bundle, from->bundle) && into->n_features == from->n_features;
    for (size_t i = 0; same && i < into->n_features; i++) {
        same = mw_span_equal(into->names[i], from->names[i]);
    }
    return same;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void merge(struct mw_sketch_record *into, const struct mw_sketch_record *from)
{
    into->from = from->from < into->from ? from->from : into->from;
    into->to = from->to > into->to ? from->to : into->to;
    into->count = add(into->count, from->count);
    for (size_t i = 0; i < into->n_features; i++) {
        mw_sketch_merge(&into->features[i], &from->features[i]);
    }
    mw_sketch_merge(&into->score, &from->score);
}

static uint64_t merged_before(const struct mw_wire_parser *parser)
{
    struct mw_span text;
    uint64_t n = 0;
    return mw_wire_get(parser, 0, "merged", &text) == MW_OK &&
                   mw_number_parse_u64(text, &n) == MW_OK
               ? n
               : 0;
}

/* The grown sketch, with the bridge's own words behind its own. `received` borrows the head's
 * item. */
static mw_err print(struct mw_bridge_sketches *sketches, struct head *head, struct mw_span received,
                    uint64_t merged)
{
    const struct mw_sketch_record *into = &sketches->into;
    size_t room = 1024 + (into->n_features + 1) *
                             (MW_FEATURE_NAME_MAX + 8 + (MW_SKETCH_BINS + 1) * MW_NUMBER_TEXT);
    struct mw_buffer text = {0};
    size_t length;
    mw_err err = mw_buffer_reserve(&text, room);
    err = err == MW_OK ? mw_wire_write_sketch(text.data, room, &length, into) : err;
    if (err == MW_OK) {
        text.size = length - 1; /* its closing brace comes last */
        err = mw_buffer_printf(&text, ",\"received\":%.*s,\"merged\":%llu}", (int)received.size,
                               received.data, (unsigned long long)merged);
    }
    if (err == MW_OK) {
        err = hold(sketches, head, (struct mw_span){head->item, head->key_size},
                   (struct mw_span){text.data, text.size});
        head->grown = err == MW_OK;
    }
    mw_buffer_free(&text);
    return err;
}

/* *merged false: they do not belong together. */
static mw_err add_to(struct mw_bridge_sketches *sketches, struct head *head, uint64_t more,
                     bool *merged)
{
    struct mw_span value = {head->item + head->key_size + 1, head->value_size}, received;
    const struct mw_wire_parser *parser = sketches->parser;
    *merged = mw_wire_open(sketches->parser, value, NULL) == MW_OK &&
              mw_wire_read_sketch(parser, 0, &sketches->into, NULL) == MW_OK &&
              mw_wire_get(parser, 0, "received", &received) == MW_OK &&
              mergeable(&sketches->into, &sketches->from);
    if (!*merged) {
        return MW_OK;
    }
    uint64_t count = merged_before(parser) + more;
    merge(&sketches->into, &sketches->from);
    return print(sketches, head, received, count);
}

mw_err mw_bridge_sketches_take(struct mw_bridge_sketches *sketches,
                               const struct mw_stream_record *record, int64_t floor, bool *merged,
                               struct mw_error *error)
{
    *merged = false;
    if (mw_wire_open(sketches->parser, record->value, NULL) != MW_OK ||
        mw_wire_read_sketch(sketches->parser, 0, &sketches->from, NULL) != MW_OK) {
        return MW_OK; /* nobody could add it up */
    }
    uint64_t more = merged_before(sketches->parser) + 1;
    struct head *head = head_of(sketches, sketches->from.device, sketches->from.machine);
    if (head == NULL) {
        return MW_ERR_MEMORY;
    }
    mw_err err = fetch(sketches, head, floor, error);
    if (err == MW_OK) {
        err = add_to(sketches, head, more, merged);
    } else if (err == MW_ERR_NOT_FOUND) {
        err = MW_OK;
    }
    if (err != MW_OK || *merged) {
        return err;
    }
    if (head->grown) { /* it is written before another takes its place */
        err = write_head(sketches, head, error);
        head->grown = false;
    }
    head->offset = record->offset;
    head->bytes = (int64_t)(record->key.size + record->value.size);
    return err == MW_OK ? hold(sketches, head, record->key, record->value) : err;
}
