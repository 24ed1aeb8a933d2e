/* From bytes to fields: block reads, quoting, and the search for the delimiter. */
#include "lib/base/csv_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 65536 };

/* What the scanner says besides an error: the row is whole, or the block ends inside it. */
enum step { STEP_ROW, STEP_MORE, STEP_FAILED };

struct scan {
    struct mw_csv *csv;
    const char *at, *end;
    size_t n;       /* fields so far */
    uint64_t lines; /* line ends so far */
    mw_err err;
    struct mw_error *error;
};

mw_err mw_csv_fill(struct mw_csv *csv, struct mw_error *error)
{
    if (csv->fd < 0) {
        csv->eof = true;
        return MW_OK;
    }
    size_t rest = csv->size - csv->at;
    if (csv->at > 0 && rest > 0) {
        memmove(csv->owned, csv->owned + csv->at, rest);
    }
    csv->at = 0;
    csv->size = rest;
    if (csv->capacity - rest < BLOCK) {
        size_t capacity = csv->capacity * 2 + BLOCK;
        char *owned = realloc(csv->owned, capacity);
        if (owned == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", csv->path);
        }
        csv->owned = owned;
        csv->capacity = capacity;
    }
    csv->data = csv->owned;
    ssize_t n;
    do {
        n = read(csv->fd, csv->owned + rest, csv->capacity - rest);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", csv->path);
    }
    csv->eof = n == 0;
    csv->size += (size_t)n;
    return MW_OK;
}

static bool is_blank(const struct mw_csv *csv, char c)
{
    return c == ' ' || (c == '\t' && csv->format.delimiter != '\t');
}

/* ---- one row ---- */

static enum step failed(struct scan *scan, mw_err err)
{
    scan->err = err;
    return STEP_FAILED;
}

static enum step keep(struct scan *scan, const char *data, size_t size)
{
    struct mw_csv *csv = scan->csv;
    size_t n = scan->n++;
    if (csv->columns != 0 && n >= csv->columns) {
        return STEP_ROW; /* counted for the message, not kept */
    }
    if (n == MW_CSV_COLUMN_LIMIT) {
        return failed(scan, mw_csv_fail(csv, csv->next_line, n, MW_ERR_TOO_LARGE, scan->error,
                                        "more than %zu columns", MW_CSV_COLUMN_LIMIT));
    }
    if (n == csv->field_capacity) {
        size_t capacity = n == 0 ? 32 : n * 2;
        struct mw_span *field = realloc(csv->field, capacity * sizeof *field);
        if (field == NULL) {
            return failed(scan,
                          mw_error_set(scan->error, MW_ERR_MEMORY, "%s: out of memory", csv->path));
        }
        csv->field = field;
        csv->field_capacity = capacity;
    }
    csv->field[n] = (struct mw_span){data, size};
    return STEP_ROW;
}

static enum step scan_plain(struct scan *scan)
{
    const struct mw_csv *csv = scan->csv;
    const char *start = scan->at, *at = start, *end = scan->end;
    while (at < end && !csv->stop[(unsigned char)*at]) {
        at++;
    }
    if (at == end && !csv->eof) {
        return STEP_MORE;
    }
    scan->at = at;
    if (at > start && at[-1] == '\r' && (at == end || *at == '\n')) {
        at--;
    }
    while (at > start && is_blank(csv, at[-1])) {
        at--;
    }
    while (start < at && is_blank(csv, *start)) {
        start++;
    }
    return keep(scan, start, (size_t)(at - start));
}

/* Copies a field without the second of each two quotes. */
static enum step keep_unquoted(struct scan *scan, const char *from, const char *to)
{
    struct mw_buffer *out = &scan->csv->unquoted;
    if (out->data == NULL && mw_buffer_reserve(out, MW_CSV_LINE_LIMIT) != MW_OK) {
        return failed(
            scan, mw_error_set(scan->error, MW_ERR_MEMORY, "%s: out of memory", scan->csv->path));
    }
    if ((size_t)(to - from) > MW_CSV_LINE_LIMIT - out->size) {
        return failed(scan, mw_csv_fail(scan->csv, scan->csv->next_line, scan->n, MW_ERR_TOO_LARGE,
                                        scan->error, "the line is longer than 1 MiB"));
    }
    char *start = out->data + out->size, *at = start;
    while (from < to) {
        *at = *from;
        from += *from == '"' ? 2 : 1;
        at++;
    }
    out->size += (size_t)(at - start);
    return keep(scan, start, (size_t)(at - start));
}

static enum step scan_quoted(struct scan *scan)
{
    const struct mw_csv *csv = scan->csv;
    const char *start = scan->at + 1, *end = scan->end, *at = start, *quote;
    uint64_t line = csv->next_line + scan->lines;
    bool doubled = false;
    for (;; at = quote + 2, doubled = true) {
        quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL && csv->eof) {
            return failed(scan, mw_csv_fail(csv, line, scan->n, MW_ERR_PARSE, scan->error,
                                            "the quote that opens here is not closed"));
        }
        if (quote == NULL || (quote + 1 == end && !csv->eof)) {
            return STEP_MORE;
        }
        if (quote + 1 == end || quote[1] != '"') {
            break;
        }
    }
    for (at = start; (at = memchr(at, '\n', (size_t)(quote - at))) != NULL; at++) {
        scan->lines++;
    }
    enum step step =
        doubled ? keep_unquoted(scan, start, quote) : keep(scan, start, (size_t)(quote - start));
    if (step != STEP_ROW) {
        return step;
    }
    at = quote + 1;
    while (at < end && !csv->stop[(unsigned char)*at] && (is_blank(csv, *at) || *at == '\r')) {
        at++;
    }
    if (at == end && !csv->eof) {
        return STEP_MORE;
    }
    if (at < end && !csv->stop[(unsigned char)*at]) {
        return failed(scan, mw_csv_fail(csv, csv->next_line + scan->lines, scan->n - 1,
                                        MW_ERR_PARSE, scan->error, "text behind a closing quote"));
    }
    scan->at = at;
    return STEP_ROW;
}

static enum step scan_row(struct scan *scan)
{
    const struct mw_csv *csv = scan->csv;
    bool runs = csv->format.delimiter == ' ';
    for (;;) {
        while (scan->at < scan->end && is_blank(csv, *scan->at)) {
            scan->at++;
        }
        if (runs && scan->n > 0) {
            /* Blanks at the end of a line part nothing. */
            if (scan->at < scan->end && *scan->at == '\r') {
                scan->at++;
            }
            if (scan->at == scan->end && !csv->eof) {
                return STEP_MORE;
            }
            if (scan->at == scan->end || *scan->at == '\n') {
                break;
            }
        }
        bool quoted = scan->at < scan->end && *scan->at == '"';
        enum step step = quoted ? scan_quoted(scan) : scan_plain(scan);
        if (step != STEP_ROW) {
            return step;
        }
        if (scan->at == scan->end || *scan->at == '\n') {
            break;
        }
        scan->at++; /* the delimiter */
    }
    if (scan->at < scan->end) {
        scan->at++;
        scan->lines++;
    }
    return STEP_ROW;
}

/* Moves over lines that hold nothing but blanks; false when the block ends first. */
static bool skip_empty(struct mw_csv *csv)
{
    for (;;) {
        size_t at = csv->at;
        while (at < csv->size && (is_blank(csv, csv->data[at]) || csv->data[at] == '\r')) {
            at++;
        }
        if (at == csv->size) {
            if (csv->eof) {
                csv->at = at;
            }
            return csv->eof;
        }
        if (csv->data[at] != '\n') {
            return true;
        }
        csv->at = at + 1;
        csv->next_line++;
    }
}

static mw_err refuse_nul(struct scan *scan)
{
    struct mw_csv *csv = scan->csv;
    size_t kept = csv->columns != 0 && scan->n > csv->columns ? csv->columns : scan->n, column = 0;
    while (column < kept && (csv->field[column].size == 0 ||
                             memchr(csv->field[column].data, 0, csv->field[column].size) == NULL)) {
        column++;
    }
    return mw_csv_fail(csv, csv->next_line, column, MW_ERR_PARSE, scan->error, "a NUL byte");
}

mw_err mw_csv_scan(struct mw_csv *csv, size_t *size, uint64_t *lines, struct mw_error *error)
{
    for (;;) {
        enum step step = skip_empty(csv) ? STEP_ROW : STEP_MORE;
        if (step == STEP_ROW && csv->at == csv->size) {
            return MW_ERR_AGAIN;
        }
        const char *start = csv->data + csv->at;
        struct scan scan = {.csv = csv, .at = start, .end = csv->data + csv->size, .error = error};
        if (step == STEP_ROW) {
            csv->unquoted.size = 0;
            step = scan_row(&scan);
        }
        if (step == STEP_FAILED) {
            return scan.err;
        }
        size_t length = step == STEP_ROW ? (size_t)(scan.at - start) : csv->size - csv->at;
        if (length > MW_CSV_LINE_LIMIT) {
            size_t column = step == STEP_ROW ? scan.n - 1 : scan.n;
            return mw_csv_fail(csv, csv->next_line, column, MW_ERR_TOO_LARGE, error,
                               "the line is longer than 1 MiB%s",
                               scan.at < scan.end && *scan.at == '"'
                                   ? "; is the quote that opens here closed?"
                                   : "");
        }
        if (step == STEP_ROW) {
            *size = length;
            *lines = scan.lines;
            csv->fields = scan.n;
            return memchr(start, 0, length) == NULL ? MW_OK : refuse_nul(&scan);
        }
        mw_err err = mw_csv_fill(csv, error);
        if (err != MW_OK) {
            return err;
        }
    }
}

/* ---- the delimiter ---- */

static size_t count_words(struct mw_span line)
{
    size_t n = 0;
    for (size_t i = 0; i < line.size; i++) {
        bool blank = line.data[i] == ' ' || line.data[i] == '\t' || line.data[i] == '\r';
        bool first = i == 0 || line.data[i - 1] == ' ' || line.data[i - 1] == '\t';
        n += !blank && first;
    }
    return n;
}

static struct mw_span line_at(const struct mw_csv *csv, size_t at)
{
    const char *start = csv->data + at;
    const char *end = at < csv->size ? memchr(start, '\n', csv->size - at) : NULL;
    return (struct mw_span){start, end == NULL ? csv->size - at : (size_t)(end - start)};
}

/* Has the block n whole lines at `at`, or all that it can have? A row of live input is not waited
 * for before it is needed. */
static mw_err have_lines(struct mw_csv *csv, size_t n, struct mw_error *error)
{
    for (;;) {
        size_t at = csv->at, found = 0;
        while (found < n && at < csv->size) {
            struct mw_span line = line_at(csv, at);
            at += line.size + 1;
            found += at <= csv->size;
        }
        if (found == n || csv->eof || csv->size - csv->at > MW_CSV_LINE_LIMIT) {
            return MW_OK;
        }
        mw_err err = mw_csv_fill(csv, error);
        if (err != MW_OK) {
            return err;
        }
    }
}

/* The candidate that the first line has most of, outside quotes; 0 when it has none. */
static char count_delimiters(const struct mw_csv *csv)
{
    static const char candidates[] = {',', ';', '\t'};
    struct mw_span first = line_at(csv, csv->at);
    size_t counts[sizeof candidates] = {0}, best = 0;
    bool quoted = false;
    for (size_t i = 0; i < first.size; i++) {
        quoted = quoted != (first.data[i] == '"');
        for (size_t k = 0; k < sizeof candidates && !quoted; k++) {
            counts[k] += first.data[i] == candidates[k];
        }
    }
    if (csv->format.decimal == ',') {
        counts[0] = 0; /* commas are inside the numbers */
    }
    for (size_t k = 1; k < sizeof candidates; k++) {
        if (counts[k] > counts[best]) {
            best = k;
        }
    }
    return counts[best] > 0 ? candidates[best] : 0;
}

static mw_err find_delimiter(struct mw_csv *csv, struct mw_error *error)
{
    csv->format.delimiter = count_delimiters(csv);
    if (csv->format.delimiter != 0) {
        return MW_OK;
    }
    /* Only blanks are left. A header of one column may have them in its name; then the next line
     * does not have as many words. */
    size_t words = count_words(line_at(csv, csv->at));
    bool parted = words > 1;
    if (parted && csv->format.header) {
        mw_err err = have_lines(csv, 2, error);
        if (err != MW_OK) {
            return err;
        }
        size_t behind = csv->at + line_at(csv, csv->at).size + 1;
        parted = behind < csv->size && count_words(line_at(csv, behind)) == words;
    }
    csv->format.delimiter = parted ? ' ' : csv->format.decimal == ',' ? ';' : ',';
    return MW_OK;
}

mw_err mw_csv_set_delimiter(struct mw_csv *csv, struct mw_error *error)
{
    mw_err err;
    for (;;) {
        err = have_lines(csv, 1, error);
        struct mw_span line = line_at(csv, csv->at);
        bool whole = line.size < csv->size - csv->at;
        if (err != MW_OK || !whole || count_words(line) > 0) {
            break;
        }
        csv->at += line.size + 1;
        csv->next_line++;
    }
    if (err == MW_OK && csv->format.delimiter == 0) {
        err = find_delimiter(csv, error);
    }
    csv->stop[(unsigned char)csv->format.delimiter] = true;
    csv->stop['\n'] = true;
    if (csv->format.delimiter == ' ') {
        csv->stop['\t'] = true;
    }
    return err;
}
