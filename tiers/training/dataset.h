/* dataset.h - labelled records as a matrix, from a CSV file.
 *
 * Features are float32 in raw units, row by row: exactly what the model's input will see. Beside
 * them, where the file has the columns: the label, the weight of a record (1/p, p its probability
 * of having been forwarded), its machine, its time, and the side of a split that somebody else has
 * made. */
#ifndef MW_TRAINING_DATASET_H
#define MW_TRAINING_DATASET_H

#include "lib/base/error.h"
#include "lib/base/options.h"

#include <stddef.h>
#include <stdint.h>

#define MW_DATASET_FEATURES_MAX 1024

/* Owned by the caller; {0} is empty. Arrays have `rows` elements where nothing else is said. */
struct mw_dataset {
    size_t rows, columns;
    char **names;      /* columns */
    float *x;          /* rows * columns, row by row; finite */
    uint8_t *label;    /* 1 positive, 0 negative; NULL without labels */
    double *weight;    /* > 0; NULL: all 1 */
    uint32_t *machine; /* index into machines; NULL: unknown */
    char **machines;   /* n_machines, in order of first appearance */
    size_t n_machines;
    int64_t *time;     /* microseconds UTC, or whatever unit the column counts in; NULL: unknown */
    uint8_t *held_out; /* 1: for validation; NULL: not decided in the file */
};

/* Which columns hold what; a NULL or empty name means that the file has no such column. */
struct mw_dataset_columns {
    const char *label;       /* 0 or 1 */
    const char *weight;      /* > 0 */
    const char *machine;     /* any text */
    const char *time;        /* seconds (any monotonic count will do), or an ISO date */
    const char *split;       /* "train" or "validation"; 0 or 1 */
    struct mw_list features; /* empty: every other column whose first value is a number */
};

/* Reads the whole file. Errors carry FILE:LINE and the column: PARSE, NOT_FOUND (with the nearest
 * name), RANGE (label not 0 or 1, weight not above 0, more than MW_DATASET_FEATURES_MAX features),
 * MEMORY, and PARSE when there is no row. On an error *dataset is empty. */
mw_err mw_dataset_read(struct mw_dataset *dataset, const char *path,
                       const struct mw_dataset_columns *columns, struct mw_error *error);
void mw_dataset_clear(struct mw_dataset *dataset);

/* The weight of a row: 1 where the file has none. */
double mw_dataset_weight(const struct mw_dataset *dataset, size_t row);

#endif
