#include "tiers/training/train.h"

#include "tiers/training/cut_search.h"
#include "tiers/training/evaluate.h"
#include "tiers/training/fit.h"
#include "tiers/training/split.h"
#include "tiers/training/tflite_write.h"

#include <math.h>
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

/* What the steps share. */
struct job {
    const struct mw_dataset *set;
    const struct mw_train_options *options;
    struct mw_train_result *result;
    uint8_t *held_out;
    float *sample; /* raw calibration records */
    uint8_t *sample_label;
    size_t n_sample;
    double *rank, *score; /* set->rows each: float32's rank, int8's score */
    struct mw_error *error;
};

static mw_err no_memory(struct job *job)
{
    return mw_error_set(job->error, MW_ERR_MEMORY, "training on %zu records", job->set->rows);
}

static bool is_encoder(const struct job *job)
{
    return job->options->kind == MW_MODEL_AUTOENCODER;
}

static mw_err check_options(struct job *job)
{
    const struct mw_train_options *options = job->options;
    if (!is_encoder(job) && job->set->label == NULL) {
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
static mw_err split(struct job *job)
{
    struct mw_dataset set = *job->set;
    if (is_encoder(job)) {
        set.label = NULL;
    }
    return mw_split(&set, job->options->validation_share, job->options->seed, job->held_out,
                    job->error);
}

/* Calibration records: evenly over the data, half of them positive where there are as many; for an
 * autoencoder healthy ones. */
static mw_err take_sample(struct job *job)
{
    const struct mw_dataset *set = job->set;
    size_t count[2] = {0, 0}, wanted[2], seen[2] = {0, 0};
    for (size_t i = 0; i < set->rows; i++) {
        count[set->label != NULL && set->label[i]]++;
    }
    wanted[1] = is_encoder(job) ? 0 : count[1] < MW_CUT_RECORDS / 2 ? count[1] : MW_CUT_RECORDS / 2;
    wanted[0] = count[0] < MW_CUT_RECORDS - wanted[1] ? count[0] : MW_CUT_RECORDS - wanted[1];
    job->sample = calloc(wanted[0] + wanted[1] + 1, set->columns * sizeof *job->sample);
    job->sample_label = calloc(wanted[0] + wanted[1] + 1, 1);
    if (job->sample == NULL || job->sample_label == NULL) {
        return no_memory(job);
    }
    for (size_t i = 0; i < set->rows; i++) {
        size_t c = set->label != NULL && set->label[i], at = seen[c]++;
        /* Row number `at` of its class is taken when it starts a new one of `wanted` equal parts. */
        if (wanted[c] == 0 || (at > 0 && at * wanted[c] / count[c] == (at - 1) * wanted[c] / count[c])) {
            continue;
        }
        memcpy(job->sample + job->n_sample * set->columns, set->x + i * set->columns,
               set->columns * sizeof *job->sample);
        job->sample_label[job->n_sample++] = (uint8_t)c;
    }
    return MW_OK;
}

/* Ranks all records with a float32 network, into job->rank. */
static mw_err rank_all(struct job *job, const struct mw_network *network)
{
    const struct mw_dataset *set = job->set;
    float *scratch = calloc(mw_network_scratch(network) + set->columns, sizeof *scratch);
    if (scratch == NULL) {
        return no_memory(job);
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
static size_t gather_validation(const struct job *job, const double *value, double *out,
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

static mw_err calibrate(struct job *job, struct mw_network *network)
{
    size_t rows = job->set->rows;
    double *logit = calloc(rows, sizeof *logit), *weight = calloc(rows, sizeof *weight);
    uint8_t *label = calloc(rows, sizeof *label);
    mw_err err = MW_ERR_MEMORY;
    if (logit != NULL && weight != NULL && label != NULL) {
        err = rank_all(job, network);
        size_t n = gather_validation(job, job->rank, logit, label, weight);
        if (err == MW_OK) {
            err = mw_calibrate_fit(logit, label, weight, n, &job->result->platt, job->error);
        }
    } else {
        err = no_memory(job);
    }
    free(logit);
    free(weight);
    free(label);
    if (err == MW_OK) {
        mw_calibrate_fold(network, job->result->platt);
    }
    return err;
}

static mw_err write_int8(struct job *job, const struct mw_network *network, struct mw_buffer *file)
{
    float *z = calloc(job->n_sample + 1, job->set->columns * sizeof *z);
    if (z == NULL) {
        return no_memory(job);
    }
    mw_network_normalise(network, job->sample, job->n_sample, z);
    mw_err err = mw_cut_write(network, z, job->n_sample, job->result->cut, file, job->error);
    free(z);
    return err;
}

static int by_size(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The stated quantile of a value over the healthy records; `scratch` has room for all. */
static double healthy_quantile(const struct job *job, const double *value, double *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < job->set->rows; i++) {
        if (job->set->label == NULL || !job->set->label[i]) {
            scratch[n++] = value[i];
        }
    }
    qsort(scratch, n, sizeof *scratch, by_size);
    double place = job->options->quantile * (double)(n - 1);
    size_t below = (size_t)place;
    double part = place - (double)below;
    return scratch[below] + (below + 1 < n ? part * (scratch[below + 1] - scratch[below]) : 0.0);
}

/* Sets c so that the stated quantile of healthy errors scores 0.5. The int8 model's errors are not the
 * float32 model's, so each variant gets its own: with c = 1, e = score / (1 - score). */
static mw_err write_encoder(struct job *job, struct mw_network *network, struct mw_buffer *int8_file,
                            struct mw_buffer *float_file)
{
    const struct mw_dataset *set = job->set;
    double *scratch = calloc(set->rows, sizeof *scratch);
    if (scratch == NULL) {
        return no_memory(job);
    }
    network->c = 1.0f;
    mw_err err = write_int8(job, network, int8_file);
    if (err == MW_OK) {
        err = mw_evaluate(int8_file, set->x, set->rows, set->columns, job->score, job->error);
    }
    for (size_t i = 0; err == MW_OK && i < set->rows; i++) {
        job->score[i] /= 1.0 - job->score[i] > 1e-7 ? 1.0 - job->score[i] : 1e-7;
    }
    if (err == MW_OK) {
        err = rank_all(job, network);
    }
    if (err == MW_OK) {
        double least = 1e-12;
        double int8_c = healthy_quantile(job, job->score, scratch);
        double float_c = healthy_quantile(job, job->rank, scratch);
        mw_buffer_clear(int8_file);
        network->c = (float)(int8_c > least ? int8_c : least);
        err = write_int8(job, network, int8_file);
        network->c = (float)(float_c > least ? float_c : least);
    }
    if (err == MW_OK && mw_tflite_write(network, NULL, float_file) != MW_OK) {
        err = no_memory(job);
    }
    free(scratch);
    return err;
}

static mw_err write_both(struct job *job, struct mw_network *network, struct mw_buffer *int8_file,
                         struct mw_buffer *float_file)
{
    if (is_encoder(job)) {
        return write_encoder(job, network, int8_file, float_file);
    }
    mw_err err = write_int8(job, network, int8_file);
    if (err == MW_OK && mw_tflite_write(network, NULL, float_file) != MW_OK) {
        err = no_memory(job);
    }
    return err;
}

/* Metrics of float32 and int8 on the validation records. */
static mw_err measure_validation(struct job *job, const struct mw_network *network,
                                 const struct mw_buffer *file)
{
    const struct mw_dataset *set = job->set;
    struct mw_train_result *result = job->result;
    double *value = calloc(set->rows, sizeof *value), *weight = calloc(set->rows, sizeof *weight);
    uint8_t *label = calloc(set->rows, sizeof *label);
    mw_err err = MW_ERR_MEMORY;
    if (value != NULL && weight != NULL && label != NULL) {
        err = rank_all(job, network);
        for (size_t i = 0; i < set->rows; i++) {
            job->rank[i] = mw_network_score(network, job->rank[i]);
        }
        size_t n = gather_validation(job, job->rank, value, label, weight);
        if (err == MW_OK) {
            err = mw_metrics_compute(&result->float_validation, value, label, weight, n,
                                     result->base_rate);
        }
        if (err == MW_OK) {
            err = mw_evaluate(file, set->x, set->rows, set->columns, job->score, job->error);
        }
        n = gather_validation(job, job->score, value, label, weight);
        if (err == MW_OK) {
            err = mw_metrics_compute(&result->int8_validation, value, label, weight, n,
                                     result->base_rate);
        }
    } else {
        err = no_memory(job);
    }
    free(value);
    free(weight);
    free(label);
    return err;
}

/* What int8 loses against float32 on all records. */
static mw_err measure_loss(struct job *job)
{
    const struct mw_dataset *set = job->set;
    struct mw_train_result *result = job->result;
    double float_auc = 0.0, int8_auc = 0.0, sum = 0.0;
    uint8_t *label = calloc(set->rows, sizeof *label);
    double *sorted = calloc(set->rows, sizeof *sorted);
    mw_err err = MW_ERR_MEMORY;
    if (label != NULL && sorted != NULL) {
        err = rank_all(job, &result->network);
    }
    if (err == MW_OK) {
        err = mw_evaluate(&result->int8_model, set->x, set->rows, set->columns, job->score,
                          job->error);
    }
    if (err == MW_OK) {
        memcpy(sorted, job->rank, set->rows * sizeof *sorted);
        qsort(sorted, set->rows, sizeof *sorted, by_size);
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

/* Both classes among the validation records: only then are the metrics defined. */
static bool can_measure(const struct job *job)
{
    size_t count[2] = {0, 0};
    for (size_t i = 0; job->set->label != NULL && i < job->set->rows; i++) {
        count[job->set->label[i]] += job->held_out[i] == 1;
    }
    return count[0] > 0 && count[1] > 0;
}

/* Fits on the training side, calibrates, chooses the cuts and measures. *epochs for the second fit. */
static mw_err first_fit(struct job *job, size_t *epochs)
{
    struct mw_train_result *result = job->result;
    struct mw_network network = {0};
    struct mw_fit_report report = {0};
    struct mw_buffer files[2] = {{0}};
    double loss;
    mw_err err = mw_fit(job->set, job->held_out, job->options, 0, &network, &report, job->error);
    *epochs = report.epochs > 0 ? report.epochs : 1;
    if (err == MW_OK && !is_encoder(job)) {
        err = calibrate(job, &network);
    }
    if (err == MW_OK) {
        err = mw_cut_search(&network, job->sample, job->sample_label, job->n_sample, &result->cut,
                            &loss, job->error);
    }
    if (err == MW_OK && result->labelled) {
        err = write_both(job, &network, &files[0], &files[1]);
        if (err == MW_OK) {
            err = measure_validation(job, &network, &files[0]);
        }
    }
    mw_buffer_free(&files[0]);
    mw_buffer_free(&files[1]);
    mw_network_clear(&network);
    return err;
}

/* Fits on everything and writes. */
static mw_err second_fit(struct job *job, size_t epochs)
{
    struct mw_train_result *result = job->result;
    struct mw_fit_report report = {0};
    mw_err err = mw_fit(job->set, NULL, job->options, epochs, &result->network, &report, job->error);
    if (err != MW_OK) {
        return err;
    }
    result->epochs = report.epochs;
    result->training_loss = report.loss;
    if (!is_encoder(job)) {
        mw_calibrate_fold(&result->network, result->platt);
    }
    result->constant = calloc(job->set->columns, sizeof *result->constant);
    for (size_t j = 0; result->constant != NULL && j < job->set->columns; j++) {
        if (result->network.factor[j] == 0.0f) {
            result->constant[result->n_constant++] = j;
        }
    }
    if (result->constant == NULL) {
        return no_memory(job);
    }
    err = write_both(job, &result->network, &result->int8_model, &result->float_model);
    return err == MW_OK ? measure_loss(job) : err;
}

static void count(struct job *job)
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

static mw_err run(struct job *job)
{
    size_t epochs = 0;
    mw_err err = split(job);
    if (err == MW_OK) {
        count(job);
        err = take_sample(job);
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
    struct job job = {.set = dataset, .options = options, .result = result, .error = error};
    mw_err err = check_options(&job);
    if (err != MW_OK) {
        return err;
    }
    job.held_out = calloc(dataset->rows, sizeof *job.held_out);
    job.rank = calloc(dataset->rows, sizeof *job.rank);
    job.score = calloc(dataset->rows, sizeof *job.score);
    err = job.held_out != NULL && job.rank != NULL && job.score != NULL ? run(&job)
                                                                        : no_memory(&job);
    free(job.held_out);
    free(job.rank);
    free(job.score);
    free(job.sample);
    free(job.sample_label);
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
