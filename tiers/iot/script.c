#include "tiers/iot/script.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 6

static const char *const column_name[COLUMNS] = {"at",     "kind",  "machine",
                                                 "signal", "fault", "value"};
enum { AT, KIND, MACHINE, SIGNAL, FAULT, VALUE };

static const char *const kind_name[] = {
    [MW_WORLD_SEASON] = "season", [MW_WORLD_LOAD] = "load",         [MW_WORLD_GAIN] = "gain",
    [MW_WORLD_OFFSET] = "offset", [MW_WORLD_BEARINGS] = "bearings", [MW_WORLD_FAULT] = "fault",
    [MW_WORLD_FAULTS] = "faults",
};
#define KINDS (int)(sizeof kind_name / sizeof *kind_name)

struct reader {
    const char *path;
    struct mw_csv *csv;
    size_t column[COLUMNS];
    unsigned machines;
    struct mw_error *error;
};

int64_t mw_script_epoch(void)
{
    return INT64_C(1767225600) * MW_SECOND; /* 2026-01-01 */
}

static mw_err wrong(const struct reader *reader, int column, const char *expected)
{
    struct mw_span text = mw_csv_text(reader->csv, reader->column[column]);
    return mw_error_set(reader->error, MW_ERR_PARSE,
                        "%s:%llu: column %s: \"%.*s\": %s was expected", reader->path,
                        (unsigned long long)mw_csv_line(reader->csv), column_name[column],
                        (int)text.size, text.data, expected);
}

/* A number with a unit: s, m, h or d. */
static mw_err read_at(const struct reader *reader, int64_t *at)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct mw_span text = mw_csv_text(reader->csv, reader->column[AT]);
    double value;
    for (size_t i = 0; text.size > 1 && i < sizeof units / sizeof *units; i++) {
        struct mw_span digits = {text.data, text.size - 1};
        if (text.data[text.size - 1] == units[i].unit &&
            mw_number_parse_f64(digits, &value) == MW_OK && value >= 0 && value < 1e6) {
            *at = (int64_t)(value * units[i].seconds * 1e6);
            return MW_OK;
        }
    }
    return wrong(reader, AT, "a time like 90s, 45m, 36h or 2d");
}

static mw_err read_machine(const struct reader *reader, int *machine)
{
    struct mw_span text = mw_csv_text(reader->csv, reader->column[MACHINE]);
    static const char prefix[] = "motor-";
    uint64_t number;
    *machine = -1;
    if (mw_span_is(text, "all")) {
        return MW_OK;
    }
    if (text.size > sizeof prefix - 1 && memcmp(text.data, prefix, sizeof prefix - 1) == 0) {
        struct mw_span digits = {text.data + sizeof prefix - 1, text.size - (sizeof prefix - 1)};
        if (mw_number_parse_u64(digits, &number) == MW_OK && number >= 1 &&
            number <= reader->machines) {
            *machine = (int)number - 1;
            return MW_OK;
        }
    }
    return wrong(reader, MACHINE, "all, or motor-1 and so on up to simulate.machines");
}

static mw_err read_names(const struct reader *reader, struct mw_world_change *change)
{
    struct mw_span kind = mw_csv_text(reader->csv, reader->column[KIND]);
    struct mw_span signal = mw_csv_text(reader->csv, reader->column[SIGNAL]);
    struct mw_span fault = mw_csv_text(reader->csv, reader->column[FAULT]);
    int i = 0;
    while (i < KINDS && !mw_span_is(kind, kind_name[i])) {
        i++;
    }
    if (i == KINDS) {
        return wrong(reader, KIND, "season, load, gain, offset, bearings, fault or faults");
    }
    change->kind = (enum mw_world_change_kind)i;
    for (i = 0; i < MW_MOTOR_SIGNALS &&
                !mw_span_is(signal, mw_motor_signal_name((enum mw_motor_signal)i));) {
        i++;
    }
    change->signal = (enum mw_motor_signal)(i % MW_MOTOR_SIGNALS);
    bool needs_signal = change->kind == MW_WORLD_GAIN || change->kind == MW_WORLD_OFFSET;
    if (needs_signal && i == MW_MOTOR_SIGNALS) {
        return wrong(reader, SIGNAL, "current, temperature, vibration or sound");
    }
    for (i = 0;
         i < MW_MOTOR_FAULTS && !mw_span_is(fault, mw_motor_fault_name((enum mw_motor_fault)i));) {
        i++;
    }
    change->fault = (enum mw_motor_fault)(i % MW_MOTOR_FAULTS);
    if (change->kind == MW_WORLD_FAULT && i == MW_MOTOR_FAULTS) {
        return wrong(reader, FAULT, "bearing, imbalance, cooling or phase");
    }
    return MW_OK;
}

static mw_err read_row(const struct reader *reader, struct mw_world_change *change)
{
    mw_err err = read_at(reader, &change->at);
    if (err == MW_OK) {
        err = read_machine(reader, &change->machine);
    }
    if (err == MW_OK) {
        err = read_names(reader, change);
    }
    return err == MW_OK
               ? mw_csv_number(reader->csv, reader->column[VALUE], &change->value, reader->error)
               : err;
}

static mw_err read_rows(struct reader *reader, struct mw_world_change **changes, size_t *n)
{
    mw_err err = MW_OK;
    for (int i = 0; err == MW_OK && i < COLUMNS; i++) {
        err = mw_csv_column(reader->csv, column_name[i], &reader->column[i], reader->error);
    }
    while (err == MW_OK && (err = mw_csv_next(reader->csv, reader->error)) == MW_OK) {
        if (*n == MW_WORLD_CHANGES_MAX) {
            return mw_error_set(reader->error, MW_ERR_TOO_LARGE, "%s: more than %d changes",
                                reader->path, MW_WORLD_CHANGES_MAX);
        }
        err = read_row(reader, &(*changes)[*n]);
        *n += err == MW_OK;
    }
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

mw_err mw_script_read(const char *path, unsigned machines, struct mw_world_change **changes,
                      size_t *n, struct mw_error *error)
{
    struct reader reader = {.path = path, .machines = machines, .error = error};
    struct mw_csv_format format = {',', '.', true};
    *n = 0;
    *changes = calloc(MW_WORLD_CHANGES_MAX, sizeof **changes);
    if (*changes == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_csv_open(&reader.csv, path, format, error);
    if (err == MW_OK) {
        err = read_rows(&reader, changes, n);
        mw_csv_close(reader.csv);
    }
    if (err != MW_OK) {
        free(*changes);
        *changes = NULL;
    }
    return err;
}
