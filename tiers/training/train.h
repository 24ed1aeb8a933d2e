/* train.h - from labelled records to a model that may be published: fit, calibrate, quantize, gate.
 *
 * A first network is fitted to the training side of the split, stopped early and calibrated on the
 * validation side, and measured there, in float32 and in int8. Then a second one is fitted to all
 * records in the same number of epochs, takes over that calibration, and is what gets written: the
 * validation records are too precious, often the newest or the only failures, to be left out of the
 * model. */
#ifndef MW_TRAINING_TRAIN_H
#define MW_TRAINING_TRAIN_H

#include "lib/base/file.h"
#include "tiers/training/alarms.h"
#include "tiers/training/calibrate.h"
#include "tiers/training/dataset.h"
#include "tiers/training/metrics.h"
#include "tiers/training/network.h"
#include "tiers/training/quantize.h"

/* A negative number stands for the default of the kind where that is said. */
struct mw_train_options {
    enum mw_model_kind kind;
    const int64_t *hidden; /* widths of hidden layers; none: 50,40 for a perceptron, 5/8 of the
                            * features for an autoencoder; borrowed */
    size_t n_hidden;
    uint64_t seed;
    double validation_share; /* (0,0.9) */
    double l2; /* as in logistic.h; negative: 10, perceptron 0.004 a record, autoencoder 0 */
    double class_weight;  /* 0: records count alike; 1: both classes weigh the same in total;
                           * between:  weights are (total / (2 class))^class_weight */
    double quantile;      /* autoencoder: of healthy errors that gets the score 0.5, (0,1) */
    double int8_auc_loss; /* the most that int8 may lose; negative: no gate */
    size_t epochs;        /* at most; 0: as below, less for many records */
    void (*progress)(void *context, size_t epoch); /* of both fits together; may be NULL */
    void *context;
};
extern const struct mw_train_options mw_train_defaults;

#define MW_TRAIN_EPOCHS 200
#define MW_TRAIN_ENCODER_EPOCHS 25 /* one that is trained to the end reconstructs faults too */

/* Owned by the caller; {0} is empty. */
struct mw_train_result {
    struct mw_network network; /* calibrated, fitted to all records */
    struct mw_buffer int8_model, float_model;
    size_t records, training, validation, positives;
    double base_rate;      /* weighted share of positives; 0 without labels */
    size_t n_constant;     /* features that never change */
    size_t *constant;      /* their numbers */
    size_t epochs;         /* of the fit; L-BFGS iterations for logistic regression */
    double training_loss;  /* of the last fit */
    struct mw_platt platt; /* classifier: what was folded in */
    struct mw_quantize_cut cut;
    bool labelled;                                       /* the metrics below hold */
    struct mw_metrics float_validation, int8_validation; /* of the first network */
    struct mw_alarm_metrics float_alarms, int8_alarms;   /* at band impending, of the same */
    double int8_auc_loss; /* of the written model on all records: AUC in float32 minus int8; without
                           * labels 1 minus the AUC at telling the tenth of records with the largest
                           * float32 errors */
    double int8_difference; /* mean difference of the score, int8 against float32, on all records */
};

/* Errors: RANGE (too few records, a class missing, options out of range), ARGUMENT (a classifier
 * without labels), DENIED when int8 loses more than the options allow (the result is filled in),
 * MEMORY. */
mw_err mw_train(const struct mw_dataset *dataset, const struct mw_train_options *options,
                struct mw_train_result *result, struct mw_error *error);
void mw_train_result_clear(struct mw_train_result *result);

/* Appends the figures as one JSON object; figures that do not exist are null. Errors: MEMORY. */
mw_err mw_train_print_json(const struct mw_train_result *result, struct mw_buffer *json);

#endif
