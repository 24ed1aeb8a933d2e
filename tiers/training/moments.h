/* moments.h - weighted mean and deviation of several features at once, in one pass (D. H. D. West,
 * "Updating mean and variance estimates: an improved method", 1979). */
#ifndef MW_TRAINING_MOMENTS_H
#define MW_TRAINING_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

/* Zeros, and mean and squares (sums of weighted squared deviations), one a feature, which the
 * caller owns and sets to zero too. */
struct mw_moments {
    uint64_t count; /* of records */
    double weight;  /* their sum */
    double *mean, *squares;
};

/* Adds a record: values[n], of a weight above 0. */
void mw_moments_add(struct mw_moments *moments, const float *values, size_t n, double weight);

/* mean[n] and the deviation of the population std[n]; all 0 when nothing was added. */
void mw_moments_read(const struct mw_moments *moments, size_t n, float *mean, float *std);

#endif
