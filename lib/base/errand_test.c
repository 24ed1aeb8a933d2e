#include "lib/base/errand.h"

#include "lib/base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG (60 * MW_SECOND)

/* Work that ends when the test lets it. */
struct gate {
    int in, out;
    int done;
};

static void pass(void *context)
{
    struct gate *gate = context;
    char byte;
    assert_int_equal(read(gate->out, &byte, 1), 1);
    gate->done++;
}

static int readable(const struct mw_errand *errand, int wait)
{
    struct pollfd one = {.fd = mw_errand_fd(errand), .events = POLLIN};
    return poll(&one, 1, wait);
}

static void test_goes_on_behind_the_back(void **state)
{
    (void)state;
    struct mw_errand *errand;
    int ends[2];
    assert_int_equal(mw_errand_new(&errand, NULL), MW_OK);
    assert_int_equal(pipe(ends), 0);
    struct gate gate = {ends[1], ends[0], 0};
    assert_true(mw_errand_wait(errand, 0));
    for (int i = 0; i < 100; i++) {
        mw_errand_start(errand, pass, &gate);
        assert_false(mw_errand_wait(errand, 0));
        assert_false(mw_errand_wait(errand, i % 10 == 0 ? 2000 : 0));
        assert_int_equal(write(gate.in, "x", 1), 1);
        if (i % 2 == 0) {
            assert_int_equal(readable(errand, 60000), 1);
        }
        assert_true(mw_errand_wait(errand, LONG));
        assert_int_equal(gate.done, i + 1);
        assert_int_equal(readable(errand, 0), 0);
    }
    mw_errand_start(errand, pass, &gate);
    assert_int_equal(write(gate.in, "x", 1), 1);
    mw_errand_free(errand); /* waits */
    assert_int_equal(gate.done, 101);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_goes_on_behind_the_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
