/* sigmoid.c - LOGISTIC and TANH on float32, int8 and int16.
 *
 * int8: 256 inputs are few, so prepare computes them all in fixed point. int16: linear
 * interpolation between the 256 values of sigmoid_table.h; tanh(x) = 2 sigmoid(2x) - 1 uses the
 * same table. */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"
#include "core/model/sigmoid_table.h"

#define INT8_INTEGER_BITS 4 /* of the fixed-point argument of an int8 sigmoid: |x| < 16 */

struct sigmoid {
    bool tanh;
    int32_t multiplier, shift; /* int16: from the input's scale to steps of 1 / (3 * 4096) */
    int8_t table[256];         /* int8: the output for input i - 128 */
};

/* The table's value at position / 2^bits in 1/65536, with `bits` more bits below. */
static uint32_t interpolate(uint32_t position, int bits, uint32_t beyond)
{
    const uint32_t i = position >> bits;
    const uint32_t fraction = position & ((1U << bits) - 1);
    uint32_t low;

    if (i >= MW_SIGMOID_TABLE_SIZE - 1) {
        return beyond;
    }
    low = mw_sigmoid_table[i];
    return (low << bits) + fraction * (mw_sigmoid_table[i + 1] - low);
}

static int16_t logistic_int16(const struct sigmoid *sigmoid, int32_t x)
{
    const int32_t half = sigmoid->shift > 0 ? 1 << (sigmoid->shift - 1) : 0;
    const int32_t position = (x * sigmoid->multiplier + half) >> sigmoid->shift;
    const uint32_t value =
        interpolate((uint32_t)(position < 0 ? -position : position), 9, 0x7FFFU << 10);

    if (position < 0) {
        return (int16_t)(((1U << 25) - value + (1U << 9) - 1) >> 10);
    }
    return (int16_t)((value + (1U << 9)) >> 10);
}

static int16_t tanh_int16(const struct sigmoid *sigmoid, int32_t x)
{
    const int32_t half = sigmoid->shift > 0 ? 1 << (sigmoid->shift - 1) : 0;
    const int32_t position = (x * sigmoid->multiplier + half) >> sigmoid->shift;
    const int32_t value =
        (int32_t)interpolate((uint32_t)(position < 0 ? -position : position), 8, 0xFFFFU << 8);

    if (position < 0) {
        return (int16_t)((-value + (1 << 23) + (1 << 7) - 1) >> 8);
    }
    return (int16_t)((value - (1 << 23) + (1 << 7)) >> 8);
}

/* The cut-offs are the reference's: above, 1 - exp(-x) is 1 in float32; below, exp(x) is enough. */
static float logistic_float(float x)
{
    if (x > 16.619047164916992F) {
        return 1.0F;
    }
    if (x < -9.0F) {
        return mw_exp_float(x);
    }
    return 1.0F / (1.0F + mw_exp_float(-x));
}

/* An odd polynomial where 1 - exp would cancel. */
static float tanh_float(float x)
{
    const double magnitude = x < 0.0F ? -(double)x : (double)x;
    double value;

    if (magnitude < 0.01) {
        const double x2 = magnitude * magnitude;
        value = magnitude * (1.0 - x2 * (1.0 / 3.0 - x2 * (2.0 / 15.0)));
    } else {
        value = 1.0 - 2.0 / (mw_exp_double(2.0 * magnitude) + 1.0);
    }
    return x < 0.0F ? -(float)value : (float)value;
}

void mw_sigmoid_run(const struct mw_node *node)
{
    const struct sigmoid *sigmoid = node->state;
    const size_t count = node->in[0]->count;

    if (node->in[0]->type == MW_TYPE_INT8) {
        const int8_t *in = node->in[0]->data;
        int8_t *out = node->out[0]->data;
        for (size_t i = 0; i < count; i++) {
            out[i] = sigmoid->table[in[i] + 128];
        }
    } else if (node->in[0]->type == MW_TYPE_INT16) {
        const int16_t *in = node->in[0]->data;
        int16_t *out = node->out[0]->data;
        for (size_t i = 0; i < count; i++) {
            out[i] = sigmoid->tanh ? tanh_int16(sigmoid, in[i]) : logistic_int16(sigmoid, in[i]);
        }
    } else {
        const float *in = node->in[0]->data;
        float *out = node->out[0]->data;
        for (size_t i = 0; i < count; i++) {
            out[i] = sigmoid->tanh ? tanh_float(in[i]) : logistic_float(in[i]);
        }
    }
}

/* True when scale is 2^exponent, up to a thousandth of a power of two. */
static bool is_power(float scale, int exponent)
{
    const double ratio = (double)scale * (double)(1 << -exponent);
    return ratio > 0.999307092 && ratio < 1.000693387;
}

static mw_err plan_int8(const struct mw_prepare *prepare, struct sigmoid *sigmoid)
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    const double factor = (double)in->scale * (double)(1 << (31 - INT8_INTEGER_BITS));
    int32_t multiplier;
    int32_t radius;
    int shift;

    if (!sigmoid->tanh && prepare->out[0].tensor.zero_point != INT8_MIN) {
        return mw_refuse(prepare, "LOGISTIC on int8 with a zero point other than -128");
    }
    mw_quant_multiplier(factor, &multiplier, &shift);
    if (shift < 0 || shift > 30) {
        return mw_refuse(prepare, "a sigmoid with too large or too small a scale");
    }
    radius = (int32_t)((INT64_C(15) << (31 - INT8_INTEGER_BITS)) >> shift);
    for (int32_t q = -128; q < 128; q++) {
        const int32_t x = q - in->zero_point;
        int32_t value = x < 0 ? INT8_MIN : INT8_MAX;
        if (x > -radius && x < radius) {
            const int32_t fixed = mw_quant_rescale(x, multiplier, shift);
            value = sigmoid->tanh ? mw_fixed_shr(mw_fixed_tanh(fixed), 31 - 7)
                                  : mw_fixed_shr(mw_fixed_logistic(fixed), 31 - 8) + INT8_MIN;
        }
        sigmoid->table[q + 128] = (int8_t)mw_fixed_clamp(value, INT8_MIN, INT8_MAX);
    }
    return MW_OK;
}

static mw_err plan_int16(const struct mw_prepare *prepare, struct sigmoid *sigmoid)
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    const struct mw_tensor *out = &prepare->out[0].tensor;
    double factor = (double)in->scale * 4096.0 * 3.0;

    if (in->zero_point != 0 || out->zero_point != 0 || !is_power(out->scale, -15)) {
        return mw_refuse(prepare, "a sigmoid on int16 with a zero point or an output scale other "
                                  "than 1/32768");
    }
    sigmoid->shift = 0;
    if (is_power(in->scale, -12)) {
        sigmoid->multiplier = 3;
        return MW_OK;
    }
    if (sigmoid->tanh && is_power(in->scale, -11)) {
        sigmoid->multiplier = 6;
        return MW_OK;
    }
    while (factor <= 32767.0 / 2.0 && sigmoid->shift <= 30) {
        sigmoid->shift++;
        factor *= 2.0;
    }
    if (factor >= 32768.0) {
        return mw_refuse(prepare, "a sigmoid on int16 with too large a scale");
    }
    sigmoid->multiplier = (int32_t)factor;
    return MW_OK;
}

mw_err mw_sigmoid_prepare(struct mw_prepare *prepare)
{
    const enum mw_type type = prepare->in[0].tensor.type;
    struct sigmoid sigmoid = {.tanh = prepare->op->code == MW_OP_TANH};
    struct sigmoid *state;
    mw_err err = mw_check_arity(prepare, 1, 1);

    if (err != MW_OK) {
        return err;
    }
    if (prepare->out[0].tensor.type != type ||
        prepare->in[0].tensor.count != prepare->out[0].tensor.count) {
        return mw_refuse(prepare, "a sigmoid to another type or shape");
    }
    if (type != MW_TYPE_FLOAT32 &&
        (!mw_is_quantized(&prepare->in[0]) || !mw_is_quantized(&prepare->out[0]))) {
        return mw_refuse(prepare, "a sigmoid on integers without one scale a tensor");
    }
    switch (type) {
    case MW_TYPE_FLOAT32:
        break;
    case MW_TYPE_INT8:
        err = plan_int8(prepare, &sigmoid);
        break;
    case MW_TYPE_INT16:
        err = plan_int16(prepare, &sigmoid);
        break;
    default:
        return mw_refuse(prepare, "a sigmoid on this element type");
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    if (err == MW_OK && state != NULL) {
        *state = sigmoid;
    }
    prepare->state = state;
    return err;
}
