#include "core/model/op.h"

#include "core/model/kernels.h"
#include "core/model/quantize.h"

#include <float.h>

/* BuiltinOptions of the schema. */
enum {
    OPTIONS_NONE = 0,
    OPTIONS_FULLY_CONNECTED = 8,
    OPTIONS_SOFTMAX = 9,
    OPTIONS_ADD = 11,
    OPTIONS_RESHAPE = 17,
    OPTIONS_MUL = 21,
    OPTIONS_REDUCER = 27,
    OPTIONS_SUB = 28,
    OPTIONS_DIV = 29,
    OPTIONS_DEQUANTIZE = 38,
    OPTIONS_MAXIMUM_MINIMUM = 39,
    OPTIONS_SQUARED_DIFFERENCE = 76,
    OPTIONS_QUANTIZE = 89
};

/* A new operator is one line here and its file. Later versions of an operator add types, which its
 * prepare refuses by themselves; the highest version guards against a change of meaning. */
static const struct mw_op op_table[] = {
    {MW_OP_ADD, "ADD", 5, OPTIONS_ADD, mw_binary_prepare, mw_binary_run},
    {MW_OP_DEQUANTIZE, "DEQUANTIZE", 6, OPTIONS_DEQUANTIZE, mw_dequantize_prepare,
     mw_dequantize_run},
    {MW_OP_FULLY_CONNECTED, "FULLY_CONNECTED", 12, OPTIONS_FULLY_CONNECTED,
     mw_fully_connected_prepare, mw_fully_connected_run},
    {MW_OP_LOGISTIC, "LOGISTIC", 3, OPTIONS_NONE, mw_sigmoid_prepare, mw_sigmoid_run},
    {MW_OP_MUL, "MUL", 7, OPTIONS_MUL, mw_binary_prepare, mw_binary_run},
    {MW_OP_RELU, "RELU", 3, OPTIONS_NONE, mw_relu_prepare, mw_relu_run},
    {MW_OP_RELU_N1_TO_1, "RELU_N1_TO_1", 1, OPTIONS_NONE, mw_relu_prepare, mw_relu_run},
    {MW_OP_RELU6, "RELU6", 3, OPTIONS_NONE, mw_relu_prepare, mw_relu_run},
    {MW_OP_RESHAPE, "RESHAPE", 1, OPTIONS_RESHAPE, mw_reshape_prepare, mw_reshape_run},
    {MW_OP_SOFTMAX, "SOFTMAX", 3, OPTIONS_SOFTMAX, mw_softmax_prepare, mw_softmax_run},
    {MW_OP_TANH, "TANH", 3, OPTIONS_NONE, mw_sigmoid_prepare, mw_sigmoid_run},
    {MW_OP_MEAN, "MEAN", 3, OPTIONS_REDUCER, mw_mean_prepare, mw_mean_run},
    {MW_OP_SUB, "SUB", 5, OPTIONS_SUB, mw_binary_prepare, mw_binary_run},
    {MW_OP_DIV, "DIV", 2, OPTIONS_DIV, mw_binary_prepare, mw_binary_run},
    {MW_OP_MAXIMUM, "MAXIMUM", 4, OPTIONS_MAXIMUM_MINIMUM, mw_binary_prepare, mw_binary_run},
    {MW_OP_MINIMUM, "MINIMUM", 4, OPTIONS_MAXIMUM_MINIMUM, mw_binary_prepare, mw_binary_run},
    {MW_OP_SQUARED_DIFFERENCE, "SQUARED_DIFFERENCE", 3, OPTIONS_SQUARED_DIFFERENCE,
     mw_binary_prepare, mw_binary_run},
    {MW_OP_QUANTIZE, "QUANTIZE", 3, OPTIONS_QUANTIZE, mw_quantize_prepare, mw_quantize_run},
};

const struct mw_op *mw_op_find(int32_t code)
{
    for (size_t i = 0; i < sizeof op_table / sizeof op_table[0]; i++) {
        if ((int32_t)op_table[i].code == code) {
            return &op_table[i];
        }
    }
    return NULL;
}

void *mw_carve(struct mw_carver *carver, size_t count, size_t width)
{
    const size_t most = SIZE_MAX / 4;
    const size_t at = carver->used;
    size_t bytes;

    if (carver->overflow || at > most || count > most / width) {
        carver->overflow = true;
        return NULL;
    }
    bytes = (count * width + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
    carver->used += bytes;
    if (carver->base == NULL) {
        return NULL;
    }
    if (carver->used > carver->size) {
        carver->overflow = true;
        return NULL;
    }
    return carver->base + at;
}

mw_err mw_refuse(const struct mw_prepare *prepare, const char *text)
{
    return mw_fail(prepare->why, MW_ERR_UNSUPPORTED, text, prepare->index);
}

mw_err mw_check_arity(const struct mw_prepare *prepare, size_t required, size_t most)
{
    if (prepare->inputs < required || prepare->inputs > most || prepare->outputs != 1) {
        return mw_fail(prepare->why, MW_ERR_PARSE, "an operator's number of tensors is wrong",
                       prepare->index);
    }
    for (size_t i = 0; i < required; i++) {
        if (!prepare->in[i].present) {
            return mw_fail(prepare->why, MW_ERR_PARSE, "an operator lacks an input",
                           prepare->index);
        }
    }
    return MW_OK;
}

bool mw_same_shape(const struct mw_tensor *a, const struct mw_tensor *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (uint32_t d = 0; d < a->rank; d++) {
        if (a->shape[d] != b->shape[d]) {
            return false;
        }
    }
    return true;
}

bool mw_is_quantized(const struct mw_operand *operand)
{
    return operand->scales.count == 1;
}

mw_err mw_fused_range_float(const struct mw_prepare *prepare, uint8_t fused, float *lo, float *hi)
{
    *lo = -FLT_MAX;
    *hi = FLT_MAX;
    switch (fused) {
    case MW_FUSED_NONE:
        return MW_OK;
    case MW_FUSED_RELU:
        *lo = 0.0F;
        return MW_OK;
    case MW_FUSED_RELU_N1_TO_1:
        *lo = -1.0F;
        *hi = 1.0F;
        return MW_OK;
    case MW_FUSED_RELU6:
        *lo = 0.0F;
        *hi = 6.0F;
        return MW_OK;
    default:
        return mw_refuse(prepare, "a fused activation other than RELU, RELU6 and RELU_N1_TO_1");
    }
}

void mw_int_range(enum mw_type type, int32_t *lo, int32_t *hi)
{
    if (type == MW_TYPE_INT16) {
        *lo = INT16_MIN;
        *hi = INT16_MAX;
    } else if (type == MW_TYPE_UINT8) {
        *lo = 0;
        *hi = UINT8_MAX;
    } else {
        *lo = INT8_MIN;
        *hi = INT8_MAX;
    }
}

mw_err mw_fused_range_int(const struct mw_prepare *prepare, uint8_t fused, int32_t *lo, int32_t *hi)
{
    const struct mw_tensor *out = &prepare->out[0].tensor;
    int32_t type_lo;
    int32_t type_hi;
    float real_lo;
    float real_hi;
    const mw_err err = mw_fused_range_float(prepare, fused, &real_lo, &real_hi);

    if (err != MW_OK) {
        return err;
    }
    mw_int_range(out->type, &type_lo, &type_hi);
    *lo = type_lo;
    *hi = type_hi;
    if (real_lo > -FLT_MAX) {
        *lo = mw_quant_value(real_lo, out->scale, out->zero_point, type_lo, INT32_MAX);
    }
    if (real_hi < FLT_MAX) {
        *hi = mw_quant_value(real_hi, out->scale, out->zero_point, INT32_MIN, type_hi);
    }
    return *lo <= *hi ? MW_OK
                      : mw_refuse(prepare, "a fused activation outside of the output's range");
}

mw_err mw_op_multiplier(const struct mw_prepare *prepare, double real, int32_t *multiplier,
                        int *shift)
{
    mw_quant_multiplier(real, multiplier, shift);
    return *shift <= 30 ? MW_OK : mw_refuse(prepare, "scales of an operator are too far apart");
}
