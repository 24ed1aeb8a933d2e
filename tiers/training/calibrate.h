/* calibrate.h - turns a classifier's logit into one whose score means the same at any base rate.
 *
 * Platt's scaling (J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999; solved as
 * in H.-T. Lin, C.-J. Lin, R. Weng, "A note on Platt's probabilistic outputs", 2007): a and b
 * minimise the log loss of sigmoid(a * logit + b) on validation data, in which both classes weigh
 * the same in total (equal priors). The targets are smoothed, so that separable data gives finite a
 * and b. */
#ifndef MW_TRAINING_CALIBRATE_H
#define MW_TRAINING_CALIBRATE_H

#include "tiers/training/network.h"

#include <stdint.h>

#define MW_CALIBRATE_LEAST                                                \
    0.01 /* a is at least this: calibration never turns the ranking round \
          */

struct mw_platt {
    double a, b;
};

/* Errors: RANGE when a class is missing. weight may be NULL for all 1. */
mw_err mw_calibrate_fit(const double *logit, const uint8_t *label, const double *weight, size_t n,
                        struct mw_platt *platt, struct mw_error *error);

/* Folds a and b into the last layer of a classifier. */
void mw_calibrate_fold(struct mw_network *network, struct mw_platt platt);

#endif
