#include "tiers/training/metrics.h"

#include "lib/base/test.h"

#include <math.h>

static void assert_near(double got, double expected)
{
    if (!(fabs(got - expected) < 1e-9)) {
        fail_msg("%.12g is not %.12g", got, expected);
    }
}

/* Positives 0.9, 0.5, 0.5; negatives 0.5, 0.1. Pairs: (0.9: 2), (0.5: 0.5 + 1) twice = 5 of 6. */
static void test_auc_with_ties(void **state)
{
    (void)state;
    const double score[] = {0.9, 0.5, 0.5, 0.5, 0.1};
    const uint8_t label[] = {1, 1, 0, 1, 0};
    double auc;
    assert_int_equal(mw_metrics_roc_auc(score, label, NULL, 5, &auc), MW_OK);
    assert_near(auc, 5.0 / 6.0);
}

/* The same with the tied negative counted three times: pairs of weight 4 a positive. */
static void test_auc_with_weights(void **state)
{
    (void)state;
    const double score[] = {0.9, 0.5, 0.5, 0.5, 0.1}, weight[] = {2, 1, 3, 1, 1};
    const uint8_t label[] = {1, 1, 0, 1, 0};
    double auc;
    assert_int_equal(mw_metrics_roc_auc(score, label, weight, 5, &auc), MW_OK);
    assert_near(auc, (2.0 * 4.0 + 2.0 * (1.5 + 1.0)) / (4.0 * 4.0));
}

static void test_one_class_has_no_auc(void **state)
{
    (void)state;
    const double score[] = {0.1, 0.2};
    const uint8_t label[] = {0, 0};
    double auc, ap;
    assert_int_equal(mw_metrics_roc_auc(score, label, NULL, 2, &auc), MW_OK);
    assert_int_equal(mw_metrics_average_precision(score, label, NULL, 2, &ap), MW_OK);
    assert_true(isnan(auc) && isnan(ap));
    assert_int_equal(mw_metrics_roc_auc(score, label, NULL, 0, &auc), MW_OK);
    assert_true(isnan(auc));
}

/* By falling score: 1 (0.9), then a tie of 1 and 0 (0.6), then 0, then 1 (0.2).
 * AP = 1/3 * 1 + 1/3 * 2/3 + 1/3 * 3/5. */
static void test_average_precision(void **state)
{
    (void)state;
    const double score[] = {0.6, 0.9, 0.2, 0.4, 0.6};
    const uint8_t label[] = {1, 1, 1, 0, 0};
    double ap;
    assert_int_equal(mw_metrics_average_precision(score, label, NULL, 5, &ap), MW_OK);
    assert_near(ap, (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0);
    const double weight[] = {1, 1, 2, 1, 3};
    assert_int_equal(mw_metrics_average_precision(score, label, weight, 5, &ap), MW_OK);
    assert_near(ap, 0.25 * 1.0 + 0.25 * 2.0 / 5.0 + 0.5 * 4.0 / 8.0);
}

static void test_f1(void **state)
{
    (void)state;
    const double score[] = {0.9, 0.8, 0.7, 0.2, 0.1}, weight[] = {1, 1, 2, 1, 1};
    const uint8_t label[] = {1, 0, 1, 1, 0};
    assert_near(mw_metrics_f1(score, label, NULL, 5, 0.5), 2.0 * 2.0 / (4.0 + 2.0));
    assert_near(mw_metrics_f1(score, label, NULL, 5, 0.8), 2.0 * 1.0 / (2.0 + 3.0));
    assert_near(mw_metrics_f1(score, label, weight, 5, 0.5), 2.0 * 3.0 / (6.0 + 2.0));
    assert_near(mw_metrics_f1(score, label, NULL, 5, 0.95), 0.0);
}

static void test_base_rate(void **state)
{
    (void)state;
    assert_near(mw_metrics_at_base_rate(0.5, 0.1), 0.1);
    assert_near(mw_metrics_at_base_rate(0.7, 0.5), 0.7);
    assert_near(mw_metrics_at_base_rate(0.9, 0.1), 0.5); /* odds 9 times odds 1/9 */
}

static void test_log_loss_and_calibration(void **state)
{
    (void)state;
    const double p[] = {0.8, 0.3, 1.0}, weight[] = {1, 2, 1};
    const uint8_t label[] = {1, 0, 0};
    assert_near(mw_metrics_log_loss(p, label, NULL, 2), -(log(0.8) + log(0.7)) / 2.0);
    assert_near(mw_metrics_log_loss(p, label, weight, 3),
                -(log(0.8) + 2.0 * log(0.7) + log(1e-7)) / 4.0);
    /* Two in the bin of 0.8: 1/2 observed, 0.85 said; one in the bin of 0.1: 0 observed. */
    const double said[] = {0.82, 0.88, 0.12};
    const uint8_t is[] = {1, 0, 0};
    assert_near(mw_metrics_calibration_error(said, is, NULL, 3),
                2.0 / 3.0 * fabs(0.5 - 0.85) + 1.0 / 3.0 * 0.12);
}

static void test_all_together(void **state)
{
    (void)state;
    const double score[] = {0.9, 0.6, 0.4, 0.1};
    const uint8_t label[] = {1, 0, 1, 0};
    struct mw_metrics metrics;
    assert_int_equal(mw_metrics_compute(&metrics, score, label, NULL, 4, 0.5), MW_OK);
    assert_int_equal(metrics.records, 4);
    assert_int_equal(metrics.positives, 2);
    assert_near(metrics.roc_auc, 0.75);
    assert_near(metrics.average_precision, 0.5 + 0.5 * 2.0 / 3.0);
    assert_near(metrics.log_loss, -(log(0.9) + log(0.4)) / 2.0);
    assert_near(metrics.f1_impending, 0.5);
    assert_near(metrics.f1_immediate, 2.0 / 3.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auc_with_ties),
        cmocka_unit_test(test_auc_with_weights),
        cmocka_unit_test(test_one_class_has_no_auc),
        cmocka_unit_test(test_average_precision),
        cmocka_unit_test(test_f1),
        cmocka_unit_test(test_base_rate),
        cmocka_unit_test(test_log_loss_and_calibration),
        cmocka_unit_test(test_all_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
