#include "tiers/platform/bridge_round.h"

#include <stdlib.h>
#include <string.h>

mw_err mw_bridge_make_room(void **array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) {
        return MW_OK;
    }
    size_t more = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = realloc(*array, more * size);
    if (grown == NULL) {
        return MW_ERR_MEMORY;
    }
    *array = grown;
    *capacity = more;
    return MW_OK;
}

mw_err mw_bridge_round_open(struct mw_bridge_round *round, const char *topic, bool put,
                            struct mw_span key)
{
    void *items = round->item;
    mw_err err =
        mw_bridge_make_room(&items, round->n_items, &round->items_capacity, sizeof *round->item);
    round->item = items;
    if (err == MW_OK) {
        err = mw_buffer_add(&round->text, key.data, key.size);
    }
    if (err == MW_OK) {
        round->item[round->n_items++] =
            (struct mw_bridge_item){topic, put, false, key.size, round->text.size, 0};
    }
    return err;
}

void mw_bridge_round_close(struct mw_bridge_round *round)
{
    struct mw_bridge_item *item = &round->item[round->n_items - 1];
    item->value_size = round->text.size - item->value_at;
}

void mw_bridge_round_drop(struct mw_bridge_round *round)
{
    const struct mw_bridge_item *item = &round->item[--round->n_items];
    round->text.size = item->value_at - item->key_size;
}

mw_err mw_bridge_round_add(struct mw_bridge_round *round, const char *topic, bool put,
                           struct mw_span key, struct mw_span value)
{
    mw_err err = mw_bridge_round_open(round, topic, put, key);
    if (err == MW_OK) {
        err = mw_buffer_add(&round->text, value.data, value.size);
        if (err != MW_OK) {
            mw_bridge_round_drop(round);
            return err;
        }
        mw_bridge_round_close(round);
    }
    return err;
}

mw_err mw_bridge_round_copy(struct mw_bridge_round *copy, const struct mw_bridge_round *round)
{
    if (copy->items_capacity < round->n_items) {
        void *grown = realloc(copy->item, round->items_capacity * sizeof *copy->item);
        if (grown == NULL) {
            return MW_ERR_MEMORY;
        }
        copy->item = grown;
        copy->items_capacity = round->items_capacity;
    }
    mw_err err = mw_buffer_add(&copy->text, round->text.data, round->text.size);
    if (err == MW_OK && round->n_items > 0) {
        memcpy(copy->item, round->item, round->n_items * sizeof *copy->item);
        copy->n_items = round->n_items;
    }
    return err;
}

mw_err mw_bridge_round_puback(struct mw_bridge_round *round, uint32_t connection, uint16_t id)
{
    void *pubacks = round->puback;
    mw_err err = mw_bridge_make_room(&pubacks, round->n_pubacks, &round->pubacks_capacity,
                                     sizeof *round->puback);
    round->puback = pubacks;
    if (err == MW_OK) {
        round->puback[round->n_pubacks++] = (struct mw_bridge_puback){connection, id};
    }
    return err;
}

mw_err mw_bridge_round_receipt(struct mw_bridge_round *round, const char *device, struct mw_span id)
{
    void *receipts = round->receipt;
    mw_err err = mw_bridge_make_room(&receipts, round->n_receipts, &round->receipts_capacity,
                                     sizeof *round->receipt);
    round->receipt = receipts;
    size_t at = round->text.size;
    if (err == MW_OK) {
        err = mw_buffer_add(&round->text, id.data, id.size);
    }
    if (err == MW_OK) {
        round->receipt[round->n_receipts++] = (struct mw_bridge_receipt){device, at, id.size};
    }
    return err;
}

bool mw_bridge_round_empty(const struct mw_bridge_round *round)
{
    return round->n_items == 0 && round->n_pubacks == 0 && round->n_receipts == 0 && !round->moved;
}

void mw_bridge_round_clear(struct mw_bridge_round *round)
{
    mw_buffer_clear(&round->text);
    round->n_items = 0;
    round->n_pubacks = 0;
    round->n_receipts = 0;
    round->moved = false;
    round->pressing = false;
}

void mw_bridge_round_free(struct mw_bridge_round *round)
{
    mw_buffer_free(&round->text);
    free(round->item);
    free(round->puback);
    free(round->receipt);
    *round = (struct mw_bridge_round){0};
}
