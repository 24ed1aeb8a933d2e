/* train_quantize.h - makes the int8 model of a trained network as a step of its own. */
#ifndef MW_TRAINING_TRAIN_QUANTIZE_H
#define MW_TRAINING_TRAIN_QUANTIZE_H

#include "lib/base/file.h"
#include "tiers/training/dataset.h"
#include "tiers/training/network_file.h"

struct mw_train_int8 {
    double auc_loss;   /* as in train.h */
    double difference; /* mean difference of the score on all records */
};

/* Appends the int8 file: with the data set that the network was trained on, the bytes that mw_train
 * would write. Errors: ARGUMENT (other columns than the network's features), RANGE (no healthy
 * record), MEMORY. */
mw_err mw_train_quantize(const struct mw_dataset *dataset, struct mw_network_file *file,
                         struct mw_buffer *int8_model, struct mw_train_int8 *figures,
                         struct mw_error *error);

#endif
