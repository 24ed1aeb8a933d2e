/* firmware_test.c - models as they are trained, as the firmware of the reference implementation
 * gets them (lib/artifact/firmware.h). */
#include "lib/artifact/firmware.h"

#include "lib/base/test.h"
#include "tiers/training/evaluate.h"
#include "tiers/training/random.h"
#include "tiers/training/tflite_write.h"

enum { ROWS = 200, N = MW_FIRMWARE_FEATURES };

static char *names[N] = {"sound", "current", "vibration", "temperature"};
static float x[ROWS * N], z[ROWS * N];

static float *copy_of(const float *values)
{
    float *copy = malloc(N * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, N * sizeof *copy);
    return copy;
}

/* A network with random weights, as int8. */
static void write_model(struct mw_buffer *file, const size_t *widths, size_t layers)
{
    struct mw_random random = {5};
    struct mw_network network;
    struct mw_quantize_ranges ranges = {0};
    struct mw_quantized quantized = {0};
    const struct mw_quantize_cut cut = {.input = 8.0, .hidden = 1.0};
    assert_int_equal(mw_network_init(&network, MW_MODEL_MLP, names, N, widths, layers), MW_OK);
    for (size_t j = 0; j < N; j++) {
        network.mean[j] = 10.0f * (float)(j + 1);
        network.factor[j] = 0.5f;
    }
    for (size_t l = 0; l < layers; l++) {
        struct mw_layer *layer = &network.layers[l];
        for (size_t i = 0; i < layer->inputs * layer->outputs; i++) {
            layer->weight[i] = (2.0f * (float)mw_random_unit(&random) - 1.0f) * (l > 0 ? 0.5f : 1);
        }
    }
    for (size_t i = 0; i < ROWS * N; i++) {
        x[i] = network.mean[i % N] + 12.0f * ((float)mw_random_unit(&random) - 0.5f);
    }
    mw_network_normalise(&network, x, ROWS, z);
    assert_int_equal(mw_quantize_observe(&network, z, ROWS, &ranges), MW_OK);
    assert_int_equal(mw_quantize(&network, &ranges, cut, &quantized), MW_OK);
    assert_int_equal(mw_tflite_write(&network, &quantized, file), MW_OK);
    mw_quantize_ranges_clear(&ranges);
    mw_quantized_clear(&quantized);
    mw_network_clear(&network);
}

static void make_runner(struct mw_runner *runner, const size_t *widths, size_t layers)
{
    static const float mean[N] = {10.0f, 20.0f, 30.0f, 40.0f}, std[N] = {2.0f, 2.1f, 2.2f, 2.3f};
    static double score[ROWS];
    struct mw_bundle bundle = {.n_features = N,
                               .reference_mean = copy_of(mean),
                               .reference_std = copy_of(std),
                               .features = calloc(N, sizeof *bundle.features)};
    const uint32_t head[2] = {ROWS, N};
    assert_non_null(bundle.features);
    for (size_t i = 0; i < N; i++) {
        bundle.features[i] = strdup(names[i]);
    }
    write_model(&bundle.int8_model, widths, layers);
    assert_ok(mw_evaluate(&bundle.int8_model, x, ROWS, N, score, error));
    assert_int_equal(mw_buffer_add(&bundle.golden, "MWG1", 4), MW_OK);
    assert_int_equal(mw_buffer_add(&bundle.golden, head, sizeof head), MW_OK);
    for (size_t i = 0; i < ROWS; i++) {
        float expected = (float)score[i];
        (void)mw_buffer_add(&bundle.golden, x + i * N, N * sizeof *x);
        (void)mw_buffer_add(&bundle.golden, &expected, sizeof expected);
    }
    assert_ok(mw_runner_init(runner, &bundle, error));
}

/* Its input is what the machine measures, in the firmware's order; its score that of the plant. */
static void test_the_default_network_fits(void **state)
{
    static const size_t widths[] = {50, 40, 1}, order[N] = {1, 3, 2, 0};
    float mean[N] = {5.1f, 7.3f, 300.7f, 0.9f}, std[N] = {0.7f, 0.31f, 40.3f, 0.0f};
    static float raw[ROWS * N], turned[ROWS * N], mapped[N];
    static double served[ROWS];
    struct mw_baseline baseline = {.count = 200, .mean = mean, .std = std};
    struct mw_runner runner;
    struct mw_buffer file = {0};
    char name[MW_FIRMWARE_NAME], other[MW_FIRMWARE_NAME];
    size_t differ = 0;
    (void)state;
    make_runner(&runner, widths, 3);
    assert_ok(mw_firmware_model(&runner, &baseline, &file, error));
    assert_int_equal(file.size, MW_FIRMWARE_BYTES);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < N; j++) {
            raw[i * N + j] = mean[j] + (z[i * N + j] * 0.8f) * (std[j] > 0 ? std[j] : 1.0f);
        }
        for (size_t k = 0; k < N; k++) {
            turned[i * N + k] = raw[i * N + order[k]];
        }
    }
    assert_ok(mw_evaluate(&file, turned, ROWS, N, served, error));
    for (size_t i = 0; i < ROWS; i++) {
        mw_runner_map(&runner, &baseline, raw + i * N, mapped);
        float expected = mw_runner_score(&runner, mapped), got = (float)served[i];
        assert_memory_equal(&got, &expected, sizeof got);
        differ += i > 0 && served[i] != served[i - 1];
    }
    assert_true(differ > ROWS / 2);
    mw_firmware_name(&file, name);
    mw_buffer_clear(&file);
    assert_ok(mw_firmware_model(&runner, NULL, &file, error));
    mw_firmware_name(&file, other);
    assert_string_not_equal(name, other);
    mw_runner_clear(&runner);
    mw_buffer_free(&file);
}

static void test_a_larger_one_is_refused(void **state)
{
    static const size_t widths[] = {70, 60, 1};
    struct mw_runner runner;
    struct mw_buffer file = {0};
    (void)state;
    make_runner(&runner, widths, 3);
    assert_refused(mw_firmware_model(&runner, NULL, &file, error), MW_ERR_TOO_LARGE,
                   "the firmware reads 11148: fewer model.hidden");
    mw_runner_clear(&runner);
    mw_buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_network_fits),
        cmocka_unit_test(test_a_larger_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
