/* mlp.h - fits a perceptron by mini-batches of Adam, and stops when the validation loss does not
 * fall.
 *
 * Early stopping after L. Prechelt, "Early Stopping - But When?", 1998: the weights of the epoch
 * with the lowest validation loss are kept, and `patience` epochs without a lower one end the fit.
 */
#ifndef MW_TRAINING_MLP_H
#define MW_TRAINING_MLP_H

#include "tiers/training/backprop.h"

struct mw_mlp_options {
    uint64_t seed;   /* draws starting weights and the order of records */
    size_t batch;    /* records a step */
    size_t epochs;   /* passes over the records, at most */
    size_t patience; /* epochs without a lower validation loss that end the fit; 0: never */
    double rate;     /* Adam's step size at the start */
    double decay;    /* the step size falls linearly to this share of it over `epochs`, in (0,1] */
    double l2;       /* as in logistic.h: the penalty is l2/2 |w|^2 / rows */
    void (*progress)(void *context, size_t epoch); /* called after each epoch; may be NULL */
    void *context;
};

struct mw_mlp_report {
    size_t epochs; /* whose weights were kept, from 1 */
    double training_loss, validation_loss;
};

/* Draws the weights of network's layers and fits them. validation may be NULL: then all epochs are
 * run and the last weights are kept. report may be NULL. Errors: MEMORY; RANGE when the loss is no
 * longer finite. */
mw_err mw_mlp_fit(struct mw_network *network, const struct mw_samples *training,
                  const struct mw_samples *validation, struct mw_mlp_options options,
                  struct mw_mlp_report *report, struct mw_error *error);

#endif
