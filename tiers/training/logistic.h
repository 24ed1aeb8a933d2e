/* logistic.h - L2-regularised logistic regression by L-BFGS.
 *
 * Minimises  1/W * ( sum_i weight_i * log(1 + exp(-s_i * (w z_i + b))) + l2/2 * |w|^2 ),  s_i =
 * +-1, W the sum of weights; the bias is not penalised. With weights of mean 1, l2 is 1/C of the
 * usual formulation. Sources: J. Nocedal, "Updating quasi-Newton matrices with limited storage",
 * 1980 (through liblbfgs); the variables are first whitened with the Cholesky factor of the Hessian
 * at the start, taken on a sample of the rows, which leaves about a dozen evaluations to do. */
#ifndef MW_TRAINING_LOGISTIC_H
#define MW_TRAINING_LOGISTIC_H

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct mw_logistic_options {
    double l2;        /* >= 0 */
    double tolerance; /* length of the gradient, in whitened variables, that is small enough; 0:
                         1e-5 */
    int iterations;   /* at most; 0: 500 */
};

struct mw_logistic_report {
    double loss; /* the minimum of the formula above */
    int iterations, evaluations;
};

/* z: rows of `columns` normalised features. label: rows of 0 or 1. weight: rows, > 0, or NULL for
 * all 1. w: columns + 1 results, the last is the bias. report may be NULL. Errors: MEMORY; RANGE
 * when the solver could not find a minimum (the text says why). Deterministic. */
mw_err mw_logistic_fit(const float *z, const uint8_t *label, const double *weight, size_t rows,
                       size_t columns, struct mw_logistic_options options, double *w,
                       struct mw_logistic_report *report, struct mw_error *error);

/* The formula above and, when gradient is not NULL, its columns + 1 derivatives. Errors: MEMORY. */
mw_err mw_logistic_loss(const float *z, const uint8_t *label, const double *weight, size_t rows,
                        size_t columns, double l2, const double *w, double *loss, double *gradient);

#endif
