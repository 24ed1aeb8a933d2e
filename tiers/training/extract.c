#include "tiers/training/extract.h"

#include "core/wire/number.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/gather.h"
#include "lib/base/file.h"
#include "tiers/training/archive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a labelled record has to be remembered by between the pass that labels and the one that
 * writes. */
struct row {
    uint32_t machine;
    int64_t time;
    int8_t label; /* 0, 1; -1: not in the set */
    int8_t side;  /* 0 train, 1 validation, -1: left out at the border */
};

struct extract {
    const struct mw_plant *plant;
    const struct mw_extract_options *options;
    struct mw_extract_result *result;
    struct mw_archive *archive;
    struct mw_history *history;
    struct row *row; /* one a record of the stream, in order of arrival */
    size_t n, capacity, at;
    uint64_t *taken; /* per machine of the history: records so far, for commissioning */
    char *feature[MW_FEATURES_MAX];
    size_t n_features;
    float reference_mean[MW_FEATURES_MAX], reference_std[MW_FEATURES_MAX];
    bool mapped; /* there are baselines to map by */
    FILE *out;
};

/* --- pass one: which features, which labels --- */

static mw_err add_feature(struct extract *x, const char *name, size_t size, struct mw_error *error)
{
    if (x->n_features == MW_FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "more than %d features", MW_FEATURES_MAX);
    }
    x->feature[x->n_features] = strndup(name, size);
    if (x->feature[x->n_features] == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    x->n_features++;
    return MW_OK;
}

/* Without a list in plant.yaml the model reads what the first record has. */
static mw_err choose_features(struct extract *x, const struct mw_telemetry *record,
                              struct mw_error *error)
{
    const struct mw_list *wanted = &x->plant->model.features;
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < wanted->n; i++) {
        err = add_feature(x, wanted->item[i], strlen(wanted->item[i]), error);
    }
    for (size_t i = 0; err == MW_OK && wanted->n == 0 && i < record->n_features; i++) {
        err = add_feature(x, record->features[i].name.data, record->features[i].name.size, error);
    }
    return err;
}

static uint32_t machine_index(const struct extract *x, struct mw_span name)
{
    size_t n = mw_history_machines(x->history);
    for (size_t i = 0; i < n; i++) {
        if (mw_span_is(name, mw_history_machine(x->history, i))) {
            return (uint32_t)i;
        }
    }
    return UINT32_MAX;
}

/* A machine's commissioning records: `commission.records` of them from record `commission.from` on.
 */
static bool commissioning(struct extract *x, uint32_t machine)
{
    uint64_t number = x->taken[machine]++;
    uint64_t from = x->plant->commission.from < 0 ? 0 : (uint64_t)x->plant->commission.from;
    return number >= from && number < from + (uint64_t)x->plant->commission.records;
}

static int8_t judge(struct extract *x, const struct mw_telemetry *record, bool suspect,
                    uint32_t machine)
{
    struct mw_extract_result *result = x->result;
    float values[MW_FEATURES_MAX];
    bool first = !x->options->healthy || commissioning(x, machine);
    if (record->time < x->options->since || !first ||
        (x->options->machine != NULL && !mw_span_is(record->machine, x->options->machine))) {
        return -1;
    }
    if (suspect) {
        result->suspect++;
        return -1;
    }
    if (!mw_gather(x->feature, x->n_features, record, values)) {
        result->incomplete++;
        return -1;
    }
    enum mw_label label =
        mw_history_label(x->history, record->machine, record->time, x->plant->model.horizon);
    if (x->options->healthy && label != MW_LABEL_POSITIVE && label != MW_LABEL_EXCLUDED) {
        label = MW_LABEL_NEGATIVE;
    }
    result->unknown += label == MW_LABEL_UNKNOWN;
    result->excluded += label == MW_LABEL_EXCLUDED || (x->options->healthy && label != 0);
    if (label == MW_LABEL_NEGATIVE || (label == MW_LABEL_POSITIVE && !x->options->healthy)) {
        result->labelled++;
        result->positives += label == MW_LABEL_POSITIVE;
        result->newest = record->time > result->newest ? record->time : result->newest;
        return label == MW_LABEL_POSITIVE;
    }
    return -1;
}

static mw_err label_record(void *context, const struct mw_telemetry *record, bool suspect,
                           struct mw_error *error)
{
    struct extract *x = context;
    mw_err err = x->n_features == 0 ? choose_features(x, record, error) : MW_OK;
    if (err == MW_OK && x->n == x->capacity) {
        size_t capacity = x->capacity == 0 ? 4096 : x->capacity * 2;
        struct row *grown = realloc(x->row, capacity * sizeof *grown);
        if (grown == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        x->row = grown;
        x->capacity = capacity;
    }
    if (err != MW_OK) {
        return err;
    }
    uint32_t machine = machine_index(x, record->machine);
    struct row row = {.machine = machine, .time = record->time, .label = -1};
    if (machine != UINT32_MAX) { /* else it came after the archive was opened */
        row.label = judge(x, record, suspect, machine);
    }
    x->row[x->n++] = row;
    x->result->records++;
    return MW_OK;
}

/* --- the split --- */

/* The newest share by arrival validates. A machine with records on both sides loses those training
 * ones that lie within a horizon of its first validating one: their labels tell of the same events.
 */
static mw_err split(struct extract *x, struct mw_error *error)
{
    size_t machines = mw_history_machines(x->history);
    uint64_t labelled = x->result->labelled;
    uint64_t training = labelled - (uint64_t)((double)labelled * x->plant->model.validation_share);
    int64_t *border = malloc((machines + 1) * sizeof *border);
    if (border == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < machines; i++) {
        border[i] = INT64_MAX;
    }
    uint64_t seen = 0;
    for (size_t i = 0; i < x->n; i++) {
        struct row *row = &x->row[i];
        if (row->label >= 0 && ++seen > training) {
            row->side = 1;
            if (row->time < border[row->machine]) {
                border[row->machine] = row->time;
            }
        }
    }
    for (size_t i = 0; i < x->n; i++) {
        struct row *row = &x->row[i];
        if (row->label < 0) {
            continue;
        }
        if (row->side == 0 && border[row->machine] != INT64_MAX &&
            row->time + x->plant->model.horizon >= border[row->machine]) {
            row->side = -1;
        }
        x->result->validation += row->side == 1;
        x->result->validation_positives += row->side == 1 && row->label == 1;
    }
    free(border);
    return MW_OK;
}

/* --- pass two: write --- */

static mw_err read_reference(struct extract *x, struct mw_error *error)
{
    struct mw_baselines *baselines = mw_archive_baselines(x->archive);
    x->mapped = mw_baselines_reference(baselines, x->feature, x->n_features, x->reference_mean,
                                       x->reference_std);
    if (x->options->reference != NULL) {
        struct mw_buffer text = {0};
        struct mw_bundle bundle = {0};
        mw_err err = mw_file_read(x->options->reference, 16U << 20, &text, error);
        if (err == MW_OK) {
            err = mw_bundle_parse_json((struct mw_span){text.data, text.size}, &bundle, error);
        }
        for (size_t i = 0; err == MW_OK && i < x->n_features; i++) {
            for (size_t k = 0; k < bundle.n_features; k++) {
                if (strcmp(bundle.features[k], x->feature[i]) == 0) {
                    x->reference_mean[i] = bundle.reference_mean[k];
                    x->reference_std[i] = bundle.reference_std[k];
                }
            }
        }
        mw_bundle_clear(&bundle);
        mw_buffer_free(&text);
        if (err != MW_OK) {
            return mw_error_wrap(error, "%s", x->options->reference);
        }
    }
    mw_baselines_arrange(baselines, x->feature, x->n_features, x->reference_mean, x->reference_std);
    return MW_OK;
}

/* A CSV field: quoted where it must be. */
static void print_field(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
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
    struct extract *x = context;
    if (x->at >= x->n) {
        return MW_OK; /* arrived after the first pass */
    }
    const struct row *row = &x->row[x->at++];
    if (row->label < 0 || row->side < 0) {
        return MW_OK;
    }
    float values[MW_FEATURES_MAX];
    char machine[MW_NAME_MAX + 1], number[MW_NUMBER_TEXT];
    mw_gather(x->feature, x->n_features, record, values);
    memcpy(machine, record->machine.data, record->machine.size);
    machine[record->machine.size] = '\0';
    if (x->mapped) {
        mw_baseline_map(mw_baselines_find(mw_archive_baselines(x->archive), machine),
                        x->reference_mean, x->reference_std, x->n_features, values, values);
    }
    mw_number_print_time(number, record->time);
    fprintf(x->out, "%s,%s,%s,%d,", machine, number, row->side == 1 ? "validation" : "train",
            row->label);
    mw_number_print_f32(number, 1 / record->p);
    fputs(number, x->out);
    for (size_t i = 0; i < x->n_features; i++) {
        mw_number_print_f32(number, values[i]);
        fputc(',', x->out);
        fputs(number, x->out);
    }
    fputc('\n', x->out);
    return MW_OK;
}

static mw_err write_file(struct extract *x, struct mw_error *error)
{
    mw_err err = read_reference(x, error);
    if (err != MW_OK) {
        return err;
    }
    x->out = fopen(x->options->out, "we");
    if (x->out == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", x->options->out);
    }
    fputs("machine,time,split,label,weight", x->out);
    for (size_t i = 0; i < x->n_features; i++) {
        fputc(',', x->out);
        print_field(x->out, x->feature[i]);
    }
    fputc('\n', x->out);
    err = mw_archive_visit(x->archive, write_record, x, error);
    bool broken = ferror(x->out) != 0;
    if ((fclose(x->out) != 0 || broken) && err == MW_OK) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", x->options->out);
    }
    return err;
}

mw_err mw_extract(const struct mw_plant *plant, const struct mw_extract_options *options,
                  struct mw_extract_result *result, struct mw_error *error)
{
    struct extract x = {.plant = plant, .options = options, .result = result};
    *result = (struct mw_extract_result){.newest = INT64_MIN};
    mw_err err = mw_archive_open(&x.archive, plant, error);
    if (err != MW_OK) {
        return err;
    }
    x.history = mw_archive_history(x.archive);
    result->machines = mw_history_machines(x.history);
    x.taken = calloc(result->machines + 1, sizeof *x.taken);
    err = x.taken == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                          : mw_archive_visit(x.archive, label_record, &x, error);
    result->features = x.n_features;
    if (err == MW_OK && x.n == 0) {
        err = mw_error_set(error, MW_ERR_NOT_FOUND, "the stream holds no record yet");
    }
    if (err == MW_OK) {
        err = split(&x, error);
    }
    if (err == MW_OK && options->out != NULL) {
        err = write_file(&x, error);
    }
    for (size_t i = 0; i < x.n_features; i++) {
        free(x.feature[i]);
    }
    free(x.row);
    free(x.taken);
    mw_archive_close(x.archive);
    return err;
}
