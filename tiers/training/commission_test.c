#include "tiers/training/commission.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Hands a record with one feature to the commission; true when that completed a baseline. */
static bool give(struct mw_commission *commission, float value, struct mw_buffer *json)
{
    struct mw_error error = {0};
    static struct mw_telemetry record;
    record.device = record.machine = mw_span_of("motor-1");
    record.n_features = 1;
    record.features[0] = (struct mw_feature){mw_span_of("load"), value};
    mw_buffer_clear(json);
    assert_int_equal(mw_commission_record(commission, &record, json, &error), MW_OK);
    return json->size > 0;
}

static struct mw_commission *open(struct mw_plant *plant, int64_t records, double stable)
{
    struct mw_commission *commission = NULL;
    memset(plant, 0, sizeof *plant);
    plant->commission.records = records;
    plant->commission.stable = stable;
    plant->commission.from = -1;
    assert_int_equal(mw_commission_new(&commission, plant, NULL), MW_OK);
    return commission;
}

static void test_mean_and_deviation(void **state)
{
    (void)state;
    struct mw_plant plant;
    struct mw_buffer json = {0};
    struct mw_commission *commission = open(&plant, 4, 0);
    assert_false(give(commission, 1, &json));
    assert_false(give(commission, 2, &json));
    assert_false(give(commission, 3, &json));
    assert_int_equal(mw_commission_pending(commission), 1);
    assert_true(give(commission, 6, &json)); /* mean 3, squares 4 + 1 + 0 + 9, over 3 */
    char expected[128];
    snprintf(expected, sizeof expected,
             "{\"v\":1,\"machine\":\"motor-1\",\"count\":4,\"since\":0,\"features\":{\"load\":[3,2."
             "1602468]}}");
    assert_string_equal(json.data, expected);
    assert_false(give(commission, 100, &json));
    assert_int_equal(mw_commission_pending(commission), 0);
    mw_commission_free(commission);
    mw_buffer_free(&json);
}

static void test_a_fault_starts_anew(void **state)
{
    (void)state;
    struct mw_plant plant;
    struct mw_buffer json = {0};
    struct mw_commission *commission = open(&plant, 3, 0);
    struct mw_event event = {
        .id = mw_span_of("e"), .machine = mw_span_of("motor-1"), .type = MW_EVENT_FAILURE};
    give(commission, 50, &json);
    give(commission, 60, &json);
    mw_commission_event(commission, &event);
    assert_false(give(commission, 70, &json)); /* broken: taken for nothing */
    event.type = MW_EVENT_REPAIR;
    mw_commission_event(commission, &event);
    assert_false(give(commission, 1, &json));
    assert_false(give(commission, 1, &json));
    assert_true(give(commission, 1, &json));
    assert_non_null(strstr(json.data, "\"load\":[1,0]"));
    mw_commission_free(commission);
    mw_buffer_free(&json);
}

/* How many records it takes when value(i) comes, at most 1,000. */
static int needed(double stable, double drift)
{
    struct mw_plant plant;
    struct mw_buffer json = {0};
    struct mw_commission *commission = open(&plant, 1000, stable);
    int n = 1;
    while (!give(commission, (float)((n % 2 == 0 ? 1.0 : -1.0) + drift * n), &json)) {
        n++;
    }
    mw_commission_free(commission);
    mw_buffer_free(&json);
    return n;
}

static void test_until_stable(void **state)
{
    (void)state;
    assert_int_equal(needed(0.2, 0), 50);
    assert_int_equal(needed(0.2, 0.1), 1000); /* it never settles, so the count ends it */
    assert_int_equal(needed(0, 0), 1000);
}

static bool give_at(struct mw_commission *commission, int64_t time, float value,
                    struct mw_buffer *json)
{
    struct mw_telemetry record = {.machine = mw_span_of("motor-1"), .time = time, .n_features = 1};
    record.features[0].name = mw_span_of("load");
    record.features[0].value = value;
    mw_buffer_clear(json);
    assert_int_equal(mw_commission_record(commission, &record, json, NULL), MW_OK);
    return json->size > 0;
}

/* Another sensor: found well since 100, its records from then on make the baseline that holds. */
static void test_moved_alone_and_well_it_starts_anew(void **state)
{
    (void)state;
    struct mw_plant plant;
    struct mw_buffer json = {0};
    struct mw_span name = mw_span_of("motor-1");
    struct mw_commission *commission = open(&plant, 2, 0);
    assert_false(give_at(commission, 10, 5, &json));
    mw_commission_again(commission, name, 0); /* nobody said that it moved */
    assert_true(give_at(commission, 20, 5, &json));
    assert_int_equal(mw_commission_moved_since(commission, name), INT64_MAX);
    assert_int_equal(mw_commission_moved(commission, name, 90, NULL), MW_OK);
    assert_int_equal(mw_commission_moved_since(commission, name), 90);
    assert_false(give_at(commission, 95, 50, &json)); /* not known to be well */
    mw_commission_again(commission, name, 100);
    assert_int_equal(mw_commission_pending(commission), 1);
    assert_false(give_at(commission, 99, 7, &json)); /* from before */
    assert_false(give_at(commission, 100, 50, &json));
    assert_true(give_at(commission, 110, 50, &json));
    assert_non_null(strstr(json.data, "\"since\":0.0001,\"features\":{\"load\":[50,0]}"));
    mw_commission_free(commission);

    /* A process that starts anew hears of all of it again, and has the baseline already. */
    commission = open(&plant, 2, 0);
    assert_int_equal(mw_commission_done(commission, name, 100, NULL), MW_OK);
    assert_int_equal(mw_commission_moved(commission, name, 90, NULL), MW_OK);
    assert_int_equal(mw_commission_moved_since(commission, name), INT64_MAX);
    mw_commission_again(commission, name, 100);
    assert_false(give_at(commission, 100, 50, &json));
    assert_false(give_at(commission, 110, 50, &json));
    mw_commission_free(commission);
    mw_buffer_free(&json);
}

static void test_starts_where_it_may(void **state)
{
    (void)state;
    struct mw_plant plant;
    struct mw_buffer json = {0};
    struct mw_commission *commission = open(&plant, 2, 0);
    plant.commission.from = 3;
    for (int i = 0; i < 3; i++) {
        assert_false(give(commission, 1000, &json));
    }
    assert_false(give(commission, 5, &json));
    assert_true(give(commission, 5, &json));
    assert_non_null(strstr(json.data, "\"load\":[5,0]"));
    mw_commission_free(commission);
    mw_buffer_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean_and_deviation),
        cmocka_unit_test(test_a_fault_starts_anew),
        cmocka_unit_test(test_until_stable),
        cmocka_unit_test(test_starts_where_it_may),
        cmocka_unit_test(test_moved_alone_and_well_it_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
