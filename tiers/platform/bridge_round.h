/* bridge_round.h - what one round of the bridge's loop gathers, until the stream has it all.
 *
 * A round is one transaction. Only when that has been committed may the broker get its PUBACKs and
 * the things their acks; when it fails the round stays as it is and is tried again. Memory grows
 * with what a round holds and is kept for the next one. */
#ifndef MW_PLATFORM_BRIDGE_ROUND_H
#define MW_PLATFORM_BRIDGE_ROUND_H

#include "core/span.h"
#include "lib/base/file.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_bridge_item {
    const char *topic;                     /* constant */
    bool put;                              /* newest value of the key, instead of one record more */
    bool direct;                           /* it is given to Kafka first (bridge_far.h) */
    size_t key_size, value_at, value_size; /* the key lies right before the value in text */
};

struct mw_bridge_puback {
    uint32_t connection;
    uint16_t id;
};

/* An event that its sender is to be told of: it keeps the event until then. */
struct mw_bridge_receipt {
    const char *device;    /* borrowed from the device, which outlives the round */
    size_t id_at, id_size; /* in text */
};

struct mw_bridge_round {
    struct mw_buffer text;
    struct mw_bridge_item *item;
    size_t n_items, items_capacity;
    struct mw_bridge_puback *puback;
    size_t n_pubacks, pubacks_capacity;
    struct mw_bridge_receipt *receipt;
    size_t n_receipts, receipts_capacity;
    bool moved;    /* the reader of the stream has moved, so its position has to be committed */
    bool pressing; /* somebody waits for something of it that is not a message or a receipt */
};

/* Room for one more element of `size` bytes behind the n that are there; the array doubles. MEMORY:
 * it stays as it was. */
mw_err mw_bridge_make_room(void **array, size_t n, size_t *capacity, size_t size);

/* Begins an item; its value is then appended to round->text and mw_bridge_round_close ends it.
 * MEMORY. */
mw_err mw_bridge_round_open(struct mw_bridge_round *round, const char *topic, bool put,
                            struct mw_span key);
void mw_bridge_round_close(struct mw_bridge_round *round);
/* Takes back the item that was begun last. */
void mw_bridge_round_drop(struct mw_bridge_round *round);

/* The same in one call. */
mw_err mw_bridge_round_add(struct mw_bridge_round *round, const char *topic, bool put,
                           struct mw_span key, struct mw_span value);

/* Makes `copy` hold the same items; it had been cleared. MEMORY: it is empty. */
mw_err mw_bridge_round_copy(struct mw_bridge_round *copy, const struct mw_bridge_round *round);

mw_err mw_bridge_round_puback(struct mw_bridge_round *round, uint32_t connection, uint16_t id);

/* Not between open and close: the id is copied into text. */
mw_err mw_bridge_round_receipt(struct mw_bridge_round *round, const char *device,
                               struct mw_span id);

static inline struct mw_span mw_bridge_item_key(const struct mw_bridge_round *round, size_t i)
{
    const struct mw_bridge_item *item = &round->item[i];
    return (struct mw_span){round->text.data + item->value_at - item->key_size, item->key_size};
}
static inline struct mw_span mw_bridge_item_value(const struct mw_bridge_round *round, size_t i)
{
    const struct mw_bridge_item *item = &round->item[i];
    return (struct mw_span){round->text.data + item->value_at, item->value_size};
}

bool mw_bridge_round_empty(const struct mw_bridge_round *round);
void mw_bridge_round_clear(struct mw_bridge_round *round); /* keeps the memory */
void mw_bridge_round_free(struct mw_bridge_round *round);

#endif
