/* sparkplug_test.c - topics; payloads as pysparkplug wrote them (tests/sparkplug/make_corpus.py).
 */
#include "core/wire/sparkplug.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T INT64_C(1700000000123000)

static char bytes[4096];

static struct mw_span read_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/fuzz/corpus/sparkplug/%s", MW_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return (struct mw_span){bytes, size};
}

static void topics_are_split(void **state)
{
    (void)state;
    struct mw_sparkplug_topic topic;
    assert_int_equal(
        mw_sparkplug_read_topic(mw_span_of("spBv1.0/Hall 1/DDATA/edge/Motor_7"), &topic), MW_OK);
    assert_int_equal(topic.kind, MW_SPARKPLUG_DDATA);
    assert_true(mw_span_is(topic.group, "Hall 1") && mw_span_is(topic.node, "edge") &&
                mw_span_is(topic.device, "Motor_7"));
    assert_int_equal(mw_sparkplug_read_topic(mw_span_of("spBv1.0/g/NBIRTH/edge"), &topic), MW_OK);
    assert_int_equal(topic.kind, MW_SPARKPLUG_NBIRTH);
    assert_int_equal(topic.device.size, 0);
    assert_int_equal(mw_sparkplug_read_topic(mw_span_of("spBv1.0/STATE/scada"), &topic), MW_OK);
    assert_int_equal(topic.kind, MW_SPARKPLUG_STATE);
    assert_true(mw_span_is(topic.node, "scada"));
}

static void other_topics_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "spBv1.0",
                                      "spBv1.0/g/NDATA",
                                      "spBv1.0/g/NDATA/",
                                      "spBv1.0//NDATA/n",
                                      "spBv1.0/g/NDATA/n/d",
                                      "spBv1.0/g/DDATA/n",
                                      "spBv1.0/g/DDATA/n/d/e",
                                      "spAv1.0/g/DDATA/n/d",
                                      "spBv1.0/STATS/h",
                                      "spBv1.0/g/ndata/n"};
    struct mw_sparkplug_topic topic;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(mw_sparkplug_read_topic(mw_span_of(bad[i]), &topic), MW_ERR_PARSE);
    }
}

static void a_birth_of_every_datatype_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t type;
        mw_err err;
        float value;
    } expected[] = {
        {"Motor/Current", MW_SPARKPLUG_FLOAT, MW_OK, 4.25F},
        {"Motor/Temperature", MW_SPARKPLUG_DOUBLE, MW_OK, -40.5F},
        {"Motor/Speed", MW_SPARKPLUG_INT16, MW_OK, -1480.0F},
        {"Motor/Load", MW_SPARKPLUG_INT8, MW_OK, -128.0F},
        {"Motor/Torque", MW_SPARKPLUG_INT32, MW_OK, -2147483648.0F},
        {"Motor/Offset", MW_SPARKPLUG_INT64, MW_OK, -3.0F},
        {"Motor/Count", MW_SPARKPLUG_UINT64, MW_OK, 9223372036854775808.0F},
        {"Motor/Gear", MW_SPARKPLUG_UINT8, MW_OK, 200.0F},
        {"Motor/Runs", MW_SPARKPLUG_BOOLEAN, MW_OK, 1.0F},
        {"Motor/Maker", MW_SPARKPLUG_STRING, MW_ERR_NOT_FOUND, 0},
        {"Motor/Idle", MW_SPARKPLUG_FLOAT, MW_ERR_NOT_FOUND, 0},
        {"Motor/Seen", 13, MW_ERR_NOT_FOUND, 0},
        {"Motor/Wave", 30, MW_ERR_NOT_FOUND, 0},
    };
    enum { N = sizeof expected / sizeof *expected };
    struct mw_sparkplug_payload payload;
    struct mw_sparkplug_metric metric;
    assert_int_equal(mw_sparkplug_open(&payload, read_file("dbirth"), NULL), MW_OK);
    assert_true(payload.has_time && payload.time == T && payload.has_seq && payload.seq == 1);
    assert_int_equal(payload.n_metrics, N);
    for (size_t i = 0; i < N; i++) {
        float value = 0;
        assert_true(mw_sparkplug_next(&payload, &metric));
        assert_true(metric.has_name && mw_span_is(metric.name, expected[i].name));
        assert_true(metric.has_alias && metric.alias == i + 1);
        assert_true(metric.has_time && metric.time == T);
        assert_int_equal(metric.type, expected[i].type);
        assert_int_equal(mw_sparkplug_number(&metric, metric.type, &value), expected[i].err);
        assert_true(value == expected[i].value);
    }
    assert_false(mw_sparkplug_next(&payload, &metric));
}

/* DATA need not repeat the datatype; a negative integer then has to be read by the birth's. */
static void data_by_alias_is_read_with_the_types_of_the_birth(void **state)
{
    (void)state;
    struct mw_sparkplug_payload payload;
    struct mw_sparkplug_metric metric;
    float value = 0;
    assert_int_equal(mw_sparkplug_open(&payload, read_file("ddata"), NULL), MW_OK);
    assert_true(payload.seq == 255);
    assert_true(mw_sparkplug_next(&payload, &metric));
    assert_true(!metric.has_name && metric.has_alias && metric.alias == 1 && metric.type == 0);
    assert_int_equal(mw_sparkplug_number(&metric, metric.type, &value), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_sparkplug_number(&metric, MW_SPARKPLUG_FLOAT, &value), MW_OK);
    assert_true(value == 5.5F);
    assert_true(mw_sparkplug_next(&payload, &metric));
    assert_int_equal(mw_sparkplug_number(&metric, MW_SPARKPLUG_INT16, &value), MW_OK);
    assert_true(value == -1.0F);

    assert_int_equal(mw_sparkplug_open(&payload, read_file("historical"), NULL), MW_OK);
    assert_true(mw_sparkplug_next(&payload, &metric) && metric.historical);
    assert_int_equal(mw_sparkplug_open(&payload, read_file("ndeath"), NULL), MW_OK);
    assert_false(payload.has_seq);
    assert_true(mw_sparkplug_next(&payload, &metric) && mw_span_is(metric.name, "bdSeq"));
    assert_int_equal(mw_sparkplug_number(&metric, metric.type, &value), MW_OK);
    assert_true(value == 7.0F);
}

static void a_payload_that_is_cut_is_refused(void **state)
{
    (void)state;
    struct mw_span whole = read_file("dbirth");
    struct mw_sparkplug_payload payload;
    size_t accepted = 0;
    for (size_t size = 0; size < whole.size; size++) {
        struct mw_why why = {NULL, 0};
        mw_err err = mw_sparkplug_open(&payload, (struct mw_span){whole.data, size}, &why);
        assert_true(err == MW_OK || (err == MW_ERR_PARSE && why.text != NULL && why.where <= size));
        accepted += err == MW_OK;
    }
    assert_int_equal(accepted, 1 + 1 + payload.n_metrics); /* only where a field ends */
    assert_int_equal(mw_sparkplug_open(&payload, read_file("time"), NULL), MW_ERR_RANGE);
    assert_int_equal(mw_sparkplug_open(&payload, read_file("group"), NULL), MW_ERR_PARSE);
}

static void what_is_not_finite_is_no_number(void **state)
{
    (void)state;
    float value = 0;
    struct mw_sparkplug_metric metric = {.value = MW_SPARKPLUG_AS_DOUBLE, .real = 1e39};
    assert_int_equal(mw_sparkplug_number(&metric, MW_SPARKPLUG_DOUBLE, &value), MW_ERR_RANGE);
    metric.real = (double)INFINITY;
    assert_int_equal(mw_sparkplug_number(&metric, MW_SPARKPLUG_DOUBLE, &value), MW_ERR_RANGE);
    metric.real = metric.real - metric.real;
    assert_int_equal(mw_sparkplug_number(&metric, MW_SPARKPLUG_DOUBLE, &value), MW_ERR_RANGE);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    char text[128];
    size_t length = 0;
    uint64_t seq = 200;
    struct mw_sparkplug_writer writer;
    struct mw_sparkplug_metric metric = {.has_name = true,
                                         .name = mw_span_of("score"),
                                         .has_time = true,
                                         .time = T + 999, /* milliseconds only */
                                         .type = MW_SPARKPLUG_FLOAT,
                                         .value = MW_SPARKPLUG_AS_FLOAT,
                                         .single = 0.25F};
    mw_sparkplug_begin(&writer, text, sizeof text, T);
    mw_sparkplug_add(&writer, &metric);
    metric = (struct mw_sparkplug_metric){.has_alias = true,
                                          .alias = 3,
                                          .type = MW_SPARKPLUG_STRING,
                                          .value = MW_SPARKPLUG_AS_TEXT,
                                          .text = mw_span_of("normal")};
    mw_sparkplug_add(&writer, &metric);
    assert_int_equal(mw_sparkplug_end(&writer, &seq, &length), MW_OK);

    struct mw_sparkplug_payload payload;
    assert_int_equal(mw_sparkplug_open(&payload, (struct mw_span){text, length}, NULL), MW_OK);
    assert_true(payload.time == T && payload.seq == seq && payload.n_metrics == 2);
    assert_true(mw_sparkplug_next(&payload, &metric));
    assert_true(mw_span_is(metric.name, "score") && metric.time == T && metric.single == 0.25F);
    assert_true(mw_sparkplug_next(&payload, &metric));
    assert_true(!metric.has_name && metric.alias == 3 && mw_span_is(metric.text, "normal"));

    for (size_t capacity = 0; capacity < length; capacity++) {
        size_t none = 1;
        mw_sparkplug_begin(&writer, text, capacity, T);
        mw_sparkplug_add(&writer, &metric);
        mw_sparkplug_add(&writer, &metric);
        mw_sparkplug_add(&writer, &metric);
        mw_sparkplug_add(&writer, &metric);
        assert_int_equal(mw_sparkplug_end(&writer, &seq, &none), MW_ERR_TOO_SMALL);
        assert_int_equal(none, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_split),
        cmocka_unit_test(other_topics_are_refused),
        cmocka_unit_test(a_birth_of_every_datatype_is_read),
        cmocka_unit_test(data_by_alias_is_read_with_the_types_of_the_birth),
        cmocka_unit_test(a_payload_that_is_cut_is_refused),
        cmocka_unit_test(what_is_not_finite_is_no_number),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
