/* number_test.c - numbers against libc's, and against what is known by hand. */
#include "core/wire/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* splitmix64 (Steele, Lea, Flood, 2014): the same inputs in every run. */
static uint64_t random_state = 1;
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

static uint32_t bits_of_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Both widths of one text against strtof and strtod, bit by bit. */
static void check_against_libc(const char *text)
{
    float f = 0;
    double d = 0;
    float want_f = strtof(text, NULL);
    double want_d = strtod(text, NULL);
    mw_err err_f = mw_number_parse_f32(mw_span_of(text), &f);
    mw_err err_d = mw_number_parse_f64(mw_span_of(text), &d);
    if (err_f != (isinf(want_f) ? MW_ERR_RANGE : MW_OK) ||
        err_d != (isinf(want_d) ? MW_ERR_RANGE : MW_OK) ||
        (err_f == MW_OK && bits_of_f32(f) != bits_of_f32(want_f)) ||
        (err_d == MW_OK && bits_of_f64(d) != bits_of_f64(want_d))) {
        fail_msg("%.100s: float32 %a (error %d) not %a, float64 %a (error %d) not %a", text,
                 (double)f, (int)err_f, (double)want_f, d, (int)err_d, want_d);
    }
}

static void floats_of_random_bits_read_as_libc_reads_them(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = next_random();
        double d;
        memcpy(&d, &bits, sizeof d);
        float f = f32_of_bits((uint32_t)bits);
        char text[64];
        if (isfinite(d)) {
            (void)snprintf(text, sizeof text, "%.*e", (int)(next_random() % 25), d);
            check_against_libc(text);
        }
        if (isfinite(f)) {
            (void)snprintf(text, sizeof text, "%.*e", (int)(next_random() % 25), (double)f);
            check_against_libc(text);
        }
    }
}

static void short_decimals_read_as_libc_reads_them(void **state)
{
    (void)state;
    for (int i = 0; i < 500000; i++) {
        char text[64];
        uint64_t digits = next_random() >> (next_random() % 64);
        int exponent = (int)(next_random() % 100) - 60;
        (void)snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
        check_against_libc(text);
        (void)snprintf(text, sizeof text, "-%llu.%08llu", (unsigned long long)(digits % 100000),
                       (unsigned long long)(next_random() % 100000000));
        check_against_libc(text);
    }
}

/* The hardest inputs: the exact middle between two neighbours, and one digit off at its far end. */
static void middles_between_floats_read_as_libc_reads_them(void **state)
{
    (void)state;
    static char text[2000];
    for (int i = 0; i < 6000; i++) {
        float f = f32_of_bits((uint32_t)next_random() & 0x7FFFFFFFU);
        float up = nextafterf(f, INFINITY);
        if (!isfinite(f) || !isfinite(up)) {
            continue;
        }
        double middle = ((double)f + (double)up) / 2; /* exact: float64 has the bits to spare */
        int n = snprintf(text, sizeof text, "%.200f", middle);
        check_against_libc(text);
        text[n - 1] = '1';
        check_against_libc(text);
        (void)snprintf(text, sizeof text, "%.40e", nextafter(middle, 0));
        check_against_libc(text);
    }
    for (int i = 0; i < 1500; i++) {
        uint64_t bits = next_random() & 0x7FFFFFFFFFFFFFFFU;
        double d;
        memcpy(&d, &bits, sizeof d);
        double up = nextafter(d, (double)INFINITY);
        if (!isfinite(d) || !isfinite(up)) {
            continue;
        }
        long double middle = ((long double)d + (long double)up) / 2;
        int n = snprintf(text, sizeof text, "%.1100Lf", middle);
        check_against_libc(text);
        text[n - 1] = '1';
        check_against_libc(text);
    }
}

static const char *const edges[] = {
    "0",
    "-0",
    "0.0",
    "-0.0e5",
    "0e999999999999999999999999",
    "1",
    "-1",
    "1e0",
    "1E+2",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "1.7976931348623159e308",
    "179769313486231580793e289",
    "4.9e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "2.2250738585072011e-308",
    "2.2250738585072014e-308",
    "3.4028234663852886e38",
    "3.4028235677973366e38",
    "3.40282356779733661637539395458e38",
    "3.4028235677973365e38",
    "1.401298464324817e-45",
    "7.006492321624085e-46",
    "7.0064923216240853546186479164495806564013097093825788587853e-46",
    "7.0064923216240853546186479164495806564013097093825788587854e-46",
    "1.1754943508222875e-38",
    "1.1754942807573643e-38",
    "16777217",
    "16777217.0000000000001",
    "9007199254740993",
    "9007199254740993.00000000000000000000000000000000000001",
    "9223372036854775808",
    "18446744073709551616",
    "18446744073709551615e-5",
    "123456789012345678901234567890",
    "0.000000000000000000000000000000000000000000001",
    "1e22",
    "1e23",
    "8.5e22",
    "1e-22",
    "1e-23",
    "9999999999999999999e27",
    "9999999999999999999e-27",
    "9999999999999999999e28",
    "1e310",
    "1e311",
    "-1e400",
    "2321624085354651e6479164",
    "9e999999999999999999999",
    "1e-350",
    "1e-100000000000",
    "0.1",
    "0.2",
    "0.3",
    "4.1",
    "2.5e-1",
    "1e38",
    "1e39",
    "-1e39",
    "-1e-50",
};

static void floats_at_the_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        check_against_libc(edges[i]);
    }
}

/* A long row of zeros and an exponent that takes it back: 0.000...1e+n and 1000...0e-n. */
static void long_texts_keep_their_value(void **state)
{
    (void)state;
    enum { ZEROS = 5000 };
    static char text[ZEROS + 100];
    memset(text, '0', sizeof text);
    text[1] = '.';
    (void)snprintf(text + ZEROS, 50, "123456789123456789123e%d", ZEROS);
    check_against_libc(text);
    memset(text, '0', sizeof text);
    text[0] = '7';
    (void)snprintf(text + ZEROS, 50, "e-%d", ZEROS + 20);
    check_against_libc(text);
    memset(text, '9', sizeof text);
    (void)snprintf(text + ZEROS, 50, ".9e-%d", ZEROS);
    check_against_libc(text);
    memset(text, '1', sizeof text);
    (void)snprintf(text + ZEROS, 50, "e999999999999999999999");
    float f;
    assert_int_equal(mw_number_parse_f32(mw_span_of(text), &f), MW_ERR_RANGE);
    (void)snprintf(text + ZEROS, 50, "e-999999999999999999999");
    check_against_libc(text);
}

static void what_is_not_a_json_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "-",     "+1",  ".5",  "1.",    "01",       "-01",   "00",  "1e",   "1e+", "1e-",
        "e1",   "1.e1",  "0x1", "nan", "inf",   "-inf",     "NaN",   "1 ",  " 1",   "1f",  "1,5",
        "1e5.", "1e1e1", "--1", "-.1", "1.2.3", "Infinity", "1_000", "- 1", "1e 5", "1/2", ":",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        float f;
        double d;
        int64_t t;
        assert_int_equal(mw_number_parse_f32(mw_span_of(texts[i]), &f), MW_ERR_PARSE);
        assert_int_equal(mw_number_parse_f64(mw_span_of(texts[i]), &d), MW_ERR_PARSE);
        assert_int_equal(mw_number_parse_time(mw_span_of(texts[i]), &t), MW_ERR_PARSE);
    }
    float f;
    assert_int_equal(mw_number_parse_f32((struct mw_span){NULL, 0}, &f), MW_ERR_PARSE);
}

/* The fewest digits of %.*e that read back; the printed text must not have more. */
static int fewest_digits(float value)
{
    char text[32];
    for (int n = 1; n < 9; n++) {
        (void)snprintf(text, sizeof text, "%.*e", n - 1, (double)value);
        if (strtof(text, NULL) == value) {
            return n;
        }
    }
    return 9;
}

static int count_digits(const char *text)
{
    char digits[MW_NUMBER_TEXT];
    int n = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (n > 0 || *text != '0')) {
            digits[n++] = *text;
        }
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    return n;
}

static void check_print(float value)
{
    char text[MW_NUMBER_TEXT];
    size_t n = mw_number_print_f32(text, value);
    float back = 0;
    if (n != strlen(text) || n >= MW_NUMBER_TEXT ||
        mw_number_parse_f32(mw_span_of(text), &back) != MW_OK ||
        bits_of_f32(back) != bits_of_f32(value) || strtof(text, NULL) != value) {
        fail_msg("%a is printed as %s, which reads as %a", (double)value, text, (double)back);
    }
    int fewest = fewest_digits(value);
    if (count_digits(text) > fewest) {
        fail_msg("%a is printed as %s, but %d digits would do", (double)value, text, fewest);
    }
    if (count_digits(text) == fewest) { /* %.*e rounds the value itself: nothing is nearer */
        char nearest[32];
        (void)snprintf(nearest, sizeof nearest, "%.*e", fewest - 1, (double)value);
        double distance = fabs(strtod(text, NULL) - (double)value);
        if (distance > fabs(strtod(nearest, NULL) - (double)value)) {
            fail_msg("%a is printed as %s, but %s is nearer", (double)value, text, nearest);
        }
    }
}

static void floats_print_shortest_and_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < 400000; i++) {
        float value = f32_of_bits((uint32_t)next_random());
        if (isfinite(value)) {
            check_print(value);
        }
    }
    for (uint32_t exponent = 0; exponent < 255; exponent++) { /* around every power of two */
        for (uint32_t i = 0; i < 5; i++) {
            check_print(f32_of_bits((exponent << 23) + i));
            check_print(f32_of_bits((exponent << 23) + 0x7FFFFFU - i));
        }
    }
    for (int e = -45; e <= 38; e++) { /* and every power of ten */
        char text[16];
        (void)snprintf(text, sizeof text, "1e%d", e);
        float value = strtof(text, NULL);
        check_print(value);
        check_print(nextafterf(value, 0));
        check_print(nextafterf(value, INFINITY));
    }
}

static void floats_print_in_the_documented_form(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {4.1F, "4.1"},
        {0.001F, "0.001"},
        {1e-7F, "1e-07"},
        {1e20F, "1e+20"},
        {0.0F, "0"},
        {-0.0F, "-0"},
        {1.0F, "1"},
        {-2.5F, "-2.5"},
        {100.0F, "100"},
        {0.0001F, "0.0001"},
        {0.00001F, "1e-05"},
        {16777216.0F, "16777216"},
        {1e15F, "1000000000000000"},
        {1e16F, "1e+16"},
        {3.4028235e38F, "3.4028235e+38"},
        {1e-45F, "1e-45"},
        {1.1754944e-38F, "1.1754944e-38"},
        {-1.5e-10F, "-1.5e-10"},
        {123456.79F, "123456.79"},
        {0.1F, "0.1"},
        {0.3F, "0.3"},
        {33554432.0F, "33554432"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[MW_NUMBER_TEXT];
        size_t n = mw_number_print_f32(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(n, strlen(cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_of_random_bits_read_as_libc_reads_them),
        cmocka_unit_test(short_decimals_read_as_libc_reads_them),
        cmocka_unit_test(middles_between_floats_read_as_libc_reads_them),
        cmocka_unit_test(floats_at_the_edges),
        cmocka_unit_test(long_texts_keep_their_value),
        cmocka_unit_test(what_is_not_a_json_number_is_refused),
        cmocka_unit_test(floats_print_shortest_and_read_back),
        cmocka_unit_test(floats_print_in_the_documented_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
