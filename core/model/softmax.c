/* softmax.c - SOFTMAX along the last dimension, on float32 and int8. */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"

#define DIFF_BITS 5 /* integer bits of beta * scale * difference: exp(-32) is nothing */
#define SUM_BITS 12 /* integer bits of the sum of exponentials */

struct softmax {
    size_t rows, depth;
    float beta;
    /* int8: exp(-beta * scale * d) in Q0 for a difference of d to the largest; 0 below the range */
    int32_t power[256];
};

/* Writes a sum in Q12 as s = 2^bits * (1 + a), and gives 1 / (1 + a) in Q0. */
static int32_t reciprocal(int32_t sum, int *bits)
{
    uint32_t x = (uint32_t)sum;
    int leading = 0;

    while (leading < 31 && (x & 0x80000000U) == 0) {
        x <<= 1;
        leading++;
    }
    *bits = SUM_BITS - leading;
    return mw_fixed_reciprocal((int32_t)(x - 0x80000000U));
}

static void row_int8(const struct softmax *softmax, const int8_t *in, int8_t *out)
{
    int32_t sum = 0;
    int8_t largest = INT8_MIN;
    int32_t factor;
    int bits;

    for (size_t i = 0; i < softmax->depth; i++) {
        largest = in[i] > largest ? in[i] : largest;
    }
    for (size_t i = 0; i < softmax->depth; i++) {
        sum = mw_fixed_add(sum, mw_fixed_shr(softmax->power[largest - in[i]], SUM_BITS));
    }
    factor = reciprocal(sum, &bits);
    for (size_t i = 0; i < softmax->depth; i++) {
        const int32_t product = mw_fixed_mul(factor, softmax->power[largest - in[i]]);
        /* More than 31 bits leave nothing; the reference stops there, at sums of 512 and more. */
        const int shift = bits + 31 - 8;
        const int32_t q = (shift > 31 ? 0 : mw_fixed_shr(product, shift)) + INT8_MIN;
        out[i] = (int8_t)mw_fixed_clamp(q, INT8_MIN, INT8_MAX);
    }
}

static void row_float(const struct softmax *softmax, const float *in, float *out)
{
    float largest = in[0];
    float sum = 0.0F;

    for (size_t i = 1; i < softmax->depth; i++) {
        largest = in[i] > largest ? in[i] : largest;
    }
    for (size_t i = 0; i < softmax->depth; i++) {
        out[i] = mw_exp_float((in[i] - largest) * softmax->beta);
        sum += out[i];
    }
    for (size_t i = 0; i < softmax->depth; i++) {
        out[i] /= sum;
    }
}

void mw_softmax_run(const struct mw_node *node)
{
    const struct softmax *softmax = node->state;

    for (size_t r = 0; r < softmax->rows; r++) {
        const size_t at = r * softmax->depth;
        if (node->in[0]->type == MW_TYPE_INT8) {
            row_int8(softmax, (const int8_t *)node->in[0]->data + at,
                     (int8_t *)node->out[0]->data + at);
        } else {
            row_float(softmax, (const float *)node->in[0]->data + at,
                      (float *)node->out[0]->data + at);
        }
    }
}

static mw_err plan_int8(const struct mw_prepare *prepare, struct softmax *softmax)
{
    const struct mw_tensor *out = &prepare->out[0].tensor;
    const double most = 2147483647.0;
    double factor = (double)softmax->beta * (double)prepare->in[0].tensor.scale *
                    (double)(1 << (31 - DIFF_BITS));
    int32_t multiplier;
    int shift;
    int64_t range;

    if (!mw_is_quantized(&prepare->in[0]) || !mw_is_quantized(&prepare->out[0]) ||
        out->scale != 1.0F / 256.0F || out->zero_point != -128) {
        return mw_refuse(prepare, "SOFTMAX on int8 with an output scale other than 1/256");
    }
    factor = factor < most ? factor : most;
    if (!(factor > 1.0)) {
        return mw_refuse(prepare, "SOFTMAX with too small a scale");
    }
    mw_quant_multiplier(factor, &multiplier, &shift);
    range = ((INT64_C(1) << DIFF_BITS) - 1) * (INT64_C(1) << (31 - DIFF_BITS)) >> shift;
    /* The sum is kept in 12 integer bits. */
    if (softmax->depth >= (size_t)1 << SUM_BITS) {
        return mw_refuse(prepare, "SOFTMAX over more than 4095 values");
    }
    for (int32_t d = 0; d < 256; d++) {
        const int32_t scaled = d <= range ? mw_fixed_mul(mw_fixed_shl(-d, shift), multiplier) : 0;
        softmax->power[d] = d <= range ? mw_fixed_exp(scaled, DIFF_BITS) : 0;
    }
    return MW_OK;
}

mw_err mw_softmax_prepare(struct mw_prepare *prepare)
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    const struct mw_tensor *out = &prepare->out[0].tensor;
    struct softmax softmax = {0};
    struct softmax *state;
    mw_err err = mw_check_arity(prepare, 1, 1);

    if (err != MW_OK) {
        return err;
    }
    if (in->rank < 1 || !mw_same_shape(in, out) || in->type != out->type) {
        return mw_refuse(prepare, "SOFTMAX of a scalar, or to another type or shape");
    }
    if (!mw_table_f32(&prepare->options, 0, 0.0F, &softmax.beta)) {
        return mw_fail(prepare->why, MW_ERR_PARSE, "an operator's options are malformed",
                       prepare->index);
    }
    softmax.depth = (size_t)in->shape[in->rank - 1];
    softmax.rows = in->count / softmax.depth;
    if (in->type == MW_TYPE_INT8) {
        err = plan_int8(prepare, &softmax);
    } else if (in->type != MW_TYPE_FLOAT32) {
        err = mw_refuse(prepare, "SOFTMAX on this element type");
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    if (err == MW_OK && state != NULL) {
        *state = softmax;
    }
    prepare->state = state;
    return err;
}
