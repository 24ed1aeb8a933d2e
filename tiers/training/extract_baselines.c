/* extract_baselines.c - what a machine is like since the plant moved: its baseline, taken anew. */
#include "tiers/training/extract_internal.h"

#include "lib/artifact/gather.h"
#include "tiers/training/moments.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 50 /* healthy records that a baseline taken anew is made of */

struct pass {
    struct mw_extract_job *job;
    size_t at;
    struct mw_moments *machine;
    double *memory;
};

/* The newest records are among them though they also judge the candidate: what a baseline says of
 * them is where they lie, not what followed. */
static mw_err sum_record(void *context, const struct mw_telemetry *record, bool suspect,
                         struct mw_error *error)
{
    (void)suspect;
    (void)error;
    struct pass *pass = context;
    const struct mw_extract_job *job = pass->job;
    float values[MW_FEATURES_MAX];
    const struct mw_extract_row *row = mw_extract_find_row(job, &pass->at, record);
    if (row != NULL && row->label == 0 && row->time >= job->options->fresh &&
        mw_gather(job->feature, job->n_features, record, values)) {
        mw_moments_add(&pass->machine[row->machine], values, job->n_features,
                       1 / (double)record->p);
    }
    return MW_OK;
}

static mw_err begin(struct pass *pass)
{
    size_t machines = pass->job->result->machines, n = pass->job->n_features;
    pass->machine = calloc(machines + 1, sizeof *pass->machine);
    pass->memory = calloc(2 * machines * n + 1, sizeof *pass->memory);
    if (pass->machine == NULL || pass->memory == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < machines; i++) {
        pass->machine[i].mean = pass->memory + 2 * i * n;
        pass->machine[i].squares = pass->memory + (2 * i + 1) * n;
    }
    return MW_OK;
}

static mw_err keep(struct mw_extract_job *job, size_t machine, const struct mw_moments *moments)
{
    float mean[MW_FEATURES_MAX], std[MW_FEATURES_MAX];
    mw_moments_read(moments, job->n_features, mean, std);
    return mw_baseline_list_add(&job->result->baselines, mw_history_machine(job->history, machine),
                                job->options->fresh, moments->count, mean, std, job->n_features);
}

mw_err mw_extract_retake_baselines(struct mw_extract_job *job, struct mw_error *error)
{
    struct pass pass = {.job = job};
    uint64_t least = (uint64_t)job->plant->commission.records;
    least = least < LEAST ? least : LEAST;
    mw_err err = begin(&pass);
    if (err == MW_OK) {
        err = mw_archive_visit(job->archive, sum_record, &pass, error);
    }
    for (size_t i = 0; err == MW_OK && i < job->result->machines; i++) {
        if (pass.machine[i].count >= least) {
            err = keep(job, i, &pass.machine[i]);
            job->result->retaken++;
        }
    }
    free(pass.machine);
    free(pass.memory);
    return err == MW_ERR_MEMORY ? mw_error_set(error, err, "out of memory") : err;
}
