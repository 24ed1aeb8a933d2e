#include "lib/base/timer_heap.h"

#include <assert.h>
#include <stdlib.h>

mw_err mw_timer_heap_reserve(struct mw_timer_heap *heap, size_t n)
{
    if (n <= heap->capacity) {
        return MW_OK;
    }
    size_t capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
    if (capacity < n) {
        capacity = n;
    }
    struct mw_timer **item = realloc(heap->item, capacity * sizeof *item);
    if (item == NULL) {
        return MW_ERR_MEMORY;
    }
    heap->item = item;
    heap->capacity = capacity;
    return MW_OK;
}

void mw_timer_heap_free(struct mw_timer_heap *heap)
{
    free(heap->item);
    *heap = (struct mw_timer_heap){0};
}

static bool earlier(const struct mw_timer *a, const struct mw_timer *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void set(struct mw_timer_heap *heap, size_t place, struct mw_timer *timer)
{
    heap->item[place] = timer;
    timer->place = place;
}

static void sift_up(struct mw_timer_heap *heap, size_t place)
{
    struct mw_timer *timer = heap->item[place];
    while (place > 0 && earlier(timer, heap->item[(place - 1) / 2])) {
        set(heap, place, heap->item[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    set(heap, place, timer);
}

static void sift_down(struct mw_timer_heap *heap, size_t place)
{
    struct mw_timer *timer = heap->item[place];
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= heap->n) {
            break;
        }
        if (child + 1 < heap->n && earlier(heap->item[child + 1], heap->item[child])) {
            child++;
        }
        if (!earlier(heap->item[child], timer)) {
            break;
        }
        set(heap, place, heap->item[child]);
        place = child;
    }
    set(heap, place, timer);
}

void mw_timer_heap_put(struct mw_timer_heap *heap, struct mw_timer *timer, int64_t due)
{
    mw_timer_heap_take(heap, timer);
    assert(heap->n < heap->capacity);
    timer->due = due;
    timer->order = ++heap->order;
    set(heap, heap->n++, timer);
    sift_up(heap, timer->place);
}

void mw_timer_heap_take(struct mw_timer_heap *heap, struct mw_timer *timer)
{
    size_t place = timer->place;
    if (place == MW_TIMER_OUT) {
        return;
    }
    timer->place = MW_TIMER_OUT;
    struct mw_timer *last = heap->item[--heap->n];
    if (last == timer) {
        return;
    }
    set(heap, place, last);
    sift_up(heap, place);
    sift_down(heap, last->place);
}

struct mw_timer *mw_timer_heap_first(const struct mw_timer_heap *heap)
{
    return heap->n == 0 ? NULL : heap->item[0];
}
