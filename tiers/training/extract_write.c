/* extract_write.c - the second pass: the reference machine, and the labelled records as CSV. */
#include "tiers/training/extract_internal.h"

#include "core/wire/number.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/gather.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BUNDLE_MAX (16U << 20) /* bytes of a bundle.json */

struct pass {
    struct mw_extract_job *job;
    size_t at; /* row of the first pass that the next record should be */
    FILE *out; /* NULL: only sum up */
    /* Weighted sums over healthy training records (Welford). */
    double weight[2], mean[2][MW_FEATURES_MAX], squares[2][MW_FEATURES_MAX];
};

/* The row that the first pass made of this record, or NULL for one that came later. Retention may
 * have removed the oldest records in between; their rows are passed over. */
static const struct mw_extract_row *find_row(struct pass *pass, const struct mw_telemetry *record)
{
    const struct mw_extract_job *job = pass->job;
    uint32_t machine = mw_extract_machine(job, record->machine);
    for (size_t at = pass->at; at < job->n; at++) {
        if (job->row[at].time == record->time && job->row[at].machine == machine) {
            pass->at = at + 1;
            return &job->row[at];
        }
    }
    return NULL;
}

/* --- the reference machine --- */

static void sum_up(struct pass *pass, const struct mw_extract_row *row, double weight,
                   const float *values)
{
    size_t label = (size_t)row->label;
    pass->weight[label] += weight;
    for (size_t i = 0; i < pass->job->n_features; i++) {
        double delta = (double)values[i] - pass->mean[label][i];
        pass->mean[label][i] += delta * weight / pass->weight[label];
        pass->squares[label][i] += weight * delta * ((double)values[i] - pass->mean[label][i]);
    }
}

static mw_err sum_record(void *context, const struct mw_telemetry *record, bool suspect,
                         struct mw_error *error)
{
    (void)suspect;
    (void)error;
    struct pass *pass = context;
    float values[MW_FEATURES_MAX];
    const struct mw_extract_row *row = find_row(pass, record);
    if (row != NULL && row->label >= 0 && row->side == 0 &&
        mw_gather(pass->job->feature, pass->job->n_features, record, values)) {
        sum_up(pass, row, 1.0 / (double)record->p, values);
    }
    return MW_OK;
}

/* Without baselines the healthy training records say what the reference is; were there only others,
 * those do. */
static mw_err reference_from_records(struct mw_extract_job *job, struct mw_error *error)
{
    static struct pass pass; /* large; one thread */
    pass = (struct pass){.job = job};
    mw_err err = mw_archive_visit(job->archive, sum_record, &pass, error);
    size_t label = pass.weight[0] > 0 ? 0 : 1;
    for (size_t i = 0; i < job->n_features; i++) {
        double variance =
            pass.weight[label] > 0 ? pass.squares[label][i] / pass.weight[label] : 0.0;
        job->result->reference_mean[i] = (float)pass.mean[label][i];
        job->result->reference_std[i] = (float)sqrt(variance);
    }
    return err;
}

/* A candidate keeps the reference machine of the model that it would replace, for the features that
 * both read: so both can be judged by the same rows. */
static mw_err reference_from_bundle(struct mw_extract_job *job, struct mw_error *error)
{
    struct mw_buffer text = {0};
    struct mw_bundle bundle = {0};
    mw_err err = mw_file_read(job->options->reference, BUNDLE_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_bundle_parse_json((struct mw_span){text.data, text.size}, &bundle, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", job->options->reference);
    }
    for (size_t i = 0; err == MW_OK && i < job->n_features; i++) {
        for (size_t k = 0; k < bundle.n_features; k++) {
            if (strcmp(bundle.features[k], job->feature[i]) == 0) {
                job->result->reference_mean[i] = bundle.reference_mean[k];
                job->result->reference_std[i] = bundle.reference_std[k];
            }
        }
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

static mw_err write_record(void *context, const struct mw_telemetry *record, bool suspect,
                           struct mw_error *error)
{
    (void)suspect;
    (void)error;
    struct pass *pass = context;
    const struct mw_extract_job *job = pass->job;
    const struct mw_extract_row *row = find_row(pass, record);
    float values[MW_FEATURES_MAX];
    char number[MW_NUMBER_TEXT];
    if (row == NULL || row->label < 0 || row->side < 0 ||
        !mw_gather(job->feature, job->n_features, record, values)) {
        return MW_OK;
    }
    const char *machine = mw_history_machine(job->history, row->machine);
    if (job->result->mapped) {
        mw_baseline_map(mw_baselines_find(mw_archive_baselines(job->archive), machine),
                        job->result->reference_mean, job->result->reference_std, job->n_features,
                        values, values);
    }
    mw_number_print_time(number, record->time);
    fprintf(pass->out, "%s,%s,%s,%d,", machine, number, row->side == 1 ? "validation" : "train",
            row->label);
    mw_number_print_f32(number, 1 / record->p);
    fputs(number, pass->out);
    for (size_t i = 0; i < job->n_features; i++) {
        mw_number_print_f32(number, values[i]);
        fputc(',', pass->out);
        fputs(number, pass->out);
    }
    fputc('\n', pass->out);
    return MW_OK;
}

mw_err mw_extract_write(struct mw_extract_job *job, struct mw_error *error)
{
    static struct pass pass; /* large; one thread */
    const char *path = job->options->out;
    mw_err err = settle_reference(job, error);
    if (err != MW_OK) {
        return err;
    }
    pass = (struct pass){.job = job, .out = fopen(path, "we")};
    if (pass.out == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    fputs("machine,time,split,label,weight", pass.out);
    for (size_t i = 0; i < job->n_features; i++) {
        fputc(',', pass.out);
        print_field(pass.out, job->feature[i]);
    }
    fputc('\n', pass.out);
    err = mw_archive_visit(job->archive, write_record, &pass, error);
    bool broken = ferror(pass.out) != 0;
    if ((fclose(pass.out) != 0 || broken) && err == MW_OK) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    return err;
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
    return err == MW_OK ? mw_buffer_add(json, "}}", 2) : err;
}
