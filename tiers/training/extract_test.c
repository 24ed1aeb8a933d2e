#include "tiers/training/extract.h"

#include "tiers/training/dataset.h"
#include "tiers/training/training_test_plant.h"

#include <jansson.h>

static const struct mw_extract_options everything = {.since = INT64_MIN, .fresh = INT64_MIN};
static struct mw_extract_result result; /* large */

static int set_up(void **state)
{
    struct test_plant *test = calloc(1, sizeof *test);
    *state = test;
    test_plant_open(test, "model:\n  horizon: 100s\n  validation_share: 0.25\n"
                          "commission:\n  records: 5\n");
    return 0;
}

static int tear_down(void **state)
{
    test_plant_close(*state);
    free(*state);
    return 0;
}

static void extract_to(struct test_plant *test, struct mw_extract_options options,
                       struct mw_dataset *set)
{
    const struct mw_dataset_columns columns = {.label = "label",
                                               .weight = "weight",
                                               .machine = "machine",
                                               .time = "time",
                                               .split = "split"};
    options.out = test_plant_path(test, "out.csv");
    assert_ok(mw_extract(&test->plant, &options, &result, error));
    assert_ok(mw_dataset_read(set, options.out, &columns, error));
}

/* A machine that fails at 1000 s and lives on until 3000 s. */
static void tell_of_a_failure(struct test_plant *test)
{
    for (int t = 0; t <= 1000; t += 10) {
        test_plant_record(test, "m-1", t, 1, t, -t, "");
    }
    test_plant_event(test, "m-1", "failure", NULL, 1000);
    test_plant_event(test, "m-1", "repair", "fault", 1100);
    for (int t = 1110; t <= 3000; t += 10) {
        test_plant_record(test, "m-1", t, 0.05, t, -t, "");
    }
    test_plant_commit(test);
}

static void test_labels_follow_from_events(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    tell_of_a_failure(test);
    struct mw_extract_options options = everything;
    extract_to(test, options, &set);
    assert_int_equal(result.records, 101 + 190);
    assert_int_equal(result.positives, 11); /* 900 to 1000 */
    assert_int_equal(result.unknown, 10);   /* after 2900 */
    assert_int_equal(result.labelled, 291 - 10);
    assert_int_equal(result.excluded, 0);
    assert_int_equal(set.columns, 2);
    assert_string_equal(set.names[0], "a");
    for (size_t i = 0; i < set.rows; i++) {
        int64_t seconds = set.time[i] / 1000000;
        assert_int_equal(set.label[i], seconds >= 900 && seconds <= 1000);
        assert_true(set.x[2 * i] == (float)seconds && set.x[2 * i + 1] == -(float)seconds);
        assert_true(fabs(mw_dataset_weight(&set, i) - (seconds > 1000 ? 20 : 1)) < 1e-4);
    }
    mw_dataset_clear(&set);
}

static void test_the_newest_validate_a_horizon_apart(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    for (int round = 0; round < 8; round++) {
        double start = round * 1000;
        for (int t = 0; t < 500; t += 10) {
            test_plant_record(test, "m-1", start + t, 1, t, 0, "");
        }
        test_plant_event(test, "m-1", "failure", NULL, start + 500);
        test_plant_event(test, "m-1", "repair", NULL, start + 600);
    }
    test_plant_record(test, "m-1", 9000, 1, 0, 0, "");
    test_plant_commit(test);
    extract_to(test, everything, &set);
    int64_t newest_train = INT64_MIN, oldest_validation = INT64_MAX;
    size_t positives[2] = {0, 0};
    for (size_t i = 0; i < set.rows; i++) {
        positives[set.held_out[i]] += set.label[i];
        if (set.held_out[i] == 1 && set.time[i] < oldest_validation) {
            oldest_validation = set.time[i];
        }
        if (set.held_out[i] == 0 && set.time[i] > newest_train) {
            newest_train = set.time[i];
        }
    }
    assert_true(oldest_validation - newest_train > 100 * INT64_C(1000000));
    assert_int_equal(result.validation, 100); /* a quarter of 400 */
    assert_int_equal(result.validation_positives, positives[1]);
    assert_true(positives[0] > 0 && positives[1] > 0);
    mw_dataset_clear(&set);
}

/* All failures are old: the border moves back, but never past the middle. */
static void test_the_border_looks_for_both_classes(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    for (int i = 0; i < 100; i++) {
        char machine[8];
        snprintf(machine, sizeof machine, "m-%d", i % 10);
        test_plant_record(test, machine, 1000 + i, 1, i, 0, "");
    }
    for (int m = 5; m < 8; m++) { /* machines of the middle rows fail */
        char machine[8];
        snprintf(machine, sizeof machine, "m-%d", m);
        test_plant_event(test, machine, "failure", NULL, 1060);
        test_plant_event(test, machine, "repair", NULL, 1061);
    }
    for (int m = 0; m < 10; m++) {
        char machine[8];
        snprintf(machine, sizeof machine, "m-%d", m);
        test_plant_record(test, machine, 9000, 1, 0, 0, "");
    }
    test_plant_commit(test);
    extract_to(test, everything, &set);
    assert_true(result.validation_positives > 0);
    assert_true(result.validation * 2 <= result.labelled);
    assert_true(result.validation * 4 >= result.labelled - 3);
    mw_dataset_clear(&set);
}

/* The last failure lies far back: the border goes to it, or nothing could be judged. */
static void test_the_border_goes_to_the_last_failures(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    for (int round = 0; round < 4; round++) {
        double start = round * 1000;
        for (int t = 0; t < 500; t += 10) {
            test_plant_record(test, "m-1", start + t, 1, t, 0, "");
        }
        test_plant_event(test, "m-1", "failure", NULL, start + 500);
        test_plant_event(test, "m-1", "repair", NULL, start + 600);
    }
    for (int t = 5000; t < 15000; t += 10) {
        test_plant_record(test, "m-1", t, 1, t, 0, "");
    }
    test_plant_commit(test);
    extract_to(test, everything, &set);
    assert_true(result.validation_positives > 0);
    assert_true(result.positives - result.validation_positives > result.validation_positives);
    mw_dataset_clear(&set);
}

static void test_baselines_map_onto_the_reference(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    struct mw_span first = mw_span_of("{\"v\":1,\"machine\":\"m-1\",\"count\":5,\"features\":"
                                      "{\"a\":[10,1],\"b\":[0,1]}}");
    struct mw_span second = mw_span_of("{\"v\":1,\"machine\":\"m-2\",\"count\":5,\"features\":"
                                       "{\"a\":[30,3],\"b\":[0,1]}}");
    for (int t = 0; t < 400; t += 10) {
        test_plant_record(test, "m-1", t, 1, 11, 0.5, "");
        test_plant_record(test, "m-2", t, 1, 33, 0.5, "");
        test_plant_record(test, "m-3", t, 1, 7, 0.5, ""); /* not commissioned yet: identity */
    }
    test_plant_append(test, &test->learn, "learn", "baseline", "m-1", first.data);
    assert_ok(mw_stream_put(test->learn, "baseline", mw_span_of("m-1"), first, error));
    assert_ok(mw_stream_put(test->learn, "baseline", mw_span_of("m-2"), second, error));
    test_plant_commit(test);
    extract_to(test, everything, &set);
    assert_true(result.mapped);
    assert_true(result.reference_mean[0] == 20 && result.reference_std[0] == 2);
    for (size_t i = 0; i < set.rows; i++) {
        float wanted = strcmp(set.machines[set.machine[i]], "m-3") == 0 ? 7 : 22;
        assert_true(fabsf(set.x[2 * i] - wanted) < 1e-4F);
    }
    mw_dataset_clear(&set);
}

static uint64_t last_count(const char *machine)
{
    const struct mw_baseline *found = mw_baseline_list_find(&result.baselines, machine, INT64_MAX);
    return found == NULL ? 0 : found->count;
}

/* Another sensor at m-1 from 1000 s on, of three times the gain: the candidate sees the records as
 * if nothing had happened, the model in use as they come. m-2 sends too few since to be judged. */
static void test_a_move_takes_baselines_anew(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0}, in_use = {0};
    const struct mw_dataset_columns columns = {.label = "label",
                                               .weight = "weight",
                                               .machine = "machine",
                                               .time = "time",
                                               .split = "split"};
    struct mw_extract_options options = everything;
    struct mw_span baseline = mw_span_of("{\"v\":1,\"machine\":\"m-1\",\"count\":5,\"since\":0,"
                                         "\"features\":{\"a\":[10,1],\"b\":[5,1]}}");
    for (int t = 0; t < 2000; t += 10) {
        double wave = t % 20 == 0 ? 1 : -1, gain = t >= 1000 ? 3 : 1;
        test_plant_record(test, "m-1", t, 1, gain * (10 + wave), 5 + wave, "");
        if (t < 1040) {
            test_plant_record(test, "m-2", t, 1, 10 + wave, 5 + wave, "");
        }
    }
    test_plant_append(test, &test->learn, "learn", "baseline", "m-1", baseline.data);
    assert_ok(mw_stream_put(test->learn, "baseline", mw_span_of("m-1"), baseline, error));
    test_plant_commit(test);
    options.fresh = 1000 * INT64_C(1000000);
    options.in_use = test_plant_path(test, "in-use.csv");
    extract_to(test, options, &set);
    assert_ok(mw_dataset_read(&in_use, options.in_use, &columns, error));
    assert_int_equal(result.retaken, 1);
    assert_true(last_count("m-1") >= 50);
    assert_int_equal(last_count("m-2"), 0);
    for (size_t i = 0; i < set.rows; i++) {
        assert_true(fabsf(fabsf(set.x[2 * i] - 10) - 1) < 0.05F);
    }
    size_t after = 0;
    for (size_t i = 0; i < in_use.rows; i++) {
        assert_true(in_use.time[i] >= options.fresh);
        bool moved = strcmp(in_use.machines[in_use.machine[i]], "m-1") == 0;
        assert_true(fabsf(in_use.x[2 * i] - (moved ? 30 : 10)) < 3.5F);
        after += moved;
    }
    assert_true(after > 50 && after <= last_count("m-1")); /* some stand too close to the split */
    mw_dataset_clear(&set);
    mw_dataset_clear(&in_use);
    mw_extract_clear(&result);
}

/* What an autoencoder is to take for healthy since a move are records from then on. */
static void test_after_a_move_healthy_is_what_came_since(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    struct mw_extract_options options = everything;
    for (int t = 0; t < 500; t += 10) {
        test_plant_record(test, "m-1", t, 1, t, 0, "");
    }
    test_plant_commit(test);
    options.healthy = true;
    options.fresh = 300 * INT64_C(1000000);
    extract_to(test, options, &set);
    assert_int_equal(result.labelled, 20); /* all of them, however many commissioning takes */
    for (size_t i = 0; i < set.rows; i++) {
        assert_true(set.time[i] >= options.fresh);
    }
    mw_dataset_clear(&set);
}

static void test_without_baselines_the_healthy_records_are_the_reference(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    for (int t = 0; t < 1000; t += 10) {
        test_plant_record(test, "m-1", t, 1, t % 20 == 0 ? 1 : 3, 7, "");
    }
    test_plant_commit(test);
    extract_to(test, everything, &set);
    assert_false(result.mapped);
    assert_true(fabsf(result.reference_mean[0] - 2) < 0.1F);
    assert_true(fabsf(result.reference_std[0] - 1) < 0.1F);
    assert_true(result.reference_std[1] == 1); /* never moves */
    mw_dataset_clear(&set);
}

static void test_healthy_takes_the_commissioning_records(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    struct mw_extract_options options = everything;
    for (int t = 0; t < 500; t += 10) {
        test_plant_record(test, "m-1", t, 1, t, 0, "");
        test_plant_record(test, "m-2", t, 1, t, 0, "");
    }
    test_plant_event(test, "m-2", "failure", NULL, 20); /* its records until then are no example */
    test_plant_event(test, "m-2", "repair", NULL, 200);
    test_plant_commit(test);
    options.healthy = true;
    test->plant.commission.from = 2;
    extract_to(test, options, &set);
    assert_int_equal(result.labelled, 10);
    assert_int_equal(result.positives, 0);
    for (size_t i = 0; i < set.rows; i++) {
        double seconds = (double)set.time[i] / 1e6;
        bool first = strcmp(set.machines[set.machine[i]], "m-1") == 0;
        assert_true(first ? seconds >= 20 && seconds <= 60 : seconds > 200 && seconds <= 250);
        assert_int_equal(set.label[i], 0);
    }
    mw_dataset_clear(&set);
}

static void test_what_cannot_be_used_is_counted(void **state)
{
    struct test_plant *test = *state;
    struct mw_extract_options options = everything;
    test_plant_record(test, "m-1", 10, 1, 1, 1, "");
    test_plant_record(test, "m-1", 9e8, 1, 1, 1, ",\"time_suspect\":true");
    test_plant_append(test, &test->bridge, "bridge", "telemetry", "m-1",
                      "{\"v\":1,\"device\":\"m-1\",\"time\":11,\"features\":{\"a\":1}}");
    test_plant_append(test, &test->bridge, "bridge", "telemetry", "m-1", "not a record");
    test_plant_record(test, "m-1", 500, 1, 1, 1, "");
    test_plant_commit(test);
    assert_ok(mw_extract(&test->plant, &options, &result, error));
    assert_int_equal(result.records, 4);
    assert_int_equal(result.suspect, 1);
    assert_int_equal(result.incomplete, 1);
    assert_int_equal(result.labelled, 1);
    assert_int_equal(result.unknown, 1); /* the suspect time is no "now" */
    options.machine = "m-2";
    options.out = test_plant_path(test, "none.csv");
    struct mw_error error = {0};
    assert_int_equal(mw_extract(&test->plant, &options, &result, &error), MW_ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "can be labelled"));
}

static void test_an_empty_stream_is_said_to_be_empty(void **state)
{
    struct test_plant *test = *state;
    struct mw_error error = {0};
    assert_int_equal(mw_extract(&test->plant, &everything, &result, &error), MW_ERR_NOT_FOUND);
    assert_string_equal(error.text, "the stream holds no record yet");
}

static void test_the_report_is_json(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    struct mw_buffer json = {0};
    tell_of_a_failure(test);
    extract_to(test, everything, &set);
    assert_int_equal(mw_extract_print_json(&result, &json), MW_OK);
    json_t *root = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "positives")), 11);
    const json_t *reference = json_object_get(root, "reference");
    assert_int_equal(json_array_size(json_object_get(reference, "features")), 2);
    assert_true(json_number_value(json_array_get(json_object_get(reference, "std"), 0)) > 0);
    json_decref(root);
    mw_buffer_free(&json);
    mw_dataset_clear(&set);
}

/* A machine that is another now than when it was commissioned, and known to be well. */
static void test_healthy_since_takes_what_the_machine_is_now(void **state)
{
    struct test_plant *test = *state;
    struct mw_dataset set = {0};
    struct mw_extract_options options = everything;
    for (int t = 0; t < 200; t++) {
        test_plant_record(test, "m-1", t, 1, t < 100 ? 1 : 2, t % 7, "");
        test_plant_record(test, "m-2", t, 1, 3, t % 7, "");
    }
    test_plant_commit(test);
    options.healthy = true;
    options.machine = "m-1";
    options.since = 100 * INT64_C(1000000);
    extract_to(test, options, &set);
    assert_int_equal(set.rows, 100); /* more than a commissioning */
    assert_int_equal(set.time[0], options.since);
    mw_dataset_clear(&set);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_labels_follow_from_events),
        ROW(test_the_newest_validate_a_horizon_apart),
        ROW(test_the_border_looks_for_both_classes),
        ROW(test_the_border_goes_to_the_last_failures),
        ROW(test_baselines_map_onto_the_reference),
        ROW(test_a_move_takes_baselines_anew),
        ROW(test_after_a_move_healthy_is_what_came_since),
        ROW(test_without_baselines_the_healthy_records_are_the_reference),
        ROW(test_healthy_takes_the_commissioning_records),
        ROW(test_healthy_since_takes_what_the_machine_is_now),
        ROW(test_what_cannot_be_used_is_counted),
        ROW(test_an_empty_stream_is_said_to_be_empty),
        ROW(test_the_report_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
