/* telemetry_test.c - records in and out. */
#include "core/wire/message.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOKENS = 4096 };
static struct mw_wire_parser *parser;
static struct mw_telemetry record;

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

static mw_err read_text(const char *text, struct mw_why *why)
{
    mw_err err = mw_wire_open(parser, mw_span_of(text), why);
    return err != MW_OK ? err : mw_wire_read_telemetry(parser, 0, &record, why);
}

static void a_whole_record_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"v\":1,\"device\":\"edge-1\",\"machine\":\"motor-7\",\"boot\":3,"
                               "\"seq\":18446744073709551615,\"time\":1735689600.25,\"p\":0.05,"
                               "\"features\":{\"current_rms\":4.1,\"T [\xc2\xb0\x43]\":-1e-3}}",
                               NULL),
                     MW_OK);
    assert_true(mw_span_is(record.device, "edge-1"));
    assert_true(mw_span_is(record.machine, "motor-7"));
    assert_true(record.numbered);
    assert_int_equal(record.boot, 3);
    assert_true(record.seq == UINT64_MAX);
    assert_false(record.time_unknown);
    assert_true(record.time == 1735689600250000);
    assert_true(record.p == 0.05F);
    assert_int_equal(record.n_features, 2);
    assert_true(mw_span_is(record.features[0].name, "current_rms"));
    assert_true(record.features[0].value == 4.1F);
    assert_true(mw_span_is(record.features[1].name, "T [\xc2\xb0\x43]"));
    assert_true(record.features[1].value == -0.001F);
}

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    /* Keys in another order, unknown ones of every type between them. */
    assert_int_equal(read_text("{\"x\":{\"v\":2,\"device\":\"no\"},\"features\":{\"a\":0},\"y\":[1,"
                               "[2]],\"device\":\"d\",\"z\":null,\"v\":1}",
                               NULL),
                     MW_OK);
    assert_true(mw_span_is(record.device, "d"));
    assert_true(mw_span_is(record.machine, "d"));
    assert_false(record.numbered);
    assert_true(record.time_unknown);
    assert_true(record.time == 0);
    assert_true(record.p == 1);
    assert_int_equal(record.n_features, 1);
}

static void the_flat_message_of_the_reference_firmware_is_read(void **state)
{
    (void)state;
    static const char text[] = "{\"deviceID\":\"esp32-01\",\"current\":1.5,\"temperature\":40,"
                               "\"vibration\":0.02,\"sound\":61.25,\"rssi\":-60}";
    assert_int_equal(read_text(text, NULL), MW_OK);
    assert_true(mw_span_is(record.device, "esp32-01"));
    assert_true(mw_span_is(record.machine, "esp32-01"));
    assert_false(record.numbered);
    assert_true(record.time_unknown);
    assert_true(record.p == 1);
    assert_int_equal(record.n_features, 4);
    static const char *const names[] = {"current", "temperature", "vibration", "sound"};
    static const float values[] = {1.5F, 40, 0.02F, 61.25F};
    for (size_t i = 0; i < 4; i++) {
        assert_true(mw_span_is(record.features[i].name, names[i]));
        assert_true(record.features[i].value == values[i]);
        assert_in_range((uintptr_t)record.features[i].name.data, (uintptr_t)text,
                        (uintptr_t)text + sizeof text);
    }
}

#define HEAD "{\"v\":1,\"device\":\"d\","
#define TAIL "\"features\":{\"a\":1}}"

static const struct {
    const char *text;
    mw_err err;
    const char *why;
    unsigned where;
} refused[] = {
    {"{\"device\":\"d\"," TAIL, MW_ERR_PARSE, "v is missing", 0},
    {"{}", MW_ERR_PARSE, "v is missing", 0},
    {"{\"v\":2,\"device\":\"d\"," TAIL, MW_ERR_VERSION, "v is not 1", 5},
    {"{\"v\":\"1\",\"device\":\"d\"," TAIL, MW_ERR_VERSION, "v is not 1", 6},
    {"{\"v\":null," TAIL, MW_ERR_VERSION, "v is not 1", 5},
    {"{\"v\":2,\"deviceID\":\"d\"," TAIL, MW_ERR_VERSION, "v is not 1", 5},
    {"{\"v\":1," TAIL, MW_ERR_PARSE, "device is missing", 0},
    {"{\"v\":1,\"device\":7," TAIL, MW_ERR_PARSE, "device is not a name", 16},
    {"{\"v\":1,\"device\":\"\"," TAIL, MW_ERR_PARSE, "device is not a name", 17},
    {"{\"v\":1,\"device\":\"Motor\"," TAIL, MW_ERR_PARSE, "device is not a name", 17},
    {"{\"v\":1,\"device\":\"a/b\"," TAIL, MW_ERR_PARSE, "device is not a name", 17},
    {"{\"v\":1,\"device\":\"\\u0061\"," TAIL, MW_ERR_PARSE, "device is not a name", 17},
    {HEAD "\"device\":\"d\"," TAIL, MW_ERR_PARSE, "device is given twice", 21},
    {HEAD "\"machine\":\"M\"," TAIL, MW_ERR_PARSE, "machine is not a name", 31},
    {HEAD "\"boot\":1," TAIL, MW_ERR_PARSE, "seq is missing", 0},
    {HEAD "\"seq\":1," TAIL, MW_ERR_PARSE, "boot is missing", 0},
    {HEAD "\"seq\":1,\"boot\":-1," TAIL, MW_ERR_PARSE, "boot is not an integer", 35},
    {HEAD "\"seq\":1,\"boot\":1.0," TAIL, MW_ERR_PARSE, "boot is not an integer", 35},
    {HEAD "\"seq\":1,\"boot\":\"1\"," TAIL, MW_ERR_PARSE, "boot is not an integer", 36},
    {HEAD "\"seq\":1,\"boot\":4294967296," TAIL, MW_ERR_RANGE, "boot is not an integer", 35},
    {HEAD "\"boot\":1,\"seq\":18446744073709551616," TAIL, MW_ERR_RANGE, "seq is not an", 35},
    {HEAD "\"time\":null," TAIL, MW_ERR_PARSE, "time is not a number", 27},
    {HEAD "\"time\":\"2025-01-01\"," TAIL, MW_ERR_PARSE, "time is not a number", 28},
    {HEAD "\"time\":1e30," TAIL, MW_ERR_RANGE, "time is not a number", 27},
    {HEAD "\"p\":0," TAIL, MW_ERR_RANGE, "p is not a number above 0", 24},
    {HEAD "\"p\":1.01," TAIL, MW_ERR_RANGE, "p is not a number above 0", 24},
    {HEAD "\"p\":-0.5," TAIL, MW_ERR_RANGE, "p is not a number above 0", 24},
    {HEAD "\"p\":true," TAIL, MW_ERR_PARSE, "p is not a number above 0", 24},
    {"{\"v\":1,\"device\":\"d\"}", MW_ERR_PARSE, "features is missing", 0},
    {HEAD "\"features\":[1]}", MW_ERR_PARSE, "features is not an object", 31},
    {HEAD "\"features\":{}}", MW_ERR_PARSE, "features is not an object", 31},
    {HEAD "\"features\":{\"a\":null}}", MW_ERR_PARSE, "feature value is not a number", 36},
    {HEAD "\"features\":{\"a\":\"1\"}}", MW_ERR_PARSE, "feature value is not a number", 37},
    {HEAD "\"features\":{\"a\":[1]}}", MW_ERR_PARSE, "feature value is not a number", 36},
    {HEAD "\"features\":{\"a\":{}}}", MW_ERR_PARSE, "feature value is not a number", 36},
    {HEAD "\"features\":{\"a\":1,\"b\":false}}", MW_ERR_PARSE, "feature value is not", 42},
    {HEAD "\"features\":{\"a\":3.5e38}}", MW_ERR_RANGE, "beyond the range of float32", 36},
    {HEAD "\"features\":{\"a\":-1e999}}", MW_ERR_RANGE, "beyond the range of float32", 36},
    {HEAD "\"features\":{\"\":1}}", MW_ERR_PARSE, "feature name is empty", 33},
    {HEAD "\"features\":{\"\\u0061\":1}}", MW_ERR_PARSE, "feature name is empty", 33},
    {HEAD "\"features\":{\"a\":1,\"b\":2,\"a\":3}}", MW_ERR_PARSE, "given twice", 45},
    {"{\"deviceID\":\"Pump_1\",\"current\":1,\"temperature\":1,\"vibration\":1,\"sound\":1}",
     MW_ERR_PARSE, "deviceID is not a name", 13},
    {"{\"deviceID\":\"p\",\"current\":1,\"temperature\":1,\"vibration\":1}", MW_ERR_PARSE,
     "sound is missing", 0},
    {"{\"deviceID\":\"p\",\"current\":1,\"temperature\":null,\"vibration\":1,\"sound\":1}",
     MW_ERR_PARSE, "temperature is not a number", 42},
    {"{\"deviceID\":\"p\",\"current\":1e39,\"temperature\":1,\"vibration\":1,\"sound\":1}",
     MW_ERR_RANGE, "current is not a number", 26},
};

static void what_is_no_record_is_refused_with_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct mw_why why = {"-", 0};
        mw_err err = read_text(refused[i].text, &why);
        if (err != refused[i].err || strstr(why.text, refused[i].why) == NULL ||
            why.where != refused[i].where) {
            fail_msg("%s: %s: %s at %u", refused[i].text, mw_err_text(err), why.text, why.where);
        }
    }
}

static void feature_names_have_their_limits(void **state)
{
    (void)state;
    char text[20000] = HEAD "\"features\":{";
    for (int i = 0; i < MW_FEATURES_MAX; i++) {
        (void)sprintf(text + strlen(text), "%s\"feature_%d\":%d", i == 0 ? "" : ",", i, i);
    }
    size_t size = strlen(text);
    (void)strcpy(text + size, "}}");
    assert_int_equal(read_text(text, NULL), MW_OK);
    assert_int_equal(record.n_features, MW_FEATURES_MAX);
    for (int i = 0; i < MW_FEATURES_MAX; i++) {
        assert_true(record.features[i].value == (float)i);
    }
    (void)strcpy(text + size, ",\"more\":1}}");
    assert_int_equal(read_text(text, NULL), MW_ERR_TOO_LARGE);

    char name[MW_FEATURE_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[MW_FEATURE_NAME_MAX] = '\0';
    (void)sprintf(text, HEAD "\"features\":{\"%s\":1}}", name);
    assert_int_equal(read_text(text, NULL), MW_OK);
    (void)sprintf(text, HEAD "\"features\":{\"%sn\":1}}", name);
    assert_int_equal(read_text(text, NULL), MW_ERR_PARSE);
}

static struct mw_telemetry example(void)
{
    return (struct mw_telemetry){
        .device = mw_span_of("motor-7"),
        .machine = mw_span_of("line-1"),
        .numbered = true,
        .boot = 2,
        .seq = 12,
        .time = 1735689600123456,
        .p = 0.05F,
        .n_features = 2,
        .features = {{mw_span_of("current_rms"), 4.1F}, {mw_span_of("b"), 1e-7F}},
    };
}

static void a_record_is_written(void **state)
{
    (void)state;
    static const char want[] = "{\"v\":1,\"device\":\"motor-7\",\"machine\":\"line-1\",\"boot\":2,"
                               "\"seq\":12,\"time\":1735689600.123456,\"p\":0.05,"
                               "\"features\":{\"current_rms\":4.1,\"b\":1e-07}}";
    struct mw_telemetry in = example();
    char text[512];
    size_t length = 0;
    assert_int_equal(mw_wire_write_telemetry(text, sizeof text, &length, &in), MW_OK);
    assert_true(mw_span_is((struct mw_span){text, length}, want));
    for (size_t capacity = 0; capacity < sizeof want - 1; capacity++) {
        char *exact = malloc(capacity + 1); /* the one byte more must stay as it is */
        exact[capacity] = '!';
        assert_int_equal(mw_wire_write_telemetry(exact, capacity, &length, &in), MW_ERR_TOO_SMALL);
        assert_int_equal(exact[capacity], '!');
        free(exact);
    }
    assert_int_equal(mw_wire_write_telemetry(text, sizeof want - 1, &length, &in), MW_OK);

    in.numbered = false;
    in.time_unknown = true;
    in.p = 1;
    in.machine = in.device;
    in.n_features = 1;
    assert_int_equal(mw_wire_write_telemetry(text, sizeof text, &length, &in), MW_OK);
    assert_true(mw_span_is((struct mw_span){text, length},
                           "{\"v\":1,\"device\":\"motor-7\",\"features\":{\"current_rms\":4.1}}"));
}

static void what_could_not_be_read_is_not_written(void **state)
{
    (void)state;
    char text[512];
    size_t length;
    struct mw_telemetry in = example();
#define REFUSED(change) \
    in = example();     \
    change;             \
    assert_int_equal(mw_wire_write_telemetry(text, sizeof text, &length, &in), MW_ERR_ARGUMENT)
    REFUSED(in.device = mw_span_of("Motor 7"));
    REFUSED(in.device = mw_span_of(""));
    REFUSED(in.machine = mw_span_of("a_b"));
    REFUSED(in.p = 0);
    REFUSED(in.p = 1.5F);
    REFUSED(in.p = NAN);
    REFUSED(in.n_features = 0);
    REFUSED(in.n_features = MW_FEATURES_MAX + 1);
    REFUSED(in.features[1].value = NAN);
    REFUSED(in.features[1].value = -INFINITY);
    REFUSED(in.features[1].name = mw_span_of(""));
    REFUSED(in.features[1].name = mw_span_of("a\"b"));
    REFUSED(in.features[1].name = mw_span_of("a\\b"));
    REFUSED(in.features[1].name = mw_span_of("current_rms"));
#undef REFUSED
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    char text[1024];
    size_t length = 0;
    struct mw_telemetry in = example();
    uint32_t x = 1;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < 2; i++) {
            uint32_t bits;
            do {
                x = x * 1664525U + 1013904223U;
                bits = x ^ (x >> 15);
            } while ((bits & 0x7F800000U) == 0x7F800000U);
            memcpy(&in.features[i].value, &bits, sizeof bits);
        }
        in.seq = ((uint64_t)x << 32) | x;
        in.time = (int64_t)(in.seq % 4000000000000000U);
        assert_int_equal(mw_wire_write_telemetry(text, sizeof text - 1, &length, &in), MW_OK);
        text[length] = '\0';
        assert_int_equal(read_text(text, NULL), MW_OK);
        assert_true(record.seq == in.seq && record.time == in.time && record.p == in.p);
        assert_memory_equal(&record.features[0].value, &in.features[0].value, sizeof(float));
        assert_memory_equal(&record.features[1].value, &in.features[1].value, sizeof(float));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_record_is_read),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(the_flat_message_of_the_reference_firmware_is_read),
        cmocka_unit_test(what_is_no_record_is_refused_with_the_key),
        cmocka_unit_test(feature_names_have_their_limits),
        cmocka_unit_test(a_record_is_written),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
