#include "lib/base/loop.h"

#include "lib/base/clock.h"
#include "lib/base/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

/* What callbacks do is written down here, a letter each. */
static struct {
    struct mw_loop *loop;
    struct mw_loop_watch *watch[4];
    char said[4096];
    size_t n;
    int fd[2];
} t;

static void say(char c)
{
    assert_true(t.n < sizeof t.said - 1);
    t.said[t.n++] = c;
    t.said[t.n] = 0;
}

static int make(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    struct mw_error error = {0};
    assert_int_equal(mw_loop_new(&t.loop, &error), MW_OK);
    assert_int_equal(pipe2(t.fd, O_NONBLOCK | O_CLOEXEC), 0);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    mw_loop_free(t.loop);
    close(t.fd[0]);
    close(t.fd[1]);
    return 0;
}

static void run(void)
{
    struct mw_error error = {0};
    alarm(
        30); /* a loop that hangs fails here instead of at the end of the whole suite's patience */
    assert_int_equal(mw_loop_run(t.loop, &error), MW_OK);
    alarm(0);
}

static void on_time(void *context)
{
    say(*(const char *)context);
}

static void on_last(void *context)
{
    say(*(const char *)context);
    mw_loop_stop(t.loop);
}

static struct mw_loop_watch *timer(int64_t delay, int64_t interval, mw_loop_fn *fn,
                                   const char *name)
{
    struct mw_loop_watch *watch;
    struct mw_error error = {0};
    assert_int_equal(
        mw_loop_add_timer(t.loop, delay, interval, fn, (void *)(uintptr_t)name, &watch, &error),
        MW_OK);
    return watch;
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    timer(3000, 0, on_last, "z");
    timer(2000, 0, on_time, "c");
    timer(1000, 0, on_time, "b");
    timer(0, 0, on_time, "a");
    mw_loop_set_timer(t.loop, timer(0, 0, on_time, "x"), -1, 0);
    mw_loop_remove(t.loop, timer(500, 0, on_time, "y"));
    run();
    assert_string_equal(t.said, "abcz");
}

static void on_beat(void *context)
{
    on_time(context);
    if (t.n == 5) {
        mw_loop_remove(t.loop, t.watch[0]);
        timer(0, 0, on_last, "!");
    }
}

static void intervals_repeat_until_removed(void **state)
{
    (void)state;
    t.watch[0] = timer(100, 100, on_beat, ".");
    run();
    assert_string_equal(t.said, ".....!");
}

static void on_set_again(void *context)
{
    on_time(context);
    if (t.n < 3) {
        mw_loop_set_timer(t.loop, t.watch[0], 10, 0);
    } else {
        mw_loop_stop(t.loop);
    }
}

static void a_timer_that_fired_can_be_set_again(void **state)
{
    (void)state;
    t.watch[0] = timer(0, 0, on_set_again, "a");
    run();
    assert_string_equal(t.said, "aaa");
}

static void on_busy(void *context)
{
    (void)context;
    mw_loop_set_timer(t.loop, t.watch[0], 0, 0);
}

static void on_readable(void *context, uint32_t events)
{
    (void)context;
    assert_int_equal(events, EPOLLIN);
    char c;
    assert_int_equal(read(t.fd[0], &c, 1), 1);
    say(c);
    if (c == '!') {
        mw_loop_stop(t.loop);
    }
}

static void a_timer_without_delay_starves_nobody(void **state)
{
    (void)state;
    struct mw_error error = {0};
    t.watch[0] = timer(0, 0, on_busy, "");
    assert_int_equal(
        mw_loop_add_fd(t.loop, t.fd[0], EPOLLIN, on_readable, NULL, &t.watch[1], &error), MW_OK);
    assert_int_equal(write(t.fd[1], "ab!", 3), 3);
    run();
    assert_string_equal(t.said, "ab!");
}

/* Both ends of a pipe are ready in one round; whichever comes first removes both. */
static void on_either(void *context, uint32_t events)
{
    (void)context;
    (void)events;
    say('e');
    mw_loop_remove(t.loop, t.watch[0]);
    mw_loop_remove(t.loop, t.watch[1]);
    mw_loop_remove(t.loop, NULL);
    timer(1000, 0, on_last, "!");
}

static void what_a_callback_removes_is_not_called(void **state)
{
    (void)state;
    struct mw_error error = {0};
    assert_int_equal(write(t.fd[1], "x", 1), 1);
    assert_int_equal(mw_loop_add_fd(t.loop, t.fd[0], EPOLLIN, on_either, NULL, &t.watch[0], &error),
                     MW_OK);
    assert_int_equal(
        mw_loop_add_fd(t.loop, t.fd[1], EPOLLOUT, on_either, NULL, &t.watch[1], &error), MW_OK);
    run();
    assert_string_equal(t.said, "e!");
}

static void on_removes_the_next(void *context)
{
    on_time(context);
    mw_loop_remove(t.loop, t.watch[0]);
    mw_loop_remove(t.loop, t.watch[1]);
}

static void timers_and_afters_can_be_removed_by_others(void **state)
{
    (void)state;
    struct mw_error error = {0};
    timer(0, 0, on_removes_the_next, "a");
    t.watch[0] = timer(0, 0, on_time, "b");
    assert_int_equal(
        mw_loop_add_after(t.loop, on_time, (void *)(uintptr_t) "c", &t.watch[1], &error), MW_OK);
    timer(1000, 0, on_last, "!");
    run();
    assert_string_equal(t.said, "a!");
}

static void after_runs_once_a_round_behind_all_events(void **state)
{
    (void)state;
    struct mw_error error = {0};
    assert_int_equal(mw_loop_add_after(t.loop, on_time, (void *)(uintptr_t) ";", NULL, &error),
                     MW_OK);
    assert_int_equal(mw_loop_add_fd(t.loop, t.fd[0], EPOLLIN, on_readable, NULL, NULL, &error),
                     MW_OK);
    timer(0, 0, on_time, "t");
    timer(0, 0, on_time, "u");
    assert_int_equal(write(t.fd[1], "a!", 2), 2);
    run();
    assert_string_equal(t.said, "atu;!;");
}

static void on_hang_up(void *context, uint32_t events)
{
    (void)context;
    char c;
    assert_int_equal(events, EPOLLIN);
    assert_int_equal(read(t.fd[0], &c, 1), 0);
    say('h');
    /* Asking for nothing has to silence the hang-up, which epoll reports unasked. */
    assert_int_equal(mw_loop_set_events(t.loop, t.watch[0], 0), MW_OK);
    timer(2000, 0, on_last, "!");
}

static void a_hang_up_shows_as_readable(void **state)
{
    (void)state;
    struct mw_error error = {0};
    assert_int_equal(mw_loop_add_fd(t.loop, t.fd[0], 0, on_hang_up, NULL, &t.watch[0], &error),
                     MW_OK);
    assert_int_equal(mw_loop_set_events(t.loop, t.watch[0], EPOLLIN), MW_OK);
    close(t.fd[1]);
    t.fd[1] = -1;
    run();
    assert_string_equal(t.said, "h!");
}

static void files_cannot_be_watched(void **state)
{
    (void)state;
    struct mw_error error = {0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(mw_loop_add_fd(t.loop, fd, EPOLLIN, on_readable, NULL, &t.watch[0], &error),
                     MW_ERR_IO);
    assert_null(t.watch[0]);
    close(fd);
}

static void on_signal(void *context, int number)
{
    (void)context;
    say(number == SIGHUP ? 'h' : number == SIGTERM ? 't' : '?');
    if (number == SIGTERM) {
        mw_loop_stop(t.loop);
    }
}

static void on_raise(void *context)
{
    (void)context;
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
}

static void signals_come_as_events(void **state)
{
    (void)state;
    static const int signals[] = {SIGHUP, SIGTERM};
    struct mw_error error = {0};
    assert_int_equal(mw_loop_add_signals(t.loop, signals, 2, on_signal, NULL, &error), MW_OK);
    timer(0, 0, on_raise, "");
    run();
    assert_string_equal(t.said, "ht");
}

static void *stop_from_outside(void *context)
{
    (void)context;
    mw_loop_wake(t.loop);
    mw_loop_stop(t.loop);
    return NULL;
}

static void other_threads_may_stop_it(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, NULL), 0);
    run();
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* And it runs again. */
    timer(0, 0, on_last, "!");
    run();
    assert_string_equal(t.said, "!");
}

static void a_stop_before_the_start_counts(void **state)
{
    (void)state;
    mw_loop_stop(t.loop);
    run();
    assert_string_equal(t.said, "");
}

static void on_count(void *context)
{
    ++*(int *)context;
}

static void thousands_of_timers(void **state)
{
    (void)state;
    enum { N = 5000 };
    static struct mw_loop_watch *watches[N];
    struct mw_error error = {0};
    int count = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(
            mw_loop_add_timer(t.loop, (i * 7919) % 3000, 0, on_count, &count, &watches[i], &error),
            MW_OK);
    }
    for (int i = 0; i < N; i += 5) {
        mw_loop_remove(t.loop, watches[i]);
    }
    timer(5000, 0, on_last, "!");
    run();
    assert_int_equal(count, N - N / 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_order),
        TEST(intervals_repeat_until_removed),
        TEST(a_timer_that_fired_can_be_set_again),
        TEST(a_timer_without_delay_starves_nobody),
        TEST(what_a_callback_removes_is_not_called),
        TEST(timers_and_afters_can_be_removed_by_others),
        TEST(after_runs_once_a_round_behind_all_events),
        TEST(a_hang_up_shows_as_readable),
        TEST(files_cannot_be_watched),
        TEST(signals_come_as_events),
        TEST(other_threads_may_stop_it),
        TEST(a_stop_before_the_start_counts),
        TEST(thousands_of_timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
