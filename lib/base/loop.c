/* Watches live in one list, so that the loop can free what is left. Timers are also in a binary
 * min-heap by the time they are due, so that setting one of thousands costs a few swaps and no
 * system call; the wait for epoll ends when the first is due.
 *
 * A removed watch may still be named by an event of the running round, so inside a round it is only
 * marked and freed at the round's end. */
#include "lib/base/loop.h"

#include "lib/base/clock.h"
#include "lib/base/timer_heap.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64 };

enum kind { KIND_FD, KIND_SIGNALS, KIND_TIMER, KIND_AFTER };

struct mw_loop_watch {
    enum kind kind;
    bool dead;
    struct mw_loop_watch *previous, *next; /* all watches; `next` also links the dead */
    void *context;
    union {
        mw_loop_fd_fn *on_fd;
        mw_loop_fn *on_time;
        mw_loop_signal_fn *on_signal;
    } fn;
    int fd;          /* KIND_FD: borrowed; KIND_SIGNALS: owned */
    uint32_t events; /* what epoll watches; 0: not in epoll */
    struct mw_timer timer;
    int64_t interval;
};

struct mw_loop {
    int epoll, wake;
    bool in_round, coarse; /* coarse: the kernel has no epoll_pwait2 */
    atomic_bool stop;
    struct mw_loop_watch *all, *dead;
    struct mw_timer_heap heap;
    size_t timers; /* watched, armed or not: the heap has room for all */
    struct mw_loop_watch **after;
    size_t afters, after_capacity;
};

mw_err mw_loop_new(struct mw_loop **loop, struct mw_error *error)
{
    struct mw_loop *made = calloc(1, sizeof *made);
    *loop = NULL;
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "loop: out of memory");
    }
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    made->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (made->epoll < 0 || made->wake < 0 ||
        epoll_ctl(made->epoll, EPOLL_CTL_ADD, made->wake, &event) != 0) {
        mw_err err = mw_error_errno(error, MW_ERR_IO, "loop");
        mw_loop_free(made);
        return err;
    }
    *loop = made;
    return MW_OK;
}

static void free_watch(struct mw_loop_watch *watch)
{
    if (watch->kind == KIND_SIGNALS && watch->fd >= 0) {
        close(watch->fd);
    }
    free(watch);
}

void mw_loop_free(struct mw_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->dead != NULL) {
        struct mw_loop_watch *watch = loop->dead;
        loop->dead = watch->next;
        free_watch(watch);
    }
    while (loop->all != NULL) {
        struct mw_loop_watch *watch = loop->all;
        loop->all = watch->next;
        free_watch(watch);
    }
    mw_timer_heap_free(&loop->heap);
    free(loop->after);
    if (loop->wake >= 0) {
        close(loop->wake);
    }
    if (loop->epoll >= 0) {
        close(loop->epoll);
    }
    free(loop);
}

static struct mw_loop_watch *add_watch(struct mw_loop *loop, enum kind kind, void *context,
                                       struct mw_error *error)
{
    struct mw_loop_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        mw_error_set(error, MW_ERR_MEMORY, "loop: out of memory");
        return NULL;
    }
    watch->kind = kind;
    watch->context = context;
    watch->fd = -1;
    watch->timer.place = MW_TIMER_OUT;
    watch->next = loop->all;
    if (loop->all != NULL) {
        loop->all->previous = watch;
    }
    loop->all = watch;
    return watch;
}

/* ---- file descriptors ---- */

mw_err mw_loop_set_events(struct mw_loop *loop, struct mw_loop_watch *watch, uint32_t events)
{
    if (watch->events == events) {
        return MW_OK;
    }
    /* epoll reports a hang-up even to who asked for nothing, so no events means not in epoll. */
    int operation = events == 0          ? EPOLL_CTL_DEL
                    : watch->events == 0 ? EPOLL_CTL_ADD
                                         : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data = {.ptr = watch}};
    if (epoll_ctl(loop->epoll, operation, watch->fd, &event) != 0) {
        return MW_ERR_IO;
    }
    watch->events = events;
    return MW_OK;
}

static mw_err watch_fd(struct mw_loop *loop, struct mw_loop_watch *watch, uint32_t events,
                       struct mw_error *error)
{
    if (mw_loop_set_events(loop, watch, events) != MW_OK) {
        mw_err err = mw_error_errno(error, MW_ERR_IO, "loop: descriptor %d", watch->fd);
        mw_loop_remove(loop, watch);
        return err;
    }
    return MW_OK;
}

mw_err mw_loop_add_fd(struct mw_loop *loop, int fd, uint32_t events, mw_loop_fd_fn *fn,
                      void *context, struct mw_loop_watch **watch, struct mw_error *error)
{
    struct mw_loop_watch *made = add_watch(loop, KIND_FD, context, error);
    if (watch != NULL) {
        *watch = NULL;
    }
    if (made == NULL) {
        return MW_ERR_MEMORY;
    }
    made->fn.on_fd = fn;
    made->fd = fd;
    mw_err err = watch_fd(loop, made, events, error);
    if (err == MW_OK && watch != NULL) {
        *watch = made;
    }
    return err;
}

mw_err mw_loop_add_signals(struct mw_loop *loop, const int *signals, unsigned n,
                           mw_loop_signal_fn *fn, void *context, struct mw_error *error)
{
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < n; i++) {
        if (sigaddset(&set, signals[i]) != 0) {
            return mw_error_errno(error, MW_ERR_ARGUMENT, "loop: signal %d", signals[i]);
        }
    }
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failed != 0) {
        errno = failed;
        return mw_error_errno(error, MW_ERR_IO, "loop: signals");
    }
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return mw_error_errno(error, MW_ERR_IO, "loop: signals");
    }
    struct mw_loop_watch *watch = add_watch(loop, KIND_SIGNALS, context, error);
    if (watch == NULL) {
        close(fd);
        return MW_ERR_MEMORY;
    }
    watch->fn.on_signal = fn;
    watch->fd = fd;
    return watch_fd(loop, watch, EPOLLIN, error);
}

/* ---- timers, and what runs after each round ---- */

static struct mw_loop_watch *watch_of(struct mw_timer *timer)
{
    return (struct mw_loop_watch *)((char *)timer - offsetof(struct mw_loop_watch, timer));
}

/* A sum that stays at the end of time instead of passing it. */
static int64_t later(int64_t time, int64_t delay)
{
    return delay > INT64_MAX - time ? INT64_MAX : time + delay;
}

mw_err mw_loop_add_timer(struct mw_loop *loop, int64_t delay, int64_t interval, mw_loop_fn *fn,
                         void *context, struct mw_loop_watch **watch, struct mw_error *error)
{
    if (watch != NULL) {
        *watch = NULL;
    }
    if (mw_timer_heap_reserve(&loop->heap, loop->timers + 1) != MW_OK) {
        return mw_error_set(error, MW_ERR_MEMORY, "loop: out of memory");
    }
    struct mw_loop_watch *made = add_watch(loop, KIND_TIMER, context, error);
    if (made == NULL) {
        return MW_ERR_MEMORY;
    }
    loop->timers++;
    made->fn.on_time = fn;
    mw_loop_set_timer(loop, made, delay, interval);
    if (watch != NULL) {
        *watch = made;
    }
    return MW_OK;
}

void mw_loop_set_timer(struct mw_loop *loop, struct mw_loop_watch *watch, int64_t delay,
                       int64_t interval)
{
    watch->interval = interval;
    if (delay < 0) {
        mw_timer_heap_take(&loop->heap, &watch->timer);
    } else {
        mw_timer_heap_put(&loop->heap, &watch->timer, later(mw_clock_monotonic(), delay));
    }
}

mw_err mw_loop_add_after(struct mw_loop *loop, mw_loop_fn *fn, void *context,
                         struct mw_loop_watch **watch, struct mw_error *error)
{
    if (watch != NULL) {
        *watch = NULL;
    }
    if (loop->afters == loop->after_capacity) {
        size_t capacity = loop->after_capacity == 0 ? 4 : loop->after_capacity * 2;
        struct mw_loop_watch **after = realloc(loop->after, capacity * sizeof *after);
        if (after == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "loop: out of memory");
        }
        loop->after = after;
        loop->after_capacity = capacity;
    }
    struct mw_loop_watch *made = add_watch(loop, KIND_AFTER, context, error);
    if (made == NULL) {
        return MW_ERR_MEMORY;
    }
    made->fn.on_time = fn;
    loop->after[loop->afters++] = made;
    if (watch != NULL) {
        *watch = made;
    }
    return MW_OK;
}

/* ---- the end of a watch ---- */

static void unlist_dead_afters(struct mw_loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->afters; i++) {
        if (!loop->after[i]->dead) {
            loop->after[kept++] = loop->after[i];
        }
    }
    loop->afters = kept;
}

/* What a round removed is freed when nothing of the round can name it any more. */
static void bury(struct mw_loop *loop)
{
    if (loop->dead == NULL) {
        return;
    }
    unlist_dead_afters(loop);
    while (loop->dead != NULL) {
        struct mw_loop_watch *watch = loop->dead;
        loop->dead = watch->next;
        free_watch(watch);
    }
}

void mw_loop_remove(struct mw_loop *loop, struct mw_loop_watch *watch)
{
    if (watch == NULL || watch->dead) {
        return;
    }
    if (watch->events != 0) {
        struct epoll_event event = {0};
        /* Fails only when the descriptor was closed before, which has ended the watching too. */
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, &event);
        watch->events = 0;
    }
    if (watch->kind == KIND_TIMER) {
        mw_timer_heap_take(&loop->heap, &watch->timer);
        loop->timers--;
    }
    *(watch->previous == NULL ? &loop->all : &watch->previous->next) = watch->next;
    if (watch->next != NULL) {
        watch->next->previous = watch->previous;
    }
    watch->dead = true;
    watch->next = loop->dead;
    loop->dead = watch;
    if (!loop->in_round) {
        bury(loop);
    }
}

/* ---- running ---- */

static void on_signals(struct mw_loop_watch *watch)
{
    struct signalfd_siginfo got;
    while (!watch->dead && read(watch->fd, &got, sizeof got) == (ssize_t)sizeof got) {
        watch->fn.on_signal(watch->context, (int)got.ssi_signo);
    }
}

static void on_event(struct mw_loop *loop, const struct epoll_event *event)
{
    struct mw_loop_watch *watch = event->data.ptr;
    if (watch == NULL) {
        uint64_t count;
        (void)!read(loop->wake, &count, sizeof count);
        return;
    }
    if (watch->dead) {
        return;
    }
    if (watch->kind == KIND_SIGNALS) {
        on_signals(watch);
        return;
    }
    /* An error or a hang-up shows at the next read or write, whichever the owner waits for. */
    uint32_t events = event->events & (uint32_t)(EPOLLIN | EPOLLOUT);
    if ((event->events & (uint32_t)(EPOLLERR | EPOLLHUP)) != 0) {
        events |= watch->events;
    }
    events &= watch->events; /* an earlier callback of this round may have changed them */
    if (events != 0) {
        watch->fn.on_fd(watch->context, events);
    }
}

/* Timers that this round's callbacks set wait for the next round, so that one that sets itself
 * without delay does not keep the loop from its descriptors. */
static void run_timers(struct mw_loop *loop)
{
    int64_t now = mw_clock_monotonic();
    uint64_t last = loop->heap.order;
    for (;;) {
        struct mw_timer *timer = mw_timer_heap_first(&loop->heap);
        if (timer == NULL || timer->due > now || timer->order > last) {
            return;
        }
        struct mw_loop_watch *watch = watch_of(timer);
        if (watch->interval > 0) {
            /* Beats that were missed are left out, not made up for. */
            int64_t due = later(timer->due, watch->interval);
            mw_timer_heap_put(&loop->heap, timer, due > now ? due : later(now, watch->interval));
        } else {
            mw_timer_heap_take(&loop->heap, timer);
        }
        watch->fn.on_time(watch->context);
    }
}

static void run_afters(struct mw_loop *loop)
{
    size_t n = loop->afters;
    for (size_t i = 0; i < n; i++) {
        if (!loop->after[i]->dead) {
            loop->after[i]->fn.on_time(loop->after[i]->context);
        }
    }
}

static int wait_events(struct mw_loop *loop, struct epoll_event *events)
{
    struct mw_timer *first = mw_timer_heap_first(&loop->heap);
    int64_t wait = -1;
    if (atomic_load(&loop->stop)) {
        wait = 0;
    } else if (first != NULL) {
        int64_t now = mw_clock_monotonic();
        wait = first->due > now ? first->due - now : 0;
    }
    if (!loop->coarse) {
        struct timespec time = {.tv_sec = (time_t)(wait / MW_SECOND),
                                .tv_nsec = (long)(wait % MW_SECOND) * 1000};
        int n = epoll_pwait2(loop->epoll, events, EVENTS, wait < 0 ? NULL : &time, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return n;
        }
        loop->coarse = true; /* a kernel before 5.11, or a sandbox that does not know the call */
    }
    int64_t milliseconds = wait < 0 ? -1 : wait / 1000 + (wait % 1000 != 0);
    return epoll_wait(loop->epoll, events, EVENTS,
                      milliseconds > 3600000 ? 3600000 : (int)milliseconds);
}

mw_err mw_loop_run(struct mw_loop *loop, struct mw_error *error)
{
    mw_err err = MW_OK;
    while (err == MW_OK && !atomic_load(&loop->stop)) {
        struct epoll_event events[EVENTS];
        int n = wait_events(loop, events);
        if (n < 0 && errno != EINTR) {
            err = mw_error_errno(error, MW_ERR_IO, "loop");
            break;
        }
        loop->in_round = true;
        for (int i = 0; i < n; i++) {
            on_event(loop, &events[i]);
        }
        run_timers(loop);
        run_afters(loop);
        loop->in_round = false;
        bury(loop);
    }
    atomic_store(&loop->stop, false); /* so that it can run again */
    return err;
}

void mw_loop_wake(struct mw_loop *loop)
{
    static const uint64_t one = 1;
    (void)!write(loop->wake, &one, sizeof one);
}

void mw_loop_stop(struct mw_loop *loop)
{
    atomic_store(&loop->stop, true);
    mw_loop_wake(loop);
}
