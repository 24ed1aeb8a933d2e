/* validate_load.c - the files that a candidate consists of. */
#include "tiers/training/validate_internal.h"

#include "tiers/training/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JSON_MAX (4U << 20)
#define FILE_MAX (64U << 20)
#define DATA_MAX ((size_t)1 << 31)

static mw_err read_json(const char *path, json_t **root, struct mw_error *error)
{
    struct mw_buffer text = {0};
    json_error_t why;
    mw_err err = mw_file_read(path, JSON_MAX, &text, error);
    if (err == MW_OK) {
        *root = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &why);
        if (!json_is_object(*root)) {
            err = mw_error_set(error, MW_ERR_PARSE, "%s:%d: %s", path, *root == NULL ? why.line : 1,
                               *root == NULL ? why.text : "not a JSON object");
        }
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err refuse(const struct mw_validate_job *job, const char *what, struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_PARSE, "%s: reference: %s", job->options->extract, what);
}

/* The reference machine, and the names of the data set's features. */
static mw_err read_reference(struct mw_validate_job *job, struct mw_list *names,
                             struct mw_error *error)
{
    const json_t *reference = json_object_get(job->extract, "reference");
    const json_t *features = json_object_get(reference, "features");
    const json_t *mean = json_object_get(reference, "mean");
    const json_t *std = json_object_get(reference, "std");
    size_t n = json_array_size(features);
    if (n == 0 || n > MW_BUNDLE_FEATURES_MAX || json_array_size(mean) != n ||
        json_array_size(std) != n) {
        return refuse(job, "not one mean and deviation a feature", error);
    }
    names->item = calloc(n, sizeof *names->item);
    job->reference_mean = calloc(n, sizeof(float));
    job->reference_std = calloc(n, sizeof(float));
    if (names->item == NULL || job->reference_mean == NULL || job->reference_std == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(features, i));
        double m = json_number_value(json_array_get(mean, i));
        double s = json_number_value(json_array_get(std, i));
        if (name == NULL || !json_is_number(json_array_get(mean, i)) || !(s > 0)) {
            return refuse(job, "not a name, a mean and a deviation above 0", error);
        }
        names->item[i] = (char *)(uintptr_t)name; /* borrowed */
        names->n++;
        job->reference_mean[i] = (float)m;
        job->reference_std[i] = (float)s;
    }
    return MW_OK;
}

static mw_err read_data(struct mw_validate_job *job, struct mw_error *error)
{
    struct mw_list names = {0};
    struct mw_buffer text = {0};
    mw_err err = read_reference(job, &names, error);
    if (err == MW_OK) {
        err = mw_file_read(job->options->data, DATA_MAX, &text, error);
    }
    if (err == MW_OK) {
        mw_digest(text.data, text.size, job->digest);
    }
    mw_buffer_free(&text);
    if (err == MW_OK) {
        struct mw_dataset_columns columns = {.label = "label",
                                             .weight = "weight",
                                             .machine = "machine",
                                             .time = "time",
                                             .split = "split",
                                             .features = names};
        err = mw_dataset_read(&job->set, job->options->data, &columns, error);
        if (err == MW_OK && job->options->in_use != NULL) {
            err = mw_dataset_read(&job->in_use, job->options->in_use, &columns, error);
        }
    }
    if (err == MW_OK) {
        err = mw_baseline_list_parse(&job->baselines, names.n,
                                     json_object_get(job->extract, "baselines"), error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", job->options->extract);
    }
    free(names.item);
    return err;
}

static mw_err score(struct mw_validate_job *job, struct mw_error *error)
{
    const struct mw_dataset *set = &job->set;
    job->int8_score = calloc(set->rows, sizeof *job->int8_score);
    job->float_score = calloc(set->rows, sizeof *job->float_score);
    if (job->int8_score == NULL || job->float_score == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err =
        mw_evaluate(&job->int8_model, set->x, set->rows, set->columns, job->int8_score, error);
    if (err != MW_OK) {
        return mw_error_wrap(error, "%s", job->options->int8_model);
    }
    err = mw_evaluate(&job->float_model, set->x, set->rows, set->columns, job->float_score, error);
    return err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", job->options->float_model);
}

mw_err mw_validate_load(struct mw_validate_job *job, struct mw_error *error)
{
    const struct mw_validate_options *options = job->options;
    mw_err err = read_json(options->train, &job->train, error);
    err = err == MW_OK ? read_json(options->extract, &job->extract, error) : err;
    err = err == MW_OK ? read_data(job, error) : err;
    err = err == MW_OK ? mw_file_read(options->int8_model, FILE_MAX, &job->int8_model, error) : err;
    err =
        err == MW_OK ? mw_file_read(options->float_model, FILE_MAX, &job->float_model, error) : err;
    err = err == MW_OK ? score(job, error) : err;
    if (err == MW_OK && options->parent != NULL) {
        err = mw_assemble_read(&job->parent, options->parent, error);
    }
    return err;
}

void mw_validate_unload(struct mw_validate_job *job)
{
    json_decref(job->train);
    json_decref(job->extract);
    json_decref(job->gates);
    mw_dataset_clear(&job->set);
    mw_dataset_clear(&job->in_use);
    mw_baseline_list_clear(&job->baselines);
    free(job->reference_mean);
    free(job->reference_std);
    mw_buffer_free(&job->int8_model);
    mw_buffer_free(&job->float_model);
    free(job->int8_score);
    free(job->float_score);
    mw_bundle_clear(&job->parent);
    mw_bundle_clear(&job->bundle);
}

bool mw_validate_labelled(const struct mw_validate_job *job)
{
    return json_is_object(json_object_get(json_object_get(job->train, "validation"), "int8"));
}
