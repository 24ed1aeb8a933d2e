/* bench_logistic FILE L2 REPEATS: CPU seconds of one fit of the trainer's logistic regression.
 *
 * FILE: u32 rows, u32 columns, float32 rows * columns, row by row, and a byte 0 or 1 a row. Prints
 * JSON: seconds (the median fit), loss and iterations. */
#include "tiers/training/logistic.h"
#include "bench/clock.h"

#include <stdio.h>

struct table {
    uint32_t rows, columns;
    float *z;
    uint8_t *label;
};

static int read_table(struct table *table, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    int status = -1;
    if (fread(&table->rows, sizeof table->rows, 1, file) == 1 &&
        fread(&table->columns, sizeof table->columns, 1, file) == 1) {
        size_t n = (size_t)table->rows * table->columns;
        table->z = malloc(n * sizeof *table->z);
        table->label = malloc(table->rows);
        if (table->z != NULL && table->label != NULL &&
            fread(table->z, sizeof *table->z, n, file) == n &&
            fread(table->label, 1, table->rows, file) == table->rows) {
            status = 0;
        }
    }
    (void)fclose(file);
    return status;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct table table = {0};
    if (argc != 4 || read_table(&table, argv[1]) != 0) {
        fprintf(stderr, "usage: bench_logistic FILE L2 REPEATS\n");
        return 2;
    }
    const struct mw_logistic_options options = {.l2 = strtod(argv[2], NULL)};
    const size_t repeats = strtoul(argv[3], NULL, 10) | 1;
    double *w = calloc(table.columns + 1, sizeof *w);
    double *seconds = calloc(repeats, sizeof *seconds);
    struct mw_logistic_report report = {0};
    struct mw_error error = {0};
    if (w == NULL || seconds == NULL) {
        return 1;
    }
    for (size_t i = 0; i < repeats; i++) {
        double start = bench_cpu();
        if (mw_logistic_fit(table.z, table.label, NULL, table.rows, table.columns, options, w,
                            &report, &error) != MW_OK) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        seconds[i] = bench_cpu() - start;
    }
    qsort(seconds, repeats, sizeof *seconds, compare);
    printf("{\"seconds\":%.6f,\"loss\":%.12f,\"iterations\":%d}\n", seconds[repeats / 2],
           report.loss, report.iterations);
    free(table.z);
    free(table.label);
    free(w);
    free(seconds);
    return 0;
}
