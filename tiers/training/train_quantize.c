#include "tiers/training/train_quantize.h"

#include "tiers/training/train_job.h"

#include <stdlib.h>
#include <string.h>

static mw_err check_columns(const struct mw_dataset *set, const struct mw_network *network,
                            struct mw_error *error)
{
    if (set->columns != network->n_features) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "the data has %zu features, the network %zu",
                            set->columns, network->n_features);
    }
    for (size_t i = 0; i < set->columns; i++) {
        if (strcmp(set->names[i], network->features[i]) != 0) {
            return mw_error_set(error, MW_ERR_ARGUMENT,
                                "feature %zu is %s in the data and %s in the network", i + 1,
                                set->names[i], network->features[i]);
        }
    }
    return MW_OK;
}

static bool has_both(const struct mw_dataset *set)
{
    size_t count[2] = {0, 0};
    for (size_t i = 0; set->label != NULL && i < set->rows; i++) {
        count[set->label[i]]++;
    }
    return count[0] > 0 && count[1] > 0;
}

static mw_err write(struct mw_train_job *job, struct mw_error *error)
{
    struct mw_train_result *result = job->result;
    mw_err err = mw_train_sample(job);
    if (err == MW_OK && job->n_sample == 0) {
        err = mw_error_set(error, MW_ERR_RANGE, "no healthy records to quantize by");
    }
    if (err == MW_OK) {
        err = mw_train_write(job, &result->network, &result->int8_model, &result->float_model);
    }
    return err == MW_OK ? mw_train_measure_loss(job) : err;
}

mw_err mw_train_quantize(const struct mw_dataset *dataset, struct mw_network_file *file,
                         struct mw_buffer *int8_model, struct mw_train_int8 *figures,
                         struct mw_error *error)
{
    struct mw_train_options options = mw_train_defaults;
    struct mw_train_result result = {.network = file->network, /* borrowed */
                                     .cut = file->cut,
                                     .labelled = has_both(dataset)};
    struct mw_train_job job = {
        .set = dataset, .options = &options, .result = &result, .error = error};
    mw_err err = check_columns(dataset, &file->network, error);
    if (err != MW_OK) {
        return err;
    }
    options.kind = file->network.kind;
    options.quantile = file->quantile;
    job.rank = calloc(dataset->rows, sizeof *job.rank);
    job.score = calloc(dataset->rows, sizeof *job.score);
    err = job.rank != NULL && job.score != NULL ? write(&job, error) : mw_train_no_memory(&job);
    if (err == MW_OK) {
        *figures = (struct mw_train_int8){result.int8_auc_loss, result.int8_difference};
        err = mw_buffer_add(int8_model, result.int8_model.data, result.int8_model.size);
    }
    free(job.rank);
    free(job.score);
    free(job.sample);
    free(job.sample_label);
    free(job.sample_weight);
    mw_buffer_free(&result.int8_model);
    mw_buffer_free(&result.float_model);
    return err;
}
