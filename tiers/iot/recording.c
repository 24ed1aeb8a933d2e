#include "tiers/iot/recording.h"

#include "lib/base/clock.h"
#include "lib/base/csv.h"
#include "lib/base/log.h"
#include "tiers/iot/name_map.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct mw_span name[MW_FEATURES_MAX]; /* interned */
    char **interned; /* every name of every file: a row read ahead borrows the file before */
    size_t n_interned;
    char stem[2 * MW_NAME_MAX + 2]; /* the file's name as a device's, without prefix */
    bool folders;                   /* two files have one name */
    bool ends_fail;                 /* a device's last row is its failure */
    struct mw_name_map ended;       /* devices whose last row has come; names owned */
    int64_t start;                  /* numeric times count from here */
    uint64_t rows, read;            /* given out; read, with the one ahead */
    bool ahead;                     /* `next` holds the row that comes next */
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
    if (!mw_feature_name_valid(name)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: column %zu: \"%.*s\" cannot be the name of a feature: 1 to %d "
                            "bytes without quotes and backslashes were expected; give it another "
                            "one in columns.names",
                            r->path[r->at], column + 1, (int)(name.size < 80 ? name.size : 80),
                            name.data, MW_FEATURE_NAME_MAX);
    }
    const char *kept = intern(r, name);
    if (kept == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    r->name[r->n_features] = (struct mw_span){kept, name.size};
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

/* --- files --- */

/* The file's name without folders and extension. */
static struct mw_span stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    return (struct mw_span){base, strcspn(base, ".")};
}

/* The name of the folder that the file is in; empty when the path does not say. */
static struct mw_span folder_of(const char *path)
{
    const char *end = strrchr(path, '/');
    const char *begin = end;
    while (begin != NULL && begin > path && begin[-1] != '/') {
        begin--;
    }
    return (struct mw_span){begin, begin == NULL ? 0 : (size_t)(end - begin)};
}

/* Two devices must not share a name, or their rows would be taken for one. */
static mw_err check_stems(struct mw_recording *r, struct mw_error *error)
{
    for (size_t i = 0; !given(r->plant->columns.device) && i < r->n_paths; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!mw_span_equal(stem_of(r->path[i]), stem_of(r->path[j]))) {
                continue;
            }
            if (mw_span_equal(folder_of(r->path[i]), folder_of(r->path[j]))) {
                return mw_error_set(error, MW_ERR_ARGUMENT,
                                    "%s and %s would be the same device: name a column in "
                                    "columns.device, or one of the files anew",
                                    r->path[j], r->path[i]);
            }
            r->folders = true;
        }
    }
    if (r->folders) {
        mw_log(MW_LOG_INFO, NULL, "files are called the same, so devices are called FOLDER-FILE",
               MW_KI("files", r->n_paths));
    }
    return MW_OK;
}

static mw_err name_file(struct mw_recording *r, struct mw_error *error)
{
    struct mw_span stem = stem_of(r->path[r->at]), folder = folder_of(r->path[r->at]);
    if (stem.size > MW_NAME_MAX || folder.size > MW_NAME_MAX) {
        return given(r->plant->columns.device)
                   ? MW_OK
                   : mw_error_set(error, MW_ERR_PARSE,
                                  "%s: a name of at most %d characters was expected",
                                  r->path[r->at], MW_NAME_MAX);
    }
    bool both = r->folders && folder.size > 0;
    snprintf(r->stem, sizeof r->stem, "%.*s%s%.*s", both ? (int)folder.size : 0, folder.data,
             both ? "-" : "", (int)stem.size, stem.data);
    return MW_OK;
}

static mw_err find_columns(struct mw_recording *r, struct mw_error *error)
{
    const char *failure = r->plant->columns.failure;
    r->ends_fail = given(failure) && strcmp(failure, "end") == 0;
    const struct {
        const char *name;
        size_t *column;
    } wanted[] = {{r->plant->columns.device, &r->device},
                  {r->plant->columns.machine, &r->machine},
                  {r->plant->columns.time, &r->time},
                  {r->ends_fail ? NULL : failure, &r->failure},
                  {r->plant->columns.finding, &r->finding}};
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < sizeof wanted / sizeof *wanted; i++) {
        err = find_column(r, wanted[i].name, wanted[i].column, error);
    }
    return err == MW_OK ? find_features(r, error) : err;
}

static mw_err open_file(struct mw_recording *r, struct mw_error *error)
{
    static const char delimiter[] = {0, ',', ';', '\t', ' '};
    struct mw_csv_format format = {delimiter[r->plant->columns.delimiter],
                                   r->plant->columns.decimal == 0 ? '.' : ',',
                                   r->plant->columns.header};
    mw_err err = name_file(r, error);
    if (err == MW_OK) {
        err = mw_csv_open(&r->csv, r->path[r->at], format, error);
    }
    return err == MW_OK ? find_columns(r, error) : err;
}

static mw_err read_start(struct mw_recording *r, struct mw_error *error)
{
    const char *start = r->plant->columns.start;
    if (!given(start)) {
        return MW_OK;
    }
    mw_err err = mw_clock_parse(mw_span_of(start), &r->start);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err,
                                       "columns.start: \"%s\": a date like 2026-01-31, or with "
                                       "T08:30:00 behind it, was expected",
                                       start);
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
        err = check_stems(r, error);
    }
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
    for (size_t i = 0; i < r->ended.capacity; i++) {
        free(r->ended.entry[i].value);
    }
    mw_name_map_free(&r->ended);
    free(r);
}

/* --- rows --- */

/* HH:MM, or YYYY- at the beginning. */
static bool is_date(struct mw_span text)
{
    bool year = text.size > 4 && text.data[4] == '-';
    for (size_t i = 0; year && i < 4; i++) {
        year = text.data[i] >= '0' && text.data[i] <= '9';
    }
    return year || (text.size > 0 && memchr(text.data, ':', text.size) != NULL);
}

static mw_err wrong(const struct mw_recording *r, size_t column, mw_err code, const char *what,
                    struct mw_error *error)
{
    struct mw_span name = mw_csv_name(r->csv, column), text = mw_csv_text(r->csv, column);
    return mw_error_set(error, code, "%s:%llu: column %.*s: %.*s is %s", r->path[r->at],
                        (unsigned long long)mw_csv_line(r->csv), (int)name.size, name.data,
                        (int)(text.size < 40 ? text.size : 40), text.data, what);
}

/* A numeric time counts units from columns.start; a date stands for itself. */
static mw_err read_time(struct mw_recording *r, int64_t *time, struct mw_error *error)
{
    int64_t unit = unit_microseconds[r->plant->columns.time_unit];
    if (r->time == NONE) {
        uint64_t row = r->device == NONE ? mw_csv_row(r->csv) : r->read;
        *time = r->start + (int64_t)row * unit;
        return MW_OK;
    }
    if (is_date(mw_csv_text(r->csv, r->time))) {
        return mw_csv_time(r->csv, r->time, time, error);
    }
    double value;
    mw_err err = mw_csv_number(r->csv, r->time, &value, error);
    if (err != MW_OK) {
        return err;
    }
    value = round(value * (double)unit);
    if (!(fabs(value) < 4e18)) {
        return wrong(r, r->time, MW_ERR_RANGE, "a time out of range", error);
    }
    *time = r->start + (int64_t)value;
    return MW_OK;
}

static mw_err read_flag(struct mw_recording *r, size_t column, bool *flag, struct mw_error *error)
{
    double value;
    mw_err err = mw_csv_number(r->csv, column, &value, error);
    if (err == MW_OK && value != 0 && value != 1) {
        return wrong(r, column, MW_ERR_PARSE, "neither 0 nor 1", error);
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
        if (err == MW_OK && !(fabs(value) <= (double)FLT_MAX)) {
            err = wrong(r, r->feature[i], MW_ERR_RANGE, "beyond the range of float32", error);
        }
        telemetry->features[i].name = r->name[i];
        telemetry->features[i].value = err == MW_OK ? (float)value : 0;
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
            err = read_row(r, row, error);
            r->read += err == MW_OK;
            return err;
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

/* Notes that the device's last row has come. */
static mw_err end_device(struct mw_recording *r, const char *device, struct mw_error *error)
{
    char *name = strdup(device);
    if (name == NULL || mw_name_map_add(&r->ended, mw_span_of(name), name) != MW_OK) {
        free(name);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return MW_OK;
}

/* Whether this is the device's last row shows in the next one, which is read ahead. */
static mw_err look_ahead(struct mw_recording *r, struct mw_recorded *row, struct mw_error *error)
{
    mw_err err = read_next(r, &r->next, error);
    if (err != MW_OK && err != MW_ERR_AGAIN) {
        return err;
    }
    r->ahead = err == MW_OK;
    row->failure = !r->ahead || strcmp(r->next.device, row->device) != 0;
    if (!r->ahead || !row->failure) {
        return MW_OK;
    }
    if (mw_name_map_find(&r->ended, mw_span_of(r->next.device)) != NULL) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s:%llu: %s comes again: with \"failure: end\" the rows of a device "
                            "have to follow one another",
                            r->path[r->at], (unsigned long long)mw_csv_line(r->csv),
                            r->next.device);
    }
    return end_device(r, row->device, error);
}

mw_err mw_recording_next(struct mw_recording *r, struct mw_recorded *row, struct mw_error *error)
{
    mw_err err = MW_OK;
    if (r->ahead) {
        *row = r->next;
        r->ahead = false;
    } else {
        err = read_next(r, row, error);
    }
    if (err == MW_OK && r->ends_fail) {
        err = look_ahead(r, row, error);
    }
    if (err != MW_OK) {
        return err;
    }
    r->rows++;
    row->telemetry.device = mw_span_of(row->device);
    row->telemetry.machine = mw_span_of(row->machine);
    return MW_OK;
}

uint64_t mw_recording_rows(const struct mw_recording *r)
{
    return r->rows;
}
