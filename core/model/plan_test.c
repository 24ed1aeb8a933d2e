#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/model/plan.h"

static struct mw_plan plan;

static void add(uint32_t tensor, size_t bytes, size_t first, size_t last)
{
    struct mw_block *block = mw_plan_add(&plan, tensor, bytes, first);
    assert_non_null(block);
    block->last = (uint16_t)last;
}

/* No two blocks that live at one time share a byte. */
static void assert_apart(size_t arena)
{
    for (size_t i = 0; i < plan.count; i++) {
        const struct mw_block *a = &plan.block[i];
        assert_true(a->offset % 16 == 0 && a->offset + a->bytes <= arena);
        for (size_t j = 0; j < i; j++) {
            const struct mw_block *b = &plan.block[j];
            assert_true(a->last < b->first || b->last < a->first ||
                        a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

static void a_chain_needs_two_neighbours(void **state)
{
    size_t arena;

    (void)state;
    plan.count = 0;
    for (uint32_t i = 0; i < 10; i++) {
        add(i, 64, i, i + 1);
    }
    assert_int_equal(mw_plan_place(&plan, 16, &arena), MW_OK);
    assert_int_equal(arena, 128);
    assert_apart(arena);
    assert_null(mw_plan_find(&plan, 10));
    assert_int_equal(mw_plan_find(&plan, 4)->tensor, 4);
}

static void random_lives_never_overlap(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t arena;
        size_t total = 0;

        plan.count = 0;
        for (uint32_t i = 0; i < 40; i++) {
            const size_t first = (seed = seed * 1664525U + 1013904223U) >> 27;
            const size_t life = (seed = seed * 1664525U + 1013904223U) >> 29;
            const size_t bytes = 1 + ((seed = seed * 1664525U + 1013904223U) >> 23);
            add(i, bytes, first, first + life);
            total += (bytes + 15) / 16 * 16;
        }
        assert_int_equal(mw_plan_place(&plan, 16, &arena), MW_OK);
        assert_apart(arena);
        assert_true(arena < total);
    }
}

static void too_many_and_too_large_are_refused(void **state)
{
    size_t arena;

    (void)state;
    plan.count = 0;
    for (uint32_t i = 0; i < MW_PLAN_BLOCKS_MAX; i++) {
        add(i, 1, 0, 0);
    }
    assert_null(mw_plan_add(&plan, 999, 1, 0));
    plan.count = 0;
    add(0, INT32_MAX, 0, 1);
    add(1, 16, 1, 1);
    assert_int_equal(mw_plan_place(&plan, 16, &arena), MW_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_needs_two_neighbours),
        cmocka_unit_test(random_lives_never_overlap),
        cmocka_unit_test(too_many_and_too_large_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
