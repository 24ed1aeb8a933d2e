#include "tiers/iot/recording_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t unit_microseconds[] = {
    [MW_UNIT_SECONDS] = INT64_C(1000000),  [MW_UNIT_MINUTES] = INT64_C(60000000),
    [MW_UNIT_HOURS] = INT64_C(3600000000), [MW_UNIT_DAYS] = INT64_C(86400000000),
    [MW_UNIT_CYCLES] = INT64_C(60000000),
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
    if (r->time == MW_RECORDING_NONE) {
        uint64_t row = r->device == MW_RECORDING_NONE ? mw_csv_row(r->csv) : r->read;
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
        r->device == MW_RECORDING_NONE ? mw_span_of(r->stem) : mw_csv_text(r->csv, r->device);
    mw_err err = make_name(row->device, r->plant->columns.prefix, device, error);
    if (err == MW_OK && r->machine != MW_RECORDING_NONE) {
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
    row->inspected = r->finding != MW_RECORDING_NONE;
    if (err == MW_OK && r->failure != MW_RECORDING_NONE) {
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
        err = mw_recording_open_file(r, error);
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
