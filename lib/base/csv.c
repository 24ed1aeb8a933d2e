#include "lib/base/csv.h"

#include "lib/base/clock.h"
#include "lib/base/csv_internal.h"
#include "lib/base/decimal.h"
#include "lib/base/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct mw_csv_format mw_csv_default = {.delimiter = 0, .decimal = '.', .header = true};

mw_err mw_csv_fail(const struct mw_csv *csv, uint64_t line, size_t column, mw_err code,
                   struct mw_error *error, const char *format, ...)
{
    if (error == NULL) {
        return code;
    }
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct mw_span name = column < csv->columns ? csv->name[column] : (struct mw_span){0};
    if (name.size > 0) {
        return mw_error_set(error, code, "%s:%llu: column %.*s: %s", csv->path,
                            (unsigned long long)line, name.size > 64 ? 64 : (int)name.size,
                            name.data, text);
    }
    return mw_error_set(error, code, "%s:%llu: column %zu: %s", csv->path, (unsigned long long)line,
                        column + 1, text);
}

/* ---- names ---- */

struct place {
    struct mw_span name;
    size_t column;
};

static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    size_t shorter = x->name.size < y->name.size ? x->name.size : y->name.size;
    int order = shorter == 0 ? 0 : memcmp(x->name.data, y->name.data, shorter);
    if (order == 0) {
        order = (x->name.size > y->name.size) - (x->name.size < y->name.size);
    }
    return order != 0 ? order : (x->column > y->column) - (x->column < y->column);
}

static mw_err check_names(const struct mw_csv *csv, uint64_t line, struct mw_error *error)
{
    struct place *places = calloc(csv->columns, sizeof *places);
    if (places == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", csv->path);
    }
    for (size_t i = 0; i < csv->columns; i++) {
        places[i] = (struct place){csv->name[i], i};
    }
    qsort(places, csv->columns, sizeof *places, compare);
    mw_err err = MW_OK;
    for (size_t i = 1; i < csv->columns && err == MW_OK; i++) {
        if (mw_span_equal(places[i - 1].name, places[i].name)) {
            err = mw_csv_fail(csv, line, places[i].column, MW_ERR_PARSE, error,
                              "the name is given twice, to columns %zu and %zu",
                              places[i - 1].column + 1, places[i].column + 1);
        }
    }
    free(places);
    return err;
}

/* Copies the names of the header that was scanned; a column without one goes by its number. */
static mw_err make_names(struct mw_csv *csv, struct mw_error *error)
{
    size_t n = csv->fields;
    struct mw_span *name = calloc(n, sizeof *name);
    mw_err err = name == NULL ? MW_ERR_MEMORY : MW_OK;
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        struct mw_span text = csv->format.header ? csv->field[i] : (struct mw_span){0};
        err = text.size > 0 ? mw_buffer_add(&csv->names, text.data, text.size)
                            : mw_buffer_printf(&csv->names, "%zu", i + 1);
        name[i].size = csv->names.size; /* its end, until the buffer stands still */
    }
    if (err != MW_OK) {
        free(name);
        return mw_error_set(error, err, "%s: out of memory", csv->path);
    }
    for (size_t i = 0, start = 0; i < n; i++) {
        size_t end = name[i].size;
        name[i] = (struct mw_span){csv->names.data + start, end - start};
        start = end;
    }
    csv->name = name;
    csv->columns = n;
    return MW_OK;
}

/* ---- opening ---- */

static mw_err skip_mark(struct mw_csv *csv, struct mw_error *error)
{
    while (csv->size < 3 && !csv->eof) {
        mw_err err = mw_csv_fill(csv, error);
        if (err != MW_OK) {
            return err;
        }
    }
    if (csv->size >= 2 &&
        (memcmp(csv->data, "\xFE\xFF", 2) == 0 || memcmp(csv->data, "\xFF\xFE", 2) == 0)) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "%s:1: is UTF-16; only UTF-8 is read",
                            csv->path);
    }
    if (csv->size >= 3 && memcmp(csv->data, "\xEF\xBB\xBF", 3) == 0) {
        csv->at = 3;
    }
    return MW_OK;
}

/* Reads the first row: the header, or a row that says how many columns there are. */
static mw_err start(struct mw_csv *csv, struct mw_error *error)
{
    size_t size;
    uint64_t lines;
    mw_err err = skip_mark(csv, error);
    if (err == MW_OK) {
        err = mw_csv_set_delimiter(csv, error);
    }
    if (err == MW_OK) {
        err = mw_csv_scan(csv, &size, &lines, error);
        if (err == MW_ERR_AGAIN) {
            return csv->format.header
                       ? mw_error_set(error, MW_ERR_PARSE,
                                      "%s:1: expected a header, the file is empty", csv->path)
                       : MW_OK;
        }
    }
    if (err == MW_OK) {
        err = make_names(csv, error);
    }
    if (err == MW_OK && csv->format.header) {
        uint64_t line = csv->next_line;
        csv->at += size;
        csv->next_line += lines;
        err = check_names(csv, line, error);
    }
    return err;
}

static mw_err open_source(struct mw_csv **csv, const char *path, int fd, const void *data,
                          size_t size, struct mw_csv_format format, struct mw_error *error)
{
    struct mw_csv *made = calloc(1, sizeof *made);
    mw_err err = MW_OK;
    *csv = NULL;
    if (made == NULL || (made->path = strdup(path)) == NULL) {
        free(made);
        if (fd > STDERR_FILENO) {
            close(fd);
        }
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", path);
    }
    made->fd = fd;
    made->format = format;
    made->data = data == NULL ? "" : data;
    made->size = size;
    made->eof = fd < 0;
    made->next_line = 1;
    if (strchr(",;\t ", format.delimiter) == NULL ||
        (format.decimal != '.' && format.decimal != ',') ||
        (format.delimiter == ',' && format.decimal == ',')) {
        err = mw_error_set(error, MW_ERR_ARGUMENT,
                           "%s: the delimiter has to be a comma, semicolon, tab or blank, the "
                           "decimal sign a point or another comma",
                           path);
    }
    if (err == MW_OK) {
        err = start(made, error);
    }
    if (err != MW_OK) {
        mw_csv_close(made);
        return err;
    }
    *csv = made;
    return MW_OK;
}

mw_err mw_csv_open(struct mw_csv **csv, const char *path, struct mw_csv_format format,
                   struct mw_error *error)
{
    *csv = NULL;
    if (strcmp(path, "-") == 0) {
        return open_source(csv, "stdin", STDIN_FILENO, NULL, 0, format, error);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mw_error_errno(error, errno == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_IO, "%s", path);
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return open_source(csv, path, fd, NULL, 0, format, error);
}

mw_err mw_csv_open_memory(struct mw_csv **csv, const char *name, const void *data, size_t size,
                          struct mw_csv_format format, struct mw_error *error)
{
    return open_source(csv, name, -1, data, size, format, error);
}

void mw_csv_close(struct mw_csv *csv)
{
    if (csv == NULL) {
        return;
    }
    if (csv->fd >= 0 && csv->fd != STDIN_FILENO) {
        close(csv->fd);
    }
    mw_buffer_free(&csv->unquoted);
    mw_buffer_free(&csv->names);
    free(csv->owned);
    free(csv->field);
    free(csv->name);
    free(csv->path);
    free(csv);
}

/* ---- rows ---- */

size_t mw_csv_columns(const struct mw_csv *csv)
{
    return csv->columns;
}

struct mw_span mw_csv_name(const struct mw_csv *csv, size_t column)
{
    return csv->name[column];
}

mw_err mw_csv_column(const struct mw_csv *csv, const char *name, size_t *column,
                     struct mw_error *error)
{
    struct mw_span wanted = mw_span_of(name), nearest = {0};
    size_t best = mw_nearest_limit(wanted) + 1;
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < csv->columns; i++) {
        struct mw_span there = csv->name[i];
        if (mw_span_equal(wanted, there)) {
            *column = i;
            return MW_OK;
        }
        size_t distance = mw_nearest_distance(wanted, there);
        if (distance < best) {
            best = distance;
            nearest = there;
        }
        if (used + there.size + 3 < sizeof known) {
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%.*s",
                                     used == 0 ? "" : ", ", (int)there.size, there.data);
        }
    }
    if (nearest.size > 0) {
        return mw_error_set(error, MW_ERR_NOT_FOUND,
                            "%s:1: column %s: not there, did you mean %.*s?", csv->path, name,
                            (int)nearest.size, nearest.data);
    }
    return mw_error_set(error, MW_ERR_NOT_FOUND, "%s:1: column %s: not there; the file has %s",
                        csv->path, name, used == 0 ? "none" : known);
}

mw_err mw_csv_next(struct mw_csv *csv, struct mw_error *error)
{
    size_t size;
    uint64_t lines;
    mw_err err = mw_csv_scan(csv, &size, &lines, error);
    if (err != MW_OK) {
        return err;
    }
    csv->line = csv->next_line;
    csv->at += size;
    csv->next_line += lines;
    if (csv->fields != csv->columns) {
        size_t first_wrong = csv->fields < csv->columns ? csv->fields : csv->columns;
        return mw_csv_fail(csv, csv->line, first_wrong, MW_ERR_PARSE, error,
                           "the row has %zu columns, expected %zu", csv->fields, csv->columns);
    }
    csv->rows++;
    return MW_OK;
}

uint64_t mw_csv_line(const struct mw_csv *csv)
{
    return csv->line;
}

uint64_t mw_csv_row(const struct mw_csv *csv)
{
    return csv->rows == 0 ? 0 : csv->rows - 1;
}

struct mw_span mw_csv_text(const struct mw_csv *csv, size_t column)
{
    return csv->field[column];
}

/* What a person sees of a field in a message. */
static mw_err refuse(const struct mw_csv *csv, size_t column, mw_err code, const char *expected,
                     struct mw_error *error)
{
    struct mw_span text = csv->field[column];
    char shown[48];
    size_t n = 0;
    if (text.size == 0) {
        return mw_csv_fail(csv, csv->line, column, code, error, "is empty, expected %s", expected);
    }
    for (; n < text.size && n < sizeof shown - 1; n++) {
        unsigned char c = (unsigned char)text.data[n];
        shown[n] = c < 0x20 || c == 0x7F ? '?' : text.data[n];
    }
    shown[n] = 0;
    return mw_csv_fail(csv, csv->line, column, code, error, "%s is not %s", shown, expected);
}

mw_err mw_csv_number(const struct mw_csv *csv, size_t column, double *value, struct mw_error *error)
{
    mw_err err = mw_decimal_parse(csv->field[column], csv->format.decimal, value);
    return err == MW_OK ? MW_OK : refuse(csv, column, err, "a finite number", error);
}

mw_err mw_csv_time(const struct mw_csv *csv, size_t column, int64_t *microseconds,
                   struct mw_error *error)
{
    struct mw_span text = csv->field[column];
    mw_err err = mw_decimal_parse_time(text, csv->format.decimal, microseconds);
    if (err == MW_ERR_PARSE) {
        err = mw_clock_parse(text, microseconds);
    }
    return err == MW_OK
               ? MW_OK
               : refuse(csv, column, err, "a time, as 1767225600.5 or 2026-01-01 00:00:00", error);
}
