/* number_integer_test.c - integers and times. */
#include "core/wire/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void integers_read_within_their_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mw_err unsigned_err, signed_err;
        uint64_t u;
        int64_t i;
    } cases[] = {
        {"0", MW_OK, MW_OK, 0, 0},
        {"-0", MW_ERR_PARSE, MW_OK, 0, 0},
        {"42", MW_OK, MW_OK, 42, 42},
        {"-1", MW_ERR_PARSE, MW_OK, 0, -1},
        {"9223372036854775807", MW_OK, MW_OK, INT64_MAX, INT64_MAX},
        {"9223372036854775808", MW_OK, MW_ERR_RANGE, (uint64_t)INT64_MAX + 1, 0},
        {"-9223372036854775808", MW_ERR_PARSE, MW_OK, 0, INT64_MIN},
        {"-9223372036854775809", MW_ERR_PARSE, MW_ERR_RANGE, 0, 0},
        {"18446744073709551615", MW_OK, MW_ERR_RANGE, UINT64_MAX, 0},
        {"18446744073709551616", MW_ERR_RANGE, MW_ERR_RANGE, 0, 0},
        {"99999999999999999999999", MW_ERR_RANGE, MW_ERR_RANGE, 0, 0},
        {"99999999999999999999999x", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {"", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {"-", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {"+1", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {"01", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {"1.0", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {"1e3", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
        {" 1", MW_ERR_PARSE, MW_ERR_PARSE, 0, 0},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        uint64_t u = 7;
        int64_t i = 7;
        assert_int_equal(mw_number_parse_u64(mw_span_of(cases[n].text), &u), cases[n].unsigned_err);
        assert_int_equal(mw_number_parse_i64(mw_span_of(cases[n].text), &i), cases[n].signed_err);
        if (cases[n].unsigned_err == MW_OK) {
            assert_true(u == cases[n].u);
        }
        if (cases[n].signed_err == MW_OK) {
            assert_true(i == cases[n].i);
        }
    }
}

static void integers_print_and_read_back(void **state)
{
    (void)state;
    char text[MW_NUMBER_TEXT];
    assert_int_equal(mw_number_print_u64(text, UINT64_MAX), 20);
    assert_string_equal(text, "18446744073709551615");
    assert_int_equal(mw_number_print_u64(text, 0), 1);
    assert_string_equal(text, "0");
    assert_int_equal(mw_number_print_i64(text, INT64_MIN), 20);
    assert_string_equal(text, "-9223372036854775808");
    assert_int_equal(mw_number_print_i64(text, INT64_MAX), 19);
    assert_string_equal(text, "9223372036854775807");
    assert_int_equal(mw_number_print_i64(text, -10), 3);
    assert_string_equal(text, "-10");
}

static void times_read_to_the_microsecond(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mw_err err;
        int64_t microseconds;
    } cases[] = {
        {"0", MW_OK, 0},
        {"-0.0", MW_OK, 0},
        {"1.5", MW_OK, 1500000},
        {"1735689600", MW_OK, 1735689600000000},
        {"1735689600.123456", MW_OK, 1735689600123456},
        {"1735689600.1234564999", MW_OK, 1735689600123456},
        {"1735689600.1234565", MW_OK, 1735689600123457},
        {"-1735689600.1234565", MW_OK, -1735689600123457},
        {"0.0000005", MW_OK, 1},
        {"-0.0000005", MW_OK, -1},
        {"0.00000049999999999999999999999999", MW_OK, 0},
        {"0.00000000000000000000000000000000001", MW_OK, 0},
        {"9e-7", MW_OK, 1},
        {"9e-8", MW_OK, 0},
        {"1e-99999999999999999999", MW_OK, 0},
        {"1.735689600123456e9", MW_OK, 1735689600123456},
        {"1234567890123.4567894", MW_OK, 1234567890123456789},
        {"1234567890123.4567895", MW_OK, 1234567890123456790},
        {"1234567890123.45678949999", MW_OK, 1234567890123456789},
        {"9223372036854.775807", MW_OK, INT64_MAX},
        {"-9223372036854.775808", MW_OK, INT64_MIN},
        {"9223372036854.775808", MW_ERR_RANGE, 0},
        {"9223372036854.7758075", MW_ERR_RANGE, 0},
        {"-9223372036854.775809", MW_ERR_RANGE, 0},
        {"1e13", MW_ERR_RANGE, 0},
        {"1e99999999999999999999", MW_ERR_RANGE, 0},
        {"0e99999999999999999999", MW_OK, 0},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        int64_t t = 7;
        assert_int_equal(mw_number_parse_time(mw_span_of(cases[n].text), &t), cases[n].err);
        if (cases[n].err == MW_OK) {
            assert_true(t == cases[n].microseconds);
        }
    }
}

static void times_print_no_more_digits_than_needed(void **state)
{
    (void)state;
    static const struct {
        int64_t microseconds;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1500000, "1.5"},
        {1, "0.000001"},
        {-1, "-0.000001"},
        {1735689600000000, "1735689600"},
        {1735689600123450, "1735689600.12345"},
        {-2000000, "-2"},
        {INT64_MAX, "9223372036854.775807"},
        {INT64_MIN, "-9223372036854.775808"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        char text[MW_NUMBER_TEXT];
        int64_t back = 7;
        assert_int_equal(mw_number_print_time(text, cases[n].microseconds), strlen(cases[n].text));
        assert_string_equal(text, cases[n].text);
        assert_int_equal(mw_number_parse_time(mw_span_of(text), &back), MW_OK);
        assert_true(back == cases[n].microseconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_read_within_their_range),
        cmocka_unit_test(integers_print_and_read_back),
        cmocka_unit_test(times_read_to_the_microsecond),
        cmocka_unit_test(times_print_no_more_digits_than_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
