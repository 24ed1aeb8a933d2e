/* binary.c - element by element with broadcasting: ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM and
 * MINIMUM on float32, int8 and int16, DIV on float32.
 *
 * The integer sums bring both inputs to twice the larger of their scales, with `lift` extra bits
 * below, and scale the result once more. */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"

#include <math.h>

#define DIMS MW_MODEL_RANK_MAX

struct factor {
    int32_t multiplier;
    int shift;
};

struct binary {
    enum mw_op_code code;
    enum mw_type type;
    size_t extent[DIMS]; /* of the output with mergeable dimensions merged; [0] is the innermost */
    size_t a_step[DIMS]; /* elements to the next one along that dimension; 0 repeats */
    size_t b_step[DIMS];
    float lo, hi;
    int32_t int_lo, int_hi;
    int32_t a_zero, b_zero, out_zero;
    struct factor a_factor, b_factor, out_factor;
    int lift;
};

static inline float apply_float(enum mw_op_code code, float a, float b)
{
    const float difference = a - b;
    switch (code) {
    case MW_OP_ADD:
        return a + b;
    case MW_OP_SUB:
        return difference;
    case MW_OP_MUL:
        return a * b;
    case MW_OP_DIV:
        return a / b;
    case MW_OP_SQUARED_DIFFERENCE:
        return difference * difference;
    case MW_OP_MAXIMUM:
        return a > b ? a : b;
    default:
        return a < b ? a : b;
    }
}

/* One run along the innermost dimension, written so that each caller's constants fold into it. */
static inline void loop_float(enum mw_op_code code, const struct binary *op, const float *a,
                              const float *b, float *out)
{
    const size_t n = op->extent[0];
    const float lo = op->lo;
    const float hi = op->hi;

    if (op->a_step[0] == 1 && op->b_step[0] == 1) {
        for (size_t i = 0; i < n; i++) {
            out[i] = mw_clamp_float(apply_float(code, a[i], b[i]), lo, hi);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const float value = apply_float(code, a[i * op->a_step[0]], b[i * op->b_step[0]]);
        out[i] = mw_clamp_float(value, lo, hi);
    }
}

static void row_float(const struct binary *op, const float *a, const float *b, float *out)
{
    switch (op->code) {
    case MW_OP_ADD:
        loop_float(MW_OP_ADD, op, a, b, out);
        break;
    case MW_OP_SUB:
        loop_float(MW_OP_SUB, op, a, b, out);
        break;
    case MW_OP_MUL:
        loop_float(MW_OP_MUL, op, a, b, out);
        break;
    default:
        loop_float(op->code, op, a, b, out);
        break;
    }
}

static inline int32_t lift(const struct binary *op, int32_t x, const struct factor *factor)
{
    return mw_quant_rescale(mw_fixed_shl(x, op->lift), factor->multiplier, factor->shift);
}

static int32_t apply_int(const struct binary *op, int32_t a, int32_t b)
{
    const int32_t x = a - op->a_zero;
    const int32_t y = b - op->b_zero;
    int32_t raw;

    switch (op->code) {
    case MW_OP_MAXIMUM:
        return a > b ? a : b;
    case MW_OP_MINIMUM:
        return a < b ? a : b;
    case MW_OP_ADD:
        raw = mw_fixed_add(lift(op, x, &op->a_factor), lift(op, y, &op->b_factor));
        break;
    case MW_OP_SUB:
        raw = mw_fixed_sub(lift(op, x, &op->a_factor), lift(op, y, &op->b_factor));
        break;
    case MW_OP_MUL:
        raw = (int32_t)((uint32_t)x * (uint32_t)y);
        break;
    default:
        raw = mw_fixed_sub(lift(op, x, &op->a_factor), lift(op, y, &op->b_factor));
        raw = (int32_t)((uint32_t)raw * (uint32_t)raw);
        break;
    }
    raw = mw_quant_rescale(raw, op->out_factor.multiplier, op->out_factor.shift);
    return mw_fixed_clamp(mw_fixed_add(raw, op->out_zero), op->int_lo, op->int_hi);
}

static void row_int8(const struct binary *op, const int8_t *a, const int8_t *b, int8_t *out)
{
    for (size_t i = 0; i < op->extent[0]; i++) {
        out[i] = (int8_t)apply_int(op, a[i * op->a_step[0]], b[i * op->b_step[0]]);
    }
}

static void row_int16(const struct binary *op, const int16_t *a, const int16_t *b, int16_t *out)
{
    for (size_t i = 0; i < op->extent[0]; i++) {
        out[i] = (int16_t)apply_int(op, a[i * op->a_step[0]], b[i * op->b_step[0]]);
    }
}

static void row(const struct binary *op, const char *a, const char *b, char *out)
{
    if (op->type == MW_TYPE_FLOAT32) {
        row_float(op, (const float *)(const void *)a, (const float *)(const void *)b,
                  (float *)(void *)out);
    } else if (op->type == MW_TYPE_INT8) {
        row_int8(op, (const int8_t *)a, (const int8_t *)b, (int8_t *)out);
    } else {
        row_int16(op, (const int16_t *)(const void *)a, (const int16_t *)(const void *)b,
                  (int16_t *)(void *)out);
    }
}

void mw_binary_run(const struct mw_node *node)
{
    const struct binary *op = node->state;
    const size_t width = mw_type_size(op->type);
    const char *a = node->in[0]->data;
    const char *b = node->in[1]->data;
    char *out = node->out[0]->data;

    for (size_t k = 0; k < op->extent[3]; k++) {
        for (size_t j = 0; j < op->extent[2]; j++) {
            for (size_t i = 0; i < op->extent[1]; i++) {
                const size_t x = i * op->a_step[1] + j * op->a_step[2] + k * op->a_step[3];
                const size_t y = i * op->b_step[1] + j * op->b_step[2] + k * op->b_step[3];
                row(op, a + x * width, b + y * width, out);
                out += op->extent[0] * width;
            }
        }
    }
}

/* The extent along dimension d counted from the last; 1 beyond the rank. */
static size_t extent_from_end(const struct mw_tensor *tensor, size_t d)
{
    return d < tensor->rank ? (size_t)tensor->shape[tensor->rank - 1 - d] : 1;
}

static mw_err plan_loops(const struct mw_prepare *prepare, struct binary *op)
{
    size_t a_step = 1;
    size_t b_step = 1;
    size_t used = 0;

    for (size_t d = 0; d < DIMS; d++) {
        const size_t a = extent_from_end(&prepare->in[0].tensor, d);
        const size_t b = extent_from_end(&prepare->in[1].tensor, d);
        const size_t out = extent_from_end(&prepare->out[0].tensor, d);
        const size_t a_here = a == 1 ? 0 : a_step;
        const size_t b_here = b == 1 ? 0 : b_step;

        if ((a != out && a != 1) || (b != out && b != 1) || (out != a && out != b)) {
            return mw_refuse(prepare, "shapes that do not broadcast");
        }
        a_step *= a;
        b_step *= b;
        if (out == 1) {
            continue;
        }
        if (used > 0 && a_here == op->a_step[used - 1] * op->extent[used - 1] &&
            b_here == op->b_step[used - 1] * op->extent[used - 1]) {
            op->extent[used - 1] *= out;
            continue;
        }
        op->extent[used] = out;
        op->a_step[used] = a_here;
        op->b_step[used] = b_here;
        used++;
    }
    for (; used < DIMS; used++) {
        op->extent[used] = 1;
    }
    return MW_OK;
}

/* Factors of ADD and SUB. SUB's are computed in float32 and ADD's in double: so does the reference.
 */
static mw_err plan_sum(const struct mw_prepare *prepare, struct binary *op)
{
    const float a = prepare->in[0].tensor.scale;
    const float b = prepare->in[1].tensor.scale;
    const float out = prepare->out[0].tensor.scale;
    const float twice = 2.0F * (a > b ? a : b);
    double a_factor = (double)a / (double)twice;
    double b_factor = (double)b / (double)twice;
    double out_factor;
    mw_err err;

    op->lift = op->type == MW_TYPE_INT16 ? 15 : 20;
    out_factor = (double)twice / ((double)(1 << op->lift) * (double)out);
    if (op->code == MW_OP_SUB) {
        a_factor = (double)(a / twice);
        b_factor = (double)(b / twice);
        out_factor = (double)(twice / ((float)(1 << op->lift) * out));
    }
    if (out_factor >= 1.0) {
        return mw_refuse(prepare, "scales of an operator are too far apart");
    }
    mw_quant_multiplier(a_factor, &op->a_factor.multiplier, &op->a_factor.shift);
    mw_quant_multiplier(b_factor, &op->b_factor.multiplier, &op->b_factor.shift);
    err = mw_op_multiplier(prepare, out_factor, &op->out_factor.multiplier, &op->out_factor.shift);
    return err;
}

static mw_err plan_squared(const struct mw_prepare *prepare, struct binary *op)
{
    const double a = (double)prepare->in[0].tensor.scale;
    const double b = (double)prepare->in[1].tensor.scale;
    const double twice = 2.0 * (a > b ? a : b);
    float out;

    op->lift = op->type == MW_TYPE_INT16 ? 0 : 7;
    out = (float)(1 << (2 * op->lift)) * prepare->out[0].tensor.scale;
    mw_quant_multiplier(a / twice, &op->a_factor.multiplier, &op->a_factor.shift);
    mw_quant_multiplier(b / twice, &op->b_factor.multiplier, &op->b_factor.shift);
    return mw_op_multiplier(prepare, twice * twice / (double)out, &op->out_factor.multiplier,
                            &op->out_factor.shift);
}

static mw_err plan_int(const struct mw_prepare *prepare, struct binary *op, uint8_t fused)
{
    const struct mw_operand *a = &prepare->in[0];
    const struct mw_operand *b = &prepare->in[1];
    const struct mw_operand *out = &prepare->out[0];
    mw_err err;

    if (!mw_is_quantized(a) || !mw_is_quantized(b) || !mw_is_quantized(out)) {
        return mw_refuse(prepare, "an integer operator without one scale a tensor");
    }
    op->a_zero = a->tensor.zero_point;
    op->b_zero = b->tensor.zero_point;
    op->out_zero = out->tensor.zero_point;
    if (op->type == MW_TYPE_INT16 && (op->a_zero != 0 || op->b_zero != 0 || op->out_zero != 0)) {
        return mw_refuse(prepare, "an int16 tensor with a zero point");
    }
    err = mw_fused_range_int(prepare, fused, &op->int_lo, &op->int_hi);
    if (err != MW_OK) {
        return err;
    }
    switch (op->code) {
    case MW_OP_ADD:
    case MW_OP_SUB:
        return plan_sum(prepare, op);
    case MW_OP_SQUARED_DIFFERENCE:
        return plan_squared(prepare, op);
    case MW_OP_MUL:
        return mw_op_multiplier(
            prepare, (double)a->tensor.scale * (double)b->tensor.scale / (double)out->tensor.scale,
            &op->out_factor.multiplier, &op->out_factor.shift);
    case MW_OP_MAXIMUM:
    case MW_OP_MINIMUM:
        if (a->tensor.scale != out->tensor.scale || b->tensor.scale != out->tensor.scale ||
            op->a_zero != op->out_zero || op->b_zero != op->out_zero) {
            return mw_refuse(prepare, "MAXIMUM or MINIMUM of tensors with different scales");
        }
        return MW_OK;
    default:
        return mw_refuse(prepare, "DIV on integers");
    }
}

static mw_err plan_float(const struct mw_prepare *prepare, struct binary *op, uint8_t fused)
{
    switch (op->code) {
    case MW_OP_SQUARED_DIFFERENCE:
    case MW_OP_MAXIMUM:
    case MW_OP_MINIMUM:
        op->lo = -INFINITY;
        op->hi = INFINITY;
        return MW_OK;
    default:
        return mw_fused_range_float(prepare, fused, &op->lo, &op->hi);
    }
}

mw_err mw_binary_prepare(struct mw_prepare *prepare)
{
    struct binary op = {.code = prepare->op->code};
    struct binary *state;
    uint8_t fused = 0;
    mw_err err = mw_check_arity(prepare, 2, 2);

    if (err != MW_OK) {
        return err;
    }
    op.type = prepare->in[0].tensor.type;
    if (prepare->in[1].tensor.type != op.type || prepare->out[0].tensor.type != op.type) {
        return mw_refuse(prepare, "an operator on tensors of different types");
    }
    if ((op.code == MW_OP_ADD || op.code == MW_OP_SUB || op.code == MW_OP_MUL ||
         op.code == MW_OP_DIV) &&
        !mw_table_u8(&prepare->options, 0, 0, &fused)) {
        return mw_fail(prepare->why, MW_ERR_PARSE, "an operator's options are malformed",
                       prepare->index);
    }
    err = plan_loops(prepare, &op);
    if (err != MW_OK) {
        return err;
    }
    switch (op.type) {
    case MW_TYPE_FLOAT32:
        err = plan_float(prepare, &op, fused);
        break;
    case MW_TYPE_INT8:
    case MW_TYPE_INT16:
        err = plan_int(prepare, &op, fused);
        break;
    default:
        return mw_refuse(prepare, "an operator on this element type");
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    if (err == MW_OK && state != NULL) {
        *state = op;
    }
    prepare->state = state;
    return err;
}
