#include "tiers/training/calibrate.h"

#include "lib/base/test.h"
#include "tiers/training/random.h"

#include <math.h>

#define ROWS 20000

static double logit[ROWS];
static uint8_t label[ROWS];

/* Labels drawn at P = sigmoid(2 x - 1 + log odds): with a tenth positive, the score at equal priors
 * does not depend on how many negatives there are. */
static void test_recovers_a_and_b(void **state)
{
    (void)state;
    struct mw_random random = {9};
    size_t n = 0;
    while (n < ROWS) {
        double x = 4.0 * mw_random_unit(&random) - 2.0;
        uint8_t y = mw_random_unit(&random) < 1.0 / (1.0 + exp(-(2.0 * x - 1.0)));
        if (!y && mw_random_unit(&random) > 0.25) {
            continue; /* three in four negatives never arrive ... */
        }
        logit[n] = x;
        label[n++] = y;
    }
    double weight[2] = {0.0, 0.0}, share[ROWS];
    for (size_t i = 0; i < n; i++) {
        share[i] = label[i] ? 1.0 : 4.0; /* ... and 1/p makes up for them */
        weight[label[i]] += share[i];
    }
    struct mw_platt platt;
    assert_int_equal(mw_calibrate_fit(logit, label, share, n, &platt, NULL), MW_OK);
    double prior = log(weight[1] / weight[0]);
    assert_true(fabs(platt.a - 2.0) < 0.1);
    assert_true(fabs(platt.b - (-1.0 - prior)) < 0.1);
}

static void test_separable_stays_finite(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        label[i] = i >= 25;
        logit[i] = label[i] ? 3.0 : -3.0;
    }
    struct mw_platt platt;
    assert_int_equal(mw_calibrate_fit(logit, label, NULL, 50, &platt, NULL), MW_OK);
    /* Smoothed targets 26/27 and 1/27: the logit that they stand for, by hand. */
    assert_true(fabs(platt.a - log(26.0) / 3.0) < 1e-6 && fabs(platt.b) < 1e-6);
}

static void test_never_turns_the_ranking(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        label[i] = i >= 25;
        logit[i] = label[i] ? -1.0 : 1.0;
    }
    struct mw_platt platt;
    assert_int_equal(mw_calibrate_fit(logit, label, NULL, 50, &platt, NULL), MW_OK);
    assert_true(platt.a == MW_CALIBRATE_LEAST && fabs(platt.b) < 1e-6);
}

static void test_needs_both_classes(void **state)
{
    (void)state;
    memset(label, 1, 10);
    struct mw_platt platt;
    struct mw_error error = {0};
    assert_int_equal(mw_calibrate_fit(logit, label, NULL, 10, &platt, &error), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "positive and negative"));
}

static void test_folds_into_the_last_layer(void **state)
{
    (void)state;
    char *names[2] = {"a", "b"};
    const size_t widths[2] = {3, 1};
    struct mw_network network;
    float scratch[8], z[2] = {0.5f, -1.0f};
    assert_int_equal(mw_network_init(&network, MW_MODEL_MLP, names, 2, widths, 2), MW_OK);
    for (size_t i = 0; i < 6; i++) {
        network.layers[0].weight[i] = 0.1f * (float)(i + 1);
    }
    for (size_t i = 0; i < 3; i++) {
        network.layers[0].bias[i] = 1.0f;
        network.layers[1].weight[i] = 1.0f - (float)i;
    }
    network.layers[1].bias[0] = 0.25f;
    double before = mw_network_rank(&network, z, scratch);
    mw_calibrate_fold(&network, (struct mw_platt){1.5, -0.75});
    assert_true(fabs(mw_network_rank(&network, z, scratch) - (1.5 * before - 0.75)) < 1e-6);
    mw_network_clear(&network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recovers_a_and_b),
        cmocka_unit_test(test_separable_stays_finite),
        cmocka_unit_test(test_never_turns_the_ranking),
        cmocka_unit_test(test_needs_both_classes),
        cmocka_unit_test(test_folds_into_the_last_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
