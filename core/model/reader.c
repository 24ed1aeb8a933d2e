#include "core/model/reader.h"

#include <float.h>

#define IDENTIFIER "TFL3"

size_t mw_type_size(enum mw_type type)
{
    switch (type) {
    case MW_TYPE_FLOAT32:
    case MW_TYPE_INT32:
        return 4;
    case MW_TYPE_INT64:
        return 8;
    case MW_TYPE_INT16:
        return 2;
    case MW_TYPE_UINT8:
    case MW_TYPE_BOOL:
    case MW_TYPE_INT8:
        return 1;
    }
    return 0;
}

static bool indices_inside(const struct mw_vector *indices, size_t count, int32_t lowest)
{
    for (size_t i = 0; i < indices->count; i++) {
        const int32_t index = mw_vector_i32(indices, i);
        if (index < lowest || (index >= 0 && (size_t)index >= count)) {
            return false;
        }
    }
    return true;
}

mw_err mw_reader_open(const void *file, size_t size, struct mw_reader *reader, struct mw_why *why)
{
    struct mw_table model;
    struct mw_table graph;
    struct mw_vector subgraphs;

    reader->file = (struct mw_span){file, size};
    if (size > MW_FLATBUFFER_SIZE_MAX) {
        return mw_fail(why, MW_ERR_TOO_LARGE, "a model file of more than 2 GiB", 0);
    }
    if (!mw_table_root(reader->file, IDENTIFIER, &model)) {
        return mw_fail(why, MW_ERR_PARSE, "not a .tflite file", 0);
    }
    if (!mw_table_vector(&model, 1, 4, &reader->codes) ||
        !mw_table_vector(&model, 2, 4, &subgraphs) ||
        !mw_table_vector(&model, 4, 4, &reader->buffers)) {
        return mw_fail(why, MW_ERR_PARSE, "the model table is malformed", model.at);
    }
    if (subgraphs.count != 1) {
        return mw_fail(why, MW_ERR_UNSUPPORTED, "not exactly one subgraph", subgraphs.count);
    }
    if (!mw_vector_table(&subgraphs, 0, &graph) ||
        !mw_table_vector(&graph, 0, 4, &reader->tensors) ||
        !mw_table_vector(&graph, 1, 4, &reader->inputs) ||
        !mw_table_vector(&graph, 2, 4, &reader->outputs) ||
        !mw_table_vector(&graph, 3, 4, &reader->operators)) {
        return mw_fail(why, MW_ERR_PARSE, "the subgraph table is malformed", subgraphs.at);
    }
    if (!indices_inside(&reader->inputs, reader->tensors.count, 0) ||
        !indices_inside(&reader->outputs, reader->tensors.count, 0)) {
        return mw_fail(why, MW_ERR_PARSE, "the subgraph names a tensor that is not there",
                       graph.at);
    }
    return MW_OK;
}

/* Reads rank, shape, count and bytes. */
static mw_err read_shape(const struct mw_table *table, size_t i, struct mw_tensor *tensor,
                         struct mw_why *why)
{
    const size_t width = mw_type_size(tensor->type);
    struct mw_vector shape;

    if (!mw_table_vector(table, 0, 4, &shape)) {
        return mw_fail(why, MW_ERR_PARSE, "a tensor's shape is malformed", i);
    }
    if (shape.count > MW_MODEL_RANK_MAX) {
        return mw_fail(why, MW_ERR_UNSUPPORTED, "a tensor has more than 4 dimensions", i);
    }
    tensor->rank = (uint32_t)shape.count;
    tensor->count = 1;
    for (size_t d = 0; d < shape.count; d++) {
        const int32_t extent = mw_vector_i32(&shape, d);
        if (extent < 1) {
            return mw_fail(why, MW_ERR_UNSUPPORTED, "a tensor's shape is not known or empty", i);
        }
        if ((size_t)extent > MW_FLATBUFFER_SIZE_MAX / width / tensor->count) {
            return mw_fail(why, MW_ERR_TOO_LARGE, "a tensor of more than 2 GiB", i);
        }
        tensor->shape[d] = extent;
        tensor->count *= (size_t)extent;
    }
    tensor->bytes = tensor->count * width;
    return MW_OK;
}

/* The range that a zero point of that type lies in. */
static bool zero_point_fits(enum mw_type type, int64_t zero_point)
{
    switch (type) {
    case MW_TYPE_INT8:
        return zero_point >= INT8_MIN && zero_point <= INT8_MAX;
    case MW_TYPE_UINT8:
        return zero_point >= 0 && zero_point <= UINT8_MAX;
    case MW_TYPE_INT16:
        return zero_point >= INT16_MIN && zero_point <= INT16_MAX;
    case MW_TYPE_FLOAT32:
    case MW_TYPE_INT32:
    case MW_TYPE_INT64:
    case MW_TYPE_BOOL:
        break;
    }
    return zero_point == 0;
}

static mw_err read_quantization(const struct mw_table *table, size_t i, struct mw_operand *operand,
                                struct mw_why *why)
{
    struct mw_table quantization;
    struct mw_vector *scales = &operand->scales;
    struct mw_vector *zeros = &operand->zero_points;

    if (!mw_table_table(table, 4, &quantization) || !mw_table_vector(&quantization, 2, 4, scales) ||
        !mw_table_vector(&quantization, 3, 8, zeros) ||
        !mw_table_i32(&quantization, 6, 0, &operand->channel_axis)) {
        return mw_fail(why, MW_ERR_PARSE, "a tensor's quantization is malformed", i);
    }
    if (scales->count == 0 || operand->tensor.type == MW_TYPE_FLOAT32) {
        scales->count = 0;
        zeros->count = 0;
        return MW_OK;
    }
    if (zeros->count != 0 && zeros->count != scales->count) {
        return mw_fail(why, MW_ERR_PARSE, "a tensor has not as many zero points as scales", i);
    }
    for (size_t k = 0; k < scales->count; k++) {
        const float scale = mw_vector_f32(scales, k);
        if (!(scale > 0.0F && scale <= FLT_MAX)) {
            return mw_fail(why, MW_ERR_PARSE, "a tensor's scale is not a positive number", i);
        }
    }
    for (size_t k = 0; k < zeros->count; k++) {
        if (!zero_point_fits(operand->tensor.type, mw_vector_i64(zeros, k))) {
            return mw_fail(why, MW_ERR_PARSE, "a tensor's zero point is out of range", i);
        }
    }
    operand->tensor.scale = mw_vector_f32(scales, 0);
    operand->tensor.zero_point = zeros->count == 0 ? 0 : (int32_t)mw_vector_i64(zeros, 0);
    return MW_OK;
}

/* Finds a constant's bytes; an activation has none. */
static mw_err read_data(const struct mw_reader *reader, const struct mw_table *table, size_t i,
                        struct mw_operand *operand, struct mw_why *why)
{
    uint32_t index;
    uint64_t outside;
    struct mw_table buffer;
    struct mw_vector data;

    if (!mw_table_u32(table, 2, 0, &index) ||
        (index == 0 ? false : index >= reader->buffers.count)) {
        return mw_fail(why, MW_ERR_PARSE, "a tensor's buffer is not there", i);
    }
    if (reader->buffers.count == 0) {
        return MW_OK;
    }
    if (!mw_vector_table(&reader->buffers, index, &buffer) ||
        !mw_table_vector(&buffer, 0, 1, &data) || !mw_table_u64(&buffer, 1, 0, &outside)) {
        return mw_fail(why, MW_ERR_PARSE, "a tensor's buffer is malformed", i);
    }
    if (outside > 1) {
        return mw_fail(why, MW_ERR_UNSUPPORTED, "a tensor's data is outside of the FlatBuffer", i);
    }
    if (data.count == 0) {
        return MW_OK;
    }
    if (data.count != operand->tensor.bytes) {
        return mw_fail(why, MW_ERR_PARSE, "a constant has not the bytes that its shape says", i);
    }
    operand->constant = true;
    /* Never written through: nothing but an activation is an operator's output. */
    operand->tensor.data = (void *)(uintptr_t)(reader->file.data + data.at);
    return MW_OK;
}

mw_err mw_reader_tensor(const struct mw_reader *reader, size_t i, struct mw_operand *operand,
                        struct mw_why *why)
{
    struct mw_table table;
    struct mw_table sparsity;
    uint8_t type;
    uint8_t is_variable;
    mw_err err;

    *operand = (struct mw_operand){.present = true};
    if (!mw_vector_table(&reader->tensors, i, &table) || !mw_table_u8(&table, 1, 0, &type) ||
        !mw_table_u8(&table, 5, 0, &is_variable) || !mw_table_table(&table, 6, &sparsity) ||
        !mw_table_string(&table, 3, &operand->tensor.name)) {
        return mw_fail(why, MW_ERR_PARSE, "a tensor's table is malformed", i);
    }
    operand->tensor.type = (enum mw_type)type;
    if (mw_type_size(operand->tensor.type) == 0) {
        return mw_fail(why, MW_ERR_UNSUPPORTED, "a tensor's element type", i);
    }
    if (is_variable != 0) {
        return mw_fail(why, MW_ERR_UNSUPPORTED, "a tensor that keeps its value between runs", i);
    }
    if (sparsity.at != 0) {
        return mw_fail(why, MW_ERR_UNSUPPORTED, "a sparse tensor", i);
    }
    err = read_shape(&table, i, &operand->tensor, why);
    if (err == MW_OK) {
        err = read_quantization(&table, i, operand, why);
    }
    return err == MW_OK ? read_data(reader, &table, i, operand, why) : err;
}

mw_err mw_reader_call(const struct mw_reader *reader, size_t i, struct mw_call *call,
                      struct mw_why *why)
{
    struct mw_table table;
    struct mw_table code;
    uint32_t index;
    uint8_t old_code;

    if (!mw_vector_table(&reader->operators, i, &table) || !mw_table_u32(&table, 0, 0, &index) ||
        !mw_table_vector(&table, 1, 4, &call->inputs) ||
        !mw_table_vector(&table, 2, 4, &call->outputs) ||
        !mw_table_u8(&table, 3, 0, &call->options_type) ||
        !mw_table_table(&table, 4, &call->options)) {
        return mw_fail(why, MW_ERR_PARSE, "an operator's table is malformed", i);
    }
    if (!mw_vector_table(&reader->codes, index, &code) || !mw_table_u8(&code, 0, 0, &old_code) ||
        !mw_table_string(&code, 1, &call->custom) || !mw_table_i32(&code, 2, 1, &call->version) ||
        !mw_table_i32(&code, 3, 0, &call->code)) {
        return mw_fail(why, MW_ERR_PARSE, "an operator's code is not there", i);
    }
    if (call->code < (int8_t)old_code) {
        call->code = (int8_t)old_code;
    }
    if (!indices_inside(&call->inputs, reader->tensors.count, -1) ||
        !indices_inside(&call->outputs, reader->tensors.count, 0)) {
        return mw_fail(why, MW_ERR_PARSE, "an operator names a tensor that is not there", i);
    }
    return MW_OK;
}
