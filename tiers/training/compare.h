/* compare.h - have counts moved away from reference counts in the same bins?
 *
 * Population stability index: sum over bins of (q - p) ln(q / p), with half a count added to each
 * bin (a Jeffreys prior), so that an empty bin is no infinity. Two-sample test: Pearson's
 * chi-square on the 2 x bins table (K. Pearson, 1900), p from the regularised incomplete gamma
 * function (W. Press et al., Numerical Recipes, 6.2). Over several features the p values are
 * corrected by Holm's step-down procedure (S. Holm, 1979), which holds the family-wise error rate
 * without assuming independence. */
#ifndef MW_TRAINING_COMPARE_H
#define MW_TRAINING_COMPARE_H

#include "core/drift/sketch.h"

#include <stdbool.h>
#include <stddef.h>

struct mw_comparison {
    double psi;      /* 0 or more */
    double p;        /* of the test, in [0,1] */
    double adjusted; /* p after Holm's correction; 1 until mw_compare_correct */
    double shift;    /* of the median, in bins: what moved up is positive */
    bool moved;      /* psi and adjusted p both beyond their limits */
};

/* Compares one feature's counts. Too little on either side (under 1 value): psi 0, p 1. */
struct mw_comparison mw_compare(const struct mw_sketch *reference, const struct mw_sketch *current);

/* Corrects n comparisons together and sets `moved` where psi >= psi_limit and adjusted p < alpha.
 * Returns how many moved. n <= 1,025. */
size_t mw_compare_correct(struct mw_comparison *comparison, size_t n, double psi_limit,
                          double alpha);

/* P(X > x) of a chi-square variable with k degrees of freedom. */
double mw_chi_square_tail(double x, double k);

#endif
