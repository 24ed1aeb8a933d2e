/* model.h - runs a .tflite model from a caller's buffer, without a heap.
 *
 * A .tflite file is a FlatBuffer with the identifier "TFL3" at byte 4: one subgraph of operators in
 * the order of execution, tensors with shape, type and affine quantization (real = scale *
 * (integer - zero_point)), and buffers with the constant tensors. mw_model_init verifies every
 * offset, shape, type and operator at the door; mw_model_run then trusts them.
 *
 * The arithmetic is that of TensorFlow Lite Micro's reference kernels, bit for bit, on every
 * target:
 *
 *   exact       int8 FULLY_CONNECTED, ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM, MEAN,
 *               LOGISTIC, TANH, SOFTMAX, RELU, RELU6; int16 ADD, SUB, MUL, SQUARED_DIFFERENCE,
 *               LOGISTIC, TANH; QUANTIZE, DEQUANTIZE and RESHAPE between all of their types;
 *               float32 FULLY_CONNECTED, ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM,
 *               MEAN, RELU, RELU6, RELU_N1_TO_1
 *   last bits   float32 LOGISTIC, TANH and SOFTMAX: their exponential is our own
 *
 * QUANTIZE saturates where the reference converts a float32 beyond int32, which C++ leaves
 * undefined; NaN becomes the zero point. Other operators, types and versions are refused by name.
 *
 * Nothing here allocates, blocks, or keeps global state; two models may run in two threads.
 * mw_model_size and mw_model_init take about 6 KiB of stack, mw_model_run less than 1 KiB.
 */
#ifndef MW_CORE_MODEL_MODEL_H
#define MW_CORE_MODEL_MODEL_H

#include "core/err.h"
#include "core/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_MODEL_ALIGN 16   /* bytes that the caller's buffer is aligned to */
#define MW_MODEL_RANK_MAX 4 /* dimensions of a tensor */

/* Numbered as TensorType in the TensorFlow Lite schema. */
enum mw_type {
    MW_TYPE_FLOAT32 = 0,
    MW_TYPE_INT32 = 2,
    MW_TYPE_UINT8 = 3,
    MW_TYPE_INT64 = 4,
    MW_TYPE_BOOL = 6,
    MW_TYPE_INT16 = 7,
    MW_TYPE_INT8 = 9
};

/* A tensor as a caller sees it. `data` stays valid as long as the model. */
struct mw_tensor {
    enum mw_type type;
    uint32_t rank;                    /* 0 to MW_MODEL_RANK_MAX */
    int32_t shape[MW_MODEL_RANK_MAX]; /* each >= 1 */
    size_t count;                     /* product of the shape */
    size_t bytes;                     /* count * size of an element */
    float scale;                      /* 0 when not quantized */
    int32_t zero_point;
    struct mw_span name; /* borrows the file; may be empty */
    void *data;          /* the caller writes inputs here and reads outputs from here */
};

struct mw_model; /* lives in the caller's buffer */

/* Asks how many bytes mw_model_init needs for this file (interpreter state and tensor arena
 * together). `file` must be readable for `size` bytes; it may be hostile.
 * Errors: PARSE (malformed), UNSUPPORTED (operator, type or version), TOO_LARGE; *why says which.
 */
mw_err mw_model_size(const void *file, size_t size, size_t *bytes, struct mw_why *why);

/* Builds the model in `memory` (MW_MODEL_ALIGN-aligned, at least what mw_model_size said for the
 * same address of the file: constants that are not aligned in memory are copied). Borrows `file`,
 * which must outlive the model and stay unchanged. Errors: as mw_model_size, TOO_SMALL, and
 * ARGUMENT for a misaligned memory. On an error *model is NULL. */
mw_err mw_model_init(void *memory, size_t bytes, const void *file, size_t size,
                     struct mw_model **model, struct mw_why *why);

size_t mw_model_inputs(const struct mw_model *model);
size_t mw_model_outputs(const struct mw_model *model);

/* Input or output number i, from 0; NULL when there is no such one. */
const struct mw_tensor *mw_model_input(const struct mw_model *model, size_t i);
const struct mw_tensor *mw_model_output(const struct mw_model *model, size_t i);

/* Runs all operators once. Deterministic; the inputs keep their values, so that a second run gives
 * the same outputs. The only run-time error is ARGUMENT for a NULL model. */
mw_err mw_model_run(struct mw_model *model);

/* The metadata entry of that name (for example "millwright.features"), borrowed from the file.
 * NOT_FOUND when the file has none. Takes any file; verifies what it touches. */
mw_err mw_model_metadata(const void *file, size_t size, const char *name, struct mw_span *value);

/* The name of the first custom operator that the file calls, borrowed from it: *why's text is a
 * constant and cannot hold it. NOT_FOUND when there is none; PARSE. */
mw_err mw_model_custom_operator(const void *file, size_t size, struct mw_span *name);

/* What a person or a planner wants to know before running a model. Operators are visited in order
 * of execution; `name` is the schema's (FULLY_CONNECTED), macs the multiply-accumulates of one run.
 */
struct mw_operator {
    const char *name;
    int32_t code;
    uint64_t macs;
};
size_t mw_model_operators(const struct mw_model *model);

/* Operator i, from 0; name NULL when there is no such one. */
struct mw_operator mw_model_operator(const struct mw_model *model, size_t i);

#endif
