#include "core/model/plan.h"

#include <stdbool.h>

struct mw_block *mw_plan_find(struct mw_plan *plan, uint32_t tensor)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->block[i].tensor == tensor) {
            return &plan->block[i];
        }
    }
    return NULL;
}

struct mw_block *mw_plan_add(struct mw_plan *plan, uint32_t tensor, size_t bytes, size_t first)
{
    struct mw_block *block;

    if (plan->count == MW_PLAN_BLOCKS_MAX) {
        return NULL;
    }
    block = &plan->block[plan->count++];
    *block = (struct mw_block){
        .tensor = tensor,
        .bytes = (uint32_t)bytes,
        .first = (uint16_t)first,
        .last = (uint16_t)first,
    };
    return block;
}

/* Larger first; of equals the one with the lower tensor index, so that the order is total. */
static bool before(const struct mw_block *a, const struct mw_block *b)
{
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->tensor < b->tensor;
}

static void sort_by_size(struct mw_plan *plan)
{
    for (size_t i = 1; i < plan->count; i++) {
        const struct mw_block block = plan->block[i];
        size_t k = i;
        for (; k > 0 && before(&block, &plan->block[k - 1]); k--) {
            plan->block[k] = plan->block[k - 1];
        }
        plan->block[k] = block;
    }
}

static bool alive_together(const struct mw_block *a, const struct mw_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

mw_err mw_plan_place(struct mw_plan *plan, size_t align, size_t *arena)
{
    uint16_t by_offset[MW_PLAN_BLOCKS_MAX]; /* placed blocks, lowest offset first */

    *arena = 0;
    sort_by_size(plan);
    for (size_t i = 0; i < plan->count; i++) {
        struct mw_block *block = &plan->block[i];
        uint64_t offset = 0;
        size_t k = i;

        for (size_t j = 0; j < i; j++) {
            const struct mw_block *other = &plan->block[by_offset[j]];
            if (!alive_together(block, other)) {
                continue;
            }
            if (offset + block->bytes <= other->offset) {
                break;
            }
            if ((uint64_t)other->offset + other->bytes > offset) {
                offset = ((uint64_t)other->offset + other->bytes + align - 1) / align * align;
            }
        }
        if (offset + block->bytes > INT32_MAX) {
            return MW_ERR_TOO_LARGE;
        }
        block->offset = (uint32_t)offset;
        for (; k > 0 && plan->block[by_offset[k - 1]].offset > block->offset; k--) {
            by_offset[k] = by_offset[k - 1];
        }
        by_offset[k] = (uint16_t)i;
        if (offset + block->bytes > *arena) {
            *arena = (size_t)offset + block->bytes;
        }
    }
    return MW_OK;
}
