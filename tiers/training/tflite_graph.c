#include "tiers/training/tflite_graph.h"

#include <stdlib.h>
#include <string.h>

#define DATA_ALIGN 16 /* force_align of Buffer.data in the schema */

/* BuiltinOperator, its version, and BuiltinOptions, as the schema numbers them. */
static const struct {
    uint8_t builtin, version, options;
} op_table[MW_TFLITE_OPS] = {
    [MW_TFLITE_ADD] = {0, 1, 11},
    [MW_TFLITE_DEQUANTIZE] = {6, 2, 38},
    [MW_TFLITE_DEQUANTIZE_INT16] = {6, 3, 38},
    [MW_TFLITE_DIV] = {42, 1, 29},
    [MW_TFLITE_FULLY_CONNECTED] = {9, 1, 8},
    [MW_TFLITE_FULLY_CONNECTED_INT8] = {9, 12, 8},
    [MW_TFLITE_LOGISTIC_INT16] = {14, 3, 0},
    [MW_TFLITE_MEAN] = {40, 1, 27},
    [MW_TFLITE_MUL] = {18, 1, 21},
    [MW_TFLITE_QUANTIZE] = {114, 1, 89},
    [MW_TFLITE_QUANTIZE_INT16] = {114, 2, 89},
    [MW_TFLITE_SQUARED_DIFFERENCE] = {99, 1, 76},
    [MW_TFLITE_SUB] = {41, 1, 28},
};

/* Appends a reference to one of the lists; false when it is full. */
static bool append(struct mw_tflite *file, uint32_t *list, size_t *n, size_t most,
                   uint32_t reference)
{
    if (*n == most) {
        file->overflow = true;
        return false;
    }
    list[(*n)++] = reference;
    return true;
}

/* A Buffer; its number. Number 0 is the empty one that computed tensors share. */
static uint32_t add_buffer(struct mw_tflite *file, const void *data, size_t bytes)
{
    uint32_t content = 0;
    if (data != NULL) {
        content = mw_flat_vector(&file->flat, data, bytes, 1, DATA_ALIGN);
    }
    mw_flat_open(&file->flat);
    mw_flat_reference(&file->flat, 0, content);
    uint32_t reference = mw_flat_close(&file->flat);
    bool added = append(file, file->buffer, &file->buffers, MW_TFLITE_MOST, reference);
    return added ? (uint32_t)file->buffers - 1 : 0;
}

void mw_tflite_begin(struct mw_tflite *file)
{
    *file = (struct mw_tflite){0};
    (void)add_buffer(file, NULL, 0);
}

static size_t type_size(enum mw_type type)
{
    switch (type) {
    case MW_TYPE_FLOAT32:
    case MW_TYPE_INT32:
        return 4;
    case MW_TYPE_INT16:
        return 2;
    case MW_TYPE_INT64:
        return 8;
    case MW_TYPE_UINT8:
    case MW_TYPE_BOOL:
    case MW_TYPE_INT8:
        return 1;
    }
    return 1;
}

static uint32_t add_quantization(struct mw_tflite *file, const struct mw_tflite_tensor *tensor)
{
    int64_t *zero = calloc(tensor->n_scales, sizeof *zero);
    if (zero == NULL) {
        file->flat.failed = true;
        return 0;
    }
    for (size_t i = 0; i < tensor->n_scales; i++) {
        zero[i] = tensor->n_scales == 1 ? tensor->zero_point : 0;
    }
    uint32_t scales = mw_flat_vector(&file->flat, tensor->scales, tensor->n_scales, 4, 4);
    uint32_t zeros = mw_flat_vector(&file->flat, zero, tensor->n_scales, 8, 8);
    free(zero);
    mw_flat_open(&file->flat);
    mw_flat_reference(&file->flat, 2, scales);
    mw_flat_reference(&file->flat, 3, zeros);
    return mw_flat_close(&file->flat);
}

int32_t mw_tflite_add_tensor(struct mw_tflite *file, const struct mw_tflite_tensor *tensor)
{
    size_t bytes = type_size(tensor->type);
    for (size_t i = 0; i < tensor->rank; i++) {
        bytes *= (size_t)tensor->shape[i];
    }
    uint32_t number = tensor->data == NULL ? 0 : add_buffer(file, tensor->data, bytes);
    uint32_t quantization = tensor->scales == NULL ? 0 : add_quantization(file, tensor);
    uint32_t name = mw_flat_text(&file->flat, tensor->name);
    uint32_t shape = mw_flat_vector(&file->flat, tensor->shape, tensor->rank, 4, 4);
    mw_flat_open(&file->flat);
    mw_flat_reference(&file->flat, 0, shape);
    mw_flat_u32(&file->flat, 2, number);
    mw_flat_reference(&file->flat, 3, name);
    mw_flat_reference(&file->flat, 4, quantization);
    mw_flat_u8(&file->flat, 1, (uint8_t)tensor->type);
    uint32_t reference = mw_flat_close(&file->flat);
    (void)append(file, file->tensor, &file->tensors, MW_TFLITE_MOST, reference);
    return (int32_t)file->tensors - 1;
}

void mw_tflite_add_metadata(struct mw_tflite *file, const char *name, const void *data, size_t n)
{
    uint32_t number = add_buffer(file, data, n);
    uint32_t text = mw_flat_text(&file->flat, name);
    mw_flat_open(&file->flat);
    mw_flat_reference(&file->flat, 0, text);
    mw_flat_u32(&file->flat, 1, number);
    uint32_t reference = mw_flat_close(&file->flat);
    (void)append(file, file->metadata, &file->entries,
                 sizeof file->metadata / sizeof *file->metadata, reference);
}

static uint32_t add_options(struct mw_tflite *file, enum mw_tflite_op op, bool relu)
{
    if (op_table[op].options == 0) {
        return 0;
    }
    mw_flat_open(&file->flat);
    if (relu) {
        mw_flat_u8(&file->flat, 0, 1); /* fused_activation_function: RELU */
    } else if (op == MW_TFLITE_MEAN) {
        mw_flat_u8(&file->flat, 0, 1); /* keep_dims */
    }
    return mw_flat_close(&file->flat);
}

void mw_tflite_add_operator(struct mw_tflite *file, enum mw_tflite_op op, const int32_t *inputs,
                            size_t n, int32_t output, bool relu)
{
    if (file->place[op] == 0) {
        file->place[op] = ++file->codes;
    }
    uint32_t options = add_options(file, op, relu);
    uint32_t in = mw_flat_vector(&file->flat, inputs, n, 4, 4);
    uint32_t out = mw_flat_vector(&file->flat, &output, 1, 4, 4);
    mw_flat_open(&file->flat);
    mw_flat_u32(&file->flat, 0, file->place[op] - 1);
    mw_flat_reference(&file->flat, 1, in);
    mw_flat_reference(&file->flat, 2, out);
    mw_flat_reference(&file->flat, 4, options);
    if (options != 0) {
        mw_flat_u8(&file->flat, 3, op_table[op].options);
    }
    uint32_t reference = mw_flat_close(&file->flat);
    (void)append(file, file->operation, &file->operations, MW_TFLITE_MOST, reference);
}

static uint32_t end_subgraph(struct mw_tflite *file, int32_t input, int32_t output)
{
    struct mw_flat *flat = &file->flat;
    uint32_t name = mw_flat_text(flat, "main");
    uint32_t in = mw_flat_vector(flat, &input, 1, 4, 4);
    uint32_t out = mw_flat_vector(flat, &output, 1, 4, 4);
    uint32_t tensors = mw_flat_references(flat, file->tensor, file->tensors);
    uint32_t operators = mw_flat_references(flat, file->operation, file->operations);
    mw_flat_open(flat);
    mw_flat_reference(flat, 0, tensors);
    mw_flat_reference(flat, 1, in);
    mw_flat_reference(flat, 2, out);
    mw_flat_reference(flat, 3, operators);
    mw_flat_reference(flat, 4, name);
    return mw_flat_close(flat);
}

static uint32_t end_codes(struct mw_tflite *file)
{
    uint32_t codes[MW_TFLITE_OPS] = {0};
    for (size_t op = 0; op < MW_TFLITE_OPS; op++) {
        if (file->place[op] == 0) {
            continue;
        }
        mw_flat_open(&file->flat);
        mw_flat_u32(&file->flat, 2, op_table[op].version);
        mw_flat_u32(&file->flat, 3, op_table[op].builtin);
        mw_flat_u8(&file->flat, 0, op_table[op].builtin); /* where old readers look */
        codes[file->place[op] - 1] = mw_flat_close(&file->flat);
    }
    return mw_flat_references(&file->flat, codes, file->codes);
}

mw_err mw_tflite_end(struct mw_tflite *file, int32_t input, int32_t output, struct mw_buffer *out)
{
    struct mw_flat *flat = &file->flat;
    uint32_t graph = end_subgraph(file, input, output);
    uint32_t graphs = mw_flat_references(flat, &graph, 1);
    uint32_t codes = end_codes(file);
    uint32_t buffers = mw_flat_references(flat, file->buffer, file->buffers);
    uint32_t metadata = mw_flat_references(flat, file->metadata, file->entries);
    uint32_t description = mw_flat_text(flat, "millwright " MW_VERSION);
    mw_flat_open(flat);
    mw_flat_u32(flat, 0, 3); /* the schema's version */
    mw_flat_reference(flat, 1, codes);
    mw_flat_reference(flat, 2, graphs);
    mw_flat_reference(flat, 3, description);
    mw_flat_reference(flat, 4, buffers);
    mw_flat_reference(flat, 6, metadata);
    uint32_t root = mw_flat_close(flat);
    const uint8_t *bytes;
    mw_err err = mw_flat_finish(flat, root, "TFL3", &bytes);
    if (err != MW_OK || file->overflow) {
        return err != MW_OK ? err : MW_ERR_TOO_LARGE;
    }
    return mw_buffer_add(out, bytes, flat->used);
}

void mw_tflite_fini(struct mw_tflite *file)
{
    mw_flat_fini(&file->flat);
    *file = (struct mw_tflite){0};
}
