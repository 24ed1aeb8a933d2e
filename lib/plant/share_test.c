#include "lib/plant/share.h"

#include "lib/base/test.h"

#include <stdio.h>

enum { DEVICES = 4000 };

static size_t share_of_number(int i, size_t shares)
{
    char name[32];
    snprintf(name, sizeof name, "motor-%d", i);
    return mw_share_of(mw_span_of(name), shares);
}

static void shares_are_about_equal(void **state)
{
    (void)state;
    size_t count[5] = {0};
    for (int i = 0; i < DEVICES; i++) {
        assert_int_equal(share_of_number(i, 1), 0);
        size_t share = share_of_number(i, 5);
        assert_true(share < 5);
        count[share]++;
    }
    for (size_t i = 0; i < 5; i++) {
        assert_in_range(count[i], DEVICES / 5 * 8 / 10, DEVICES / 5 * 12 / 10);
    }
}

static void one_more_moves_devices_only_to_itself(void **state)
{
    (void)state;
    int moved = 0;
    for (int i = 0; i < DEVICES; i++) {
        size_t before = share_of_number(i, 3), after = share_of_number(i, 4);
        assert_true(after == before || after == 3);
        moved += after != before;
    }
    assert_in_range(moved, DEVICES / 4 * 8 / 10, DEVICES / 4 * 12 / 10);
}

/* The hash is part of what a stream means: another one would part a device from its position. */
static void a_device_stays_where_it_is(void **state)
{
    (void)state;
    size_t found[8];
    for (int i = 0; i < 8; i++) {
        found[i] = share_of_number(i, 4);
    }
    const size_t known[8] = {0, 0, 1, 2, 2, 0, 1, 1};
    assert_memory_equal(found, known, sizeof known);
}

static void the_first_share_has_the_plain_name(void **state)
{
    (void)state;
    char name[MW_SHARE_NAME];
    mw_share_name(0, name);
    assert_string_equal(name, "bridge");
    mw_share_name(MW_SHARES_MAX - 1, name);
    assert_string_equal(name, "bridge-63");
    mw_share_writer("score", 0, name);
    assert_string_equal(name, "score");
    mw_share_writer("score", 2, name);
    assert_string_equal(name, "score-2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_about_equal),
        cmocka_unit_test(one_more_moves_devices_only_to_itself),
        cmocka_unit_test(a_device_stays_where_it_is),
        cmocka_unit_test(the_first_share_has_the_plain_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
