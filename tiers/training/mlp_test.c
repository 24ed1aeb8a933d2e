#include "tiers/training/mlp.h"

#include "lib/base/test.h"

#include <math.h>

#define ROWS 400
#define COLUMNS 2

static float z[ROWS * COLUMNS];
static uint8_t label[ROWS];
static char *names[COLUMNS] = {"x", "y"};

/* Exclusive or of two signs: no straight line separates it. */
static int fill(void **state)
{
    (void)state;
    struct mw_random random = {5};
    for (size_t i = 0; i < ROWS; i++) {
        float x = 2.0f * (float)mw_random_unit(&random) - 1.0f;
        float y = 2.0f * (float)mw_random_unit(&random) - 1.0f;
        z[2 * i] = x;
        z[2 * i + 1] = y;
        label[i] = (x > 0.0f) != (y > 0.0f);
    }
    return 0;
}

static const struct mw_mlp_options options = {
    .seed = 1, .batch = 32, .epochs = 150, .rate = 0.01, .decay = 0.1};

static void make(struct mw_network *network)
{
    const size_t widths[2] = {8, 1};
    assert_int_equal(mw_network_init(network, MW_MODEL_MLP, names, COLUMNS, widths, 2), MW_OK);
}

static void test_learns_exclusive_or(void **state)
{
    (void)state;
    struct mw_network network;
    struct mw_mlp_report report;
    struct mw_samples training = {z, label, NULL, ROWS, COLUMNS};
    make(&network);
    assert_int_equal(mw_mlp_fit(&network, &training, NULL, options, &report, NULL), MW_OK);
    assert_int_equal(report.epochs, options.epochs);
    float scratch[16];
    size_t right = 0;
    assert_true(mw_network_scratch(&network) <= 16);
    for (size_t i = 0; i < ROWS; i++) {
        right += (mw_network_rank(&network, z + 2 * i, scratch) > 0.0) == (label[i] != 0);
    }
    assert_true(right > ROWS * 95 / 100);
    mw_network_clear(&network);
}

static void test_seed_decides_the_bits(void **state)
{
    (void)state;
    struct mw_network network[3];
    struct mw_samples training = {z, label, NULL, ROWS, COLUMNS};
    for (size_t k = 0; k < 3; k++) {
        struct mw_mlp_options with = options;
        with.epochs = 3;
        with.seed = k < 2 ? 1 : 2;
        make(&network[k]);
        assert_int_equal(mw_mlp_fit(&network[k], &training, NULL, with, NULL, NULL), MW_OK);
    }
    size_t bytes = 8 * COLUMNS * sizeof(float);
    assert_memory_equal(network[0].layers[0].weight, network[1].layers[0].weight, bytes);
    assert_memory_not_equal(network[0].layers[0].weight, network[2].layers[0].weight, bytes);
    for (size_t k = 0; k < 3; k++) {
        mw_network_clear(&network[k]);
    }
}

static void count_epochs(void *context, size_t epoch)
{
    *(size_t *)context = epoch;
}

/* Validation labels that contradict the training ones: any learning makes that loss rise. */
static void test_stops_early(void **state)
{
    (void)state;
    static uint8_t wrong[ROWS];
    size_t ran = 0;
    for (size_t i = 0; i < ROWS; i++) {
        wrong[i] = !label[i];
    }
    struct mw_network network;
    struct mw_mlp_report report;
    struct mw_samples training = {z, label, NULL, ROWS, COLUMNS};
    struct mw_samples validation = {z, wrong, NULL, ROWS, COLUMNS};
    struct mw_mlp_options with = options;
    with.patience = 5;
    with.progress = count_epochs;
    with.context = &ran;
    make(&network);
    assert_int_equal(mw_mlp_fit(&network, &training, &validation, with, &report, NULL), MW_OK);
    assert_true(report.epochs < 20);
    assert_int_equal(ran, report.epochs + 5);
    mw_network_clear(&network);
}

static void test_refuses_to_diverge(void **state)
{
    (void)state;
    struct mw_network network;
    struct mw_error error = {0};
    float *large = malloc(sizeof z);
    assert_non_null(large);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        large[i] = 1e38f;
    }
    struct mw_samples training = {large, NULL, NULL, ROWS, COLUMNS};
    const size_t widths[1] = {COLUMNS};
    assert_int_equal(mw_network_init(&network, MW_MODEL_AUTOENCODER, names, COLUMNS, widths, 1),
                     MW_OK);
    assert_int_equal(mw_mlp_fit(&network, &training, NULL, options, NULL, &error), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "finite"));
    mw_network_clear(&network);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_exclusive_or),
        cmocka_unit_test(test_seed_decides_the_bits),
        cmocka_unit_test(test_stops_early),
        cmocka_unit_test(test_refuses_to_diverge),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
