#include "lib/base/role.h"

#include "lib/base/test.h"

#include <fcntl.h>
#include <signal.h>

static void on_time(void *context)
{
    kill(getpid(), *(const int *)context);
}

static void terminate_and_interrupt_stop_it(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        struct mw_role role;
        struct mw_error error = {0};
        assert_int_equal(mw_role_init(&role, "bridge", &error), MW_OK);
        assert_string_equal(role.name, "bridge");
        assert_int_equal(mw_loop_add_timer(role.loop, 0, 0, on_time, (void *)(uintptr_t)&signals[i],
                                           NULL, &error),
                         MW_OK);
        alarm(30);
        assert_int_equal(mw_role_run(&role, &error), MW_OK);
        alarm(0);
        mw_role_clear(&role);
    }
}

static void running_says_ready(void **state)
{
    (void)state;
    int fd[2];
    char number[16], text[16] = {0};
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    snprintf(number, sizeof number, "%d", fd[1]);
    setenv("MILLWRIGHT_READY_FD", number, 1);
    struct mw_role role;
    struct mw_error error = {0};
    assert_int_equal(mw_role_init(&role, "score", &error), MW_OK);
    mw_loop_stop(role.loop);
    assert_int_equal(mw_role_run(&role, &error), MW_OK);
    assert_int_equal(read(fd[0], text, sizeof text), 5);
    assert_string_equal(text, "READY");
    assert_int_equal(read(fd[0], text, sizeof text), 0);
    close(fd[0]);
    mw_role_clear(&role);
    /* A peer that is gone is an error, not the end. */
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    close(fd[0]);
    assert_int_equal(write(fd[1], "x", 1), -1);
    close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminate_and_interrupt_stop_it),
        cmocka_unit_test(running_says_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
