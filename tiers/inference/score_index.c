#include "tiers/inference/score_index.h"

#include <stdlib.h>

/* FNV-1a (Fowler, Noll, Vo, 1991). Names come from things that the bridge let in. */
static uint64_t hash_of(struct mw_span name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

void *mw_score_index_get(const struct mw_score_index *index, struct mw_span name)
{
    if (index->capacity == 0) {
        return NULL;
    }
    uint64_t hash = hash_of(name);
    for (size_t i = (size_t)hash & (index->capacity - 1);; i = (i + 1) & (index->capacity - 1)) {
        const struct mw_score_slot *slot = &index->slots[i];
        if (slot->value == NULL || (slot->hash == hash && mw_span_equal(slot->name, name))) {
            return slot->value;
        }
    }
}

static void place(struct mw_score_index *index, struct mw_score_slot slot)
{
    size_t i = (size_t)slot.hash & (index->capacity - 1);
    while (index->slots[i].value != NULL) {
        i = (i + 1) & (index->capacity - 1);
    }
    index->slots[i] = slot;
    index->count++;
}

mw_err mw_score_index_add(struct mw_score_index *index, struct mw_span name, void *value)
{
    if (4 * (index->count + 1) > 3 * index->capacity) {
        struct mw_score_index old = *index;
        size_t capacity = old.capacity == 0 ? 16 : 2 * old.capacity;
        struct mw_score_slot *slots = calloc(capacity, sizeof *slots);
        if (slots == NULL) {
            return MW_ERR_MEMORY;
        }
        *index = (struct mw_score_index){slots, capacity, 0};
        for (size_t i = 0; i < old.capacity; i++) {
            if (old.slots[i].value != NULL) {
                place(index, old.slots[i]);
            }
        }
        free(old.slots);
    }
    place(index, (struct mw_score_slot){name, hash_of(name), value});
    return MW_OK;
}

void *mw_score_index_next(const struct mw_score_index *index, size_t *at)
{
    while (*at < index->capacity) {
        void *value = index->slots[(*at)++].value;
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

void mw_score_index_clear(struct mw_score_index *index, void (*drop)(void *value))
{
    for (size_t i = 0; drop != NULL && i < index->capacity; i++) {
        if (index->slots[i].value != NULL) {
            drop(index->slots[i].value);
        }
    }
    free(index->slots);
    *index = (struct mw_score_index){0};
}
