/* metrics.h - how good scores are, each record weighted by 1/p, so that a model is not judged only
 * by what its predecessor chose to forward. */
#ifndef MW_TRAINING_METRICS_H
#define MW_TRAINING_METRICS_H

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define MW_BAND_IMPENDING 0.5
#define MW_BAND_IMMEDIATE 0.8

/* Area under the receiver operating characteristic: the weighted share of (positive, negative)
 * pairs that the values put in the right order, ties counted half. Any monotonic value will do,
 * logits too. NaN when a class is missing. Errors: MEMORY. */
mw_err mw_metrics_roc_auc(const double *value, const uint8_t *label, const double *weight, size_t n,
                          double *auc);

/* Average precision: sum over distinct thresholds, falling, of (recall gained) * precision. NaN
 * when there is no positive. Errors: MEMORY. */
mw_err mw_metrics_average_precision(const double *value, const uint8_t *label, const double *weight,
                                    size_t n, double *ap);

/* F1 of "score >= threshold". 0 when nothing is right. */
double mw_metrics_f1(const double *score, const uint8_t *label, const double *weight, size_t n,
                     double threshold);

/* A score that is calibrated at equal priors, as a probability where `base_rate` of the records are
 * positive (Bayes). base_rate 0.5 changes nothing; 0 and 1 are moved inside. */
double mw_metrics_at_base_rate(double score, double base_rate);

/* Mean log loss of probabilities; they are first limited to [1e-7, 1 - 1e-7]. */
double mw_metrics_log_loss(const double *probability, const uint8_t *label, const double *weight,
                           size_t n);

/* Expected calibration error over ten bins of equal width (C. Guo et al., "On Calibration of Modern
 * Neural Networks", 2017): weighted mean of |share of positives - mean probability|. */
double mw_metrics_calibration_error(const double *probability, const uint8_t *label,
                                    const double *weight, size_t n);

/* All of the above for scores at equal priors; log loss and calibration error after conversion to
 * the base rate. */
struct mw_metrics {
    size_t records, positives;
    double base_rate; /* that was converted to */
    double roc_auc, average_precision, log_loss, calibration_error, f1_impending, f1_immediate;
};
/* Errors: MEMORY. weight may be NULL for all 1. */
mw_err mw_metrics_compute(struct mw_metrics *metrics, const double *score, const uint8_t *label,
                          const double *weight, size_t n, double base_rate);

#endif
