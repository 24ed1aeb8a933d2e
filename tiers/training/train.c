#include "tiers/training/train_job.h"

#include "tiers/training/cut_search.h"
#include "tiers/training/fit.h"
#include "tiers/training/split.h"

#include <stdlib.h>
#include <string.h>

const struct mw_train_options mw_train_defaults = {
    .kind = MW_MODEL_LOGISTIC,
    .seed = 1,
    .validation_share = 0.2,
    .l2 = -1.0,
    .class_weight = 0.5,
    .quantile = 0.99,
    .int8_auc_loss = 0.005,
};

static mw_err check_options(struct mw_train_job *job)
{
    const struct mw_train_options *options = job->options;
    if (!mw_train_is_encoder(job) && job->set->label == NULL) {
        return mw_error_set(job->error, MW_ERR_ARGUMENT, "a %s model needs a label column",
                            mw_network_kind_name(options->kind));
    }
    if (!(options->quantile > 0.0 && options->quantile < 1.0)) {
        return mw_error_set(job->error, MW_ERR_RANGE, "a quantile lies between 0 and 1");
    }
    if (!(options->class_weight >= 0.0 && options->class_weight <= 1.0)) {
        return mw_error_set(job->error, MW_ERR_RANGE, "class weighting lies between 0 and 1");
    }
    return MW_OK;
}

/* An autoencoder learns from healthy records only: the split must not look at labels. */
static mw_err split(struct mw_train_job *job)
{
    struct mw_dataset set = *job->set;
    if (mw_train_is_encoder(job)) {
        set.label = NULL;
    }
    return mw_split(&set, job->options->validation_share, job->options->seed, job->held_out,
                    job->error);
}

mw_err mw_train_sample(struct mw_train_job *job)
{
    const struct mw_dataset *set = job->set;
    size_t count[2] = {0, 0}, wanted[2], seen[2] = {0, 0};
    for (size_t i = 0; i < set->rows; i++) {
        count[set->label != NULL && set->label[i]]++;
    }
    wanted[1] = mw_train_is_encoder(job)        ? 0
                : count[1] < MW_CUT_RECORDS / 2 ? count[1]
                                                : MW_CUT_RECORDS / 2;
    wanted[0] = count[0] < MW_CUT_RECORDS - wanted[1] ? count[0] : MW_CUT_RECORDS - wanted[1];
    job->sample = calloc(wanted[0] + wanted[1] + 1, set->columns * sizeof *job->sample);
    job->sample_label = calloc(wanted[0] + wanted[1] + 1, sizeof *job->sample_label);
    job->sample_weight = calloc(wanted[0] + wanted[1] + 1, sizeof *job->sample_weight);
    if (job->sample == NULL || job->sample_label == NULL || job->sample_weight == NULL) {
        return mw_train_no_memory(job);
    }
    for (size_t i = 0; i < set->rows; i++) {
        size_t c = set->label != NULL && set->label[i], at = seen[c]++;
        /* Row number `at` of its class is taken when it starts a new one of `wanted` equal parts.
         */
        if (wanted[c] == 0 ||
            (at > 0 && at * wanted[c] / count[c] == (at - 1) * wanted[c] / count[c])) {
            continue;
        }
        memcpy(job->sample + job->n_sample * set->columns, set->x + i * set->columns,
               set->columns * sizeof *job->sample);
        job->sample_weight[job->n_sample] =
            mw_dataset_weight(set, i) * (double)count[c] / (double)wanted[c];
        job->sample_label[job->n_sample++] = (uint8_t)c;
    }
    return MW_OK;
}

/* Both classes among the validation records: only then are the metrics defined. */
static bool can_measure(const struct mw_train_job *job)
{
    size_t count[2] = {0, 0};
    for (size_t i = 0; job->set->label != NULL && i < job->set->rows; i++) {
        count[job->set->label[i]] += job->held_out[i] == 1;
    }
    return count[0] > 0 && count[1] > 0;
}

/* Fits on the training side, calibrates, chooses the cuts and measures. *epochs for the second fit.
 */
static mw_err first_fit(struct mw_train_job *job, size_t *epochs)
{
    struct mw_train_result *result = job->result;
    struct mw_network network = {0};
    struct mw_fit_report report = {0};
    struct mw_buffer files[2] = {{0}};
    mw_err err = mw_fit(job->set, job->held_out, job->options, 0, &network, &report, job->error);
    *epochs = report.epochs > 0 ? report.epochs : 1;
    if (err == MW_OK && !mw_train_is_encoder(job)) {
        err = mw_train_calibrate(job, &network);
    }
    result->cut = mw_cut_encoder;
    if (err == MW_OK && !mw_train_is_encoder(job)) {
        err = mw_cut_search(&network, job->sample, job->sample_label, job->sample_weight,
                            job->n_sample, &result->cut, job->error);
    }
    if (err == MW_OK && result->labelled) {
        err = mw_train_write(job, &network, &files[0], &files[1]);
        if (err == MW_OK) {
            err = mw_train_measure(job, &network, &files[0]);
        }
    }
    mw_buffer_free(&files[0]);
    mw_buffer_free(&files[1]);
    mw_network_clear(&network);
    return err;
}

/* Fits on everything and writes. */
static mw_err second_fit(struct mw_train_job *job, size_t epochs)
{
    struct mw_train_result *result = job->result;
    struct mw_fit_report report = {0};
    mw_err err =
        mw_fit(job->set, NULL, job->options, epochs, &result->network, &report, job->error);
    if (err != MW_OK) {
        return err;
    }
    result->epochs = report.epochs;
    result->training_loss = report.loss;
    if (!mw_train_is_encoder(job)) {
        mw_calibrate_fold(&result->network, result->platt);
    }
    result->constant = calloc(job->set->columns, sizeof *result->constant);
    for (size_t j = 0; result->constant != NULL && j < job->set->columns; j++) {
        if (result->network.factor[j] == 0.0f) {
            result->constant[result->n_constant++] = j;
        }
    }
    if (result->constant == NULL) {
        return mw_train_no_memory(job);
    }
    err = mw_train_write(job, &result->network, &result->int8_model, &result->float_model);
    return err == MW_OK ? mw_train_measure_loss(job) : err;
}

static void count(struct mw_train_job *job)
{
    struct mw_train_result *result = job->result;
    double positive = 0.0, total = 0.0;
    for (size_t i = 0; i < job->set->rows; i++) {
        double weight = mw_dataset_weight(job->set, i);
        bool is = job->set->label != NULL && job->set->label[i];
        result->positives += is;
        positive += is ? weight : 0.0;
        total += weight;
        result->training += job->held_out[i] == 0;
        result->validation += job->held_out[i] == 1;
    }
    result->records = job->set->rows;
    result->base_rate = positive / total;
    result->labelled = can_measure(job);
}

static mw_err run(struct mw_train_job *job)
{
    size_t epochs = 0;
    mw_err err = split(job);
    if (err == MW_OK) {
        count(job);
        err = mw_train_sample(job);
    }
    if (err == MW_OK && job->n_sample == 0) {
        err = mw_error_set(job->error, MW_ERR_RANGE, "no healthy records to learn from");
    }
    if (err == MW_OK) {
        err = first_fit(job, &epochs);
    }
    if (err == MW_OK) {
        err = second_fit(job, epochs);
    }
    if (err == MW_OK && job->options->int8_auc_loss >= 0.0 &&
        job->result->int8_auc_loss > job->options->int8_auc_loss) {
        err = mw_error_set(job->error, MW_ERR_DENIED,
                           "the int8 model loses %.5f of AUC against float32, and may lose %.5f",
                           job->result->int8_auc_loss, job->options->int8_auc_loss);
    }
    return err;
}

mw_err mw_train(const struct mw_dataset *dataset, const struct mw_train_options *options,
                struct mw_train_result *result, struct mw_error *error)
{
    *result = (struct mw_train_result){.platt = {1.0, 0.0}};
    struct mw_train_job job = {
        .set = dataset, .options = options, .result = result, .error = error};
    mw_err err = check_options(&job);
    if (err != MW_OK) {
        return err;
    }
    job.held_out = calloc(dataset->rows, sizeof *job.held_out);
    job.rank = calloc(dataset->rows, sizeof *job.rank);
    job.score = calloc(dataset->rows, sizeof *job.score);
    err = job.held_out != NULL && job.rank != NULL && job.score != NULL ? run(&job)
                                                                        : mw_train_no_memory(&job);
    free(job.held_out);
    free(job.rank);
    free(job.score);
    free(job.sample);
    free(job.sample_label);
    free(job.sample_weight);
    if (err != MW_OK && err != MW_ERR_DENIED) {
        mw_train_result_clear(result);
    }
    return err;
}

void mw_train_result_clear(struct mw_train_result *result)
{
    mw_network_clear(&result->network);
    mw_buffer_free(&result->int8_model);
    mw_buffer_free(&result->float_model);
    free(result->constant);
    *result = (struct mw_train_result){0};
}
