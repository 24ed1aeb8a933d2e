/* csv_internal.h - the open file and its scanner; see csv.h. */
#ifndef MW_BASE_CSV_INTERNAL_H
#define MW_BASE_CSV_INTERNAL_H

#include "lib/base/csv.h"
#include "lib/base/file.h"

#define MW_CSV_LINE_LIMIT ((size_t)1048576) /* bytes of a row with its line end */
#define MW_CSV_COLUMN_LIMIT ((size_t)65536)

/* A file is read in blocks into `owned`; a row is always whole in it, so that fields are spans into
 * it. Only a quoted field with doubled quotes is rewritten, into `unquoted`, which is made at its
 * full size once so that spans into it stay good. */
struct mw_csv {
    char *path;
    int fd; /* -1: memory */
    struct mw_csv_format format;
    bool stop[256]; /* bytes that end an unquoted field */
    const char *data;
    size_t at, size; /* the next row starts at `at` */
    bool eof;        /* nothing comes behind data + size */
    char *owned;
    size_t capacity;
    struct mw_buffer unquoted;
    struct mw_span *field;
    size_t fields, field_capacity; /* fields: those of the row that was scanned, kept or not */
    size_t columns;                /* 0 until the first row was seen */
    struct mw_span *name;          /* columns of them, into names */
    struct mw_buffer names;
    uint64_t line, next_line; /* of the current row; of data + at */
    uint64_t rows;            /* rows given out */
};

/* Scans the row at `at` into field, without moving: *size is its bytes with the line end, *lines
 * the lines it takes. AGAIN at the end of the file. Before the first row (columns is 0) all fields
 * are kept, later as many as there are columns. */
mw_err mw_csv_scan(struct mw_csv *csv, size_t *size, uint64_t *lines, struct mw_error *error);

/* Makes the buffer hold more of the file behind `at`; sets eof at its end. */
mw_err mw_csv_fill(struct mw_csv *csv, struct mw_error *error);

/* Sets the delimiter, finding it from the first lines when the format leaves it open. */
mw_err mw_csv_set_delimiter(struct mw_csv *csv, struct mw_error *error);

/* "FILE:LINE: column NAME: " before the message; columns without a name go by number. */
mw_err mw_csv_fail(const struct mw_csv *csv, uint64_t line, size_t column, mw_err code,
                   struct mw_error *error, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif
