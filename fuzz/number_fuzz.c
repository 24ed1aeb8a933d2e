/* number_fuzz.c - any bytes as a number: accepted or refused alike by all readers, read as libc
 * reads it, and printed so that it reads back. */
#include "core/wire/number.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

static void check_floats(struct mw_span text)
{
    float f = 0;
    double d = 0;
    mw_err err_f = mw_number_parse_f32(text, &f);
    mw_err err_d = mw_number_parse_f64(text, &d);
    must((err_f == MW_ERR_PARSE) == (err_d == MW_ERR_PARSE));
    if (err_f == MW_ERR_PARSE) {
        return;
    }
    char *copy = malloc(text.size + 1); /* libc wants its NUL */
    must(copy != NULL);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    char *end;
    float want_f = strtof(copy, &end);
    must(end == copy + text.size);
    double want_d = strtod(copy, &end);
    must(end == copy + text.size);
    free(copy);
    must((err_f == MW_ERR_RANGE) == (isinf(want_f) != 0));
    must((err_d == MW_ERR_RANGE) == (isinf(want_d) != 0));
    must(err_f != MW_OK || memcmp(&f, &want_f, sizeof f) == 0);
    must(err_d != MW_OK || memcmp(&d, &want_d, sizeof d) == 0);
}

static void check_integers(struct mw_span text)
{
    uint64_t u = 0;
    int64_t i = 0;
    mw_err err_u = mw_number_parse_u64(text, &u);
    mw_err err_i = mw_number_parse_i64(text, &i);
    char printed[MW_NUMBER_TEXT];
    if (err_u == MW_OK) {
        size_t n = mw_number_print_u64(printed, u);
        must(mw_span_equal((struct mw_span){printed, n}, text));
        must(err_i == (u > INT64_MAX ? MW_ERR_RANGE : MW_OK));
    }
    if (err_i == MW_OK && !mw_span_is(text, "-0")) {
        size_t n = mw_number_print_i64(printed, i);
        must(mw_span_equal((struct mw_span){printed, n}, text));
    }
}

static void check_time(struct mw_span text)
{
    int64_t microseconds;
    if (mw_number_parse_time(text, &microseconds) == MW_OK) {
        char printed[MW_NUMBER_TEXT];
        int64_t back = 0;
        size_t n = mw_number_print_time(printed, microseconds);
        must(n < MW_NUMBER_TEXT);
        must(mw_number_parse_time((struct mw_span){printed, n}, &back) == MW_OK);
        must(back == microseconds);
    }
}

static void check_printing(const uint8_t *data, size_t size)
{
    float value;
    if (size < sizeof value) {
        return;
    }
    memcpy(&value, data, sizeof value);
    char printed[MW_NUMBER_TEXT];
    size_t n = mw_number_print_f32(printed, value);
    must(n < MW_NUMBER_TEXT && printed[n] == '\0');
    float back = 0;
    if (isfinite(value)) {
        must(mw_number_parse_f32((struct mw_span){printed, n}, &back) == MW_OK);
        must(memcmp(&back, &value, sizeof value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_span text = {(const char *)data, size};
    check_floats(text);
    check_integers(text);
    check_time(text);
    check_printing(data, size);
    return 0;
}
