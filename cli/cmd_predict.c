#include "cli/command.h"
#include "core/model/model.h"
#include "core/model/quantize.h"
#include "core/wire/number.h"
#include "lib/base/csv.h"
#include "lib/base/file.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>

#define FILE_MOST ((size_t)256 << 20) /* bytes of a model file */

struct values {
    bool raw, no_header;
};

static const struct mw_option options[] = {
    {"raw", MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, "take and print the tensors' own integers",
     offsetof(struct values, raw)},
    {"no-header", MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL,
     "rows have no header; their columns are the model's, in its order",
     offsetof(struct values, no_header)},
    {.key = NULL},
};

struct predictor {
    const struct values *values;
    struct mw_buffer file;
    void *memory;
    struct mw_model *model;
    struct mw_csv *csv;
    size_t *column; /* of each input element, tensor after tensor */
    size_t n;
    struct mw_error *error;
};

static mw_err open_model(struct predictor *p, const char *path)
{
    struct mw_why why = {0};
    size_t bytes = 0;
    mw_err err = mw_file_read(path, FILE_MOST, &p->file, p->error);
    if (err != MW_OK) {
        return err;
    }
    err = mw_model_size(p->file.data, p->file.size, &bytes, &why);
    if (err == MW_OK) {
        bytes = (bytes + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
        p->memory = aligned_alloc(MW_MODEL_ALIGN, bytes);
        if (p->memory == NULL) {
            return mw_error_set(p->error, MW_ERR_MEMORY, "%s: %zu bytes of memory", path, bytes);
        }
        err = mw_model_init(p->memory, bytes, p->file.data, p->file.size, &p->model, &why);
    }
    if (err != MW_OK) {
        (void)mw_error_why(p->error, err, &why, NULL);
        return mw_error_wrap(p->error, "%s", path);
    }
    for (size_t i = 0; i < mw_model_inputs(p->model); i++) {
        p->n += mw_model_input(p->model, i)->count;
    }
    p->column = calloc(p->n + 1, sizeof *p->column);
    return p->column != NULL ? MW_OK : mw_error_set(p->error, MW_ERR_MEMORY, "%s", path);
}

/* The header names the features: finds each one's column. */
static mw_err place_by_name(struct predictor *p, const char *path)
{
    struct mw_span text;
    if (mw_model_metadata(p->file.data, p->file.size, "millwright.features", &text) != MW_OK) {
        return mw_error_set(p->error, MW_ERR_ARGUMENT,
                            "%s: names no features; give its %zu columns in their order and "
                            "--no-header",
                            path, p->n);
    }
    json_t *names = json_loadb(text.data, text.size, 0, NULL);
    mw_err err = MW_OK;
    if (!json_is_array(names) || json_array_size(names) != p->n) {
        err = mw_error_set(p->error, MW_ERR_PARSE,
                           "%s: millwright.features is not an array of %zu names", path, p->n);
    }
    for (size_t i = 0; err == MW_OK && i < p->n; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL) {
            err = mw_error_set(p->error, MW_ERR_PARSE,
                               "%s: millwright.features holds something that is no name", path);
        } else {
            err = mw_csv_column(p->csv, name, &p->column[i], p->error);
        }
    }
    json_decref(names);
    return err;
}

static mw_err open_rows(struct predictor *p, const char *path)
{
    struct mw_csv_format format = mw_csv_default;
    format.header = !p->values->no_header;
    mw_err err = mw_csv_open(&p->csv, "-", format, p->error);
    if (err != MW_OK) {
        return err;
    }
    if (!p->values->no_header) {
        return place_by_name(p, path);
    }
    if (mw_csv_columns(p->csv) != p->n) {
        return mw_error_set(p->error, MW_ERR_RANGE, "rows have %zu columns; %s takes %zu",
                            mw_csv_columns(p->csv), path, p->n);
    }
    for (size_t i = 0; i < p->n; i++) {
        p->column[i] = i;
    }
    return MW_OK;
}

/* Smallest and largest integer of a type, as doubles that are exact. */
static void limits(enum mw_type type, double *least, double *most)
{
    switch (type) {
    case MW_TYPE_INT8:
        *least = INT8_MIN, *most = INT8_MAX;
        return;
    case MW_TYPE_UINT8:
        *least = 0, *most = UINT8_MAX;
        return;
    case MW_TYPE_INT16:
        *least = INT16_MIN, *most = INT16_MAX;
        return;
    case MW_TYPE_INT32:
        *least = INT32_MIN, *most = INT32_MAX;
        return;
    case MW_TYPE_BOOL:
        *least = 0, *most = 1;
        return;
    case MW_TYPE_INT64:
    case MW_TYPE_FLOAT32:
        break;
    }
    *least = -9007199254740992.0, *most = 9007199254740992.0; /* 2^53 */
}

static void store_integer(const struct mw_tensor *tensor, size_t at, int64_t value)
{
    switch (tensor->type) {
    case MW_TYPE_INT8:
        ((int8_t *)tensor->data)[at] = (int8_t)value;
        break;
    case MW_TYPE_UINT8:
    case MW_TYPE_BOOL:
        ((uint8_t *)tensor->data)[at] = (uint8_t)value;
        break;
    case MW_TYPE_INT16:
        ((int16_t *)tensor->data)[at] = (int16_t)value;
        break;
    case MW_TYPE_INT32:
        ((int32_t *)tensor->data)[at] = (int32_t)value;
        break;
    case MW_TYPE_INT64:
        ((int64_t *)tensor->data)[at] = value;
        break;
    case MW_TYPE_FLOAT32:
        break;
    }
}

static int64_t load_integer(const struct mw_tensor *tensor, size_t at)
{
    switch (tensor->type) {
    case MW_TYPE_INT8:
        return ((const int8_t *)tensor->data)[at];
    case MW_TYPE_UINT8:
    case MW_TYPE_BOOL:
        return ((const uint8_t *)tensor->data)[at];
    case MW_TYPE_INT16:
        return ((const int16_t *)tensor->data)[at];
    case MW_TYPE_INT32:
        return ((const int32_t *)tensor->data)[at];
    case MW_TYPE_INT64:
        return ((const int64_t *)tensor->data)[at];
    case MW_TYPE_FLOAT32:
        break;
    }
    return 0;
}

static mw_err take(struct predictor *p, const struct mw_tensor *tensor, size_t at, size_t column)
{
    double value, least, most;
    mw_err err = mw_csv_number(p->csv, column, &value, p->error);
    if (err != MW_OK) {
        return err;
    }
    if (tensor->type == MW_TYPE_FLOAT32) {
        ((float *)tensor->data)[at] = (float)value;
        return MW_OK;
    }
    limits(tensor->type, &least, &most);
    if (!p->values->raw && tensor->scale != 0.0f) {
        store_integer(tensor, at,
                      mw_quant_value((float)value, tensor->scale, tensor->zero_point,
                                     (int32_t)least, (int32_t)most));
        return MW_OK;
    }
    if (value < least || value > most || value != (double)(int64_t)value) {
        struct mw_span name = mw_csv_name(p->csv, column);
        return mw_error_set(p->error, MW_ERR_RANGE,
                            "stdin:%llu: column %.*s: %.17g is not an integer from %.0f "
                            "to %.0f",
                            (unsigned long long)mw_csv_line(p->csv), (int)name.size, name.data,
                            value, least, most);
    }
    store_integer(tensor, at, (int64_t)value);
    return MW_OK;
}

static void print(const struct predictor *p, const struct mw_tensor *tensor, size_t at)
{
    char text[MW_NUMBER_TEXT];
    if (tensor->type == MW_TYPE_FLOAT32) {
        mw_number_print_f32(text, ((const float *)tensor->data)[at]);
    } else if (!p->values->raw && tensor->scale != 0.0f) {
        int32_t value = (int32_t)load_integer(tensor, at);
        mw_number_print_f32(text, mw_quant_real(value, tensor->scale, tensor->zero_point));
    } else {
        mw_number_print_i64(text, load_integer(tensor, at));
    }
    (void)fputs(text, stdout);
}

static mw_err predict_row(struct predictor *p)
{
    size_t column = 0;
    for (size_t i = 0; i < mw_model_inputs(p->model); i++) {
        const struct mw_tensor *tensor = mw_model_input(p->model, i);
        for (size_t at = 0; at < tensor->count; at++) {
            mw_err err = take(p, tensor, at, p->column[column++]);
            if (err != MW_OK) {
                return err;
            }
        }
    }
    mw_err err = mw_model_run(p->model);
    if (err != MW_OK) {
        return mw_error_set(p->error, err, "run of the model");
    }
    for (size_t i = 0; i < mw_model_outputs(p->model); i++) {
        const struct mw_tensor *tensor = mw_model_output(p->model, i);
        for (size_t at = 0; at < tensor->count; at++) {
            if (i + at > 0) {
                (void)putchar(',');
            }
            print(p, tensor, at);
        }
    }
    (void)putchar('\n');
    return MW_OK;
}

static mw_err predict(struct predictor *p, const char *path)
{
    mw_err err = open_model(p, path);
    if (err == MW_OK) {
        err = open_rows(p, path);
    }
    if (err != MW_OK) {
        return err;
    }
    while ((err = mw_csv_next(p->csv, p->error)) == MW_OK) {
        err = predict_row(p);
        if (err != MW_OK || ferror(stdout)) {
            break;
        }
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return mw_error_errno(p->error, MW_ERR_IO, "standard output");
    }
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    if (n != 1) {
        return mw_error_exit_status(mw_error_set(
            error, MW_ERR_ARGUMENT, "one model file is needed, and rows on standard input"));
    }
    struct predictor p = {.values = values, .error = error};
    mw_err err = predict(&p, argv[0]);
    if (p.csv != NULL) {
        mw_csv_close(p.csv);
    }
    free(p.column);
    free(p.memory);
    mw_buffer_free(&p.file);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_predict = {
    .name = "predict",
    .synopsis = "[--raw] [--no-header] MODEL.tflite < rows.csv",
    .summary = "score rows with any .tflite model, one line a row",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
