/* test_loop.h - a loop that runs until something holds, or the test has failed. */
#ifndef MW_BASE_TEST_LOOP_H
#define MW_BASE_TEST_LOOP_H

#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/test.h"

#define TEST_LIMIT (30 * MW_SECOND) /* a test that waits longer has failed */

struct running {
    struct mw_loop *loop;
    bool (*done)(void *context);
    void *context;
    bool late;
};

static inline void run_check(void *context)
{
    struct running *running = context;
    if (running->done(running->context)) {
        mw_loop_stop(running->loop);
    }
}

static inline void run_late(void *context)
{
    struct running *running = context;
    running->late = true;
    mw_loop_stop(running->loop);
}

/* Runs until done(context) holds; fails the test after TEST_LIMIT. */
static inline void run_until(struct mw_loop *loop, bool (*done)(void *context), void *context)
{
    struct running running = {.loop = loop, .done = done, .context = context};
    struct mw_loop_watch *check = NULL, *limit = NULL;
    assert_ok(mw_loop_add_after(loop, run_check, &running, &check, error));
    assert_ok(mw_loop_add_timer(loop, TEST_LIMIT, 0, run_late, &running, &limit, error));
    mw_loop_wake(loop);
    assert_ok(mw_loop_run(loop, error));
    mw_loop_remove(loop, check);
    mw_loop_remove(loop, limit);
    assert_false(running.late);
}

#endif
