#include "lib/base/clock.h"

#include "lib/base/test.h"

static int64_t parsed(const char *text)
{
    int64_t value = -1;
    assert_int_equal(mw_clock_parse(mw_span_of(text), &value), MW_OK);
    return value;
}

static void prints_utc(void **state)
{
    (void)state;
    char text[32];
    mw_clock_print(text, 0);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    mw_clock_print(text, INT64_C(1795431511123456));
    assert_string_equal(text, "2026-11-23T10:58:31.123Z");
    mw_clock_print(text, -1);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    mw_clock_print(text, INT64_MAX);
    assert_string_equal(text, "294247-01-10T04:00:54.775Z");
    mw_clock_print(text, INT64_MIN);
    assert_true(strlen(text) < 32);
}

static void parses_dates_and_times(void **state)
{
    (void)state;
    assert_int_equal(parsed("1970-01-01"), 0);
    assert_int_equal(parsed("2026-11-23T10:58:31.123456Z"), INT64_C(1795431511123456));
    assert_int_equal(parsed("2026-11-23 10:58:31"), INT64_C(1795431511000000));
    assert_int_equal(parsed("2026-11-23T12:58:31+02:00"), INT64_C(1795431511000000));
    assert_int_equal(parsed("2026-11-23T05:28:31-05:30"), INT64_C(1795431511000000));
    assert_int_equal(parsed("1970-01-01 00:00:00.0000005"), 1);
    assert_int_equal(parsed("1970-01-01 00:00:00.00000049"), 0);
    assert_int_equal(parsed("2024-02-29"), INT64_C(1709164800000000));
    assert_int_equal(parsed("1969-12-31 23:59:59"), -1000000);
    assert_int_equal(parsed("0000-03-01"), INT64_C(-62162035200) * 1000000);
}

static void printing_and_parsing_agree_through_the_years(void **state)
{
    (void)state;
    for (int64_t seconds = INT64_C(-62167219200); seconds < INT64_C(253402300800);
         seconds += 86400 * 97 + 3601) {
        char text[32];
        mw_clock_print(text, seconds * 1000000);
        assert_int_equal(parsed(text), seconds * 1000000);
    }
}

static void refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const broken[] = {"",
                                         "2026",
                                         "2026-1-1",
                                         "2026-01-01 ",
                                         "2026-01-01 10:00",
                                         "2026-01-01 10:00:00.",
                                         "2026-01-01 10:00:00x",
                                         "2026-01-01 10:00:00 Z",
                                         "2026-01-01 10:00:00+0200",
                                         "2026-01-01x"};
    static const char *const nowhere[] = {
        "2026-02-29", "2026-13-01",          "2026-00-10",          "2026-01-00",
        "1900-02-29", "2026-01-01 24:00:00", "2026-01-01 10:60:00", "2026-01-01 10:00:60"};
    int64_t value = 7;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        assert_int_equal(mw_clock_parse(mw_span_of(broken[i]), &value), MW_ERR_PARSE);
    }
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        assert_int_equal(mw_clock_parse(mw_span_of(nowhere[i]), &value), MW_ERR_RANGE);
    }
    assert_int_equal(value, 7);
}

static void clocks_run(void **state)
{
    (void)state;
    int64_t before = mw_clock_monotonic();
    assert_true(mw_clock_monotonic() >= before);
    assert_true(mw_clock_system.now(mw_clock_system.context) > INT64_C(1700000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_utc),
        cmocka_unit_test(parses_dates_and_times),
        cmocka_unit_test(printing_and_parsing_agree_through_the_years),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
