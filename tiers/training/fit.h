/* fit.h - one network, fitted to chosen rows of a data set. Internal to train.c. */
#ifndef MW_TRAINING_FIT_H
#define MW_TRAINING_FIT_H

#include "tiers/training/train.h"

struct mw_fit_report {
    size_t epochs; /* or iterations */
    double loss;
};

/* Makes the network and fits it to the rows with held_out[row] == 0, stopping early by those with
 * 1; with held_out NULL, to all rows, for exactly `epochs` epochs. An autoencoder takes only rows
 * whose label is not 1. Normalisation comes from the same rows as the fit. */
mw_err mw_fit(const struct mw_dataset *dataset, const uint8_t *held_out,
              const struct mw_train_options *options, size_t epochs, struct mw_network *network,
              struct mw_fit_report *report, struct mw_error *error);

/* The most epochs that the options allow for so many rows. */
size_t mw_fit_epochs(const struct mw_train_options *options, size_t rows);

#endif
