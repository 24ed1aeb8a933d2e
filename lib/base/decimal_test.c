#include "lib/base/decimal.h"

#include "lib/base/test.h"

static void numbers_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char sign;
        double value;
    } rows[] = {{"1.5", '.', 1.5},      {"+1.5", '.', 1.5},     {".5", '.', 0.5},
                {"-.5e1", '.', -5},     {"5.", '.', 5},         {"007", '.', 7},
                {"-00.25", '.', -0.25}, {"1e-05", '.', 1e-5},   {"2.E3", '.', 2000},
                {"1,5", ',', 1.5},      {"-0,001", ',', -1e-3}, {"12", ',', 12},
                {",5", ',', 0.5},       {"0", '.', 0},          {"000", ',', 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value = -77;
        assert_int_equal(mw_decimal_parse(mw_span_of(rows[i].text), rows[i].sign, &value), MW_OK);
        assert_true(value == rows[i].value);
    }
}

static void what_is_no_number(void **state)
{
    (void)state;
    static const char *const points[] = {
        "",    " ",   "-",  "+",  ".",   "-.",  "e5",    "1e",  "1,5",      "1.2.3", "0x10",
        "nan", "inf", "1 ", " 1", "--1", "+-1", "1e5.5", "NaN", "Infinity", "1_000", ".e5"};
    static const char *const commas[] = {"1.5", "1,5,2", "1.000,5", ",", "1,e", "-,"};
    double value = 7;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        assert_int_equal(mw_decimal_parse(mw_span_of(points[i]), '.', &value), MW_ERR_PARSE);
    }
    for (size_t i = 0; i < sizeof commas / sizeof commas[0]; i++) {
        assert_int_equal(mw_decimal_parse(mw_span_of(commas[i]), ',', &value), MW_ERR_PARSE);
    }
    assert_int_equal(mw_decimal_parse(mw_span_of("1e999"), '.', &value), MW_ERR_RANGE);
    assert_int_equal(mw_decimal_parse(mw_span_of("1e999"), ',', &value), MW_ERR_RANGE);
}

static void times_are_exact(void **state)
{
    (void)state;
    int64_t value;
    assert_int_equal(mw_decimal_parse_time(mw_span_of("1767225600,000001"), ',', &value), MW_OK);
    assert_int_equal(value, INT64_C(1767225600000001));
    assert_int_equal(mw_decimal_parse_time(mw_span_of("2026-01-01"), '.', &value), MW_ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_people_write_them),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(times_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
