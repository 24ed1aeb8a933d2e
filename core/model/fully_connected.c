/* fully_connected.c - FULLY_CONNECTED: float32, and int8 with one weight scale a tensor or a
 * channel.
 *
 * Weights are [units, depth], the input is read as [batches, depth], the output is
 * [batches, units]. */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"

/* One output unit of an int8 layer. `bias` has the input's zero point folded in: the sum of
 * w * (x - zero_point) is the sum of w * x, less zero_point times the sum of w. */
struct unit {
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
};

struct fully_connected {
    size_t batches, units, depth;
    float lo, hi;
    int32_t int_lo, int_hi, zero_point;
    const struct unit *unit;
};

/* Sums wrap, so a compiler may add them in any order, and vectorise. */
static int32_t dot(const int8_t *a, const int8_t *b, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (uint32_t)(a[i] * b[i]);
    }
    return (int32_t)sum;
}

static void run_int8(const struct mw_node *node, const struct fully_connected *layer)
{
    const int8_t *in = node->in[0]->data;
    int8_t *out = node->out[0]->data;

    for (size_t b = 0; b < layer->batches; b++) {
        const int8_t *weights = node->in[1]->data;
        for (size_t u = 0; u < layer->units; u++) {
            const struct unit *unit = &layer->unit[u];
            const int32_t sum = mw_fixed_add(dot(in, weights, layer->depth), unit->bias);
            const int32_t scaled = mw_quant_rescale(sum, unit->multiplier, unit->shift);
            out[u] = (int8_t)mw_fixed_clamp(mw_fixed_add(scaled, layer->zero_point), layer->int_lo,
                                            layer->int_hi);
            weights += layer->depth;
        }
        in += layer->depth;
        out += layer->units;
    }
}

/* One sum after the other, in the reference's order: float addition is not associative. */
static void run_float(const struct mw_node *node, const struct fully_connected *layer)
{
    const float *in = node->in[0]->data;
    const float *bias = node->in[2] == NULL ? NULL : node->in[2]->data;
    float *out = node->out[0]->data;

    for (size_t b = 0; b < layer->batches; b++) {
        const float *weights = node->in[1]->data;
        for (size_t u = 0; u < layer->units; u++) {
            float sum = 0.0F;
            for (size_t d = 0; d < layer->depth; d++) {
                sum += in[d] * weights[d];
            }
            sum += bias == NULL ? 0.0F : bias[u];
            out[u] = mw_clamp_float(sum, layer->lo, layer->hi);
            weights += layer->depth;
        }
        in += layer->depth;
        out += layer->units;
    }
}

void mw_fully_connected_run(const struct mw_node *node)
{
    const struct fully_connected *layer = node->state;
    if (node->in[0]->type == MW_TYPE_INT8) {
        run_int8(node, layer);
    } else {
        run_float(node, layer);
    }
}

static mw_err check_shapes(const struct mw_prepare *prepare, struct fully_connected *layer)
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    const struct mw_tensor *weights = &prepare->in[1].tensor;
    const struct mw_tensor *out = &prepare->out[0].tensor;

    if (weights->rank != 2 || out->rank < 1) {
        return mw_refuse(prepare, "FULLY_CONNECTED with weights that are not a matrix");
    }
    layer->units = (size_t)weights->shape[0];
    layer->depth = (size_t)weights->shape[1];
    layer->batches = in->count / layer->depth;
    if (in->count != layer->batches * layer->depth || layer->batches == 0 ||
        out->count != (uint64_t)layer->batches * layer->units ||
        (size_t)out->shape[out->rank - 1] != layer->units) {
        return mw_refuse(prepare, "FULLY_CONNECTED with shapes that do not fit together");
    }
    if (prepare->inputs == 3 && prepare->in[2].present &&
        prepare->in[2].tensor.count != layer->units) {
        return mw_refuse(prepare, "FULLY_CONNECTED with a bias of another length");
    }
    return MW_OK;
}

/* The factor from accumulator to output of a unit. The reference multiplies the two input scales in
 * float32 when the weights have one scale, and in double when they have one a channel. */
static double unit_factor(const struct mw_prepare *prepare, size_t u)
{
    const struct mw_operand *weights = &prepare->in[1];
    const float in = prepare->in[0].tensor.scale;
    const double out = (double)prepare->out[0].tensor.scale;

    if (weights->scales.count == 1) {
        return (double)(in * weights->tensor.scale) / out;
    }
    return (double)in * (double)mw_vector_f32(&weights->scales, u) / out;
}

static mw_err prepare_units(struct mw_prepare *prepare, struct fully_connected *layer)
{
    const struct mw_operand *weights = &prepare->in[1];
    const struct mw_operand *bias = prepare->inputs == 3 ? &prepare->in[2] : NULL;
    const int8_t *weight = weights->tensor.data;
    const uint32_t offset = 0U - (uint32_t)prepare->in[0].tensor.zero_point;
    struct unit *units = mw_carve(prepare->carver, layer->units, sizeof *units);

    layer->unit = units;
    for (size_t u = 0; u < layer->units; u++) {
        struct unit unit;
        int shift;
        uint32_t sum = 0;
        const mw_err err =
            mw_op_multiplier(prepare, unit_factor(prepare, u), &unit.multiplier, &shift);

        if (err != MW_OK) {
            return err;
        }
        for (size_t d = 0; d < layer->depth && units != NULL; d++) {
            const int32_t value = *weight++;
            sum += (uint32_t)value;
        }
        unit.bias = (int32_t)(offset * sum);
        unit.shift = shift;
        if (bias != NULL && bias->present) {
            const struct mw_vector values = {
                .file = {bias->tensor.data, bias->tensor.bytes}, .count = layer->units, .width = 4};
            unit.bias = mw_fixed_add(unit.bias, mw_vector_i32(&values, u));
        }
        if (units != NULL) {
            units[u] = unit;
        }
    }
    return MW_OK;
}

static mw_err prepare_int8(struct mw_prepare *prepare, struct fully_connected *layer, uint8_t fused)
{
    const struct mw_operand *weights = &prepare->in[1];
    const struct mw_operand *out = &prepare->out[0];
    mw_err err;

    if (weights->tensor.type != MW_TYPE_INT8 || out->tensor.type != MW_TYPE_INT8 ||
        !weights->constant || !mw_is_quantized(&prepare->in[0]) || !mw_is_quantized(out)) {
        return mw_refuse(prepare, "FULLY_CONNECTED with these types");
    }
    if (prepare->inputs == 3 && prepare->in[2].present &&
        (prepare->in[2].tensor.type != MW_TYPE_INT32 || !prepare->in[2].constant)) {
        return mw_refuse(prepare, "FULLY_CONNECTED with a bias that is not a constant int32");
    }
    if (weights->scales.count != 1 &&
        (weights->scales.count != layer->units || weights->channel_axis != 0)) {
        return mw_refuse(prepare, "FULLY_CONNECTED with neither one weight scale nor one a unit");
    }
    for (size_t i = 0; i < weights->zero_points.count; i++) {
        if (mw_vector_i64(&weights->zero_points, i) != 0) {
            return mw_refuse(prepare, "FULLY_CONNECTED with asymmetric weights");
        }
    }
    layer->zero_point = out->tensor.zero_point;
    err = mw_fused_range_int(prepare, fused, &layer->int_lo, &layer->int_hi);
    return err == MW_OK ? prepare_units(prepare, layer) : err;
}

static mw_err prepare_float(struct mw_prepare *prepare, struct fully_connected *layer,
                            uint8_t fused)
{
    if (prepare->in[1].tensor.type != MW_TYPE_FLOAT32 ||
        prepare->out[0].tensor.type != MW_TYPE_FLOAT32 ||
        (prepare->inputs == 3 && prepare->in[2].present &&
         prepare->in[2].tensor.type != MW_TYPE_FLOAT32)) {
        return mw_refuse(prepare, "FULLY_CONNECTED with these types");
    }
    return mw_fused_range_float(prepare, fused, &layer->lo, &layer->hi);
}

mw_err mw_fully_connected_prepare(struct mw_prepare *prepare)
{
    struct fully_connected layer = {0};
    struct fully_connected *state;
    uint8_t fused;
    uint8_t format;
    mw_err err = mw_check_arity(prepare, 2, 3);

    if (err != MW_OK) {
        return err;
    }
    if (!mw_table_u8(&prepare->options, 0, 0, &fused) ||
        !mw_table_u8(&prepare->options, 1, 0, &format)) {
        return mw_fail(prepare->why, MW_ERR_PARSE, "an operator's options are malformed",
                       prepare->index);
    }
    if (format != 0) {
        return mw_refuse(prepare, "FULLY_CONNECTED with shuffled weights");
    }
    err = check_shapes(prepare, &layer);
    if (err != MW_OK) {
        return err;
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    switch (prepare->in[0].tensor.type) {
    case MW_TYPE_INT8:
        err = prepare_int8(prepare, &layer, fused);
        break;
    case MW_TYPE_FLOAT32:
        err = prepare_float(prepare, &layer, fused);
        break;
    default:
        err = mw_refuse(prepare, "FULLY_CONNECTED with these types");
        break;
    }
    if (err == MW_OK && state != NULL) {
        *state = layer;
    }
    prepare->state = state;
    prepare->macs = (uint64_t)layer.batches * layer.units * layer.depth;
    return err;
}
