#include "tiers/training/train_job.h"

#include "tiers/training/cut_search.h"
#include "tiers/training/evaluate.h"
#include "tiers/training/tflite_write.h"

#include <stdlib.h>

static mw_err write_int8(struct mw_train_job *job, const struct mw_network *network,
                         struct mw_buffer *file)
{
    float *z = calloc(job->n_sample + 1, job->set->columns * sizeof *z);
    if (z == NULL) {
        return mw_train_no_memory(job);
    }
    mw_network_normalise(network, job->sample, job->n_sample, z);
    mw_err err = mw_cut_write(network, z, job->n_sample, job->result->cut, file, job->error);
    free(z);
    return err;
}

/* The stated quantile of a value over the healthy records; `scratch` has room for all. */
static double healthy_quantile(const struct mw_train_job *job, const double *value, double *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < job->set->rows; i++) {
        if (job->set->label == NULL || !job->set->label[i]) {
            scratch[n++] = value[i];
        }
    }
    qsort(scratch, n, sizeof *scratch, mw_train_by_size);
    double place = job->options->quantile * (double)(n - 1);
    size_t below = (size_t)place;
    double part = place - (double)below;
    return scratch[below] + (below + 1 < n ? part * (scratch[below + 1] - scratch[below]) : 0.0);
}

/* Sets c so that the stated quantile of healthy errors scores 0.5. The int8 model's errors are not
 * the float32 model's, so each variant gets its own: with c = 1, e = score / (1 - score). */
static mw_err write_encoder(struct mw_train_job *job, struct mw_network *network,
                            struct mw_buffer *int8_file, struct mw_buffer *float_file)
{
    const struct mw_dataset *set = job->set;
    double *scratch = calloc(set->rows, sizeof *scratch);
    if (scratch == NULL) {
        return mw_train_no_memory(job);
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
        err = mw_train_rank(job, network);
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
        err = mw_train_no_memory(job);
    }
    free(scratch);
    return err;
}

mw_err mw_train_write(struct mw_train_job *job, struct mw_network *network,
                      struct mw_buffer *int8_file, struct mw_buffer *float_file)
{
    if (mw_train_is_encoder(job)) {
        return write_encoder(job, network, int8_file, float_file);
    }
    mw_err err = write_int8(job, network, int8_file);
    if (err == MW_OK && mw_tflite_write(network, NULL, float_file) != MW_OK) {
        err = mw_train_no_memory(job);
    }
    return err;
}
