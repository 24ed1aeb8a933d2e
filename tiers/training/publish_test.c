/* publish_test.c - from a stream to a published model, step by step: extract, train, validate,
 * sign, publish; and the candidates that do not come through. */
#include "tiers/training/publish.h"

#include "lib/artifact/bundle.h"
#include "lib/artifact/trust.h"
#include "tiers/training/assemble.h"
#include "tiers/training/catalog.h"
#include "tiers/training/extract.h"
#include "tiers/training/in_use.h"
#include "tiers/training/train.h"
#include "tiers/training/training_test_plant.h"
#include "tiers/training/validate.h"

#include <jansson.h>

static struct mw_extract_result extracted; /* large */

/* Ten machines whose feature a rises before each of their failures. */
static void write_days(struct test_plant *test)
{
    for (int i = 0; i < 10; i++) {
        char machine[16];
        snprintf(machine, sizeof machine, "motor-%d", i);
        for (int k = 0; k < 90; k++) {
            double growth = k < 60 ? 0 : 3.0 * (k - 59) / 30;
            test_plant_record(test, machine, i * 2000 + k * 10, k % 2 == 0 ? 1 : 0.5,
                              test_plant_normal(test) + growth, test_plant_normal(test), "");
        }
        test_plant_event(test, machine, "failure", NULL, i * 2000 + 900);
        test_plant_event(test, machine, "repair", NULL, i * 2000 + 1000);
        test_plant_record(test, machine, i * 2000 + 1500, 1, 0, 0, "");
    }
    test_plant_commit(test);
}

static int set_up(void **state)
{
    struct test_plant *test = calloc(1, sizeof *test);
    *state = test;
    test_plant_open(test, "model:\n  horizon: 300s\n  seed: 5\n");
    write_days(test);
    return 0;
}

static int tear_down(void **state)
{
    test_plant_close(*state);
    free(*state);
    return 0;
}

static void write_json(const char *path, mw_err err, struct mw_buffer *json)
{
    assert_int_equal(err, MW_OK);
    assert_ok(mw_file_write(path, json->data, json->size, 0600, error));
    mw_buffer_free(json);
}

/* Extracts and trains into the test's folder: dataset.csv, extract.json, train.json and both
 * models. */
static void train(struct test_plant *test, const char *reference)
{
    const struct mw_dataset_columns columns = {.label = "label",
                                               .weight = "weight",
                                               .machine = "machine",
                                               .time = "time",
                                               .split = "split"};
    struct mw_extract_options options = {.since = INT64_MIN,
                                         .fresh = INT64_MIN,
                                         .out = test_plant_path(test, "dataset.csv"),
                                         .reference = reference};
    struct mw_train_options with = mw_train_defaults;
    struct mw_train_result result;
    struct mw_dataset set;
    struct mw_buffer json = {0}, more = {0};
    assert_ok(mw_extract(&test->plant, &options, &extracted, error));
    mw_err err = mw_extract_print_json(&extracted, &json);
    write_json(test_plant_path(test, "extract.json"), err, &json);
    assert_ok(mw_dataset_read(&set, options.out, &columns, error));
    assert_ok(mw_train(&set, &with, &result, error));
    err = mw_train_print_json(&result, &more);
    write_json(test_plant_path(test, "train.json"), err, &more);
    assert_ok(mw_file_write(test_plant_path(test, "int8.tflite"), result.int8_model.data,
                            result.int8_model.size, 0600, error));
    assert_ok(mw_file_write(test_plant_path(test, "float.tflite"), result.float_model.data,
                            result.float_model.size, 0600, error));
    mw_train_result_clear(&result);
    mw_dataset_clear(&set);
}

static struct mw_validate_options files(const struct test_plant *test)
{
    return (struct mw_validate_options){.data = test_plant_path(test, "dataset.csv"),
                                        .int8_model = test_plant_path(test, "int8.tflite"),
                                        .float_model = test_plant_path(test, "float.tflite"),
                                        .train = test_plant_path(test, "train.json"),
                                        .extract = test_plant_path(test, "extract.json"),
                                        .out = test_plant_path(test, "bundle"),
                                        .size_limit = 1 << 20};
}

/* Trains, validates and signs a first model. */
static void make_first(struct test_plant *test, struct mw_signed *done)
{
    struct mw_validate_result result;
    train(test, NULL);
    struct mw_validate_options with = files(test);
    assert_ok(mw_validate(&test->plant, &with, &result, error));
    if (!result.passed) {
        fail_msg("refused: %s", result.reason);
    }
    mw_validate_clear(&result);
    assert_ok(mw_publish_sign(&test->plant, with.out, NULL, done, error));
}

static void desire(struct test_plant *test, const char *key, const char *digest)
{
    char text[160];
    int n = snprintf(text, sizeof text, "{\"bundle\":\"%s\",\"rollout\":\"r-1\"}", digest);
    assert_ok(mw_stream_put(test->bridge, "desired", mw_span_of(key),
                            (struct mw_span){text, (size_t)n}, error));
    test_plant_commit(test);
}

/* The newest record of topic `model`; the caller frees. */
static json_t *read_model(struct test_plant *test)
{
    char uri[256];
    const char *topic = "model";
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record record[4];
    size_t n = 0;
    assert_ok(mw_plant_stream_uri(&test->plant, uri, sizeof uri));
    struct mw_stream_options options = {.uri = uri, .plant = "test"};
    assert_ok(mw_stream_open(&stream, &options, error));
    assert_ok(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, error));
    assert_ok(mw_stream_poll(reader, record, 4, &n, error));
    assert_int_equal(n, 1);
    json_t *root = json_loadb(record[0].value.data, record[0].value.size, 0, NULL);
    assert_true(mw_span_is(record[0].key, json_string_value(json_object_get(root, "bundle"))));
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return root;
}

static void test_a_first_model_is_published(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    struct mw_store *store = NULL;
    struct mw_bundle bundle;
    struct mw_runner runner;
    char tagged[MW_DIGEST_TEXT];
    uint64_t version = 0;
    make_first(test, &done);
    assert_string_equal(done.name, "bundle/plant/0");
    struct mw_publish_options with = {.digest = done.digest, .cause = "first"};
    assert_ok(mw_publish(&test->plant, &with, &version, error));
    assert_int_equal(version, done.version);

    json_t *record = read_model(test);
    assert_string_equal(json_string_value(json_object_get(record, "bundle")), done.digest);
    assert_string_equal(json_string_value(json_object_get(record, "cause")), "first");
    assert_int_equal(json_integer_value(json_object_get(record, "version")), version);
    assert_null(json_object_get(record, "replaces"));
    const json_t *auc = json_object_get(json_object_get(record, "metrics"), "roc_auc");
    assert_true(json_number_value(auc) > 0.8);
    json_decref(record);

    assert_ok(mw_in_use_store(&store, &test->plant, false, error));
    assert_ok(mw_store_resolve(store, "plant", tagged, error));
    assert_string_equal(tagged, done.digest);
    assert_ok(mw_bundle_get(store, done.digest, &bundle, error));
    assert_string_equal(bundle.kind, "logistic");
    assert_int_equal(bundle.n_features, 2);
    assert_int_equal(bundle.seed, 5);
    assert_true(bundle.horizon == 300 * INT64_C(1000000));
    assert_ok(mw_runner_init(&runner, &bundle, error)); /* proves the golden vectors */
    mw_runner_clear(&runner);
    mw_store_close(store);
}

/* Each healthy record counts as often as it stands for: 1/p. */
static void test_sketches_count_what_was_held_back(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    struct mw_bundle bundle;
    struct mw_dataset set;
    const struct mw_dataset_columns columns = {.label = "label", .weight = "weight"};
    uint64_t wanted = 0, healthy = 0;
    make_first(test, &done);
    assert_ok(mw_assemble_read(&bundle, test_plant_path(test, "bundle"), error));
    assert_ok(mw_dataset_read(&set, test_plant_path(test, "dataset.csv"), &columns, error));
    for (size_t i = 0; i < set.rows; i++) {
        wanted += set.label[i] ? 0 : (uint64_t)lround(mw_dataset_weight(&set, i));
        healthy += !set.label[i];
    }
    assert_true(wanted > healthy);
    assert_int_equal(mw_sketch_total(&bundle.sketch[0]), wanted);
    assert_int_equal(mw_sketch_total(&bundle.score_sketch), wanted);
    for (int i = 1; i < MW_SKETCH_EDGES; i++) {
        assert_true(bundle.edges[0].edge[i] >= bundle.edges[0].edge[i - 1]);
    }
    mw_dataset_clear(&set);
    mw_bundle_clear(&bundle);
}

static void refuse(struct test_plant *test, const struct mw_validate_options *with,
                   const char *reason)
{
    struct mw_validate_result result;
    struct mw_bundle bundle;
    char report[200];
    assert_ok(mw_validate(&test->plant, with, &result, error));
    if (result.passed || strncmp(result.reason, reason, strlen(reason)) != 0) {
        fail_msg("%s: %s, expected %s", result.passed ? "passed" : "refused", result.reason,
                 reason);
    }
    snprintf(report, sizeof report, "%s/report.json", with->out);
    assert_true(mw_file_exists(report)); /* so that a person can look why */
    assert_int_not_equal(mw_assemble_read(&bundle, with->out, NULL), MW_OK);
    mw_validate_clear(&result);
}

static void test_a_candidate_has_to_beat_the_model_in_use(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    struct mw_validate_result result;
    char digest[MW_DIGEST_TEXT];
    make_first(test, &done);
    desire(test, "*", done.digest);
    assert_ok(mw_in_use_find(&test->plant, NULL, digest, error));
    assert_string_equal(digest, done.digest);
    assert_ok(mw_in_use_export(&test->plant, digest, test_plant_path(test, "parent"), error));
    train(test, test_plant_path(test, "parent/bundle.json"));
    struct mw_validate_options with = files(test);
    with.parent = test_plant_path(test, "parent");
    with.parent_digest = done.digest;
    with.out = test_plant_path(test, "next");
    test->plant.retrain.minimum_gain = 0.05; /* the same records again cannot give that */
    refuse(test, &with, "gain: ROC AUC");
    test->plant.retrain.minimum_gain = -0.1;
    assert_ok(mw_validate(&test->plant, &with, &result, error));
    assert_true(result.passed);
    json_t *metrics = json_loadb(result.metrics.data, result.metrics.size, 0, NULL);
    assert_true(json_number_value(json_object_get(metrics, "parent_roc_auc")) > 0.8);
    assert_true(json_number_value(json_object_get(metrics, "alarms_per_machine_day")) > 0);
    assert_true(json_number_value(json_object_get(metrics, "breakdowns_predicted")) > 0);
    assert_true(json_number_value(json_object_get(metrics, "lead_time_median_s")) > 0);
    json_decref(metrics);
    mw_validate_clear(&result);
    struct mw_bundle bundle;
    assert_ok(mw_assemble_read(&bundle, with.out, error));
    assert_string_equal(bundle.parent, done.digest);
    mw_bundle_clear(&bundle);
}

/* What train says of a candidate that ranks badly. */
static void claim(struct test_plant *test, double auc, double log_loss)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "{\"kind\":\"logistic\",\"base_rate\":0.3,\"validation\":{\"int8\":"
                     "{\"roc_auc\":%g,\"log_loss\":%g},\"float32\":{}}}",
                     auc, log_loss);
    assert_ok(mw_file_write(test_plant_path(test, "train.json"), text, (size_t)n, 0600, error));
}

static void test_a_worse_candidate_is_refused(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    make_first(test, &done);
    struct mw_validate_options with = files(test);
    with.parent = test_plant_path(test, "bundle");
    with.parent_digest = done.digest;
    with.out = test_plant_path(test, "next");
    claim(test, 0.45, 0.7);
    refuse(test, &with, "chance: ROC AUC 0.4500");
    claim(test, 0.6, 0.01); /* truer scores do not outweigh a worse ranking */
    refuse(test, &with, "gain: ROC AUC 0.6000");
}

static void test_gates_look_at_the_files_themselves(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    struct mw_validate_result result;
    make_first(test, &done);
    struct mw_validate_options with = files(test);
    with.out = test_plant_path(test, "next");
    with.size_limit = 100;
    refuse(test, &with, "size: ");
    with = files(test);
    with.out = test_plant_path(test, "next");
    test->plant.model.int8_auc_loss = -0.5; /* int8 would have to be far better than float32 */
    refuse(test, &with, "int8: int8 loses");
    with.int8_model = with.data; /* no model at all */
    struct mw_error why = {0};
    assert_int_not_equal(mw_validate(&test->plant, &with, &result, &why), MW_OK);
    assert_non_null(strstr(why.text, "dataset.csv"));
    mw_validate_clear(&result);
}

static void test_what_was_tampered_with_is_not_signed(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    struct mw_bundle bundle;
    struct mw_error why = {0};
    make_first(test, &done);
    assert_ok(mw_assemble_read(&bundle, test_plant_path(test, "bundle"), error));
    bundle.golden.data[bundle.golden.size - 1] ^= 1;
    assert_ok(mw_assemble_write(&bundle, test_plant_path(test, "bundle"), error));
    assert_int_equal(
        mw_publish_sign(&test->plant, test_plant_path(test, "bundle"), NULL, &done, &why),
        MW_ERR_DENIED);
    assert_non_null(strstr(why.text, "golden.bin: vector"));
    mw_bundle_clear(&bundle);
}

/* Names are few and move on, but never away from what something is told to run. */
static void test_signed_names_do_not_grow_without_end(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed first, done;
    struct mw_bundle bundle;
    struct mw_store *store = NULL;
    struct mw_catalog catalog;
    size_t named = 0;
    make_first(test, &first);
    desire(test, "motor-3", first.digest);
    assert_ok(mw_assemble_read(&bundle, test_plant_path(test, "bundle"), error));
    for (int i = 1; i <= 2 * MW_PUBLISH_SLOTS; i++) {
        bundle.created += 1000000;
        assert_ok(mw_assemble_write(&bundle, test_plant_path(test, "bundle"), error));
        assert_ok(
            mw_publish_sign(&test->plant, test_plant_path(test, "bundle"), NULL, &done, error));
    }
    mw_bundle_clear(&bundle);
    assert_ok(mw_in_use_store(&store, &test->plant, false, error));
    assert_ok(mw_trust_verify(store, first.digest, error));
    assert_ok(mw_trust_verify(store, done.digest, error));
    mw_store_close(store);
    assert_ok(mw_catalog_read(&catalog, &test->plant, error));
    for (size_t i = 0; i < catalog.n; i++) {
        named += catalog.row[i].name[0] != '\0';
    }
    assert_int_equal(named, MW_PUBLISH_SLOTS);
    const struct mw_catalog_row *row = mw_catalog_find(&catalog, first.digest, NULL);
    assert_true(row != NULL && row->in_use && row->roc_auc > 0.8);
    assert_string_equal(catalog.row[0].digest, done.digest); /* newest first */
    assert_null(mw_catalog_find(&catalog, "nothing", NULL));
    mw_catalog_clear(&catalog);
}

static void test_only_the_signed_is_published(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    char other[MW_DIGEST_TEXT];
    uint64_t version;
    make_first(test, &done);
    mw_digest("x", 1, other);
    struct mw_publish_options with = {.digest = other, .cause = "manual"};
    assert_int_equal(mw_publish(&test->plant, &with, &version, NULL), MW_ERR_SIGNATURE);
}

static void test_two_publishers_wait_for_each_other(void **state)
{
    struct test_plant *test = *state;
    struct mw_signed done;
    struct mw_stream *held = NULL;
    struct mw_error error = {0};
    char uri[256];
    uint64_t version;
    make_first(test, &done);
    assert_int_equal(mw_plant_stream_uri(&test->plant, uri, sizeof uri), MW_OK);
    struct mw_stream_options options = {.uri = uri, .plant = "test", .writer = "publish"};
    assert_int_equal(mw_stream_open(&held, &options, &error), MW_OK);
    struct mw_publish_options with = {.digest = done.digest, .cause = "manual"};
    assert_int_equal(mw_publish(&test->plant, &with, &version, &error), MW_ERR_BUSY);
    mw_stream_close(held);
    assert_int_equal(mw_publish(&test->plant, &with, &version, &error), MW_OK);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_a_first_model_is_published),
        ROW(test_sketches_count_what_was_held_back),
        ROW(test_a_candidate_has_to_beat_the_model_in_use),
        ROW(test_a_worse_candidate_is_refused),
        ROW(test_gates_look_at_the_files_themselves),
        ROW(test_what_was_tampered_with_is_not_signed),
        ROW(test_signed_names_do_not_grow_without_end),
        ROW(test_only_the_signed_is_published),
        ROW(test_two_publishers_wait_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
