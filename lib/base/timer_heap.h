/* timer_heap.h - a binary min-heap of timers by the time they are due; the loop's own.
 *
 * Adding, removing and taking the first of n timers cost O(log n) and no memory beyond the reserve.
 * Timers due at the same time come out in the order in which they were put in. */
#ifndef MW_BASE_TIMER_HEAP_H
#define MW_BASE_TIMER_HEAP_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_TIMER_OUT SIZE_MAX

/* Embedded in what waits; `place` is MW_TIMER_OUT while it is in no heap. */
struct mw_timer {
    int64_t due;    /* microseconds, any clock */
    uint64_t order; /* counts the puts into this heap, from 1 */
    size_t place;
};

/* {0} is empty. The timers are borrowed. */
struct mw_timer_heap {
    struct mw_timer **item;
    size_t n, capacity;
    uint64_t order;
};

/* Makes room for n timers at once. Errors: MEMORY. */
mw_err mw_timer_heap_reserve(struct mw_timer_heap *heap, size_t n);
void mw_timer_heap_free(struct mw_timer_heap *heap);

/* Puts a timer in, or moves it when it is in already. There must be room for it. */
void mw_timer_heap_put(struct mw_timer_heap *heap, struct mw_timer *timer, int64_t due);
/* Takes a timer out; nothing happens when it is in no heap. */
void mw_timer_heap_take(struct mw_timer_heap *heap, struct mw_timer *timer);
/* The timer that is due first; NULL when the heap is empty. */
struct mw_timer *mw_timer_heap_first(const struct mw_timer_heap *heap);

#endif
