#include "lib/base/timer_heap.h"

#include "lib/base/test.h"

enum { N = 3000 };

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void timers_come_out_in_order(void **state)
{
    (void)state;
    static struct mw_timer timers[N];
    struct mw_timer_heap heap = {0};
    uint32_t seed = 1;
    assert_int_equal(mw_timer_heap_reserve(&heap, N), MW_OK);
    for (size_t i = 0; i < N; i++) {
        timers[i].place = MW_TIMER_OUT;
        mw_timer_heap_put(&heap, &timers[i], random_next(&seed) % 500);
    }
    for (size_t i = 0; i < N; i += 3) { /* moves a third and takes out a third */
        mw_timer_heap_put(&heap, &timers[i], random_next(&seed) % 500);
        mw_timer_heap_take(&heap, &timers[i + 1]);
        mw_timer_heap_take(&heap, &timers[i + 1]);
    }
    assert_int_equal(heap.n, N - N / 3);
    int64_t due = -1;
    uint64_t order = 0;
    struct mw_timer *first;
    size_t n = 0;
    for (; (first = mw_timer_heap_first(&heap)) != NULL; n++) {
        assert_true(first->due > due || (first->due == due && first->order > order));
        due = first->due;
        order = first->order;
        mw_timer_heap_take(&heap, first);
        assert_true(first->place == MW_TIMER_OUT);
    }
    assert_int_equal(n, N - N / 3);
    mw_timer_heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(timers_come_out_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
