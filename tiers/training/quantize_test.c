#include "tiers/training/quantize.h"

#include "lib/base/test.h"

#include <math.h>

static char *names[2] = {"a", "b"};

/* One layer, w = (0.5, -0.25), b = 0.1, over inputs in [-4, 4]. */
static void make(struct mw_network *network, struct mw_quantize_ranges *ranges)
{
    static const size_t widths[1] = {1};
    static const float z[8] = {-4.0f, 4.0f, 4.0f, -4.0f, 1.0f, 1.0f, 0.0f, 0.0f};
    assert_int_equal(mw_network_init(network, MW_MODEL_LOGISTIC, names, 2, widths, 1), MW_OK);
    network->layers[0].weight[0] = 0.5f;
    network->layers[0].weight[1] = -0.25f;
    network->layers[0].bias[0] = 0.1f;
    assert_int_equal(mw_quantize_observe(network, z, 4, ranges), MW_OK);
}

static void test_observes(void **state)
{
    (void)state;
    struct mw_network network;
    struct mw_quantize_ranges ranges;
    make(&network, &ranges);
    assert_true(ranges.input_least == -4.0f && ranges.input_most == 4.0f);
    assert_int_equal(ranges.layers[0].n, 4);
    assert_true(fabsf(ranges.layers[0].value[0] + 2.9f) < 1e-6f); /* sorted: -2 - 1 + 0.1 first */
    assert_true(fabsf(ranges.layers[0].value[3] - 3.1f) < 1e-6f);
    mw_quantize_ranges_clear(&ranges);
    mw_network_clear(&network);
}

static void test_integers(void **state)
{
    (void)state;
    struct mw_network network;
    struct mw_quantize_ranges ranges;
    struct mw_quantized quantized;
    make(&network, &ranges);
    assert_int_equal(
        mw_quantize(&network, &ranges, (struct mw_quantize_cut){.hidden = 1.0}, &quantized), MW_OK);
    assert_true(fabsf(quantized.in_scale - 8.0f / 255.0f) < 1e-6f);
    const struct mw_quantized_layer *layer = &quantized.layers[0];
    assert_true(fabsf(layer->out_scale - 6.0f / 255.0f) < 1e-6f);
    assert_int_equal(layer->outputs, MW_QUANTIZE_COPIES);
    double sum = 0.0;
    for (size_t o = 0; o < layer->outputs; o++) {
        assert_int_equal(layer->weight[2 * o], 127);
        assert_int_equal(layer->weight[2 * o + 1], -64); /* -63.5, halves away from zero */
        assert_true(fabsf(layer->scale[o] - 0.5f / 127.0f) < 1e-8f);
        sum += (double)layer->bias[o] * (double)quantized.in_scale * (double)layer->scale[o];
    }
    assert_true(fabs(sum / MW_QUANTIZE_COPIES - 0.1) < 1e-4); /* the shifts cancel */
    double step = (double)(layer->bias[1] - layer->bias[0]) * (double)quantized.in_scale *
                  (double)layer->scale[0];
    assert_true(fabs(step - (double)layer->out_scale / MW_QUANTIZE_COPIES) < 2e-4);
    mw_quantized_clear(&quantized);
    mw_quantize_ranges_clear(&ranges);
    mw_network_clear(&network);
}

static void test_cuts(void **state)
{
    (void)state;
    struct mw_network network;
    struct mw_quantize_ranges ranges;
    struct mw_quantized quantized;
    struct mw_quantize_cut cut = {.input = 2.0, .hidden = 1.0, .output = 1.5};
    make(&network, &ranges);
    assert_int_equal(mw_quantize(&network, &ranges, cut, &quantized), MW_OK);
    assert_true(fabsf(quantized.in_scale - 4.0f / 255.0f) < 1e-6f);
    assert_true(fabsf(quantized.layers[0].out_scale - 3.0f / 255.0f) < 1e-6f);
    mw_quantized_clear(&quantized);
    mw_quantize_ranges_clear(&ranges);
    mw_network_clear(&network);
}

/* A unit without weights still keeps its bias; one that is not finite is refused. */
static void test_odd_weights(void **state)
{
    (void)state;
    struct mw_network network;
    struct mw_quantize_ranges ranges;
    struct mw_quantized quantized;
    struct mw_quantize_cut cut = {.hidden = 1.0};
    make(&network, &ranges);
    network.layers[0].weight[0] = network.layers[0].weight[1] = 0.0f;
    assert_int_equal(mw_quantize(&network, &ranges, cut, &quantized), MW_OK);
    double bias = (double)quantized.layers[0].bias[3] * (double)quantized.in_scale *
                  (double)quantized.layers[0].scale[3];
    assert_true(fabs(bias - 0.1) < 0.01);
    mw_quantized_clear(&quantized);
    network.layers[0].weight[1] = NAN;
    assert_int_equal(mw_quantize(&network, &ranges, cut, &quantized), MW_ERR_RANGE);
    network.layers[0].weight[1] = 0.0f;
    network.layers[0].bias[0] = INFINITY;
    assert_int_equal(mw_quantize(&network, &ranges, cut, &quantized), MW_ERR_RANGE);
    mw_quantize_ranges_clear(&ranges);
    mw_network_clear(&network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_observes),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_odd_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
