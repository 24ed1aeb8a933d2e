#include "tiers/training/validate.h"

#include "core/model/model.h"
#include "tiers/training/evaluate.h"
#include "tiers/training/metrics.h"
#include "tiers/training/validate_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a difference between two models on some hundred records may be by chance. */
#define AUC_NOISE 0.02
/* Of the log loss in use, from which a candidate's scores are clearly the truer ones. */
#define LOSS_SHARE 0.8

static mw_err no_memory(struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
}

/* Notes what a gate found; the first that refuses gives the reason. */
__attribute__((format(printf, 4, 5))) static mw_err
gate(struct mw_validate_job *job, const char *name, bool passed, const char *format, ...)
{
    char text[224];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!passed && job->result->passed) {
        job->result->passed = false;
        snprintf(job->result->reason, sizeof job->result->reason, "%s: %s", name, text);
    }
    return json_object_set_new(job->gates, name, json_string(text)) == 0 ? MW_OK : MW_ERR_MEMORY;
}

/* --- features, finite, size --- */

static mw_err gate_features(struct mw_validate_job *job)
{
    struct mw_span text = {0};
    json_error_t why;
    size_t same = 0;
    (void)mw_model_metadata(job->int8_model.data, job->int8_model.size, "millwright.features",
                            &text);
    json_t *names = text.size == 0 ? NULL : json_loadb(text.data, text.size, 0, &why);
    while (same < job->set.columns && json_array_size(names) == job->set.columns) {
        const char *name = json_string_value(json_array_get(names, same));
        if (name == NULL || strcmp(name, job->set.names[same]) != 0) {
            break;
        }
        same++;
    }
    size_t n = json_array_size(names);
    json_decref(names);
    return same == job->set.columns
               ? gate(job, "features", true, "the model reads the data set's %zu features", same)
               : gate(job, "features", false,
                      "the model reads %zu features, the data set has %zu; number %zu differs", n,
                      job->set.columns, same + 1);
}

static bool answers(double score)
{
    return score >= 0 && score <= 1;
}

static mw_err gate_finite(struct mw_validate_job *job)
{
    size_t wrong = 0;
    for (size_t i = 0; i < job->set.rows; i++) {
        wrong += !answers(job->int8_score[i]) || !answers(job->float_score[i]);
    }
    return wrong == 0
               ? gate(job, "finite", true, "all %zu records get a score in [0,1]", job->set.rows)
               : gate(job, "finite", false, "%zu of %zu records get no score in [0,1]", wrong,
                      job->set.rows);
}

static mw_err gate_size(struct mw_validate_job *job)
{
    return gate(job, "size", job->int8_model.size <= (size_t)job->options->size_limit,
                "%zu bytes of at most %" PRId64, job->int8_model.size, job->options->size_limit);
}

/* --- int8 --- */

static int by_size(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Without labels int8 has to tell the tenth of records that float32 scores highest. */
static mw_err mark_highest(const struct mw_validate_job *job, uint8_t *label)
{
    size_t rows = job->set.rows;
    double *sorted = calloc(rows, sizeof *sorted);
    if (sorted == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(sorted, job->float_score, rows * sizeof *sorted);
    qsort(sorted, rows, sizeof *sorted, by_size);
    double high = sorted[rows - 1 - rows / 10];
    free(sorted);
    for (size_t i = 0; i < rows; i++) {
        label[i] = job->float_score[i] >= high;
    }
    return MW_OK;
}

static mw_err gate_int8(struct mw_validate_job *job)
{
    const struct mw_dataset *set = &job->set;
    double in_float = NAN, in_int8 = NAN, most = job->plant->model.int8_auc_loss;
    uint8_t *label = calloc(set->rows, 1);
    mw_err err = label == NULL ? MW_ERR_MEMORY : MW_OK;
    if (err == MW_OK && mw_validate_labelled(job)) {
        memcpy(label, set->label, set->rows);
    } else if (err == MW_OK) {
        err = mark_highest(job, label);
    }
    if (err == MW_OK) {
        err = mw_metrics_roc_auc(job->float_score, label, set->weight, set->rows, &in_float);
    }
    if (err == MW_OK) {
        err = mw_metrics_roc_auc(job->int8_score, label, set->weight, set->rows, &in_int8);
    }
    free(label);
    if (err != MW_OK) {
        return err;
    }
    job->int8_loss = isnan(in_float - in_int8) ? 0 : in_float - in_int8;
    return gate(job, "int8", job->int8_loss <= most, "int8 loses %.6f of ROC AUC, %g at most",
                job->int8_loss, most);
}

/* --- the candidate against chance and against the model in use --- */

static double candidate(const struct mw_validate_job *job, const char *figure)
{
    const json_t *figures = json_object_get(json_object_get(job->train, "validation"), "int8");
    const json_t *value = json_object_get(figures, figure);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Column numbers of the parent's features; false when the data has one of them no more. */
static bool find_columns(const struct mw_validate_job *job, size_t *column)
{
    for (size_t i = 0; i < job->parent.n_features; i++) {
        column[i] = 0;
        while (column[i] < job->set.columns &&
               strcmp(job->set.names[column[i]], job->parent.features[i]) != 0) {
            column[i]++;
        }
        if (column[i] == job->set.columns) {
            return false;
        }
    }
    return true;
}

/* Scores the validation rows with the model in use. */
static mw_err judge_parent(struct mw_validate_job *job, const size_t *column,
                           struct mw_metrics *parent, struct mw_error *error)
{
    const struct mw_dataset *set = job->in_use.rows > 0 ? &job->in_use : &job->set;
    size_t width = job->parent.n_features, n = 0;
    float *x = calloc(set->rows * width + 1, sizeof *x);
    double *score = calloc(set->rows, sizeof *score), *weight = calloc(set->rows, sizeof *weight);
    uint8_t *label = calloc(set->rows, 1);
    mw_err err =
        x == NULL || score == NULL || weight == NULL || label == NULL ? no_memory(error) : MW_OK;
    for (size_t i = 0; err == MW_OK && i < set->rows; i++) {
        if (set->held_out[i] == 1) {
            for (size_t k = 0; k < width; k++) {
                x[n * width + k] = set->x[i * set->columns + column[k]];
            }
            label[n] = set->label[i];
            weight[n++] = mw_dataset_weight(set, i);
        }
    }
    if (err == MW_OK) {
        err = mw_evaluate(&job->parent.int8_model, x, n, width, score, error);
    }
    if (err == MW_OK) {
        err = mw_metrics_compute(parent, score, label, weight, n,
                                 json_number_value(json_object_get(job->train, "base_rate")));
        job->parent_auc = parent->roc_auc;
    }
    free(x);
    free(score);
    free(weight);
    free(label);
    return err;
}

static mw_err compare_with_parent(struct mw_validate_job *job, const size_t *column,
                                  struct mw_error *error)
{
    struct mw_metrics parent;
    double auc = candidate(job, "roc_auc"), loss = candidate(job, "log_loss");
    double wanted = job->plant->retrain.minimum_gain;
    mw_err err = judge_parent(job, column, &parent, error);
    if (err != MW_OK) {
        return err;
    }
    double gain = auc - parent.roc_auc;
    /* What shifts all scores alike leaves the ranking, and with it AUC, as it was; the bands are
     * wrong all the same, and log loss shows it. */
    bool truer = gain >= -AUC_NOISE && loss <= LOSS_SHARE * parent.log_loss;
    return gate(job, "gain", gain >= wanted || truer,
                "ROC AUC %.4f (log loss %.3f) on the newest records, the model in use has %.4f "
                "(%.3f); a gain of %g is wanted",
                auc, loss, parent.roc_auc, parent.log_loss, wanted);
}

static mw_err gate_gain(struct mw_validate_job *job, struct mw_error *error)
{
    size_t column[MW_BUNDLE_FEATURES_MAX];
    double auc = candidate(job, "roc_auc");
    if (!mw_validate_labelled(job)) {
        return gate(job, "gain", true, "no labels to compare by");
    }
    mw_err err = gate(job, "chance", auc > 0.5, "ROC AUC %.4f on the newest records", auc);
    if (err != MW_OK || job->parent.kind == NULL) {
        return err;
    }
    return find_columns(job, column)
               ? compare_with_parent(job, column, error)
               : gate(job, "gain", true,
                      "not compared: the model in use reads a feature that the data has no more");
}

/* --- the bundle --- */

static mw_err print_metrics(struct mw_validate_job *job)
{
    const json_t *validation = json_object_get(job->train, "validation");
    json_t *metrics = json_object_get(validation, "int8");
    metrics = metrics == NULL ? json_object() : json_deep_copy(metrics);
    json_t *parent = isnan(job->parent_auc) ? json_null() : json_real(job->parent_auc);
    json_t *float32 = json_object_get(validation, "float32");
    json_object_set_new(metrics, "parent_roc_auc", parent);
    if (float32 != NULL) {
        json_object_set(metrics, "float32", float32);
    }
    json_object_set_new(metrics, "training_records", json_integer((json_int_t)job->set.rows));
    json_object_set_new(metrics, "int8_auc_loss", json_real(job->int8_loss));
    char *text = json_dumps(metrics, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(metrics);
    mw_err err =
        text == NULL ? MW_ERR_MEMORY : mw_buffer_add(&job->result->metrics, text, strlen(text));
    free(text);
    return err;
}

static mw_err assemble(struct mw_validate_job *job, struct mw_error *error)
{
    const char *kind = json_string_value(json_object_get(job->train, "kind"));
    const json_t *fresh = json_object_get(job->extract, "fresh");
    const struct mw_assemble from = {
        .plant = job->plant,
        .dataset = &job->set,
        .digest = job->digest,
        .kind = kind == NULL ? "unknown" : kind,
        .reference_mean = job->reference_mean,
        .reference_std = job->reference_std,
        .baselines = &job->baselines,
        .int8_model = &job->int8_model,
        .float_model = &job->float_model,
        .score = job->int8_score,
        .base_rate = json_number_value(json_object_get(job->train, "base_rate")),
        .int8_auc_loss = job->int8_loss,
        .parent = job->options->parent_digest,
        .machine = job->options->machine,
        .fresh = json_is_number(fresh) ? (int64_t)(json_number_value(fresh) * 1e6) : INT64_MIN};
    return mw_assemble_bundle(&job->bundle, &from, error);
}

/* Loads the bundle as a scorer would, from its own bytes, and lets it prove its golden vectors. */
static mw_err gate_golden(struct mw_validate_job *job)
{
    struct mw_runner runner = {0};
    struct mw_error why = {0};
    struct mw_bundle copy = {.n_features = job->bundle.n_features};
    mw_err err =
        mw_buffer_add(&copy.int8_model, job->bundle.int8_model.data, job->bundle.int8_model.size);
    if (err == MW_OK) {
        err = mw_buffer_add(&copy.golden, job->bundle.golden.data, job->bundle.golden.size);
    }
    if (err != MW_OK) {
        mw_buffer_free(&copy.int8_model);
        mw_buffer_free(&copy.golden);
        return err;
    }
    err = mw_runner_init(&runner, &copy, &why);
    if (err == MW_OK) {
        mw_runner_clear(&runner);
        size_t n = job->set.rows < MW_ASSEMBLE_GOLDEN ? job->set.rows : MW_ASSEMBLE_GOLDEN;
        return gate(job, "golden", true, "%zu vectors reproduce bit for bit", n);
    }
    return gate(job, "golden", false, "%.200s", why.text);
}

/* Gates and figures alone, so that a person can see why there is no bundle. */
static mw_err write_report(const struct mw_validate_job *job, struct mw_error *error)
{
    char path[PATH_MAX];
    struct mw_buffer text = {0};
    mw_err err = mw_buffer_printf(&text, "{\"v\":1,\"gates\":%s,\"metrics\":%s}",
                                  job->result->gates.data, job->result->metrics.data);
    if (err == MW_OK) {
        err = mw_file_join(path, sizeof path, job->options->out, "report.json");
    }
    err = err == MW_OK ? mw_file_make_folder(job->options->out, error)
                       : mw_error_set(error, err, "%s: report", job->options->out);
    if (err == MW_OK) {
        err = mw_file_write(path, text.data, text.size, 0644, error);
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err write_bundle(struct mw_validate_job *job, struct mw_error *error)
{
    struct mw_bundle *bundle = &job->bundle;
    bundle->gates_json = strdup(job->result->gates.data);
    bundle->metrics_json = strdup(job->result->metrics.data);
    if (bundle->gates_json == NULL || bundle->metrics_json == NULL) {
        return no_memory(error);
    }
    return mw_assemble_write(bundle, job->options->out, error);
}

static mw_err run(struct mw_validate_job *job, struct mw_error *error)
{
    struct mw_validate_result *result = job->result;
    job->gates = json_object();
    result->passed = true;
    mw_err err = gate_features(job);
    err = err == MW_OK ? gate_finite(job) : err;
    err = err == MW_OK ? gate_size(job) : err;
    if (err == MW_OK && result->passed) { /* else the figures below mean nothing */
        err = gate_int8(job);
        err = err == MW_OK ? gate_gain(job, error) : err;
        err = err == MW_OK ? assemble(job, error) : err;
        err = err == MW_OK ? gate_golden(job) : err;
    }
    err = err == MW_OK ? print_metrics(job) : err;
    char *gates = err == MW_OK ? json_dumps(job->gates, JSON_COMPACT) : NULL;
    if (err == MW_OK) {
        err = gates == NULL ? MW_ERR_MEMORY : mw_buffer_add(&result->gates, gates, strlen(gates));
    }
    free(gates);
    if (err != MW_OK) {
        return error->code == MW_OK ? no_memory(error) : err;
    }
    return result->passed ? write_bundle(job, error) : write_report(job, error);
}

mw_err mw_validate(const struct mw_plant *plant, const struct mw_validate_options *options,
                   struct mw_validate_result *result, struct mw_error *error)
{
    struct mw_error own = {0};
    struct mw_validate_job job = {
        .plant = plant, .options = options, .result = result, .parent_auc = NAN, .int8_loss = NAN};
    *result = (struct mw_validate_result){0};
    error = error == NULL ? &own : error;
    mw_err err = mw_validate_load(&job, error);
    if (err == MW_OK) {
        err = run(&job, error);
    }
    mw_validate_unload(&job);
    result->passed = result->passed && err == MW_OK;
    return err;
}

void mw_validate_clear(struct mw_validate_result *result)
{
    mw_buffer_free(&result->gates);
    mw_buffer_free(&result->metrics);
}
