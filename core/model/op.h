/* op.h - the table of operators and what an operator sees. Internal to core/model.
 *
 * Each family has a file with a prepare and a run function. prepare checks everything that run
 * relies on (number, types, shapes and quantization of the tensors, options) and computes what does
 * not change from run to run; run trusts it. Prepare is called twice with the same operands: by
 * mw_model_size with no memory, to measure, and by mw_model_init.
 */
#ifndef MW_CORE_MODEL_OP_H
#define MW_CORE_MODEL_OP_H

#include "core/model/reader.h"

#define MW_OP_INPUTS_MAX 4
#define MW_OP_OUTPUTS_MAX 1

/* Numbered as BuiltinOperator in the schema. */
enum mw_op_code {
    MW_OP_ADD = 0,
    MW_OP_DEQUANTIZE = 6,
    MW_OP_FULLY_CONNECTED = 9,
    MW_OP_LOGISTIC = 14,
    MW_OP_MUL = 18,
    MW_OP_RELU = 19,
    MW_OP_RELU_N1_TO_1 = 20,
    MW_OP_RELU6 = 21,
    MW_OP_RESHAPE = 22,
    MW_OP_SOFTMAX = 25,
    MW_OP_TANH = 28,
    MW_OP_CUSTOM = 32,
    MW_OP_MEAN = 40,
    MW_OP_SUB = 41,
    MW_OP_DIV = 42,
    MW_OP_MAXIMUM = 55,
    MW_OP_MINIMUM = 57,
    MW_OP_SQUARED_DIFFERENCE = 99,
    MW_OP_QUANTIZE = 114
};

/* Numbered as ActivationFunctionType in the schema. */
enum mw_fused {
    MW_FUSED_NONE = 0,
    MW_FUSED_RELU = 1,
    MW_FUSED_RELU_N1_TO_1 = 2,
    MW_FUSED_RELU6 = 3
};

/* Hands out pieces of the caller's buffer; with base NULL it only counts. */
struct mw_carver {
    uint8_t *base;
    size_t size;
    size_t used;
    bool overflow; /* asked for more than there is, or than a size_t counts */
};

/* A MW_MODEL_ALIGN-aligned piece for `count` elements of `width` bytes; NULL when measuring or on
 * overflow. */
void *mw_carve(struct mw_carver *carver, size_t count, size_t width);

/* What prepare reads, and below what it fills in. */
struct mw_prepare {
    const struct mw_op *op;
    size_t index; /* of the operator, for *why */
    size_t inputs, outputs;
    struct mw_operand in[MW_OP_INPUTS_MAX];
    struct mw_operand out[MW_OP_OUTPUTS_MAX];
    uint8_t options_type;
    struct mw_table options; /* at 0 when absent: the schema's defaults hold */
    struct mw_carver *carver;
    struct mw_why *why;

    void *state;   /* from mw_carve, or NULL */
    uint64_t macs; /* multiply-accumulates of one run */
};

/* What run reads. */
struct mw_node {
    const struct mw_op *op;
    const struct mw_tensor *in[MW_OP_INPUTS_MAX]; /* NULL when absent */
    const struct mw_tensor *out[MW_OP_OUTPUTS_MAX];
    const void *state;
    uint64_t macs;
};

struct mw_op {
    enum mw_op_code code;
    const char *name;
    int32_t version;      /* highest that is known */
    uint8_t options_type; /* BuiltinOptions in the schema */
    mw_err (*prepare)(struct mw_prepare *prepare);
    void (*run)(const struct mw_node *node);
};

/* The operator of that code, or NULL. */
const struct mw_op *mw_op_find(int32_t code);

/* A sentence that names an operator of the schema that the engine does not have. */
const char *mw_op_unsupported(int32_t code);

/* Helpers of prepare functions. */

/* Refuses the operator: UNSUPPORTED with that reason. */
mw_err mw_refuse(const struct mw_prepare *prepare, const char *text);

/* Checks the number of inputs and outputs; inputs up to `required` must be there. */
mw_err mw_check_arity(const struct mw_prepare *prepare, size_t required, size_t most);

bool mw_same_shape(const struct mw_tensor *a, const struct mw_tensor *b);

/* True when every one has exactly one scale. */
bool mw_is_quantized(const struct mw_operand *operand);

/* The clamp that a fused activation asks of a float32 output. With NONE, infinities become the
 * largest finite number, as in the reference kernels. UNSUPPORTED for others than mw_fused. */
mw_err mw_fused_range_float(const struct mw_prepare *prepare, uint8_t fused, float *lo, float *hi);

/* The same for an integer output of the operator's first output tensor. */
mw_err mw_fused_range_int(const struct mw_prepare *prepare, uint8_t fused, int32_t *lo,
                          int32_t *hi);

/* The whole range of int8, uint8 or int16. */
void mw_int_range(enum mw_type type, int32_t *lo, int32_t *hi);

/* mw_quant_multiplier, refusing a factor that needs a left shift of more than 30. */
mw_err mw_op_multiplier(const struct mw_prepare *prepare, double real, int32_t *multiplier,
                        int *shift);

/* min(max(x, lo), hi) as C++'s std::min and std::max do it: NaN stays NaN. */
static inline float mw_clamp_float(float x, float lo, float hi)
{
    const float low = x < lo ? lo : x;
    return hi < low ? hi : low;
}

#endif
