#include "tiers/training/backprop.h"

#include "lib/base/test.h"

#include <math.h>

#define ROWS 40
#define COLUMNS 5

static float z[ROWS * COLUMNS];
static uint8_t label[ROWS];
static double weight[ROWS];
static uint32_t every[ROWS];
static char *names[COLUMNS] = {"a", "b", "c", "d", "e"};

static int fill(void **state)
{
    (void)state;
    struct mw_random random = {3};
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            z[i * COLUMNS + j] = 2.0f * ((float)mw_random_unit(&random) - 0.5f);
        }
        label[i] = mw_random_unit(&random) < 0.4;
        weight[i] = 0.5 + mw_random_unit(&random);
        every[i] = (uint32_t)i;
    }
    return 0;
}

/* Central differences in float32 are good to about 1e-3 of the largest derivative. */
static void assert_gradient(struct mw_backprop *net, const struct mw_samples *samples)
{
    float *parameters = mw_backprop_parameters(net), *gradient = mw_backprop_gradient(net);
    size_t size = mw_backprop_size(net), checked = 0;
    double loss = mw_backprop_gradients(net, samples, every, ROWS);
    assert_true(fabs(loss - mw_backprop_loss(net, samples)) < 1e-6);
    double length = 0.0;
    for (size_t i = 0; i < size; i++) {
        length += (double)gradient[i] * (double)gradient[i];
    }
    assert_true(sqrt(length) > 1e-3);
    for (size_t i = 0; i < size; i++) {
        const float step = 1e-2f;
        if (gradient[i] == 0.0f) {
            continue; /* padding, or a unit that no record wakes */
        }
        float kept = parameters[i];
        parameters[i] = kept + step;
        double above = mw_backprop_loss(net, samples);
        parameters[i] = kept - step;
        double below = mw_backprop_loss(net, samples);
        parameters[i] = kept;
        double slope = (above - below) / (2.0 * (double)step);
        assert_true(fabs(slope - (double)gradient[i]) < 0.02 * sqrt(length) + 1e-4);
        checked++;
    }
    assert_true(checked > 20);
}

static void test_classifier_gradient(void **state)
{
    (void)state;
    const size_t widths[3] = {6, 4, 1};
    struct mw_network network;
    struct mw_random random = {11};
    struct mw_samples samples = {z, label, weight, ROWS, COLUMNS};
    assert_int_equal(mw_network_init(&network, MW_MODEL_MLP, names, COLUMNS, widths, 3), MW_OK);
    struct mw_backprop *net = mw_backprop_new(&network, ROWS, &random);
    assert_non_null(net);
    assert_gradient(net, &samples);
    mw_backprop_free(net);
    mw_network_clear(&network);
}

static void test_autoencoder_gradient(void **state)
{
    (void)state;
    const size_t widths[2] = {3, COLUMNS};
    struct mw_network network;
    struct mw_random random = {12};
    struct mw_samples samples = {z, NULL, weight, ROWS, COLUMNS};
    assert_int_equal(mw_network_init(&network, MW_MODEL_AUTOENCODER, names, COLUMNS, widths, 2),
                     MW_OK);
    struct mw_backprop *net = mw_backprop_new(&network, ROWS, &random);
    assert_non_null(net);
    assert_gradient(net, &samples);
    mw_backprop_free(net);
    mw_network_clear(&network);
}

/* The exported layers compute what the padded working form computes. */
static void test_export_and_loss(void **state)
{
    (void)state;
    const size_t widths[3] = {9, 2, 1};
    struct mw_network network;
    struct mw_random random = {13};
    struct mw_samples samples = {z, label, NULL, ROWS, COLUMNS};
    assert_int_equal(mw_network_init(&network, MW_MODEL_MLP, names, COLUMNS, widths, 3), MW_OK);
    struct mw_backprop *net = mw_backprop_new(&network, 16, &random);
    assert_non_null(net);
    mw_backprop_export(net, &network);
    float *scratch = calloc(mw_network_scratch(&network), sizeof *scratch);
    double sum = 0.0;
    for (size_t i = 0; i < ROWS; i++) {
        double logit = mw_network_rank(&network, z + i * COLUMNS, scratch);
        sum += log1p(exp(label[i] ? -logit : logit));
    }
    assert_true(fabs(sum / ROWS - mw_backprop_loss(net, &samples)) < 1e-6);
    mw_backprop_free(net);
    /* and the copy back in is the same network */
    net = mw_backprop_new(&network, 16, NULL);
    assert_non_null(net);
    assert_true(fabs(sum / ROWS - mw_backprop_loss(net, &samples)) < 1e-6);
    mw_backprop_free(net);
    free(scratch);
    mw_network_clear(&network);
}

/* Adam's first step has the length of the rate, against the gradient. */
static void test_first_step(void **state)
{
    (void)state;
    const size_t widths[1] = {1};
    struct mw_network network;
    struct mw_samples samples = {z, label, NULL, ROWS, COLUMNS};
    assert_int_equal(mw_network_init(&network, MW_MODEL_MLP, names, COLUMNS, widths, 1), MW_OK);
    struct mw_backprop *net = mw_backprop_new(&network, ROWS, NULL);
    assert_non_null(net);
    (void)mw_backprop_gradients(net, &samples, every, ROWS);
    float slope = mw_backprop_gradient(net)[0];
    mw_backprop_step(net, 0.01, 0.0);
    float moved = mw_backprop_parameters(net)[0];
    assert_true(fabs(fabs((double)moved) - 0.01) < 1e-5);
    assert_true(moved * slope < 0.0f);
    mw_backprop_free(net);
    mw_network_clear(&network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classifier_gradient),
        cmocka_unit_test(test_autoencoder_gradient),
        cmocka_unit_test(test_export_and_loss),
        cmocka_unit_test(test_first_step),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
