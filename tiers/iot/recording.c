#include "tiers/iot/recording.h"

#include "lib/base/clock.h"
#include "lib/base/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NONE SIZE_MAX

static const int64_t unit_microseconds[] = {
    [MW_UNIT_SECONDS] = INT64_C(1000000),  [MW_UNIT_MINUTES] = INT64_C(60000000),
    [MW_UNIT_HOURS] = INT64_C(3600000000), [MW_UNIT_DAYS] = INT64_C(86400000000),
    [MW_UNIT_CYCLES] = INT64_C(60000000),
};

struct mw_recording {
    const struct mw_plant *plant;
    char *const *path;
    size_t n_paths, at; /* the file being read */
    struct mw_csv *csv;
    size_t device, machine, time, failure, finding; /* columns; NONE */
    size_t n_features;
    size_t feature[MW_FEATURES_MAX];
    const char *name[MW_FEATURES_MAX];
    char **interned; /* every name of every file: a row read ahead borrows the file before */
    size_t n_interned;
    char stem[MW_NAME_MAX + 1]; /* the file's name as a device's */
    bool ends_fail;             /* a device's last row is its failure */
    int64_t start;              /* numeric times count from here */
    uint64_t rows;
    bool ahead; /* `next` holds the row that comes next */
    struct mw_recorded next;
};

/* Makes a name of the field: lower case, everything else than letters and digits a dash. */
static mw_err make_name(char *out, const char *prefix, struct mw_span text, struct mw_error *error)
{
    size_t n = strlen(prefix);
    if (n + text.size > MW_NAME_MAX || n + text.size == 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "\"%s%.*s\" is no name of a device: 1 to %d characters were expected",
                            prefix, (int)(text.size < 80 ? text.size : 80), text.data, MW_NAME_MAX);
    }
    memcpy(out, prefix, n);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool upper = c >= 'A' && c <= 'Z';
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        out[n + i] = upper ? (char)(c - 'A' + 'a') : plain ? c : '-';
    }
    out[n + text.size] = '\0';
    return MW_OK;
}

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static mw_err find_column(struct mw_recording *r, const char *name, size_t *column,
                          struct mw_error *error)
{
    *column = NONE;
    return given(name) ? mw_csv_column(r->csv, name, column, error) : MW_OK;
}

static bool is_feature(const struct mw_recording *r, size_t column)
{
    const char *label = r->plant->columns.label;
    bool taken = column == r->device || column == r->machine || column == r->time ||
                 column == r->failure || column == r->finding;
    return !taken && !(given(label) && mw_span_is(mw_csv_name(r->csv, column), label));
}

/* The kept copy of a name. */
static const char *intern(struct mw_recording *r, struct mw_span name)
{
    for (size_t i = 0; i < r->n_interned; i++) {
        if (mw_span_is(name, r->interned[i])) {
            return r->interned[i];
        }
    }
    char **grown = realloc(r->interned, (r->n_interned + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    r->interned = grown;
    grown[r->n_interned] = strndup(name.data, name.size);
    return grown[r->n_interned] == NULL ? NULL : grown[r->n_interned++];
}

static mw_err add_feature(struct mw_recording *r, size_t column, struct mw_span name,
                          struct mw_error *error)
{
    if (r->n_features == MW_FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE,
                            "%s: more than %d features; name the wanted ones in columns.features",
                            r->path[r->at], MW_FEATURES_MAX);
    }
    r->name[r->n_features] = intern(r, name);
    if (r->name[r->n_features] == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    r->feature[r->n_features++] = column;
    return MW_OK;
}

static mw_err find_features(struct mw_recording *r, struct mw_error *error)
{
    const struct mw_list *wanted = &r->plant->columns.features;
    const struct mw_list *names = &r->plant->columns.names;
    mw_err err = MW_OK;
    r->n_features = 0;
    for (size_t i = 0; err == MW_OK && i < wanted->n; i++) {
        size_t column;
        err = mw_csv_column(r->csv, wanted->item[i], &column, error);
        if (err == MW_OK) {
            err = add_feature(r, column,
                              mw_span_of(names->n > 0 ? names->item[i] : wanted->item[i]), error);
        }
    }
    for (size_t i = 0; err == MW_OK && wanted->n == 0 && i < mw_csv_columns(r->csv); i++) {
        if (is_feature(r, i)) {
            err = add_feature(r, i, mw_csv_name(r->csv, i), error);
        }
    }
    return err;
}

static mw_err open_file(struct mw_recording *r, struct mw_error *error)
{
    static const char delimiter[] = {0, ',', ';', '\t', ' '};
    const char *path = r->path[r->at];
    struct mw_csv_format format = {delimiter[r->plant->columns.delimiter],
                                   r->plant->columns.decimal == 0 ? '.' : ',',
                                   r->plant->columns.header};
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    mw_err err = make_name(r->stem, "", (struct mw_span){base, strcspn(base, ".")}, error);
    if (err == MW_OK) {
        err = mw_csv_open(&r->csv, path, format, error);
    }
    r->ends_fail =
        given(r->plant->columns.failure) && strcmp(r->plant->columns.failure, "end") == 0;
    if (err == MW_OK) {
        err = find_column(r, r->plant->columns.device, &r->device, error);
    }
    if (err == MW_OK) {
        err = find_column(r, r->plant->columns.machine, &r->machine, error);
    }
    if (err == MW_OK) {
        err = find_column(r, r->plant->columns.time, &r->time, error);
    }
    if (err == MW_OK) {
        err = find_column(r, r->ends_fail ? NULL : r->plant->columns.failure, &r->failure, error);
    }
    if (err == MW_OK) {
        err = find_column(r, r->plant->columns.finding, &r->finding, error);
    }
    return err == MW_OK ? find_features(r, error) : err;
}

/* columns.start as YYYY-MM-DD, read by the CSV reader's own rule for times. */
static mw_err read_start(struct mw_recording *r, struct mw_error *error)
{
    char text[96];
    struct mw_csv *csv = NULL;
    struct mw_csv_format format = {',', '.', false};
    if (!given(r->plant->columns.start)) {
        return MW_OK;
    }
    const char *start = r->plant->columns.start;
    int n =
        snprintf(text, sizeof text, strchr(start, ':') != NULL ? "%s\n" : "%sT00:00:00\n", start);
    if (n < 0 || (size_t)n >= sizeof text) {
        return mw_error_set(error, MW_ERR_PARSE, "columns.start: \"%s\": a date was expected",
                            start);
    }
    mw_err err = mw_csv_open_memory(&csv, "columns.start", text, (size_t)n, format, error);
    if (err == MW_OK) {
        err = mw_csv_next(csv, error);
    }
    if (err == MW_OK) {
        err = mw_csv_time(csv, 0, &r->start, error);
    }
    mw_csv_close(csv);
    return err;
}

mw_err mw_recording_open(struct mw_recording **out, const struct mw_plant *plant,
                         char *const *paths, size_t n, struct mw_error *error)
{
    *out = NULL;
    if (n == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "at least one CSV file was expected");
    }
    struct mw_recording *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    r->plant = plant;
    r->path = paths;
    r->n_paths = n;
    mw_err err = read_start(r, error);
    if (err == MW_OK) {
        err = open_file(r, error);
    }
    if (err != MW_OK) {
        mw_recording_close(r);
        return err;
    }
    *out = r;
    return MW_OK;
}

void mw_recording_close(struct mw_recording *r)
{
    if (r == NULL) {
        return;
    }
    mw_csv_close(r->csv);
    for (size_t i = 0; i < r->n_interned; i++) {
        free(r->interned[i]);
    }
    free(r->interned);
    free(r);
}

/* A numeric time counts units from columns.start; a date stands for itself. */
static mw_err read_time(struct mw_recording *r, int64_t *time, struct mw_error *error)
{
    int64_t unit = unit_microseconds[r->plant->columns.time_unit];
    if (r->time == NONE) {
        *time = r->start + (int64_t)mw_csv_row(r->csv) * unit;
        return MW_OK;
    }
    struct mw_span text = mw_csv_text(r->csv, r->time);
    bool date = memchr(text.data, ':', text.size) != NULL;
    if (date) {
        return mw_csv_time(r->csv, r->time, time, error);
    }
    double value;
    mw_err err = mw_csv_number(r->csv, r->time, &value, error);
    if (err == MW_OK && (value < -1e12 || value > 1e12)) {
        return mw_error_set(error, MW_ERR_RANGE, "%s:%llu: column %s: a time out of range",
                            r->path[r->at], (unsigned long long)mw_csv_line(r->csv),
                            r->plant->columns.time);
    }
    if (err == MW_OK) {
        *time = r->start + (int64_t)(value * (double)unit);
    }
    return err;
}

static mw_err read_flag(struct mw_recording *r, size_t column, bool *flag, struct mw_error *error)
{
    double value;
    mw_err err = mw_csv_number(r->csv, column, &value, error);
    if (err == MW_OK && value != 0 && value != 1) {
        struct mw_span name = mw_csv_name(r->csv, column);
        return mw_error_set(error, MW_ERR_PARSE, "%s:%llu: column %.*s: 0 or 1 was expected",
                            r->path[r->at], (unsigned long long)mw_csv_line(r->csv), (int)name.size,
                            name.data);
    }
    *flag = err == MW_OK && value == 1;
    return err;
}

static mw_err read_names(struct mw_recording *r, struct mw_recorded *row, struct mw_error *error)
{
    struct mw_span device =
        r->device == NONE ? mw_span_of(r->stem) : mw_csv_text(r->csv, r->device);
    mw_err err = make_name(row->device, r->plant->columns.prefix, device, error);
    if (err == MW_OK && r->machine != NONE) {
        err = make_name(row->machine, r->plant->columns.prefix, mw_csv_text(r->csv, r->machine),
                        error);
    } else if (err == MW_OK) {
        memcpy(row->machine, row->device, sizeof row->machine);
    }
    return err == MW_OK ? MW_OK
                        : mw_error_wrap(error, "%s:%llu", r->path[r->at],
                                        (unsigned long long)mw_csv_line(r->csv));
}

static mw_err read_row(struct mw_recording *r, struct mw_recorded *row, struct mw_error *error)
{
    struct mw_telemetry *telemetry = &row->telemetry;
    mw_err err = read_names(r, row, error);
    if (err == MW_OK) {
        err = read_time(r, &telemetry->time, error);
    }
    for (size_t i = 0; err == MW_OK && i < r->n_features; i++) {
        double value;
        err = mw_csv_number(r->csv, r->feature[i], &value, error);
        telemetry->features[i].name = mw_span_of(r->name[i]);
        telemetry->features[i].value = (float)value;
    }
    row->failure = false;
    row->inspected = r->finding != NONE;
    if (err == MW_OK && r->failure != NONE) {
        err = read_flag(r, r->failure, &row->failure, error);
    }
    if (err == MW_OK && row->inspected) {
        err = read_flag(r, r->finding, &row->fault, error);
    }
    telemetry->n_features = r->n_features;
    telemetry->numbered = true;
    telemetry->boot = 0;
    telemetry->seq = 0;
    telemetry->p = 1;
    return err;
}

/* The next row of the files as they follow one another. */
static mw_err read_next(struct mw_recording *r, struct mw_recorded *row, struct mw_error *error)
{
    for (;;) {
        mw_err err = mw_csv_next(r->csv, error);
        if (err == MW_OK) {
            return read_row(r, row, error);
        }
        if (err != MW_ERR_AGAIN || r->at + 1 == r->n_paths) {
            return err;
        }
        mw_csv_close(r->csv);
        r->csv = NULL;
        r->at++;
        err = open_file(r, error);
        if (err != MW_OK) {
            return err;
        }
    }
}

mw_err mw_recording_next(struct mw_recording *r, struct mw_recorded *row, struct mw_error *error)
{
    mw_err err = MW_OK;
    if (!r->ahead) {
        err = read_next(r, row, error);
    } else {
        *row = r->next;
    }
    if (err != MW_OK) {
        return err;
    }
    r->rows++;
    r->ahead = false;
    if (r->ends_fail) { /* whether this is a device's last row shows in the next one */
        err = read_next(r, &r->next, error);
        r->ahead = err == MW_OK;
        row->failure =
            err == MW_ERR_AGAIN || (r->ahead && strcmp(r->next.device, row->device) != 0);
    }
    row->telemetry.device = mw_span_of(row->device);
    row->telemetry.machine = mw_span_of(row->machine);
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

uint64_t mw_recording_size(const struct mw_recording *r)
{
    uint64_t size = 0;
    for (size_t i = 0; i < r->n_paths; i++) {
        struct stat status;
        size += stat(r->path[i], &status) == 0 ? (uint64_t)status.st_size : 0;
    }
    return size;
}

uint64_t mw_recording_rows(const struct mw_recording *r)
{
    return r->rows;
}
