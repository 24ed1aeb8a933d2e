/* extract_write.c - the second pass: the reference machine, and the labelled records as CSV. */
#include "tiers/training/extract_internal.h"

#include "core/wire/number.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/gather.h"
#include "tiers/training/moments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BUNDLE_MAX (16U << 20) /* bytes of a bundle.json */

struct pass {
    struct mw_extract_job *job;
    size_t at;                    /* row of the first pass that the next record should be */
    FILE *out;                    /* as the candidate is to see the records; NULL: only sum up */
    FILE *in_use;                 /* as the model in use sees those since `fresh`; may be NULL */
    struct mw_moments moments[2]; /* of the training records, by label */
    double mean[2][MW_FEATURES_MAX], squares[2][MW_FEATURES_MAX];
};

const struct mw_extract_row *mw_extract_find_row(const struct mw_extract_job *job, size_t *from,
                                                 const struct mw_telemetry *record)
{
    uint32_t machine = mw_extract_machine(job, record->machine);
    for (size_t at = *from; at < job->n; at++) {
        if (job->row[at].time == record->time && job->row[at].machine == machine) {
            *from = at + 1;
            return &job->row[at];
        }
    }
    return NULL;
}

/* --- the reference machine --- */

static mw_err sum_record(void *context, const struct mw_telemetry *record, bool suspect,
                         struct mw_error *error)
{
    (void)suspect;
    (void)error;
    struct pass *pass = context;
    float values[MW_FEATURES_MAX];
    const struct mw_extract_row *row = mw_extract_find_row(pass->job, &pass->at, record);
    if (row != NULL && row->label >= 0 && row->side == 0 &&
        mw_gather(pass->job->feature, pass->job->n_features, record, values)) {
        mw_moments_add(&pass->moments[(size_t)row->label], values, pass->job->n_features,
                       1.0 / (double)record->p);
    }
    return MW_OK;
}

/* Without baselines the healthy training records say what the reference is; were there only others,
 * those do. */
static mw_err reference_from_records(struct mw_extract_job *job, struct mw_error *error)
{
    static struct pass pass; /* large; one thread */
    pass = (struct pass){.job = job};
    for (size_t label = 0; label < 2; label++) {
        pass.moments[label].mean = pass.mean[label];
        pass.moments[label].squares = pass.squares[label];
    }
    mw_err err = mw_archive_visit(job->archive, sum_record, &pass, error);
    mw_moments_read(&pass.moments[pass.moments[0].weight > 0 ? 0 : 1], job->n_features,
                    job->result->reference_mean, job->result->reference_std);
    return err;
}

/* The bundle's baselines, for the features that the data set has; one that the bundle does not know
 * is left as it is. */
static mw_err keep_baselines(struct mw_extract_job *job, const struct mw_bundle *bundle,
                             const size_t *place)
{
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < bundle->baselines.n; i++) {
        const struct mw_baseline_entry *entry = &bundle->baselines.entry[i];
        float mean[MW_FEATURES_MAX], std[MW_FEATURES_MAX];
        for (size_t k = 0; k < job->n_features; k++) {
            bool known = place[k] < bundle->n_features;
            mean[k] = known ? entry->baseline.mean[place[k]] : job->result->reference_mean[k];
            std[k] = known ? entry->baseline.std[place[k]] : job->result->reference_std[k];
        }
        err = mw_baseline_list_add(&job->in_use, entry->machine, entry->baseline.since,
                                   entry->baseline.count, mean, std, job->n_features);
        err = err == MW_OK ? mw_baseline_list_add(&job->result->baselines, entry->machine,
                                                  entry->baseline.since, entry->baseline.count,
                                                  mean, std, job->n_features)
                           : err;
    }
    return err;
}

/* A candidate keeps the reference machine of the model that it would replace, for the features that
 * both read: so both can be judged by the same records. */
static mw_err reference_from_bundle(struct mw_extract_job *job, struct mw_error *error)
{
    struct mw_buffer text = {0};
    struct mw_bundle bundle = {0};
    size_t place[MW_FEATURES_MAX];
    mw_err err = mw_file_read(job->options->reference, BUNDLE_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_bundle_parse_json((struct mw_span){text.data, text.size}, &bundle, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", job->options->reference);
    }
    for (size_t i = 0; err == MW_OK && i < job->n_features; i++) {
        size_t k = 0;
        while (k < bundle.n_features && strcmp(bundle.features[k], job->feature[i]) != 0) {
            k++;
        }
        place[i] = k;
        if (k < bundle.n_features) {
            job->result->reference_mean[i] = bundle.reference_mean[k];
            job->result->reference_std[i] = bundle.reference_std[k];
        }
    }
    if (err == MW_OK && keep_baselines(job, &bundle, place) != MW_OK) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_bundle_clear(&bundle);
    mw_buffer_free(&text);
    return err;
}

/* A model of one machine is to read that machine's raw units: its own baseline is the reference. */
static void reference_from_machine(struct mw_extract_job *job, struct mw_baselines *baselines)
{
    struct mw_extract_result *result = job->result;
    mw_baselines_arrange(baselines, job->feature, job->n_features, result->reference_mean,
                         result->reference_std);
    const struct mw_baseline *own = mw_baselines_find(baselines, job->options->machine);
    for (size_t i = 0; own != NULL && i < job->n_features; i++) {
        result->reference_mean[i] = own->mean[i];
        result->reference_std[i] = own->std[i];
    }
}

static mw_err settle_reference(struct mw_extract_job *job, struct mw_error *error)
{
    struct mw_extract_result *result = job->result;
    struct mw_baselines *baselines = mw_archive_baselines(job->archive);
    mw_err err = MW_OK;
    result->mapped = mw_baselines_reference(baselines, job->feature, job->n_features,
                                            result->reference_mean, result->reference_std);
    if (!result->mapped) {
        err = reference_from_records(job, error);
    } else if (job->options->machine != NULL) {
        reference_from_machine(job, baselines);
    }
    if (err == MW_OK && job->options->reference != NULL) {
        err = reference_from_bundle(job, error);
    }
    for (size_t i = 0; i < job->n_features; i++) {
        if (!(result->reference_std[i] > 0)) {
            result->reference_std[i] = 1; /* a constant has no scale of its own */
        }
    }
    if (err == MW_OK && result->mapped) {
        mw_baselines_arrange(baselines, job->feature, job->n_features, result->reference_mean,
                             result->reference_std);
    }
    if (err == MW_OK && result->mapped && job->options->fresh != INT64_MIN) {
        err = mw_extract_retake_baselines(job, error);
    }
    return err;
}

/* --- the file --- */

/* A CSV field: quoted where it must be. */
static void print_field(FILE *out, const char *text)
{
    if (strpbrk(text, ",;\t \"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"') {
            fputc('"', out);
        }
        fputc(*c, out);
    }
    fputc('"', out);
}

/* One line, mapped by what the list or the plant says of the machine at that time. */
static void print_record(const struct mw_extract_job *job, FILE *out,
                         const struct mw_extract_row *row, float p,
                         const struct mw_baseline_list *list, int64_t time, const float *values)
{
    char number[MW_NUMBER_TEXT];
    float mapped[MW_FEATURES_MAX];
    const struct mw_extract_result *result = job->result;
    const char *machine = mw_history_machine(job->history, row->machine);
    const struct mw_baseline *baseline = NULL;
    if (result->mapped) {
        baseline = mw_baseline_list_choose(
            list, machine, time,
            mw_baselines_find_at(mw_archive_baselines(job->archive), machine, time));
    }
    mw_baseline_map(baseline, result->reference_mean, result->reference_std, job->n_features,
                    values, mapped);
    mw_number_print_time(number, row->time);
    fprintf(out, "%s,%s,%s,%d,", machine, number, row->side == 1 ? "validation" : "train",
            row->label);
    mw_number_print_f32(number, 1 / p);
    fputs(number, out);
    for (size_t i = 0; i < job->n_features; i++) {
        mw_number_print_f32(number, mapped[i]);
        fputc(',', out);
        fputs(number, out);
    }
    fputc('\n', out);
}

static mw_err write_record(void *context, const struct mw_telemetry *record, bool suspect,
                           struct mw_error *error)
{
    (void)suspect;
    (void)error;
    struct pass *pass = context;
    const struct mw_extract_job *job = pass->job;
    const struct mw_extract_row *row = mw_extract_find_row(job, &pass->at, record);
    float values[MW_FEATURES_MAX];
    if (row == NULL || row->label < 0 || row->side < 0 ||
        !mw_gather(job->feature, job->n_features, record, values)) {
        return MW_OK;
    }
    print_record(job, pass->out, row, record->p, &job->result->baselines, row->time, values);
    if (pass->in_use != NULL && row->time >= job->options->fresh) {
        print_record(job, pass->in_use, row, record->p, &job->in_use, INT64_MAX, values);
    }
    return MW_OK;
}

static mw_err open_file(const struct mw_extract_job *job, const char *path, FILE **file,
                        struct mw_error *error)
{
    if (path == NULL) {
        return MW_OK;
    }
    *file = fopen(path, "we");
    if (*file == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    fputs("machine,time,split,label,weight", *file);
    for (size_t i = 0; i < job->n_features; i++) {
        fputc(',', *file);
        print_field(*file, job->feature[i]);
    }
    fputc('\n', *file);
    return MW_OK;
}

static mw_err close_file(FILE *file, const char *path, mw_err err, struct mw_error *error)
{
    bool broken = file != NULL && ferror(file) != 0;
    if (file != NULL && (fclose(file) != 0 || broken) && err == MW_OK) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    return err;
}

mw_err mw_extract_write(struct mw_extract_job *job, struct mw_error *error)
{
    static struct pass pass; /* large; one thread */
    const struct mw_extract_options *options = job->options;
    mw_err err = settle_reference(job, error);
    pass = (struct pass){.job = job};
    if (err == MW_OK) {
        err = open_file(job, options->out, &pass.out, error);
    }
    if (err == MW_OK) {
        err = open_file(job, options->in_use, &pass.in_use, error);
    }
    if (err == MW_OK) {
        err = mw_archive_visit(job->archive, write_record, &pass, error);
    }
    err = close_file(pass.out, options->out, err, error);
    return close_file(pass.in_use, options->in_use, err, error);
}

/* --- the report --- */

static mw_err print_numbers(struct mw_buffer *json, const char *key, const float *values, size_t n)
{
    char number[MW_NUMBER_TEXT];
    mw_err err = mw_buffer_printf(json, ",\"%s\":[", key);
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        mw_number_print_f32(number, values[i]);
        err = mw_buffer_printf(json, "%s%s", i == 0 ? "" : ",", number);
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}

mw_err mw_extract_print_json(const struct mw_extract_result *r, struct mw_buffer *json)
{
    char newest[MW_NUMBER_TEXT] = "null", fresh[MW_NUMBER_TEXT] = "null";
    if (r->newest != INT64_MIN) {
        mw_number_print_time(newest, r->newest);
    }
    if (r->fresh != INT64_MIN) {
        mw_number_print_time(fresh, r->fresh);
    }
    mw_err err =
        mw_buffer_printf(json,
                         "{\"records\":%" PRIu64 ",\"labelled\":%" PRIu64 ",\"positives\":%" PRIu64
                         ",\"unknown\":%" PRIu64 ",\"excluded\":%" PRIu64 ",\"suspect\":%" PRIu64
                         ",\"incomplete\":%" PRIu64 ",\"border\":%" PRIu64
                         ",\"validation\":%" PRIu64 ",\"validation_positives\":%" PRIu64
                         ",\"machines\":%zu,\"mapped\":%s,\"newest\":%s,\"fresh\":%s"
                         ",\"reference\":{\"features\":[",
                         r->records, r->labelled, r->positives, r->unknown, r->excluded, r->suspect,
                         r->incomplete, r->border, r->validation, r->validation_positives,
                         r->machines, r->mapped ? "true" : "false", newest, fresh);
    for (size_t i = 0; err == MW_OK && i < r->features; i++) {
        /* A feature's name needs no escape in JSON. */
        err = mw_buffer_printf(json, "%s\"%s\"", i == 0 ? "" : ",", r->feature[i]);
    }
    err = err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
    err = err == MW_OK ? print_numbers(json, "mean", r->reference_mean, r->features) : err;
    err = err == MW_OK ? print_numbers(json, "std", r->reference_std, r->features) : err;
    err =
        err == MW_OK ? mw_buffer_printf(json, "},\"retaken\":%zu,\"baselines\":", r->retaken) : err;
    err = err == MW_OK ? mw_baseline_list_print(&r->baselines, r->features, json) : err;
    return err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
}
