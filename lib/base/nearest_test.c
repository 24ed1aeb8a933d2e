#include "lib/base/nearest.h"

#include "lib/base/test.h"

static size_t distance(const char *a, const char *b)
{
    size_t there = mw_nearest_distance(mw_span_of(a), mw_span_of(b));
    assert_int_equal(there, mw_nearest_distance(mw_span_of(b), mw_span_of(a)));
    return there;
}

static void distances_are_those_of_the_definition(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("prot", "port"), 1);
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("ca", "abc"), 3); /* 2 if a part could be edited twice */
    assert_int_equal(distance("horizon", "horizn"), 1);
}

static void long_names_are_never_near(void **state)
{
    (void)state;
    char longer[130] = {0};
    memset(longer, 'x', 129);
    assert_true(distance(longer, "x") == MW_NEAREST_NEVER);
    longer[128] = 0;
    assert_int_equal(distance(longer, longer + 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_those_of_the_definition),
        cmocka_unit_test(long_names_are_never_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
