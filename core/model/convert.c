/* convert.c - QUANTIZE (float32 to int8, uint8 or int16; one integer scale to another) and
 * DEQUANTIZE (int8, uint8 or int16 to float32). */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"

struct requantize {
    int32_t multiplier, shift;
};

static inline int32_t load(const struct mw_tensor *tensor, size_t i)
{
    switch (tensor->type) {
    case MW_TYPE_INT16:
        return ((const int16_t *)tensor->data)[i];
    case MW_TYPE_UINT8:
        return ((const uint8_t *)tensor->data)[i];
    default:
        return ((const int8_t *)tensor->data)[i];
    }
}

static inline void store(const struct mw_tensor *tensor, size_t i, int32_t value)
{
    switch (tensor->type) {
    case MW_TYPE_INT16:
        ((int16_t *)tensor->data)[i] = (int16_t)value;
        break;
    case MW_TYPE_UINT8:
        ((uint8_t *)tensor->data)[i] = (uint8_t)value;
        break;
    default:
        ((int8_t *)tensor->data)[i] = (int8_t)value;
        break;
    }
}

void mw_quantize_run(const struct mw_node *node)
{
    const struct requantize *scale = node->state;
    const struct mw_tensor *in = node->in[0];
    const struct mw_tensor *out = node->out[0];
    int32_t lo;
    int32_t hi;

    mw_int_range(out->type, &lo, &hi);
    if (in->type == MW_TYPE_FLOAT32) {
        const float *real = in->data;
        for (size_t i = 0; i < in->count; i++) {
            store(out, i, mw_quant_value(real[i], out->scale, out->zero_point, lo, hi));
        }
        return;
    }
    for (size_t i = 0; i < in->count; i++) {
        const int32_t centred = load(in, i) - in->zero_point;
        const int32_t scaled = mw_quant_rescale(centred, scale->multiplier, scale->shift);
        store(out, i, mw_fixed_clamp(mw_fixed_add(scaled, out->zero_point), lo, hi));
    }
}

void mw_dequantize_run(const struct mw_node *node)
{
    const struct mw_tensor *in = node->in[0];
    float *out = node->out[0]->data;

    for (size_t i = 0; i < in->count; i++) {
        out[i] = mw_quant_real(load(in, i), in->scale, in->zero_point);
    }
}

static bool is_small_integer(enum mw_type type)
{
    return type == MW_TYPE_INT8 || type == MW_TYPE_UINT8 || type == MW_TYPE_INT16;
}

mw_err mw_quantize_prepare(struct mw_prepare *prepare)
{
    const struct mw_operand *in = &prepare->in[0];
    const struct mw_operand *out = &prepare->out[0];
    struct requantize *state;
    struct requantize scale = {0, 0};
    mw_err err = mw_check_arity(prepare, 1, 1);

    if (err != MW_OK) {
        return err;
    }
    if (in->tensor.count != out->tensor.count) {
        return mw_refuse(prepare, "QUANTIZE to another shape");
    }
    if (!is_small_integer(out->tensor.type) || !mw_is_quantized(out) ||
        (in->tensor.type != MW_TYPE_FLOAT32 &&
         (!is_small_integer(in->tensor.type) || !mw_is_quantized(in)))) {
        return mw_refuse(prepare, "QUANTIZE between these types, or with more than one scale");
    }
    if (in->tensor.type != MW_TYPE_FLOAT32) {
        int shift;
        err = mw_op_multiplier(prepare, (double)in->tensor.scale / (double)out->tensor.scale,
                               &scale.multiplier, &shift);
        scale.shift = shift;
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    if (err == MW_OK && state != NULL) {
        *state = scale;
    }
    prepare->state = state;
    return err;
}

mw_err mw_dequantize_prepare(struct mw_prepare *prepare)
{
    const struct mw_operand *in = &prepare->in[0];
    const mw_err err = mw_check_arity(prepare, 1, 1);

    if (err != MW_OK) {
        return err;
    }
    if (in->tensor.count != prepare->out[0].tensor.count) {
        return mw_refuse(prepare, "DEQUANTIZE to another shape");
    }
    if (!is_small_integer(in->tensor.type) || !mw_is_quantized(in) ||
        prepare->out[0].tensor.type != MW_TYPE_FLOAT32) {
        return mw_refuse(prepare, "DEQUANTIZE between these types, or with more than one scale");
    }
    return MW_OK;
}
