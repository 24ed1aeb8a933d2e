#include "tiers/training/dataset.h"

#include "lib/base/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

/* Where the columns lie in the file, and how much memory the rows have. */
struct reader {
    struct mw_csv *csv;
    struct mw_dataset *set;
    const char *path;
    size_t label, weight, machine, time, split;
    size_t *feature; /* set->columns places */
    size_t capacity; /* rows */
    struct mw_error *error;
};

static mw_err find(struct reader *r, const char *name, size_t *column)
{
    *column = NONE;
    if (name == NULL || name[0] == '\0') {
        return MW_OK;
    }
    return mw_csv_column(r->csv, name, column, r->error);
}

static mw_err no_memory(struct reader *r)
{
    return mw_error_set(r->error, MW_ERR_MEMORY, "%s: out of memory", r->path);
}

static mw_err add_feature(struct reader *r, size_t column)
{
    struct mw_dataset *set = r->set;
    struct mw_span name = mw_csv_name(r->csv, column);
    if (set->columns == MW_DATASET_FEATURES_MAX) {
        return mw_error_set(r->error, MW_ERR_RANGE, "%s: more than %d features", r->path,
                            MW_DATASET_FEATURES_MAX);
    }
    char *copy = strndup(name.data, name.size);
    if (copy == NULL) {
        return no_memory(r);
    }
    set->names[set->columns] = copy;
    r->feature[set->columns++] = column;
    return MW_OK;
}

/* Text that could not be a number is no feature; text that could be one and is wrong is an error,
 * which reading the row reports. */
static bool numeric(struct reader *r, size_t column)
{
    double value;
    return mw_csv_number(r->csv, column, &value, NULL) == MW_OK;
}

/* A model that reads what it is to foretell, or how its records were chosen, looks perfect and is
 * worthless. Time and machine may be features, for whoever asks for them. */
static mw_err check_wanted(struct reader *r, size_t column)
{
    struct mw_span name = mw_csv_name(r->csv, column);
    const char *use = column == r->label    ? "label"
                      : column == r->weight ? "weight"
                      : column == r->split  ? "split"
                                            : NULL;
    if (use != NULL) {
        return mw_error_set(r->error, MW_ERR_ARGUMENT,
                            "%s:1: column %.*s: is the %s, expected a feature", r->path,
                            (int)name.size, name.data, use);
    }
    for (size_t i = 0; i < r->set->columns; i++) {
        if (r->feature[i] == column) {
            return mw_error_set(r->error, MW_ERR_ARGUMENT,
                                "%s:1: column %.*s: is named twice among the features", r->path,
                                (int)name.size, name.data);
        }
    }
    return MW_OK;
}

/* Called on the first row, since without names it is the values that tell which columns are
 * numbers. */
static mw_err choose_features(struct reader *r, const struct mw_list *wanted)
{
    size_t n = wanted->n > 0 ? wanted->n : mw_csv_columns(r->csv);
    r->set->names = calloc(n + 1, sizeof *r->set->names);
    r->feature = calloc(n + 1, sizeof *r->feature);
    if (r->set->names == NULL || r->feature == NULL) {
        return no_memory(r);
    }
    for (size_t i = 0; i < n; i++) {
        size_t column = i;
        if (wanted->n > 0) {
            mw_err err = mw_csv_column(r->csv, wanted->item[i], &column, r->error);
            err = err == MW_OK ? check_wanted(r, column) : err;
            if (err != MW_OK) {
                return err;
            }
        } else if (i == r->label || i == r->weight || i == r->machine || i == r->time ||
                   i == r->split || !numeric(r, i)) {
            continue;
        }
        mw_err err = add_feature(r, column);
        if (err != MW_OK) {
            return err;
        }
    }
    if (r->set->columns == 0) {
        return mw_error_set(r->error, MW_ERR_PARSE, "%s: no column of numbers to learn from",
                            r->path);
    }
    return MW_OK;
}

static bool grow_one(void *array, size_t rows, size_t element)
{
    void **slot = array;
    void *bigger = realloc(*slot, rows * element);
    if (bigger == NULL) {
        return false;
    }
    *slot = bigger;
    return true;
}

static mw_err grow(struct reader *r)
{
    struct mw_dataset *set = r->set;
    size_t rows = r->capacity == 0 ? 1024 : r->capacity * 2;
    if (!grow_one(&set->x, rows, set->columns * sizeof *set->x) ||
        (r->label != NONE && !grow_one(&set->label, rows, sizeof *set->label)) ||
        (r->weight != NONE && !grow_one(&set->weight, rows, sizeof *set->weight)) ||
        (r->machine != NONE && !grow_one(&set->machine, rows, sizeof *set->machine)) ||
        (r->time != NONE && !grow_one(&set->time, rows, sizeof *set->time)) ||
        (r->split != NONE && !grow_one(&set->held_out, rows, sizeof *set->held_out))) {
        return no_memory(r);
    }
    r->capacity = rows;
    return MW_OK;
}

static mw_err wrong(struct reader *r, size_t column, const char *expected)
{
    struct mw_span name = mw_csv_name(r->csv, column), text = mw_csv_text(r->csv, column);
    return mw_error_set(r->error, MW_ERR_RANGE, "%s:%llu: column %.*s: %.*s is not %s", r->path,
                        (unsigned long long)mw_csv_line(r->csv), (int)name.size, name.data,
                        (int)(text.size < 40 ? text.size : 40), text.data, expected);
}

static mw_err read_flag(struct reader *r, size_t column, uint8_t *flag)
{
    double value;
    mw_err err = mw_csv_number(r->csv, column, &value, r->error);
    if (err != MW_OK) {
        return err;
    }
    if (value != 0.0 && value != 1.0) {
        return wrong(r, column, "0 or 1");
    }
    *flag = value != 0.0;
    return MW_OK;
}

static mw_err read_split(struct reader *r, uint8_t *flag)
{
    struct mw_span text = mw_csv_text(r->csv, r->split);
    if (mw_span_is(text, "train") || mw_span_is(text, "validation")) {
        *flag = mw_span_is(text, "validation");
        return MW_OK;
    }
    return read_flag(r, r->split, flag);
}

/* The index of a machine's name. Rows of one machine mostly follow one another, so the newest name
 * is tried first; a plant has few enough machines for a linear search otherwise. */
static mw_err read_machine(struct reader *r, uint32_t *machine)
{
    struct mw_dataset *set = r->set;
    struct mw_span name = mw_csv_text(r->csv, r->machine);
    if (set->rows > 0 && mw_span_is(name, set->machines[set->machine[set->rows - 1]])) {
        *machine = set->machine[set->rows - 1];
        return MW_OK;
    }
    for (size_t i = 0; i < set->n_machines; i++) {
        if (mw_span_is(name, set->machines[i])) {
            *machine = (uint32_t)i;
            return MW_OK;
        }
    }
    char *copy = strndup(name.data, name.size);
    if (copy == NULL || !grow_one(&set->machines, set->n_machines + 1, sizeof *set->machines)) {
        free(copy);
        return no_memory(r);
    }
    *machine = (uint32_t)set->n_machines;
    set->machines[set->n_machines++] = copy;
    return MW_OK;
}

static mw_err read_features(struct reader *r, float *x)
{
    for (size_t i = 0; i < r->set->columns; i++) {
        double value;
        mw_err err = mw_csv_number(r->csv, r->feature[i], &value, r->error);
        if (err != MW_OK) {
            return err;
        }
        x[i] = (float)value;
        if (!isfinite(x[i])) {
            return wrong(r, r->feature[i], "a number that float32 can hold");
        }
    }
    return MW_OK;
}

static mw_err read_row(struct reader *r)
{
    struct mw_dataset *set = r->set;
    mw_err err = set->rows == r->capacity ? grow(r) : MW_OK;
    if (err == MW_OK) {
        err = read_features(r, set->x + set->rows * set->columns);
    }
    if (err == MW_OK && r->label != NONE) {
        err = read_flag(r, r->label, &set->label[set->rows]);
    }
    if (err == MW_OK && r->weight != NONE) {
        err = mw_csv_number(r->csv, r->weight, &set->weight[set->rows], r->error);
        if (err == MW_OK && !(set->weight[set->rows] > 0.0)) {
            err = wrong(r, r->weight, "above 0");
        }
    }
    if (err == MW_OK && r->machine != NONE) {
        err = read_machine(r, &set->machine[set->rows]);
    }
    if (err == MW_OK && r->time != NONE) {
        err = mw_csv_time(r->csv, r->time, &set->time[set->rows], r->error);
    }
    if (err == MW_OK && r->split != NONE) {
        err = read_split(r, &set->held_out[set->rows]);
    }
    set->rows += err == MW_OK;
    return err;
}

static mw_err read_all(struct reader *r, const struct mw_dataset_columns *columns)
{
    mw_err err = mw_csv_open(&r->csv, r->path, mw_csv_default, r->error);
    if (err != MW_OK) {
        return err;
    }
    const char *names[5] = {columns->label, columns->weight, columns->machine, columns->time,
                            columns->split};
    size_t *places[5] = {&r->label, &r->weight, &r->machine, &r->time, &r->split};
    for (size_t i = 0; i < 5; i++) {
        err = find(r, names[i], places[i]);
        if (err != MW_OK) {
            return err;
        }
    }
    while ((err = mw_csv_next(r->csv, r->error)) == MW_OK) {
        if (r->feature == NULL) {
            err = choose_features(r, &columns->features);
        }
        if (err == MW_OK) {
            err = read_row(r);
        }
        if (err != MW_OK) {
            return err;
        }
    }
    if (err == MW_ERR_AGAIN && r->set->rows == 0) {
        return mw_error_set(r->error, MW_ERR_PARSE, "%s: no rows", r->path);
    }
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

mw_err mw_dataset_read(struct mw_dataset *dataset, const char *path,
                       const struct mw_dataset_columns *columns, struct mw_error *error)
{
    *dataset = (struct mw_dataset){0};
    struct reader r = {.set = dataset, .path = path, .error = error};
    mw_err err = read_all(&r, columns);
    if (r.csv != NULL) {
        mw_csv_close(r.csv);
    }
    free(r.feature);
    if (err != MW_OK) {
        mw_dataset_clear(dataset);
    }
    return err;
}

void mw_dataset_clear(struct mw_dataset *dataset)
{
    for (size_t i = 0; i < dataset->columns; i++) {
        free(dataset->names[i]);
    }
    for (size_t i = 0; i < dataset->n_machines; i++) {
        free(dataset->machines[i]);
    }
    free(dataset->names);
    free(dataset->machines);
    free(dataset->x);
    free(dataset->label);
    free(dataset->weight);
    free(dataset->machine);
    free(dataset->time);
    free(dataset->held_out);
    *dataset = (struct mw_dataset){0};
}

double mw_dataset_weight(const struct mw_dataset *dataset, size_t row)
{
    return dataset->weight != NULL ? dataset->weight[row] : 1.0;
}
