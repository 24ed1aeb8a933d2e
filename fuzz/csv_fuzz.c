/* The CSV door: any bytes, in each form that a file may have. The first byte chooses the form. What
 * is read has to lie inside the input or the reader's own memory, and every refusal has to name the
 * file. */
#include "lib/base/csv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Touches every byte, so that the sanitizer sees a span that points elsewhere. */
static void touch(struct mw_span text)
{
    static volatile char seen;
    for (size_t i = 0; i < text.size; i++) {
        seen = text.data[i];
    }
    (void)seen;
}

static void read_row(const struct mw_csv *csv)
{
    struct mw_error error = {0};
    for (size_t i = 0; i < mw_csv_columns(csv); i++) {
        double number;
        int64_t time;
        touch(mw_csv_text(csv, i));
        mw_err err = mw_csv_number(csv, i, &number, &error);
        require(err != MW_OK || (number - number == 0)); /* finite */
        require(err == MW_OK || strncmp(error.text, "f.csv:", 6) == 0);
        err = mw_csv_time(csv, i, &time, &error);
        require(err == MW_OK || strncmp(error.text, "f.csv:", 6) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = {0, ',', ';', '\t', ' ', 0, 0, 0};
    if (size == 0) {
        return 0;
    }
    struct mw_csv_format format = {.delimiter = delimiters[data[0] % 8],
                                   .decimal = (data[0] & 8) != 0 ? ',' : '.',
                                   .header = (data[0] & 16) == 0};
    struct mw_csv *csv;
    struct mw_error error = {0};
    mw_err err = mw_csv_open_memory(&csv, "f.csv", data + 1, size - 1, format, &error);
    if (err != MW_OK) {
        require(csv == NULL && strncmp(error.text, "f.csv:", 6) == 0);
        return 0;
    }
    for (size_t i = 0; i < mw_csv_columns(csv); i++) {
        touch(mw_csv_name(csv, i));
    }
    size_t column;
    (void)mw_csv_column(csv, "temperature", &column, &error);
    uint64_t line = 0;
    for (size_t rows = 0; rows < size; rows++) {
        err = mw_csv_next(csv, &error);
        if (err == MW_OK) {
            require(mw_csv_line(csv) > line);
            line = mw_csv_line(csv);
            read_row(csv);
        } else {
            require(err == MW_ERR_AGAIN || strncmp(error.text, "f.csv:", 6) == 0);
            if (err == MW_ERR_AGAIN) {
                break;
            }
        }
    }
    mw_csv_close(csv);
    return 0;
}
