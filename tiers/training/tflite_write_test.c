#include "tiers/training/tflite_write.h"

#include "core/model/model.h"
#include "lib/artifact/fold.h"
#include "lib/base/test.h"
#include "tiers/training/evaluate.h"
#include "tiers/training/random.h"

#include <math.h>

#define ROWS 300
#define COLUMNS 6

static char *names[COLUMNS] = {"current", "temp \"in\"", "c", "d", "e", "constant"};
static float x[ROWS * COLUMNS], z[ROWS * COLUMNS];
static double score[ROWS];

/* A network with random weights over features of very different units. */
static void make(struct mw_network *network, enum mw_model_kind kind, const size_t *widths,
                 size_t layers)
{
    struct mw_random random = {21};
    assert_int_equal(mw_network_init(network, kind, names, COLUMNS, widths, layers), MW_OK);
    for (size_t j = 0; j < COLUMNS; j++) {
        network->mean[j] = 1000.0f * (float)j;
        network->factor[j] = j + 1 < COLUMNS ? 1.0f / (10.0f * (float)(j + 1)) : 0.0f;
    }
    for (size_t l = 0; l < layers; l++) {
        struct mw_layer *layer = &network->layers[l];
        for (size_t i = 0; i < layer->inputs * layer->outputs; i++) {
            layer->weight[i] = 2.0f * (float)mw_random_unit(&random) - 1.0f;
        }
        for (size_t i = 0; i < layer->outputs; i++) {
            layer->bias[i] = (float)mw_random_unit(&random) - 0.5f;
        }
    }
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        size_t j = i % COLUMNS;
        double sum = -3.0; /* of six uniform numbers: about normal */
        for (int k = 0; k < 6; k++) {
            sum += mw_random_unit(&random);
        }
        x[i] = network->mean[j] + (float)(sum * 10.0 * (double)(j + 1));
    }
    mw_network_normalise(network, x, ROWS, z);
}

/* Writes a variant and scores all rows with the engine. */
static void run(const struct mw_network *network, bool int8, struct mw_buffer *file)
{
    struct mw_error error = {0};
    struct mw_quantize_ranges ranges = {0};
    struct mw_quantized quantized = {0};
    const struct mw_quantize_cut cut = {.input = 8.0, .hidden = 1.0};
    assert_int_equal(mw_quantize_observe(network, z, ROWS, &ranges), MW_OK);
    assert_int_equal(mw_quantize(network, &ranges, cut, &quantized), MW_OK);
    assert_int_equal(mw_tflite_write(network, int8 ? &quantized : NULL, file), MW_OK);
    if (mw_evaluate(file, x, ROWS, COLUMNS, score, &error) != MW_OK) {
        fail_msg("%s", error.text);
    }
    mw_quantize_ranges_clear(&ranges);
    mw_quantized_clear(&quantized);
}

/* Mean and largest distance of the scores from the float network's. */
static void compare(const struct mw_network *network, double *mean, double *most)
{
    float scratch[64];
    assert_true(mw_network_scratch(network) <= 64);
    *mean = *most = 0.0;
    for (size_t i = 0; i < ROWS; i++) {
        double rank = mw_network_rank(network, z + i * COLUMNS, scratch);
        double distance = fabs(mw_network_score(network, rank) - score[i]);
        *mean += distance / ROWS;
        *most = distance > *most ? distance : *most;
    }
}

static void test_classifier(void **state)
{
    (void)state;
    const size_t widths[3] = {10, 7, 1};
    struct mw_network network;
    struct mw_buffer file = {0};
    double mean, most;
    make(&network, MW_MODEL_MLP, widths, 3);
    run(&network, false, &file);
    compare(&network, &mean, &most);
    assert_true(most < 2e-4); /* an int16 logit of 1/3072 a step, a score of 1/32768 */
    mw_buffer_clear(&file);
    run(&network, true, &file);
    compare(&network, &mean, &most);
    assert_true(mean < 0.01 && most < 0.06);
    assert_true(mean > 0.0);
    mw_buffer_free(&file);
    mw_network_clear(&network);
}

static void test_autoencoder(void **state)
{
    (void)state;
    const size_t widths[2] = {4, COLUMNS};
    struct mw_network network;
    struct mw_buffer file = {0};
    double mean, most;
    make(&network, MW_MODEL_AUTOENCODER, widths, 2);
    network.c = 2.5f;
    run(&network, false, &file);
    compare(&network, &mean, &most);
    assert_true(most < 1e-5);
    mw_buffer_clear(&file);
    run(&network, true, &file);
    compare(&network, &mean, &most);
    assert_true(mean < 0.01 && most < 0.05 && mean > 0.0);
    mw_buffer_free(&file);
    mw_network_clear(&network);
}

static void assert_operators(const struct mw_buffer *file, const char *const *expected, size_t n)
{
    struct mw_why why;
    struct mw_model *model;
    size_t bytes;
    assert_int_equal(mw_model_size(file->data, file->size, &bytes, &why), MW_OK);
    void *memory = aligned_alloc(MW_MODEL_ALIGN, (bytes + 15) / 16 * 16);
    assert_int_equal(mw_model_init(memory, bytes, file->data, file->size, &model, &why), MW_OK);
    assert_int_equal(mw_model_operators(model), n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(mw_model_operator(model, i).name, expected[i]);
    }
    const struct mw_tensor *in = mw_model_input(model, 0), *out = mw_model_output(model, 0);
    assert_true(in->type == MW_TYPE_FLOAT32 && in->rank == 2 && in->shape[1] == COLUMNS);
    assert_true(out->type == MW_TYPE_FLOAT32 && out->count == 1);
    free(memory);
}

static void test_graphs(void **state)
{
    (void)state;
    static const char *const classifier[] = {
        "SUB", "MUL", "QUANTIZE", "FULLY_CONNECTED", "QUANTIZE", "LOGISTIC", "DEQUANTIZE", "MEAN"};
    static const char *const plain[] = {"SUB",      "MUL",      "FULLY_CONNECTED",
                                        "QUANTIZE", "LOGISTIC", "DEQUANTIZE"};
    static const char *const encoder[] = {"SUB",
                                          "MUL",
                                          "QUANTIZE",
                                          "FULLY_CONNECTED",
                                          "FULLY_CONNECTED",
                                          "DEQUANTIZE",
                                          "SQUARED_DIFFERENCE",
                                          "MEAN",
                                          "ADD",
                                          "DIV"};
    const size_t one[1] = {1}, two[2] = {4, COLUMNS};
    struct mw_network network;
    struct mw_buffer file = {0};
    make(&network, MW_MODEL_LOGISTIC, one, 1);
    run(&network, true, &file);
    assert_operators(&file, classifier, 8);
    mw_buffer_clear(&file);
    run(&network, false, &file);
    assert_operators(&file, plain, 6);
    mw_network_clear(&network);
    make(&network, MW_MODEL_AUTOENCODER, two, 2);
    mw_buffer_clear(&file);
    run(&network, true, &file);
    assert_operators(&file, encoder, 10);
    mw_network_clear(&network);
    mw_buffer_free(&file);
}

/* What a firmware gets, whose inputs are raw and in another order: the same scores, bit for bit. */
static void assert_folds(const struct mw_buffer *file)
{
    static float mapped[ROWS * COLUMNS], turned[ROWS * COLUMNS];
    static double expected[ROWS], folded_score[ROWS];
    float mean[COLUMNS], std[COLUMNS], reference_mean[COLUMNS], reference_std[COLUMNS];
    static const size_t order[COLUMNS] = {3, 0, 5, 1, 2, 4};
    struct mw_baseline baseline = {.mean = mean, .std = std};
    struct mw_fold fold = {COLUMNS, names, order, &baseline, reference_mean, reference_std};
    struct mw_buffer folded = {0};
    struct mw_span value;
    for (size_t j = 0; j < COLUMNS; j++) {
        mean[j] = 1000.3f * (float)j;
        std[j] = j == 5 ? 0.0f : 7.1f * (float)(j + 1);
        reference_mean[j] = 1000.0f * (float)j;
        reference_std[j] = 9.7f * (float)(j + 1);
    }
    for (size_t i = 0; i < ROWS; i++) {
        mw_baseline_map(&baseline, reference_mean, reference_std, COLUMNS, x + i * COLUMNS,
                        mapped + i * COLUMNS);
        for (size_t j = 0; j < COLUMNS; j++) {
            turned[i * COLUMNS + j] = x[i * COLUMNS + order[j]];
        }
    }
    assert_ok(mw_evaluate(file, mapped, ROWS, COLUMNS, expected, error));
    assert_ok(mw_fold_model((struct mw_span){file->data, file->size}, &fold, &folded, error));
    assert_ok(mw_evaluate(&folded, turned, ROWS, COLUMNS, folded_score, error));
    assert_memory_equal(folded_score, expected, sizeof expected);
    assert_int_equal(mw_model_metadata(folded.data, folded.size, "millwright.features", &value),
                     MW_OK);
    assert_true(
        mw_span_is(value, "[\"d\",\"current\",\"constant\",\"temp \\\"in\\\"\",\"c\",\"e\"]"));
    mw_buffer_free(&folded);
}

static void test_folded(void **state)
{
    (void)state;
    const size_t classifier[3] = {10, 7, 1}, encoder[2] = {4, COLUMNS};
    for (int i = 0; i < 4; i++) {
        struct mw_network network;
        struct mw_buffer file = {0};
        bool labelled = i < 2;
        make(&network, labelled ? MW_MODEL_MLP : MW_MODEL_AUTOENCODER,
             labelled ? classifier : encoder, labelled ? 3 : 2);
        network.c = 2.5f;
        run(&network, i % 2 == 0, &file);
        assert_folds(&file);
        mw_network_clear(&network);
        mw_buffer_free(&file);
    }
}

static void test_metadata(void **state)
{
    (void)state;
    const size_t widths[1] = {1};
    struct mw_network network;
    struct mw_buffer file = {0};
    struct mw_span value;
    make(&network, MW_MODEL_LOGISTIC, widths, 1);
    run(&network, true, &file);
    assert_int_equal(mw_model_metadata(file.data, file.size, "millwright.features", &value), MW_OK);
    assert_true(
        mw_span_is(value, "[\"current\",\"temp \\\"in\\\"\",\"c\",\"d\",\"e\",\"constant\"]"));
    assert_int_equal(mw_model_metadata(file.data, file.size, "millwright.kind", &value), MW_OK);
    assert_true(mw_span_is(value, "logistic"));
    assert_int_equal(mw_model_metadata(file.data, file.size, "other", &value), MW_ERR_NOT_FOUND);
    mw_buffer_free(&file);
    mw_network_clear(&network);
}

static void test_same_bytes(void **state)
{
    (void)state;
    const size_t widths[2] = {5, 1};
    struct mw_network network;
    struct mw_buffer file[2] = {{0}};
    make(&network, MW_MODEL_MLP, widths, 2);
    run(&network, true, &file[0]);
    run(&network, true, &file[1]);
    assert_int_equal(file[0].size, file[1].size);
    assert_memory_equal(file[0].data, file[1].data, file[0].size);
    mw_buffer_free(&file[0]);
    mw_buffer_free(&file[1]);
    mw_network_clear(&network);
}

/* Whatever a constant feature's value, the score stays. */
static void test_constant_feature(void **state)
{
    (void)state;
    const size_t widths[1] = {1};
    struct mw_network network;
    struct mw_buffer file = {0};
    double other[2];
    make(&network, MW_MODEL_LOGISTIC, widths, 1);
    run(&network, true, &file);
    float row[2 * COLUMNS];
    memcpy(row, x, COLUMNS * sizeof *row);
    memcpy(row + COLUMNS, x, COLUMNS * sizeof *row);
    row[2 * COLUMNS - 1] = -12345.0f;
    assert_int_equal(mw_evaluate(&file, row, 2, COLUMNS, other, NULL), MW_OK);
    assert_true(other[0] == other[1]);
    mw_buffer_free(&file);
    mw_network_clear(&network);
}

static void test_too_many_layers(void **state)
{
    (void)state;
    size_t widths[60];
    struct mw_network network;
    struct mw_buffer file = {0};
    for (size_t i = 0; i < 60; i++) {
        widths[i] = i + 1 < 60 ? 2 : 1;
    }
    make(&network, MW_MODEL_MLP, widths, 60);
    assert_int_equal(mw_tflite_write(&network, NULL, &file), MW_ERR_TOO_LARGE);
    mw_buffer_free(&file);
    mw_network_clear(&network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classifier),       cmocka_unit_test(test_autoencoder),
        cmocka_unit_test(test_graphs),           cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_folded),           cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_constant_feature), cmocka_unit_test(test_too_many_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
