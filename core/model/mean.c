/* mean.c - MEAN over constant axes, on float32 and int8. */
#include "core/model/fixedpoint.h"
#include "core/model/kernels.h"
#include "core/model/quantize.h"

#define DIMS MW_MODEL_RANK_MAX

struct mean {
    size_t outputs;      /* elements of the output */
    size_t reduced;      /* elements behind one of them */
    size_t extent[DIMS]; /* kept dimensions first, then reduced ones, each from outer to inner */
    size_t step[DIMS];
    size_t kept;
    int32_t in_offset; /* what the sum of `reduced` zero points is */
    int32_t multiplier, shift;
};

/* Place of element number i along the dimensions [from, to). */
static size_t place(const struct mean *mean, size_t i, size_t from, size_t to)
{
    size_t at = 0;
    for (size_t d = to; d-- > from;) {
        at += i % mean->extent[d] * mean->step[d];
        i /= mean->extent[d];
    }
    return at;
}

/* The sum runs over the input in its order, as the reference's does. */
static void run_float(const struct mw_node *node, const struct mean *mean)
{
    const float *in = node->in[0]->data;
    float *out = node->out[0]->data;

    for (size_t o = 0; o < mean->outputs; o++) {
        const float *from = in + place(mean, o, 0, mean->kept);
        float sum = 0.0F;
        for (size_t r = 0; r < mean->reduced; r++) {
            sum += from[place(mean, r, mean->kept, DIMS)];
        }
        out[o] = sum / (float)mean->reduced;
    }
}

static void run_int8(const struct mw_node *node, const struct mean *mean)
{
    const int8_t *in = node->in[0]->data;
    int8_t *out = node->out[0]->data;

    for (size_t o = 0; o < mean->outputs; o++) {
        const int8_t *from = in + place(mean, o, 0, mean->kept);
        int32_t sum = 0;
        for (size_t r = 0; r < mean->reduced; r++) {
            sum = mw_fixed_add(sum, from[place(mean, r, mean->kept, DIMS)]);
        }
        sum = mw_quant_rescale(mw_fixed_sub(sum, mean->in_offset), mean->multiplier, mean->shift);
        out[o] =
            (int8_t)mw_fixed_clamp(mw_fixed_add(sum, node->out[0]->zero_point), INT8_MIN, INT8_MAX);
    }
}

void mw_mean_run(const struct mw_node *node)
{
    const struct mean *mean = node->state;
    if (node->in[0]->type == MW_TYPE_INT8) {
        run_int8(node, mean);
    } else {
        run_float(node, mean);
    }
}

/* Reads the axes into a bit a dimension; negative ones count from the end. */
static mw_err read_axes(const struct mw_prepare *prepare, uint32_t *axes)
{
    const struct mw_operand *axis = &prepare->in[1];
    const int32_t rank = (int32_t)prepare->in[0].tensor.rank;
    const struct mw_vector values = {
        .file = {axis->tensor.data, axis->tensor.bytes}, .count = axis->tensor.count, .width = 4};

    if (!axis->constant || axis->tensor.type != MW_TYPE_INT32) {
        return mw_refuse(prepare, "MEAN over axes that are not a constant int32");
    }
    for (size_t i = 0; i < values.count; i++) {
        const int32_t value = mw_vector_i32(&values, i);
        if (value < -rank || value >= rank) {
            return mw_refuse(prepare, "MEAN over an axis that the input does not have");
        }
        *axes |= 1U << (value < 0 ? value + rank : value);
    }
    return MW_OK;
}

static void plan_loops(const struct mw_tensor *in, uint32_t axes, struct mean *mean)
{
    size_t step[DIMS];
    size_t next = 1;
    size_t used = 0;

    for (size_t d = in->rank; d-- > 0;) {
        step[d] = next;
        next *= (size_t)in->shape[d];
    }
    mean->outputs = 1;
    mean->reduced = 1;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (size_t d = 0; d < in->rank; d++) {
            if ((axes >> d & 1U) != pass) {
                continue;
            }
            mean->extent[used] = (size_t)in->shape[d];
            mean->step[used] = step[d];
            used++;
            if (pass == 0) {
                mean->outputs *= (size_t)in->shape[d];
            } else {
                mean->reduced *= (size_t)in->shape[d];
            }
        }
        if (pass == 0) {
            mean->kept = used;
        }
    }
    for (; used < DIMS; used++) {
        mean->extent[used] = 1;
        mean->step[used] = 0;
    }
}

/* Folds the division by the number of elements into the multiplier, with as many extra bits as fit.
 */
static mw_err plan_int8(const struct mw_prepare *prepare, struct mean *mean)
{
    const struct mw_operand *in = &prepare->in[0];
    const struct mw_operand *out = &prepare->out[0];
    int bits = 0;
    int shift;
    mw_err err;

    if (!mw_is_quantized(in) || !mw_is_quantized(out)) {
        return mw_refuse(prepare, "MEAN on int8 without one scale a tensor");
    }
    err = mw_op_multiplier(prepare, (double)in->tensor.scale / (double)out->tensor.scale,
                           &mean->multiplier, &shift);
    if (err != MW_OK) {
        return err;
    }
    while (bits < 32 && mean->reduced >> bits > 1) {
        bits++;
    }
    bits = bits < 31 + shift ? bits : 31 + shift;
    mean->multiplier = (int32_t)(((int64_t)mean->multiplier << bits) / (int64_t)mean->reduced);
    mean->shift = shift - bits;
    mean->in_offset = (int32_t)((uint32_t)in->tensor.zero_point * (uint32_t)mean->reduced);
    return MW_OK;
}

mw_err mw_mean_prepare(struct mw_prepare *prepare)
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    struct mean mean = {0};
    struct mean *state;
    uint32_t axes = 0;
    mw_err err = mw_check_arity(prepare, 2, 2);

    if (err == MW_OK) {
        err = read_axes(prepare, &axes);
    }
    if (err != MW_OK) {
        return err;
    }
    plan_loops(in, axes, &mean);
    if (prepare->out[0].tensor.type != in->type || prepare->out[0].tensor.count != mean.outputs) {
        return mw_refuse(prepare, "MEAN to another type or shape");
    }
    if (in->type == MW_TYPE_INT8) {
        err = plan_int8(prepare, &mean);
    } else if (in->type != MW_TYPE_FLOAT32) {
        err = mw_refuse(prepare, "MEAN on this element type");
    }
    state = mw_carve(prepare->carver, 1, sizeof *state);
    if (err == MW_OK && state != NULL) {
        *state = mean;
    }
    prepare->state = state;
    return err;
}
