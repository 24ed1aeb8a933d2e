/* cut_search.h - chooses where int8 ranges are cut, by what the written model loses on calibration
 * records.
 *
 * Holding every value that ever occurs makes each step coarse; cutting too close saturates. Neither
 * is right for all data, so a handful of cuts is tried with the real engine, one kind of range
 * after the other, and the best kept. */
#ifndef MW_TRAINING_CUT_SEARCH_H
#define MW_TRAINING_CUT_SEARCH_H

#include "lib/base/file.h"
#include "tiers/training/quantize.h"

#define MW_CUT_RECORDS 2048 /* calibration records that are enough to choose */

/* For a classifier. x: n rows of raw features; label and weight (NULL: all 1) of each. What is
 * minimised: AUC lost + average precision lost + mean difference of the score, int8 against
 * float32. Errors: MEMORY and those of mw_evaluate. */
mw_err mw_cut_search(const struct mw_network *network, const float *x, const uint8_t *label,
                     const double *weight, size_t n, struct mw_quantize_cut *cut,
                     struct mw_error *error);

/* For an autoencoder, whose healthy calibration records cannot tell what a fault will need: eight
 * deviations. */
extern const struct mw_quantize_cut mw_cut_encoder;

/* Quantizes with that cut, ranges from n normalised rows z, and appends the int8 file to `out`. */
mw_err mw_cut_write(const struct mw_network *network, const float *z, size_t n,
                    struct mw_quantize_cut cut, struct mw_buffer *out, struct mw_error *error);

#endif
