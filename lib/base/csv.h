/* csv.h - CSV files, row by row, in constant memory.
 *
 * Accepts: RFC 4180 quoting; LF or CRLF; a UTF-8 byte-order mark; a delimiter of comma, semicolon,
 * tab or runs of spaces; a decimal sign of point or comma; with or without a header. Refused, with
 * "FILE:LINE: column NAME: ...": a ragged row, text where a number belongs, NaN and infinities, NUL
 * bytes, a line longer than 1 MiB, a header name given twice, an unclosed quote, UTF-16.
 *
 * Blanks around an unquoted field are not part of it. A column without a name in the header goes by
 * its number, from 1. A pipe is read as it comes: no call waits for more than the row it needs
 * (with a delimiter to be found among blanks, for the first two lines). */
#ifndef MW_BASE_CSV_H
#define MW_BASE_CSV_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct mw_csv; /* opaque */

struct mw_csv_format {
    char delimiter; /* ',' ';' '\t', ' ' for runs of blanks, or 0: found from the first line */
    char decimal;   /* '.' or ',' */
    bool header;    /* the first line names the columns; else they are named 1, 2, 3 ... */
};
extern const struct mw_csv_format mw_csv_default; /* found, '.', header */

/* Opens a file ("-" is stdin) and reads the header. `path` is copied. */
mw_err mw_csv_open(struct mw_csv **csv, const char *path, struct mw_csv_format format,
                   struct mw_error *error);
/* The same on memory that is borrowed until mw_csv_close. */
mw_err mw_csv_open_memory(struct mw_csv **csv, const char *name, const void *data, size_t size,
                          struct mw_csv_format format, struct mw_error *error);
void mw_csv_close(struct mw_csv *csv);

size_t mw_csv_columns(const struct mw_csv *csv);
struct mw_span mw_csv_name(const struct mw_csv *csv, size_t column);
/* Finds a column; NOT_FOUND says which file, which column, and the nearest name that is there. */
mw_err mw_csv_column(const struct mw_csv *csv, const char *name, size_t *column,
                     struct mw_error *error);

/* Moves to the next row. MW_ERR_AGAIN at the end of the file (no error text). Empty lines are
 * skipped. After PARSE for a ragged row the next call goes on behind it; other errors come again.
 * Blocks while the file does. */
mw_err mw_csv_next(struct mw_csv *csv, struct mw_error *error);
uint64_t mw_csv_line(const struct mw_csv *csv); /* of the current row, from 1 */
uint64_t mw_csv_row(const struct mw_csv *csv);  /* of the current row, from 0, without the header */

/* The current row's field, unquoted, borrowed until the next row. */
struct mw_span mw_csv_text(const struct mw_csv *csv, size_t column);
/* As a finite number; also +1, .5, 5. and leading zeros. Errors: PARSE, RANGE. */
mw_err mw_csv_number(const struct mw_csv *csv, size_t column, double *value,
                     struct mw_error *error);
/* As a time: a number of seconds since 1970, or a date as mw_clock_parse takes it. */
mw_err mw_csv_time(const struct mw_csv *csv, size_t column, int64_t *microseconds,
                   struct mw_error *error);

#endif
