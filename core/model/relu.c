/* relu.c - RELU, RELU6 and RELU_N1_TO_1 as operators of their own, on float32 and int8. */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"

struct relu {
    float lo, hi;
    int8_t table[256]; /* the output for input i - 128 */
};

void mw_relu_run(const struct mw_node *node)
{
    const struct relu *relu = node->state;
    const size_t count = node->in[0]->count;

    if (node->in[0]->type == MW_TYPE_INT8) {
        const int8_t *in = node->in[0]->data;
        int8_t *out = node->out[0]->data;
        for (size_t i = 0; i < count; i++) {
            out[i] = relu->table[in[i] + 128];
        }
    } else {
        const float *in = node->in[0]->data;
        float *out = node->out[0]->data;
        for (size_t i = 0; i < count; i++) {
            out[i] = mw_clamp_float(in[i], relu->lo, relu->hi);
        }
    }
}

static enum mw_fused fused_of(enum mw_op_code code)
{
    switch (code) {
    case MW_OP_RELU6:
        return MW_FUSED_RELU6;
    case MW_OP_RELU_N1_TO_1:
        return MW_FUSED_RELU_N1_TO_1;
    default:
        return MW_FUSED_RELU;
    }
}

/* RELU rescales from the input's scale to the output's; RELU6 clamps between the integers of 0 and
 * 6 on the input's scale, and the output must have the same. */
static mw_err fill_table(const struct mw_prepare *prepare, int8_t table[256])
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    const struct mw_tensor *out = &prepare->out[0].tensor;
    const bool same_scale = in->scale == out->scale && in->zero_point == out->zero_point;
    int32_t multiplier;
    int shift;
    int32_t lo;
    int32_t hi;
    mw_err err = mw_fused_range_int(prepare, (uint8_t)fused_of(prepare->op->code), &lo, &hi);

    if (err == MW_OK) {
        err =
            mw_op_multiplier(prepare, (double)in->scale / (double)out->scale, &multiplier, &shift);
    }
    if (err != MW_OK) {
        return err;
    }
    if (prepare->op->code != MW_OP_RELU && !same_scale) {
        return mw_refuse(prepare, "RELU6 from one scale to another");
    }
    for (int32_t q = -128; q < 128; q++) {
        const int32_t scaled = mw_quant_rescale(q - in->zero_point, multiplier, shift);
        const int32_t value = same_scale ? q : mw_fixed_add(scaled, out->zero_point);
        table[q + 128] = (int8_t)mw_fixed_clamp(value, lo, hi);
    }
    return MW_OK;
}

mw_err mw_relu_prepare(struct mw_prepare *prepare)
{
    const enum mw_type type = prepare->in[0].tensor.type;
    struct relu *state;
    struct relu relu;
    mw_err err = mw_check_arity(prepare, 1, 1);

    if (err != MW_OK) {
        return err;
    }
    if (prepare->out[0].tensor.type != type ||
        prepare->in[0].tensor.count != prepare->out[0].tensor.count) {
        return mw_refuse(prepare, "RELU to another type or shape");
    }
    err = mw_fused_range_float(prepare, (uint8_t)fused_of(prepare->op->code), &relu.lo, &relu.hi);
    if (err != MW_OK) {
        return err;
    }
    if (type == MW_TYPE_INT8 && mw_is_quantized(&prepare->in[0]) &&
        mw_is_quantized(&prepare->out[0])) {
        err = fill_table(prepare, relu.table);
    } else if (type != MW_TYPE_FLOAT32) {
        err = mw_refuse(prepare, "RELU on this element type");
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    if (err == MW_OK && state != NULL) {
        *state = relu;
    }
    prepare->state = state;
    return err;
}
