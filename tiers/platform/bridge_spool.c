#include "tiers/platform/bridge_condense.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of what a round can hold; those that are `own` stand in an order of their own, because they do
 * not belong to what their key names elsewhere. */
static const struct {
    const char *name;
    bool own;
} topics[] = {
    {"telemetry", false}, {"position", false}, {"sketch", false},  {"event", false},
    {"status", false},    {"dead", false},     {"held", false},    {"sparkplug", true},
    {"pending", true},    {"desired", true},   {"baseline", true}, {"request", true},
    {"download", true},
};

struct waiting {
    struct mw_table_key key;
    uint64_t items;
    char text[];
};

/* ---- items as records ---- */

/* The topic's name that outlives a record; NULL: a topic that nobody has entered above. */
static const char *find_topic(struct mw_span name)
{
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        if (mw_span_is(name, topics[i].name)) {
            return topics[i].name;
        }
    }
    return NULL;
}

static mw_err print_key(struct mw_buffer *text, const struct mw_bridge_item *item,
                        struct mw_span key)
{
    mw_buffer_clear(text);
    if (find_topic(mw_span_of(item->topic)) == NULL) {
        return MW_ERR_UNSUPPORTED; /* now, and not when it cannot be read again */
    }
    mw_err err = mw_buffer_add(text, item->put ? "=" : "+", 1);
    err = err == MW_OK ? mw_buffer_add(text, item->topic, strlen(item->topic)) : err;
    err = err == MW_OK ? mw_buffer_add(text, " ", 1) : err;
    return err == MW_OK ? mw_buffer_add(text, key.data, key.size) : err;
}

static mw_err read_item(struct mw_bridge_round *round, const struct mw_stream_record *record)
{
    struct mw_span all = record->key;
    const char *space = all.size < 2 ? NULL : memchr(all.data, ' ', all.size);
    if (space == NULL || strchr("+=!", all.data[0]) == NULL) {
        return MW_ERR_CORRUPT;
    }
    struct mw_span topic = {all.data + 1, (size_t)(space - all.data) - 1};
    struct mw_span key = {space + 1, (size_t)(all.data + all.size - space) - 1};
    const char *name = find_topic(topic);
    return name == NULL ? MW_ERR_CORRUPT
                        : mw_bridge_round_add(round, name, all.data[0] != '+', key, record->value);
}

mw_err mw_bridge_spool_read(struct mw_bridge_round *round, const struct mw_stream_record *record,
                            struct mw_error *error)
{
    mw_err err = read_item(round, record);
    return err == MW_OK
               ? MW_OK
               : mw_error_set(error, err, "the spool's item %" PRId64 " cannot be read: %s",
                              record->offset, mw_err_text(err));
}

/* ---- keys that wait ---- */

/* What orders an item: its key, with its topic before it when that stands alone. */
static size_t order_key(const char *topic, struct mw_span key, char *text, size_t room)
{
    bool own = false;
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        own |= topics[i].own && strcmp(topic, topics[i].name) == 0;
    }
    int n = snprintf(text, room, "%s %.*s", own ? topic : "", (int)key.size,
                     key.size == 0 ? "" : key.data);
    return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static struct waiting *find_waiting(const struct mw_bridge_spool *spool,
                                    const struct mw_bridge_round *round, size_t i)
{
    char text[512];
    size_t size = order_key(round->item[i].topic, mw_bridge_item_key(round, i), text, sizeof text);
    return mw_table_find(&spool->keys, (struct mw_span){text, size});
}

mw_err mw_bridge_spool_expect(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                              size_t i)
{
    char text[512];
    size_t size = order_key(round->item[i].topic, mw_bridge_item_key(round, i), text, sizeof text);
    if (mw_table_find(&spool->keys, (struct mw_span){text, size}) != NULL) {
        return MW_OK;
    }
    struct waiting *waiting = calloc(1, sizeof *waiting + size);
    if (waiting == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(waiting->text, text, size);
    waiting->key.name = (struct mw_span){waiting->text, size};
    if (mw_table_add(&spool->keys, waiting) != MW_OK) {
        free(waiting);
        return MW_ERR_MEMORY;
    }
    return MW_OK;
}

void mw_bridge_spool_note(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                          size_t i)
{
    find_waiting(spool, round, i)->items++;
    spool->spooled++;
}

void mw_bridge_spool_forget(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                            size_t i)
{
    struct waiting *waiting = find_waiting(spool, round, i);
    spool->drained++;
    if (waiting != NULL && (waiting->items == 0 || --waiting->items == 0)) {
        mw_table_remove(&spool->keys, waiting);
        free(waiting);
    }
}

bool mw_bridge_spool_behind(const struct mw_bridge_spool *spool,
                            const struct mw_bridge_round *round, size_t i)
{
    if (mw_bridge_spool_waiting(spool) == 0) {
        return false;
    }
    const struct waiting *waiting = find_waiting(spool, round, i);
    return waiting != NULL && waiting->items > 0;
}

/* ---- keeping ---- */

static bool trims(const struct mw_bridge_spool *spool)
{
    return spool->tried_over || spool->trim > 0;
}

mw_err mw_bridge_spool_disown(struct mw_bridge_spool *spool, struct mw_error *error)
{
    if (!spool->known || spool->held) {
        return MW_OK;
    }
    char folder[sizeof spool->known_path];
    memcpy(folder, spool->known_path, sizeof folder);
    *strrchr(folder, '/') = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && (unlink(spool->known_path) == 0 || errno == ENOENT) && fsync(fd) == 0;
    mw_err err =
        done ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s cannot be removed", spool->known_path);
    if (fd >= 0) {
        (void)close(fd);
    }
    spool->known = !done;
    return err;
}

mw_err mw_bridge_spool_renew(struct mw_bridge_spool *spool, struct mw_error *error)
{
    char mark[96];
    if (!spool->known || !spool->held) {
        return MW_OK;
    }
    mw_bridge_mark_print(&spool->mark, mark);
    mw_err err = mw_file_write(spool->known_path, mark, strlen(mark), 0600, error);
    if (err != MW_OK) {
        spool->held = false;
        (void)mw_bridge_spool_disown(spool, NULL);
    }
    return err;
}

/* What goes into Kafka takes its positions along, so what is left here is no longer all. */
static mw_err begin_trims(struct mw_bridge_spool *spool, struct mw_error *error)
{
    mw_err err = trims(spool) ? mw_bridge_spool_disown(spool, error) : MW_OK;
    return err == MW_OK ? mw_stream_begin(spool->stream, error) : err;
}

static mw_err write_trims(struct mw_bridge_spool *spool, struct mw_error *error)
{
    mw_err err = MW_OK;
    if (spool->tried_over) {
        err = mw_stream_trim(spool->stream, MW_BRIDGE_TRIED, INT64_MAX, error);
    }
    if (err == MW_OK && spool->trim > 0) {
        err = mw_stream_trim(spool->stream, MW_BRIDGE_ITEM, spool->trim, error);
    }
    return err;
}

/* They were committed. */
static void end_trims(struct mw_bridge_spool *spool)
{
    spool->tried_over = false;
    spool->trim = 0;
}

mw_err mw_bridge_spool_trim(struct mw_bridge_spool *spool, struct mw_error *error)
{
    if (!trims(spool)) {
        return MW_OK;
    }
    mw_err err = begin_trims(spool, error);
    err = err == MW_OK ? write_trims(spool, error) : err;
    err = err == MW_OK ? mw_stream_commit(spool->stream, NULL, error) : err;
    if (err == MW_OK) {
        end_trims(spool);
    }
    return err;
}

static bool erase_key(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_bridge_round *gone = context;
    (void)value;
    return mw_bridge_round_add(gone, "pending", true, key, (struct mw_span){key.data, 0}) == MW_OK;
}

static mw_err put_all(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                      struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        err = mw_stream_put(spool->stream, round->item[i].topic, mw_bridge_item_key(round, i),
                            mw_bridge_item_value(round, i), error);
    }
    return err;
}

mw_err mw_bridge_spool_remember(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                                struct mw_error *error)
{
    char mark[96];
    struct mw_bridge_round gone = {0}; /* commands that were answered since the last time */
    mw_bridge_mark_print(&spool->mark, mark);
    mw_err err = mw_stream_visit(spool->stream, NULL, "pending", erase_key, &gone, error);
    err = err == MW_OK ? begin_trims(spool, error) : err;
    err = err == MW_OK ? write_trims(spool, error) : err;
    err = err == MW_OK ? put_all(spool, &gone, error) : err;
    err = err == MW_OK ? put_all(spool, round, error) : err;
    err = err == MW_OK ? mw_stream_commit(spool->stream, NULL, error) : err;
    mw_bridge_round_free(&gone);
    if (err != MW_OK) {
        mw_stream_rollback(spool->stream);
        return err;
    }
    end_trims(spool);
    err = mw_file_write(spool->known_path, mark, strlen(mark), 0600, error);
    spool->known = err == MW_OK;
    return err;
}

/* How much a round adds to what waits. */
static int64_t weigh(const struct mw_bridge_round *round, size_t *items)
{
    int64_t bytes = 0;
    *items = 0;
    for (size_t i = 0; i < round->n_items; i++) {
        const struct mw_bridge_item *item = &round->item[i];
        if (!item->direct) {
            bytes += (int64_t)(strlen(item->topic) + 2 + item->key_size + item->value_size);
            ++*items;
        }
    }
    return bytes;
}

static mw_err write_items(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                          uint64_t tried, struct mw_error *error)
{
    struct mw_buffer key = {0};
    char number[32];
    mw_err err = write_trims(spool, error);
    if (err == MW_OK && tried != 0) {
        snprintf(number, sizeof number, "%" PRIu64, tried);
        err = mw_stream_put(spool->stream, "spool", mw_span_of("tried"), mw_span_of(number), error);
    }
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        const struct mw_bridge_item *item = &round->item[i];
        if (item->direct && tried == 0) {
            continue;
        }
        err = print_key(&key, item, mw_bridge_item_key(round, i));
        if (err == MW_OK && !item->direct) {
            err = mw_bridge_spool_expect(spool, round, i);
        }
        if (err != MW_OK) {
            (void)mw_error_set(error, err, "an item of %s: %s", item->topic, mw_err_text(err));
            break;
        }
        err = mw_stream_append(spool->stream, item->direct ? MW_BRIDGE_TRIED : MW_BRIDGE_ITEM,
                               (struct mw_span){key.data, key.size}, mw_bridge_item_value(round, i),
                               error);
        if (err == MW_OK && item->put && spool->known) {
            err = mw_stream_put(spool->stream, item->topic, mw_bridge_item_key(round, i),
                                mw_bridge_item_value(round, i), error);
        }
    }
    mw_buffer_free(&key);
    return err;
}

mw_err mw_bridge_spool_keep(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                            uint64_t tried, struct mw_error *error)
{
    size_t items;
    int64_t bytes = weigh(round, &items);
    if (items == 0 && tried == 0) {
        return MW_OK;
    }
    if (items > 0 && spool->full && spool->bytes + bytes > spool->limit) {
        return mw_error_set(error, MW_ERR_FULL,
                            "the spool has %" PRId64 " bytes that may not be dropped, and "
                            "stream.spool allows %" PRId64,
                            spool->bytes, spool->limit);
    }
    mw_err err = begin_trims(spool, error);
    err = err == MW_OK ? write_items(spool, round, tried, error) : err;
    err = err == MW_OK ? mw_stream_commit(spool->stream, NULL, error) : err;
    if (err != MW_OK) {
        mw_stream_rollback(spool->stream);
        return err;
    }
    for (size_t i = 0; i < round->n_items; i++) {
        if (!round->item[i].direct) {
            mw_bridge_spool_note(spool, round, i);
        }
    }
    spool->bytes += bytes;
    end_trims(spool);
    return MW_OK;
}

/* ---- draining ---- */

mw_err mw_bridge_spool_fetch(struct mw_bridge_spool *spool, struct mw_bridge_round *round,
                             size_t max, struct mw_error *error)
{
    struct mw_stream_record records[MW_BRIDGE_SPOOL_BATCH];
    size_t n = 0;
    mw_err err;
    spool->piece = round;
    spool->piece_at = round->n_items;
    do {
        size_t room = max - (size_t)spool->piece_items;
        err =
            mw_stream_poll(spool->reader, records,
                           room < MW_BRIDGE_SPOOL_BATCH ? room : MW_BRIDGE_SPOOL_BATCH, &n, error);
        for (size_t i = 0; i < n && err == MW_OK; i++) {
            err = mw_bridge_spool_read(round, &records[i], error);
            spool->piece_items++;
            spool->piece_end = records[i].offset + 1;
            spool->piece_bytes += (int64_t)(records[i].key.size + records[i].value.size);
        }
    } while (err == MW_OK && n > 0 && spool->piece_items < max);
    return err;
}

mw_err mw_bridge_spool_settle(struct mw_bridge_spool *spool, bool stored, struct mw_error *error)
{
    bool any = spool->piece_items > 0;
    if (stored && any) {
        for (size_t i = 0; i < spool->piece_items; i++) {
            mw_bridge_spool_forget(spool, spool->piece, spool->piece_at + i);
        }
        spool->bytes -= spool->piece_bytes;
        spool->trim = spool->mark.drained = spool->piece_end;
        spool->full = false;
    }
    spool->piece_items = 0;
    spool->piece_bytes = spool->piece_end = 0;
    /* Not to the beginning: what Kafka has may still be there. */
    return any && !stored ? mw_stream_reader_seek(spool->reader, spool->mark.drained, error)
                          : MW_OK;
}

mw_err mw_bridge_spool_pass(struct mw_bridge_spool *spool, int64_t drained,
                            struct mw_bridge_round *round, struct mw_error *error)
{
    mw_err err = mw_bridge_spool_settle(spool, false, error);
    while (err == MW_OK && spool->mark.drained < drained) {
        mw_bridge_round_clear(round);
        err = mw_bridge_spool_fetch(spool, round, 1, error);
        if (err != MW_OK || spool->piece_items == 0 || spool->piece_end > drained) {
            break; /* what Kafka has is gone from here already */
        }
        err = mw_bridge_spool_settle(spool, true, error);
    }
    mw_err rest = mw_bridge_spool_settle(spool, false, error);
    if (err == MW_OK && spool->mark.drained < drained) {
        spool->mark.drained = drained;
    }
    return err == MW_OK ? rest : err;
}
