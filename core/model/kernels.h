/* kernels.h - prepare and run of each operator family; see op.h. Internal to core/model. */
#ifndef MW_CORE_MODEL_KERNELS_H
#define MW_CORE_MODEL_KERNELS_H

#include "core/model/op.h"

/* ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM (binary.c) */
mw_err mw_binary_prepare(struct mw_prepare *prepare);
void mw_binary_run(const struct mw_node *node);

/* FULLY_CONNECTED (fully_connected.c) */
mw_err mw_fully_connected_prepare(struct mw_prepare *prepare);
void mw_fully_connected_run(const struct mw_node *node);

/* LOGISTIC, TANH (sigmoid.c) */
mw_err mw_sigmoid_prepare(struct mw_prepare *prepare);
void mw_sigmoid_run(const struct mw_node *node);

/* RELU, RELU6, RELU_N1_TO_1 (relu.c) */
mw_err mw_relu_prepare(struct mw_prepare *prepare);
void mw_relu_run(const struct mw_node *node);

/* QUANTIZE, DEQUANTIZE (convert.c) */
mw_err mw_quantize_prepare(struct mw_prepare *prepare);
void mw_quantize_run(const struct mw_node *node);
mw_err mw_dequantize_prepare(struct mw_prepare *prepare);
void mw_dequantize_run(const struct mw_node *node);

/* MEAN (mean.c) */
mw_err mw_mean_prepare(struct mw_prepare *prepare);
void mw_mean_run(const struct mw_node *node);

/* SOFTMAX (softmax.c) */
mw_err mw_softmax_prepare(struct mw_prepare *prepare);
void mw_softmax_run(const struct mw_node *node);

/* RESHAPE (reshape.c) */
mw_err mw_reshape_prepare(struct mw_prepare *prepare);
void mw_reshape_run(const struct mw_node *node);

/* exp(x) without libm: the double within 1e-13 of it, infinite from 700 on and 0 below -700; the
 * float32 to within one unit in the last place (exponential.c). */
double mw_exp_double(double x);
float mw_exp_float(float x);

#endif
