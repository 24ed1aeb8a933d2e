/* score_index.h - values by name: a hash table with open addressing that only grows. */
#ifndef MW_INFERENCE_SCORE_INDEX_H
#define MW_INFERENCE_SCORE_INDEX_H

#include "core/err.h"
#include "core/span.h"

#include <stdint.h>

/* {0} is empty. A slot is free while its value is NULL. */
struct mw_score_index {
    struct mw_score_slot {
        struct mw_span name; /* borrows; the value has to keep it */
        uint64_t hash;
        void *value;
    } * slots;
    size_t capacity, count; /* capacity is 0 or a power of two */
};

/* The value of a name, or NULL. */
void *mw_score_index_get(const struct mw_score_index *index, struct mw_span name);
/* Adds a name that is not there yet. MEMORY. */
mw_err mw_score_index_add(struct mw_score_index *index, struct mw_span name, void *value);
/* Walks all values in no order of meaning: start with *at = 0; NULL at the end. */
void *mw_score_index_next(const struct mw_score_index *index, size_t *at);
/* Frees the table and, with `drop`, its values. */
void mw_score_index_clear(struct mw_score_index *index, void (*drop)(void *value));

#endif
