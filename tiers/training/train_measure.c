#include "tiers/training/train_job.h"

#include "tiers/training/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

mw_err mw_train_no_memory(struct mw_train_job *job)
{
    return mw_error_set(job->error, MW_ERR_MEMORY, "training on %zu records", job->set->rows);
}

int mw_train_by_size(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

mw_err mw_train_rank(struct mw_train_job *job, const struct mw_network *network)
{
    const struct mw_dataset *set = job->set;
    float *scratch = calloc(mw_network_scratch(network) + set->columns, sizeof *scratch);
    if (scratch == NULL) {
        return mw_train_no_memory(job);
    }
    float *z = scratch + mw_network_scratch(network);
    for (size_t i = 0; i < set->rows; i++) {
        mw_network_normalise(network, set->x + i * set->columns, 1, z);
        job->rank[i] = mw_network_rank(network, z, scratch);
    }
    free(scratch);
    return MW_OK;
}

/* Gathers validation values and labels to the front of out arrays; returns how many. */
static size_t gather_validation(const struct mw_train_job *job, const double *value, double *out,
                                uint8_t *label, double *weight)
{
    size_t n = 0;
    for (size_t i = 0; i < job->set->rows; i++) {
        if (job->held_out[i] == 1) {
            label[n] = job->set->label[i];
            weight[n] = mw_dataset_weight(job->set, i);
            out[n++] = value[i];
        }
    }
    return n;
}

mw_err mw_train_calibrate(struct mw_train_job *job, struct mw_network *network)
{
    size_t rows = job->set->rows;
    double *logit = calloc(rows, sizeof *logit), *weight = calloc(rows, sizeof *weight);
    uint8_t *label = calloc(rows, sizeof *label);
    mw_err err = MW_ERR_MEMORY;
    if (logit != NULL && weight != NULL && label != NULL) {
        err = mw_train_rank(job, network);
        size_t n = gather_validation(job, job->rank, logit, label, weight);
        if (err == MW_OK) {
            err = mw_calibrate_fit(logit, label, weight, n, &job->result->platt, job->error);
        }
    } else {
        err = mw_train_no_memory(job);
    }
    free(logit);
    free(weight);
    free(label);
    if (err == MW_OK) {
        mw_calibrate_fold(network, job->result->platt);
    }
    return err;
}

mw_err mw_train_measure(struct mw_train_job *job, const struct mw_network *network,
                        const struct mw_buffer *file)
{
    const struct mw_dataset *set = job->set;
    struct mw_train_result *result = job->result;
    double *value = calloc(set->rows, sizeof *value), *weight = calloc(set->rows, sizeof *weight);
    uint8_t *label = calloc(set->rows, sizeof *label);
    mw_err err = MW_ERR_MEMORY;
    if (value != NULL && weight != NULL && label != NULL) {
        err = mw_train_rank(job, network);
        for (size_t i = 0; i < set->rows; i++) {
            job->rank[i] = mw_network_score(network, job->rank[i]);
        }
        size_t n = gather_validation(job, job->rank, value, label, weight);
        if (err == MW_OK) {
            err = mw_metrics_compute(&result->float_validation, value, label, weight, n,
                                     result->base_rate);
        }
        if (err == MW_OK) {
            err = mw_alarms_count(&result->float_alarms, set, job->held_out, job->rank,
                                  MW_BAND_IMPENDING);
        }
        if (err == MW_OK) {
            err = mw_evaluate(file, set->x, set->rows, set->columns, job->score, job->error);
        }
        n = gather_validation(job, job->score, value, label, weight);
        if (err == MW_OK) {
            err = mw_metrics_compute(&result->int8_validation, value, label, weight, n,
                                     result->base_rate);
        }
        if (err == MW_OK) {
            err = mw_alarms_count(&result->int8_alarms, set, job->held_out, job->score,
                                  MW_BAND_IMPENDING);
        }
    } else {
        err = mw_train_no_memory(job);
    }
    free(value);
    free(weight);
    free(label);
    return err;
}

mw_err mw_train_measure_loss(struct mw_train_job *job)
{
    const struct mw_dataset *set = job->set;
    struct mw_train_result *result = job->result;
    double float_auc = 0.0, int8_auc = 0.0, sum = 0.0;
    uint8_t *label = calloc(set->rows, sizeof *label);
    double *sorted = calloc(set->rows, sizeof *sorted);
    mw_err err = MW_ERR_MEMORY;
    if (label != NULL && sorted != NULL) {
        err = mw_train_rank(job, &result->network);
    }
    if (err == MW_OK) {
        err = mw_evaluate(&result->int8_model, set->x, set->rows, set->columns, job->score,
                          job->error);
    }
    if (err == MW_OK) {
        memcpy(sorted, job->rank, set->rows * sizeof *sorted);
        qsort(sorted, set->rows, sizeof *sorted, mw_train_by_size);
        double large = sorted[set->rows - 1 - set->rows / 10];
        for (size_t i = 0; i < set->rows; i++) {
            label[i] = result->labelled ? set->label[i] : job->rank[i] >= large;
            sum += fabs(mw_network_score(&result->network, job->rank[i]) - job->score[i]);
        }
        result->int8_difference = sum / (double)set->rows;
        err = mw_metrics_roc_auc(job->rank, label, set->weight, set->rows, &float_auc);
    }
    if (err == MW_OK) {
        err = mw_metrics_roc_auc(job->score, label, set->weight, set->rows, &int8_auc);
    }
    result->int8_auc_loss = isnan(float_auc - int8_auc) ? 0.0 : float_auc - int8_auc;
    free(label);
    free(sorted);
    return err;
}
