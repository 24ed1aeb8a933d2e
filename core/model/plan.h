/* plan.h - places the activations of a model in one arena, so that tensors that are never alive at
 * the same time share bytes.
 *
 * A block lives from the operator that writes it to the last one that reads it. Blocks are placed
 * from the largest to the smallest, each into the lowest gap that is free during its life: "greedy
 * by size", Y. Pisarchyk and J. Lee, "Efficient Memory Management for Deep Neural Net Inference",
 * 2020. Internal to core/model.
 */
#ifndef MW_CORE_MODEL_PLAN_H
#define MW_CORE_MODEL_PLAN_H

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

#define MW_PLAN_BLOCKS_MAX 256

struct mw_block {
    uint32_t tensor; /* index in the subgraph */
    uint32_t bytes;
    uint32_t offset;      /* in the arena; set by mw_plan_place */
    uint16_t first, last; /* operators, both included */
};

struct mw_plan {
    size_t count;
    struct mw_block block[MW_PLAN_BLOCKS_MAX]; /* sorted by mw_plan_place */
};

/* The block of a tensor, or NULL. */
struct mw_block *mw_plan_find(struct mw_plan *plan, uint32_t tensor);

/* Adds a block that lives at operator `first` only. NULL when the plan is full. */
struct mw_block *mw_plan_add(struct mw_plan *plan, uint32_t tensor, size_t bytes, size_t first);

/* Sets every offset, a multiple of `align`, and the bytes of the arena. TOO_LARGE past 2 GiB. */
mw_err mw_plan_place(struct mw_plan *plan, size_t align, size_t *arena);

#endif
