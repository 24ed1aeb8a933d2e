/* extract.c - the first pass: which features, which labels, which side of the split. */
#include "tiers/training/extract_internal.h"

#include "lib/artifact/gather.h"

#include <stdlib.h>
#include <string.h>

/* --- labels --- */

static mw_err add_feature(struct mw_extract_job *job, const char *name, size_t size,
                          struct mw_error *error)
{
    if (job->n_features == MW_FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "more than %d features", MW_FEATURES_MAX);
    }
    if (!mw_feature_name_valid((struct mw_span){name, size})) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "'%.*s' is no name of a feature", (int)size,
                            name);
    }
    job->feature[job->n_features] = strndup(name, size);
    if (job->feature[job->n_features] == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    memcpy(job->result->feature[job->n_features], name, size);
    job->n_features++;
    return MW_OK;
}

/* Without a list in plant.yaml the model reads what the first record has. */
static mw_err choose_features(struct mw_extract_job *job, const struct mw_telemetry *record,
                              struct mw_error *error)
{
    const struct mw_list *wanted = &job->plant->model.features;
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < wanted->n; i++) {
        err = add_feature(job, wanted->item[i], strlen(wanted->item[i]), error);
    }
    for (size_t i = 0; err == MW_OK && wanted->n == 0 && i < record->n_features; i++) {
        err = add_feature(job, record->features[i].name.data, record->features[i].name.size, error);
    }
    return err;
}

uint32_t mw_extract_machine(const struct mw_extract_job *job, struct mw_span name)
{
    size_t n = mw_history_machines(job->history);
    for (size_t i = 0; i < n; i++) {
        if (mw_span_is(name, mw_history_machine(job->history, i))) {
            return (uint32_t)i;
        }
    }
    return UINT32_MAX;
}

/* Only commissioning records may say what healthy is: `commission.records` of them from record
 * `commission.from` on, and after a move as many since then. Counts the record. */
static bool may_commission(struct mw_extract_job *job, uint32_t machine, int64_t time)
{
    const struct mw_plant *plant = job->plant;
    uint64_t number = job->seen[machine]++;
    uint64_t from = plant->commission.from < 0 ? 0 : (uint64_t)plant->commission.from;
    const struct mw_extract_options *options = job->options;
    bool all = plant->commission.records == 0 || options->since != INT64_MIN ||
               options->fresh != INT64_MIN;
    return number >= from && time >= options->fresh &&
           (all || job->kept[machine] < (uint64_t)plant->commission.records);
}

static int8_t count_healthy(struct mw_extract_job *job, enum mw_label label, uint32_t machine)
{
    if (label == MW_LABEL_POSITIVE || label == MW_LABEL_EXCLUDED) {
        job->result->excluded++;
        return -1;
    }
    job->kept[machine]++;
    return 0;
}

static int8_t count_label(struct mw_extract_job *job, enum mw_label label)
{
    job->result->unknown += label == MW_LABEL_UNKNOWN;
    job->result->excluded += label == MW_LABEL_EXCLUDED;
    job->result->positives += label == MW_LABEL_POSITIVE;
    return label == MW_LABEL_POSITIVE ? 1 : label == MW_LABEL_NEGATIVE ? 0 : -1;
}

static int8_t judge(struct mw_extract_job *job, const struct mw_telemetry *record, bool suspect,
                    uint32_t machine)
{
    struct mw_extract_result *result = job->result;
    const struct mw_extract_options *options = job->options;
    float values[MW_FEATURES_MAX];
    bool candidate = !options->healthy || may_commission(job, machine, record->time);
    if (!candidate || record->time < options->since ||
        (options->machine != NULL && !mw_span_is(record->machine, options->machine))) {
        return -1;
    }
    if (suspect) {
        result->suspect++;
        return -1;
    }
    if (!mw_gather(job->feature, job->n_features, record, values)) {
        result->incomplete++;
        return -1;
    }
    enum mw_label label =
        mw_history_label(job->history, record->machine, record->time, job->plant->model.horizon);
    int8_t judged = options->healthy ? count_healthy(job, label, machine) : count_label(job, label);
    result->labelled += judged >= 0;
    if (judged >= 0 && record->time > result->newest) {
        result->newest = record->time;
    }
    return judged;
}

static mw_err label_record(void *context, const struct mw_telemetry *record, bool suspect,
                           struct mw_error *error)
{
    struct mw_extract_job *job = context;
    mw_err err = job->n_features == 0 ? choose_features(job, record, error) : MW_OK;
    if (err == MW_OK && job->n == job->capacity) {
        size_t capacity = job->capacity == 0 ? 4096 : job->capacity * 2;
        struct mw_extract_row *grown = realloc(job->row, capacity * sizeof *grown);
        if (grown == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        job->row = grown;
        job->capacity = capacity;
    }
    if (err != MW_OK) {
        return err;
    }
    uint32_t machine = mw_extract_machine(job, record->machine);
    struct mw_extract_row row = {.machine = machine, .time = record->time, .label = -1};
    if (machine != UINT32_MAX) { /* else it came after the archive was opened */
        row.label = judge(job, record, suspect, machine);
    }
    /* A row without a label only keeps the two passes in step, and counting needs no second one. */
    if (row.label >= 0 || job->options->out != NULL) {
        job->row[job->n++] = row;
    }
    job->result->records++;
    return MW_OK;
}

/* --- the split --- */

/* How many of the labelled records train: of the fresh ones the newest share validates, and more,
 * up to half, while a class has less than half of its share there; and beyond that while it has
 * less than a quarter, as when the last failure lies long back: without both classes nothing is
 * judged. */
static uint64_t find_border(const struct mw_extract_job *job)
{
    double share = job->plant->model.validation_share;
    uint64_t fresh[2] = {0, 0}, count[2] = {0, 0}, newer = 0;
    for (size_t i = 0; i < job->n; i++) {
        if (job->row[i].label >= 0 && job->row[i].time >= job->options->fresh) {
            fresh[job->row[i].label]++;
        }
    }
    uint64_t labelled = fresh[0] + fresh[1];
    uint64_t total[2] = {job->result->labelled - job->result->positives, job->result->positives};
    uint64_t least = (uint64_t)((double)labelled * share);
    uint64_t most = labelled / 2 > least ? labelled / 2 : least;
    double wanted[2] = {(double)fresh[0] * share / 2, (double)fresh[1] * share / 2};
    for (size_t i = job->n; i > 0; i--) {
        int8_t label = job->row[i - 1].label;
        bool some = (double)count[0] >= wanted[0] / 2 && (double)count[1] >= wanted[1] / 2;
        if (newer >= most && some) {
            break;
        }
        bool enough = (double)count[0] >= wanted[0] && (double)count[1] >= wanted[1];
        if (label >= 0) {
            bool shared = 4 * count[label] >= 3 * total[label]; /* training needs some too */
            if (newer >= least && (enough || (shared && some))) {
                break;
            }
            count[label]++;
            newer++;
        }
    }
    return job->result->labelled - newer;
}

/* A machine with records on both sides loses those training ones that lie within a horizon of its
 * first validating one: their labels tell of the same events. Healthy records have no horizon. */
static mw_err split(struct mw_extract_job *job, struct mw_error *error)
{
    struct mw_extract_result *result = job->result;
    size_t machines = mw_history_machines(job->history);
    uint64_t training = find_border(job), seen = 0;
    int64_t gap = job->options->healthy ? -1 : job->plant->model.horizon;
    int64_t *border = malloc((machines + 1) * sizeof *border);
    if (border == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < machines; i++) {
        border[i] = INT64_MAX;
    }
    for (size_t i = 0; i < job->n; i++) {
        struct mw_extract_row *row = &job->row[i];
        if (row->label >= 0 && ++seen > training) {
            row->side = 1;
            if (row->time < border[row->machine]) {
                border[row->machine] = row->time;
            }
        }
    }
    for (size_t i = 0; i < job->n; i++) {
        struct mw_extract_row *row = &job->row[i];
        if (row->label < 0) {
            continue;
        }
        if (gap >= 0 && row->side == 0 && border[row->machine] != INT64_MAX &&
            row->time >= border[row->machine] - gap) {
            row->side = -1;
            result->border++;
        }
        result->validation += row->side == 1;
        result->validation_positives += row->side == 1 && row->label == 1;
    }
    free(border);
    return MW_OK;
}

static mw_err run(struct mw_extract_job *job, struct mw_error *error)
{
    job->history = mw_archive_history(job->archive);
    job->result->machines = mw_history_machines(job->history);
    job->seen = calloc(job->result->machines + 1, sizeof *job->seen);
    job->kept = calloc(job->result->machines + 1, sizeof *job->kept);
    if (job->seen == NULL || job->kept == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_archive_visit(job->archive, label_record, job, error);
    job->result->features = job->n_features;
    if (err == MW_OK && job->result->records == 0) {
        err = mw_error_set(error, MW_ERR_NOT_FOUND, "the stream holds no record yet");
    }
    if (err == MW_OK && job->result->labelled == 0 && job->options->out != NULL) {
        err = mw_error_set(error, MW_ERR_NOT_FOUND,
                           "none of %llu records can be labelled: of %llu it is not known what "
                           "follows, %llu are left out",
                           (unsigned long long)job->result->records,
                           (unsigned long long)job->result->unknown,
                           (unsigned long long)job->result->excluded);
    }
    if (err == MW_OK) {
        err = split(job, error);
    }
    return err == MW_OK && job->options->out != NULL ? mw_extract_write(job, error) : err;
}

void mw_extract_clear(struct mw_extract_result *result)
{
    mw_baseline_list_clear(&result->baselines);
}

mw_err mw_extract(const struct mw_plant *plant, const struct mw_extract_options *options,
                  struct mw_extract_result *result, struct mw_error *error)
{
    struct mw_extract_job job = {.plant = plant, .options = options, .result = result};
    memset(result, 0, sizeof *result);
    result->newest = INT64_MIN;
    result->fresh = options->fresh;
    mw_err err = mw_archive_open(&job.archive, plant, error);
    if (err == MW_OK) {
        err = run(&job, error);
    }
    for (size_t i = 0; i < job.n_features; i++) {
        free(job.feature[i]);
    }
    free(job.row);
    free(job.seen);
    free(job.kept);
    mw_baseline_list_clear(&job.in_use);
    mw_archive_close(job.archive);
    return err;
}
