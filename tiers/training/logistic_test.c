#include "tiers/training/logistic.h"

#include "lib/base/test.h"
#include "tiers/training/random.h"

#include <math.h>

#define ROWS 600
#define COLUMNS 5

static float z[ROWS * COLUMNS];
static uint8_t label[ROWS];
static double weight[ROWS];

/* Noisy labels of a known direction; the third column never changes, the fifth repeats the first.
 */
static int fill(void **state)
{
    (void)state;
    struct mw_random random = {7};
    for (size_t i = 0; i < ROWS; i++) {
        float *row = z + i * COLUMNS;
        for (size_t j = 0; j < COLUMNS; j++) {
            row[j] = 3.0f * ((float)mw_random_unit(&random) - 0.5f);
        }
        row[2] = 0.0f;
        row[4] = row[0];
        double logit = 2.0 * (double)row[0] - (double)row[1] - 1.0;
        label[i] = mw_random_unit(&random) < 1.0 / (1.0 + exp(-logit));
        weight[i] = 0.5 + mw_random_unit(&random);
    }
    return 0;
}

static void test_gradient(void **state)
{
    (void)state;
    double w[COLUMNS + 1] = {0.3, -0.2, 0.1, 0.7, -0.4, 0.25}, gradient[COLUMNS + 1], loss;
    assert_int_equal(mw_logistic_loss(z, label, weight, ROWS, COLUMNS, 3.0, w, &loss, gradient),
                     MW_OK);
    for (size_t j = 0; j <= COLUMNS; j++) {
        const double step = 1e-5;
        double kept = w[j], above, below;
        w[j] = kept + step;
        (void)mw_logistic_loss(z, label, weight, ROWS, COLUMNS, 3.0, w, &above, NULL);
        w[j] = kept - step;
        (void)mw_logistic_loss(z, label, weight, ROWS, COLUMNS, 3.0, w, &below, NULL);
        w[j] = kept;
        assert_true(fabs((above - below) / (2.0 * step) - gradient[j]) < 1e-8);
    }
}

/* One record by hand: log(1 + e^-m), its slope, and half the penalty. */
static void test_loss_by_hand(void **state)
{
    (void)state;
    const float one[2] = {1.0f, -2.0f};
    const uint8_t positive = 1;
    double w[3] = {0.5, 0.25, 1.0}, loss, gradient[3];
    assert_int_equal(mw_logistic_loss(one, &positive, NULL, 1, 2, 4.0, w, &loss, gradient), MW_OK);
    double wrong = 1.0 / (1.0 + exp(1.0)); /* margin 0.5 - 0.5 + 1 */
    assert_true(fabs(loss - (log1p(exp(-1.0)) + 2.0 * (0.25 + 0.0625))) < 1e-12);
    assert_true(fabs(gradient[0] - (-wrong + 2.0)) < 1e-12);
    assert_true(fabs(gradient[1] - (2.0 * wrong + 1.0)) < 1e-12);
    assert_true(fabs(gradient[2] + wrong) < 1e-12);
}

static void test_finds_the_minimum(void **state)
{
    (void)state;
    struct mw_error error = {0};
    struct mw_logistic_report report;
    double w[COLUMNS + 1], gradient[COLUMNS + 1], loss;
    struct mw_logistic_options options = {.l2 = 2.0};
    assert_int_equal(mw_logistic_fit(z, label, weight, ROWS, COLUMNS, options, w, &report, &error),
                     MW_OK);
    (void)mw_logistic_loss(z, label, weight, ROWS, COLUMNS, 2.0, w, &loss, gradient);
    for (size_t j = 0; j <= COLUMNS; j++) {
        assert_true(fabs(gradient[j]) < 1e-4);
    }
    assert_true(fabs(loss - report.loss) < 1e-12);
    assert_true(fabs(w[2]) < 1e-9);        /* constant: nothing to learn */
    assert_true(fabs(w[0] - w[4]) < 1e-4); /* the penalty shares between equal columns */
    assert_true(w[0] > 0.4 && w[1] < -0.4);
    assert_true(report.evaluations < 40);
}

/* A record of weight 2 is a record twice. */
static void test_weights(void **state)
{
    (void)state;
    static float twice[2 * ROWS * COLUMNS];
    static uint8_t labels[2 * ROWS];
    double heavy[ROWS], w[2][COLUMNS + 1];
    size_t n = 0;
    for (size_t i = 0; i < ROWS; i++) {
        heavy[i] = i % 3 == 0 ? 2.0 : 1.0;
        for (int copy = 0; copy < (i % 3 == 0 ? 2 : 1); copy++) {
            memcpy(twice + n * COLUMNS, z + i * COLUMNS, COLUMNS * sizeof *z);
            labels[n++] = label[i];
        }
    }
    struct mw_logistic_options options = {.l2 = 1.0, .tolerance = 1e-8};
    assert_int_equal(mw_logistic_fit(z, label, heavy, ROWS, COLUMNS, options, w[0], NULL, NULL),
                     MW_OK);
    assert_int_equal(mw_logistic_fit(twice, labels, NULL, n, COLUMNS, options, w[1], NULL, NULL),
                     MW_OK);
    for (size_t j = 0; j <= COLUMNS; j++) {
        assert_true(fabs(w[0][j] - w[1][j]) < 1e-5);
    }
}

static void test_separable(void **state)
{
    (void)state;
    float line[40];
    uint8_t side[40];
    for (size_t i = 0; i < 40; i++) {
        line[i] = (float)i - 19.5f;
        side[i] = i >= 20;
    }
    double w[2];
    struct mw_logistic_options options = {.l2 = 1e-3};
    assert_int_equal(mw_logistic_fit(line, side, NULL, 40, 1, options, w, NULL, NULL), MW_OK);
    assert_true(w[0] > 5.0 && w[0] < 20.0 && fabs(w[1]) < 0.05); /* the border lies at 0 */
}

static void test_same_bits(void **state)
{
    (void)state;
    double w[2][COLUMNS + 1];
    for (int k = 0; k < 2; k++) {
        struct mw_logistic_options options = {.l2 = 1.0};
        assert_int_equal(
            mw_logistic_fit(z, label, weight, ROWS, COLUMNS, options, w[k], NULL, NULL), MW_OK);
    }
    assert_memory_equal(w[0], w[1], sizeof w[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),          cmocka_unit_test(test_loss_by_hand),
        cmocka_unit_test(test_finds_the_minimum), cmocka_unit_test(test_weights),
        cmocka_unit_test(test_separable),         cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
