/* sketch_message_test.c - sketches in and out. */
#include "core/wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOKENS = 8192, TEXT = 300000 };
static struct mw_wire_parser *parser;
static struct mw_sketch_record in, out;
static char text[TEXT];

static int set_up(void **state)
{
    (void)state;
    size_t bytes = mw_wire_parser_size(TOKENS);
    return (int)mw_wire_parser_init(malloc(bytes), bytes, &parser);
}

static int tear_down(void **state)
{
    (void)state;
    free(parser);
    return 0;
}

static void make_example(size_t n)
{
    static char names[MW_FEATURES_MAX + 1][16];
    memset(&in, 0, sizeof in);
    in.device = mw_span_of("edge-1");
    in.machine = mw_span_of("motor-7");
    in.boot = 2;
    in.seq = 77;
    in.bundle = mw_span_of("sha256:ab");
    in.from = -1500000;
    in.to = 1735689600000001;
    in.count = 12345;
    in.n_features = n;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(names[i], sizeof names[i], "feature_%zu", i);
        in.names[i] = mw_span_of(names[i]);
        for (size_t bin = 0; bin < MW_SKETCH_BINS; bin++) {
            in.features[i].count[bin] = i * 1000 + bin;
        }
        in.features[i].not_finite = i;
    }
    in.score.count[0] = UINT64_MAX;
    in.score.not_finite = 1;
}

static void check_round_trip(void)
{
    size_t length = 0;
    struct mw_why why = {0};
    assert_int_equal(mw_wire_write_sketch(text, sizeof text, &length, &in), MW_OK);
    assert_int_equal(mw_wire_open(parser, (struct mw_span){text, length}, &why), MW_OK);
    assert_int_equal(mw_wire_read_sketch(parser, 0, &out, &why), MW_OK);
    assert_true(mw_span_equal(out.device, in.device));
    assert_true(mw_span_equal(out.machine, in.machine));
    assert_true(mw_span_equal(out.bundle, in.bundle));
    assert_true(out.boot == in.boot && out.seq == in.seq && out.count == in.count);
    assert_true(out.from == in.from && out.to == in.to);
    assert_int_equal(out.n_features, in.n_features);
    for (size_t i = 0; i < in.n_features; i++) {
        assert_true(mw_span_equal(out.names[i], in.names[i]));
        assert_memory_equal(&out.features[i], &in.features[i], sizeof in.features[i]);
    }
    assert_memory_equal(&out.score, &in.score, sizeof in.score);
}

static void sketches_read_back_as_written(void **state)
{
    (void)state;
    make_example(0);
    check_round_trip();
    make_example(3);
    check_round_trip();
    make_example(MW_FEATURES_MAX);
    check_round_trip();
}

static void a_sketch_has_the_documented_form(void **state)
{
    (void)state;
    make_example(1);
    static const char want[] =
        "{\"v\":1,\"device\":\"edge-1\",\"machine\":\"motor-7\",\"boot\":2,\"seq\":77,"
        "\"bundle\":\"sha256:ab\",\"from\":-1.5,\"to\":1735689600.000001,\"count\":12345,"
        "\"features\":{\"feature_0\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,0]},"
        "\"score\":[18446744073709551615,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}";
    size_t length = 0;
    assert_int_equal(mw_wire_write_sketch(text, sizeof text, &length, &in), MW_OK);
    assert_true(mw_span_is((struct mw_span){text, length}, want));
    assert_int_equal(mw_wire_write_sketch(text, length - 1, &length, &in), MW_ERR_TOO_SMALL);
    in.to = in.from - 1;
    assert_int_equal(mw_wire_write_sketch(text, sizeof text, &length, &in), MW_ERR_ARGUMENT);
}

static void broken_sketches_are_refused(void **state)
{
    (void)state;
#define SKETCH(times, features, score)                                       \
    "{\"v\":1,\"device\":\"d\",\"boot\":1,\"seq\":1,\"bundle\":\"b\"," times \
    ",\"count\":1,\"features\":" features ",\"score\":" score "}"
#define TIMES "\"from\":1,\"to\":2"
#define COUNTS "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"
    static const struct {
        const char *text;
        mw_err err;
        const char *why;
    } cases[] = {
        {SKETCH(TIMES, "{\"a\":" COUNTS "}", COUNTS), MW_OK, "-"},
        {SKETCH("\"from\":2,\"to\":1", "{}", COUNTS), MW_ERR_RANGE, "to is not"},
        {SKETCH("\"from\":2", "{}", COUNTS), MW_ERR_PARSE, "to is missing"},
        {SKETCH(TIMES, "[]", COUNTS), MW_ERR_PARSE, "features is not"},
        {SKETCH(TIMES, "{\"a\":" COUNTS ",\"a\":" COUNTS "}", COUNTS), MW_ERR_PARSE, "twice"},
        {SKETCH(TIMES, "{\"\":" COUNTS "}", COUNTS), MW_ERR_PARSE, "feature name"},
        {SKETCH(TIMES, "{\"a\":1}", COUNTS), MW_ERR_PARSE, "17 counts"},
        {SKETCH(TIMES, "{}", "[]"), MW_ERR_PARSE, "17 counts"},
        {SKETCH(TIMES, "{}", "{}"), MW_ERR_PARSE, "17 counts"},
        {SKETCH(TIMES, "{}", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"), MW_ERR_PARSE, "17"},
        {SKETCH(TIMES, "{}", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,-1]"), MW_ERR_PARSE,
         "count of a sketch"},
        {SKETCH(TIMES, "{}", "[[1],2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"), MW_ERR_PARSE,
         "count of a sketch"},
        {SKETCH(TIMES, "{}", "[1.5,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"), MW_ERR_PARSE,
         "count of a sketch"},
        {SKETCH(TIMES, "{}", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,18446744073709551616]"),
         MW_ERR_RANGE, "count of a sketch"},
        {"{\"v\":1,\"device\":\"d\",\"boot\":1,\"seq\":1,\"bundle\":\"b\"," TIMES
         ",\"count\":1,\"features\":{}}",
         MW_ERR_PARSE, "score is missing"},
        {"{\"v\":1,\"device\":\"d\",\"boot\":1,\"seq\":1," TIMES "}", MW_ERR_PARSE,
         "bundle is missing"},
    };
#undef SKETCH
#undef TIMES
#undef COUNTS
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_why why = {"-", 0};
        assert_int_equal(mw_wire_open(parser, mw_span_of(cases[i].text), &why), MW_OK);
        mw_err err = mw_wire_read_sketch(parser, 0, &out, &why);
        if (err != cases[i].err || strstr(why.text, cases[i].why) == NULL) {
            fail_msg("%s: %s: %s", cases[i].text, mw_err_text(err), why.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sketches_read_back_as_written),
        cmocka_unit_test(a_sketch_has_the_documented_form),
        cmocka_unit_test(broken_sketches_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
