/* train_job.h - what the steps of mw_train share. Internal to train*.c. */
#ifndef MW_TRAINING_TRAIN_JOB_H
#define MW_TRAINING_TRAIN_JOB_H

#include "tiers/training/train.h"

#include <stdbool.h>

struct mw_train_job {
    const struct mw_dataset *set;
    const struct mw_train_options *options;
    struct mw_train_result *result;
    uint8_t *held_out;
    float *sample; /* raw calibration records */
    uint8_t *sample_label;
    double *sample_weight; /* with the share of its class that was taken made up for */
    size_t n_sample;
    double *rank, *score; /* set->rows each: float32's rank, int8's score */
    struct mw_error *error;
};

static inline bool mw_train_is_encoder(const struct mw_train_job *job)
{
    return job->options->kind == MW_MODEL_AUTOENCODER;
}

mw_err mw_train_no_memory(struct mw_train_job *job);

/* Calibration records: evenly over the data, half of them positive where there are as many; for an
 * autoencoder healthy ones. Into job->sample, which the caller frees with its label and weight. */
mw_err mw_train_sample(struct mw_train_job *job);

/* Ranks all records with a float32 network, into job->rank. */
mw_err mw_train_rank(struct mw_train_job *job, const struct mw_network *network);

/* Fits Platt's scaling to the validation records, into the result, and folds it into the network.
 */
mw_err mw_train_calibrate(struct mw_train_job *job, struct mw_network *network);

/* Appends both variants to the files. Sets c of an autoencoder. */
mw_err mw_train_write(struct mw_train_job *job, struct mw_network *network,
                      struct mw_buffer *int8_file, struct mw_buffer *float_file);

/* Metrics of float32 and int8 on the validation records, into the result. */
mw_err mw_train_measure(struct mw_train_job *job, const struct mw_network *network,
                        const struct mw_buffer *int8_file);

/* What the result's int8 model loses against its float32 network on all records. */
mw_err mw_train_measure_loss(struct mw_train_job *job);

/* For qsort of doubles, ascending. */
int mw_train_by_size(const void *left, const void *right);

#endif
