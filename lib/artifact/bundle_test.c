#include "lib/artifact/test_place.h"

#include "lib/artifact/bundle_parts.h"
#include "lib/artifact/test_bundle.h"

#include <math.h>

static void assert_same_bundle(const struct mw_bundle *a, const struct mw_bundle *b)
{
    assert_string_equal(a->kind, b->kind);
    assert_int_equal(a->n_features, b->n_features);
    assert_int_equal(a->horizon, b->horizon);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->created, b->created);
    assert_true(a->base_rate == b->base_rate && a->int8_auc_loss == b->int8_auc_loss);
    assert_string_equal(a->dataset, b->dataset);
    assert_string_equal(a->code, b->code);
    for (size_t i = 0; i < a->n_features; i++) {
        assert_string_equal(a->features[i], b->features[i]);
    }
    size_t n = a->n_features;
    assert_memory_equal(a->reference_mean, b->reference_mean, n * sizeof(float));
    assert_memory_equal(a->reference_std, b->reference_std, n * sizeof(float));
    assert_memory_equal(a->edges, b->edges, n * sizeof *a->edges);
    assert_memory_equal(a->sketch, b->sketch, n * sizeof *a->sketch);
    assert_memory_equal(&a->score_edges, &b->score_edges, sizeof a->score_edges);
    assert_memory_equal(&a->score_sketch, &b->score_sketch, sizeof a->score_sketch);
    assert_string_equal(a->gates_json, b->gates_json);
    assert_string_equal(a->metrics_json, b->metrics_json);
}

static void test_put_and_get(void **state)
{
    struct place *place = *state;
    struct mw_bundle bundle, back;
    char first[MW_DIGEST_TEXT];
    uint64_t length = 0;
    test_bundle_build(&bundle, 1.0F);
    assert_ok(mw_bundle_put(place->store, &bundle, &length, error));
    assert_true(length > 0);
    (void)snprintf(first, sizeof first, "%s", bundle.digest);
    assert_ok(mw_bundle_get(place->store, bundle.digest, &back, error));
    assert_same_bundle(&bundle, &back);
    assert_null(back.parent);
    assert_null(back.machine);
    assert_string_equal(back.digest, bundle.digest);
    assert_int_equal(back.int8_model.size, bundle.int8_model.size);
    assert_memory_equal(back.int8_model.data, bundle.int8_model.data, bundle.int8_model.size);
    assert_int_equal(back.float_model.size, bundle.float_model.size);
    assert_memory_equal(back.golden.data, bundle.golden.data, bundle.golden.size);
    /* What was read back is the same artifact. */
    assert_ok(mw_bundle_put(place->store, &back, &length, error));
    assert_string_equal(back.digest, first);
    mw_bundle_clear(&back);
    bundle.parent = strdup(first);
    bundle.machine = strdup("motor-7");
    const float mean[2] = {0.1F, -2}, std[2] = {1, 0};
    assert_int_equal(bundle.n_features, 2);
    assert_ok(mw_baseline_list_add(&bundle.baselines, "motor-7", 1500000, 60, mean, std, 2));
    assert_ok(mw_bundle_put(place->store, &bundle, &length, error));
    assert_string_not_equal(bundle.digest, first);
    assert_ok(mw_bundle_get(place->store, bundle.digest, &back, error));
    assert_string_equal(back.parent, first);
    assert_string_equal(back.machine, "motor-7");
    const struct mw_baseline *own = mw_baseline_list_find(&back.baselines, "motor-7", INT64_MAX);
    assert_non_null(own);
    assert_true(own->since == 1500000 && own->count == 60);
    assert_memory_equal(own->mean, mean, sizeof mean);
    assert_memory_equal(own->std, std, sizeof std);
    mw_bundle_clear(&back);
    mw_bundle_clear(&bundle);
}

static void test_does_not_publish_what_it_would_not_read(void **state)
{
    struct place *place = *state;
    struct mw_bundle bundle;
    uint64_t length;
    test_bundle_build(&bundle, 1.0F);
    bundle.reference_mean[1] = NAN;
    assert_refused(mw_bundle_put(place->store, &bundle, &length, error), MW_ERR_ARGUMENT, "finite");
    bundle.reference_mean[1] = 0.0F;
    bundle.score_edges.edge[3] = -5.0F;
    assert_refused(mw_bundle_put(place->store, &bundle, &length, error), MW_ERR_PARSE, "descend");
    bundle.score_edges.edge[3] = 4.0F / 16.0F;
    bundle.golden.size--;
    assert_refused(mw_bundle_put(place->store, &bundle, &length, error), MW_ERR_PARSE, "golden");
    bundle.golden.size++;
    bundle.metrics_json[0] = '[';
    assert_int_equal(mw_bundle_put(place->store, &bundle, &length, NULL), MW_ERR_ARGUMENT);
    mw_bundle_clear(&bundle);
}

/* Each part by its title in the manifest: damaged, and gone. */
static void test_damaged_parts_are_refused(void **state)
{
    struct place *place = *state;
    struct mw_bundle bundle, back;
    struct mw_buffer manifest = {0}, blob = {0};
    uint64_t length;
    test_bundle_build(&bundle, 1.0F);
    (void)mw_buffer_add(&bundle.float_model, "\0", 1); /* else int8 and float are one blob */
    assert_ok(mw_bundle_put(place->store, &bundle, &length, error));
    assert_ok(mw_store_get(place->store, bundle.digest, &manifest, error));
    size_t parts = 0;
    for (char *at = manifest.data; (at = strstr(at, "sha256:")) != NULL; at += 71) {
        char path[128];
        (void)snprintf(path, sizeof path, "blobs/sha256/%.64s", at + 7);
        mw_buffer_clear(&blob);
        assert_ok(mw_file_read(place_path(place, path), 1U << 20, &blob, error));
        blob.data[blob.size / 2] ^= 1;
        place_write(place_path(place, path), blob.data, blob.size);
        assert_refused(mw_bundle_get(place->store, bundle.digest, &back, error), MW_ERR_CORRUPT,
                       "damaged");
        assert_int_equal(unlink(place_path(place, path)), 0);
        assert_refused(mw_bundle_get(place->store, bundle.digest, &back, error), MW_ERR_CORRUPT,
                       "sha256:");
        blob.data[blob.size / 2] ^= 1;
        place_write(place_path(place, path), blob.data, blob.size);
        assert_ok(mw_bundle_get(place->store, bundle.digest, &back, error));
        mw_bundle_clear(&back);
        parts++;
    }
    assert_int_equal(parts, 5);
    mw_buffer_free(&manifest);
    mw_buffer_free(&blob);
    mw_bundle_clear(&bundle);
}

struct device {
    struct mw_store *store;
    struct mw_buffer bytes;
    char without[MW_DIGEST_TEXT]; /* a blob that this device was not given */
};

static mw_err device_blob(void *context, const char *digest, struct mw_span *bytes)
{
    struct device *device = context;
    if (strcmp(digest, device->without) == 0) {
        return MW_ERR_NOT_FOUND;
    }
    mw_buffer_clear(&device->bytes);
    mw_err err = mw_store_get(device->store, digest, &device->bytes, NULL);
    *bytes = (struct mw_span){device->bytes.data, device->bytes.size};
    return err;
}

static void test_a_device_needs_no_float_model(void **state)
{
    struct place *place = *state;
    struct mw_bundle bundle, back;
    struct mw_buffer manifest = {0};
    struct device device = {.store = place->store};
    uint64_t length;
    test_bundle_build(&bundle, 1.0F);
    (void)mw_buffer_add(&bundle.float_model, "\0", 1);
    assert_ok(mw_bundle_put(place->store, &bundle, &length, error));
    assert_ok(mw_store_get(place->store, bundle.digest, &manifest, error));
    struct mw_span text = {manifest.data, manifest.size};
    mw_digest(bundle.float_model.data, bundle.float_model.size, device.without);
    assert_ok(mw_bundle_read(text, device_blob, &device, &back, error));
    assert_int_equal(back.float_model.size, 0);
    assert_int_equal(back.int8_model.size, bundle.int8_model.size);
    mw_bundle_clear(&back);
    mw_digest(bundle.int8_model.data, bundle.int8_model.size, device.without);
    assert_refused(mw_bundle_read(text, device_blob, &device, &back, error), MW_ERR_NOT_FOUND,
                   "model.int8.tflite");
    for (size_t size = 0; size < text.size; size++) {
        struct mw_span cut = {text.data, size};
        assert_int_not_equal(mw_bundle_read(cut, device_blob, &device, &back, NULL), MW_OK);
    }
    mw_buffer_free(&device.bytes);
    mw_buffer_free(&manifest);
    mw_bundle_clear(&bundle);
}

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t size = strlen(text) + strlen(to) + 1;
    char *made = malloc(size);
    assert_non_null(made);
    (void)snprintf(made, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return made;
}

static void test_hostile_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *reason;
        mw_err code;
    } cases[] = {
        {"{\"v\":1", "[{\"v\":1", "bundle.json:1", MW_ERR_PARSE},
        {"{\"v\":1", "{\"v\":2", "not version 1", MW_ERR_VERSION},
        {"{\"v\":1", "{\"v\":1,\"v\":1", "duplicate", MW_ERR_PARSE},
        {"\"kind\":\"mlp\"", "\"kind\":7", "kind", MW_ERR_PARSE},
        {"\"kind\":\"mlp\"", "\"kind\":\"a\\u0007\"", "control", MW_ERR_PARSE},
        {"\"kind\":\"mlp\"", "\"kind\":\"a\\u0000\"", "bundle.json:1", MW_ERR_PARSE},
        {"[\"a\",\"b\"]", "[]", "features", MW_ERR_PARSE},
        {"[\"a\",\"b\"]", "[\"a\",\"a\"]", "a name twice", MW_ERR_PARSE},
        {"[\"a\",\"b\"]", "[\"a\"]", "reference.mean", MW_ERR_PARSE},
        {"[\"a\",\"b\"]", "{\"a\":\"b\"}", "features", MW_ERR_PARSE},
        {"\"base_rate\":0.1", "\"base_rate\":1.5", "base_rate", MW_ERR_PARSE},
        {"\"base_rate\":0.1", "\"base_rate\":1e999", "bundle.json:1", MW_ERR_PARSE},
        {"\"horizon_us\":3600000000", "\"horizon_us\":-1", "horizon_us", MW_ERR_PARSE},
        {"\"seed\":42", "\"seed\":92233720368547758070", "bundle.json:1", MW_ERR_PARSE},
        {"\"created\":1", "\"created\":1e99,\"x\":1", "created", MW_ERR_PARSE},
        {"\"std\":[0.25", "\"std\":[-1", "reference.std", MW_ERR_PARSE},
        {"\"std\":[0.25", "\"std\":[1e300", "reference.std", MW_ERR_PARSE},
        {"\"edges\":{\"features\":[[-1", "\"edges\":{\"features\":[[9", "descend", MW_ERR_PARSE},
        {"\"sketch\":{\"features\":[[0", "\"sketch\":{\"features\":[[-1", "count", MW_ERR_PARSE},
        {"\"sketch\":{\"features\":[[0,", "\"sketch\":{\"features\":[[", "17", MW_ERR_PARSE},
        {"\"gates\":{", "\"gates\":7,\"x\":{", "gates", MW_ERR_PARSE},
        {"\"dataset\":", "\"parent\":\"sha256:1\",\"dataset\":", "parent", MW_ERR_PARSE},
    };
    struct mw_bundle bundle, back;
    struct mw_buffer json = {0};
    test_bundle_build(&bundle, 1.0F);
    assert_ok(mw_bundle_print_json(&bundle, &json));
    assert_ok(mw_bundle_parse_json((struct mw_span){json.data, json.size}, &back, error));
    assert_same_bundle(&bundle, &back);
    mw_bundle_clear(&back);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = replaced(json.data, cases[i].from, cases[i].to);
        assert_refused(mw_bundle_parse_json(mw_span_of(text), &back, error), cases[i].code,
                       cases[i].reason);
        assert_null(back.features);
        free(text);
    }
    for (size_t size = 0; size < json.size; size++) {
        assert_int_not_equal(mw_bundle_parse_json((struct mw_span){json.data, size}, &back, NULL),
                             MW_OK);
    }
    mw_buffer_free(&json);
    mw_bundle_clear(&bundle);
}

static void test_every_float_survives(void **state)
{
    struct mw_bundle bundle, back;
    struct mw_buffer json = {0};
    uint32_t bits = 1;
    (void)state;
    test_bundle_build(&bundle, 1.0F);
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < TEST_FEATURES; i++) {
            do {
                bits = bits * 1664525U + 1013904223U;
                memcpy(&bundle.reference_mean[i], &bits, sizeof bits);
            } while (!isfinite(bundle.reference_mean[i]));
        }
        mw_buffer_clear(&json);
        assert_ok(mw_bundle_print_json(&bundle, &json));
        assert_ok(mw_bundle_parse_json((struct mw_span){json.data, json.size}, &back, error));
        assert_memory_equal(bundle.reference_mean, back.reference_mean,
                            TEST_FEATURES * sizeof(float));
        mw_bundle_clear(&back);
    }
    mw_buffer_free(&json);
    mw_bundle_clear(&bundle);
}

static void test_golden_layout(void **state)
{
    struct mw_buffer file = {0};
    struct mw_golden golden;
    float inputs[TEST_FEATURES];
    (void)state;
    test_golden_build(&file, 1.0F);
    struct mw_span bytes = {file.data, file.size};
    assert_ok(mw_golden_open(bytes, TEST_FEATURES, &golden, error));
    assert_int_equal(golden.count, 2);
    assert_true(mw_golden_vector(&golden, 1, inputs) == 0.75F);
    assert_true(inputs[0] == 1.0F && inputs[1] == 0.5F);
    assert_refused(mw_golden_open(bytes, 3, &golden, error), MW_ERR_PARSE, "2 features");
    for (size_t size = 0; size < bytes.size; size++) {
        struct mw_span cut = {bytes.data, size};
        assert_int_equal(mw_golden_open(cut, TEST_FEATURES, &golden, NULL), MW_ERR_PARSE);
    }
    memset(file.data + 4, 0xff, 4);
    assert_refused(mw_golden_open(bytes, TEST_FEATURES, &golden, error), MW_ERR_RANGE, "vectors");
    memset(file.data + 4, 0, 4);
    assert_refused(mw_golden_open(bytes, TEST_FEATURES, &golden, error), MW_ERR_RANGE, "0 vectors");
    mw_buffer_free(&file);
}

int main(void)
{
#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        PLACED(test_put_and_get),
        PLACED(test_does_not_publish_what_it_would_not_read),
        PLACED(test_damaged_parts_are_refused),
        PLACED(test_a_device_needs_no_float_model),
        cmocka_unit_test(test_hostile_json_is_refused),
        cmocka_unit_test(test_every_float_survives),
        cmocka_unit_test(test_golden_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
