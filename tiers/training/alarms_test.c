#include "tiers/training/alarms.h"

#include "lib/base/test.h"

#include <math.h>

#define HOUR INT64_C(3600000000)

/* Rows as a file has them, in any order. */
struct row {
    uint32_t machine;
    int64_t hour;
    uint8_t label, held_out;
    double score;
};

static struct mw_alarm_metrics count(const struct row *row, size_t n)
{
    uint32_t machine[16];
    int64_t time[16];
    uint8_t label[16], held_out[16];
    double score[16];
    struct mw_alarm_metrics metrics;
    const struct mw_dataset set = {.rows = n, .machine = machine, .time = time, .label = label};
    assert_in_range(n, 1, 16);
    for (size_t i = 0; i < n; i++) {
        machine[i] = row[i].machine;
        time[i] = row[i].hour * HOUR;
        label[i] = row[i].label;
        held_out[i] = row[i].held_out;
        score[i] = row[i].score;
    }
    assert_int_equal(mw_alarms_count(&metrics, &set, held_out, score, 0.5), MW_OK);
    assert_true(metrics.known);
    return metrics;
}

/* Machine 0 breaks at hour 48, in alarm from 46 on; before that it raised one false alarm of two
 * records. Machine 1 breaks at 40 unseen, and raises one alarm after it. */
static void test_alarms(void **state)
{
    (void)state;
    const struct row row[] = {
        {1, 0, 0, 1, 0.1},   {1, 40, 1, 1, 0.2}, {1, 48, 0, 1, 0.7}, {0, 0, 0, 1, 0.1},
        {0, 30, 0, 1, 0.6},  {0, 31, 0, 1, 0.9}, {0, 32, 0, 1, 0.2}, {0, 44, 1, 1, 0.4},
        {0, 46, 1, 1, 0.55}, {0, 47, 1, 1, 0.3}, {0, 48, 1, 1, 0.9},
    };
    struct mw_alarm_metrics m = count(row, 11);
    assert_int_equal(m.alarms, 4);
    assert_int_equal(m.false_alarms, 2);
    assert_int_equal(m.breakdowns, 2);
    assert_int_equal(m.predicted, 1);
    assert_float_equal(m.lead_median, 2 * 3600, 1e-6);
    assert_float_equal(m.machine_days, 4, 1e-9);
    assert_float_equal(m.alarms_per_machine_day, 1, 1e-9);
    assert_float_equal(m.false_alarms_per_machine_day, 0.5, 1e-9);
}

/* An alarm that came before the horizon is not false, and its lead is no longer than that. */
static void test_lead_time_ends_at_the_horizon(void **state)
{
    (void)state;
    const struct row row[] = {{0, 0, 0, 1, 0.9}, {0, 1, 1, 1, 0.9}, {0, 4, 1, 1, 0.9},
                              {0, 5, 0, 1, 0.1}, {0, 6, 1, 1, 0.8}, {0, 7, 1, 1, 0.2}};
    struct mw_alarm_metrics m = count(row, 6);
    assert_int_equal(m.alarms, 2);
    assert_int_equal(m.false_alarms, 0);
    assert_int_equal(m.predicted, 2);
    assert_float_equal(m.lead_median, 0.5 * (3 + 1) * 3600, 1e-6);
}

/* Hours 2 to 4 train: they raise no alarm and pass no time, but tell where the run ends. */
static void test_only_held_out_records_count(void **state)
{
    (void)state;
    const struct row row[] = {{0, 0, 0, 1, 0.1}, {0, 1, 1, 1, 0.9}, {0, 2, 1, 0, 0.9},
                              {0, 3, 1, 0, 0.9}, {0, 4, 0, 2, 0.9}, {0, 5, 0, 1, 0.9},
                              {0, 6, 1, 1, 0.9}};
    struct mw_alarm_metrics m = count(row, 7);
    assert_int_equal(m.alarms, 2);
    assert_int_equal(m.false_alarms, 0);
    assert_int_equal(m.breakdowns, 1);
    assert_int_equal(m.predicted, 1);
    assert_float_equal(m.lead_median, 0, 1e-9);
    assert_float_equal(m.machine_days, 2.0 / 24, 1e-9);
}

static void test_what_cannot_be_known_is_no_figure(void **state)
{
    (void)state;
    const struct row row[] = {{0, 0, 0, 1, 0.9}, {1, 0, 0, 1, 0.1}};
    struct mw_alarm_metrics m = count(row, 2);
    assert_int_equal(m.alarms, 1);
    assert_true(isnan(m.alarms_per_machine_day));
    assert_true(isnan(m.lead_median));
    int64_t time[1] = {0};
    uint8_t label[1] = {1}, held_out[1] = {1};
    double score[1] = {0.9};
    const struct mw_dataset nowhere = {.rows = 1, .time = time, .label = label};
    assert_int_equal(mw_alarms_count(&m, &nowhere, held_out, score, 0.5), MW_OK);
    assert_false(m.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alarms),
        cmocka_unit_test(test_lead_time_ends_at_the_horizon),
        cmocka_unit_test(test_only_held_out_records_count),
        cmocka_unit_test(test_what_cannot_be_known_is_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
