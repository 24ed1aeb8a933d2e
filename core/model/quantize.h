/* quantize.h - the arithmetic of affine quantization: real = scale * (integer - zero_point).
 *
 * Pure functions, shared by the engine (which must reproduce a model's integers) and by the writer
 * of a model (which chooses them), so that both round in the same way. Source: B. Jacob et al.,
 * "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
 * 2018, section 2.1 and 2.2; ranges as in the TensorFlow Lite 8-bit quantization specification. No
 * heap, no libm, no global state.
 */
#ifndef MW_CORE_MODEL_QUANTIZE_H
#define MW_CORE_MODEL_QUANTIZE_H

#include <stdint.h>

/* Scale and zero point of an asymmetric int8 tensor that holds values in [min, max]. The range is
 * first widened to contain 0, so that 0 is exactly representable; an empty range gives scale 1 and
 * zero point 0. scale > 0, finite, at least the smallest normal float; zero_point in [-128, 127].
 * min and max must be finite and min <= max. */
void mw_quant_params_int8(float min, float max, float *scale, int32_t *zero_point);

/* Scale of a symmetric tensor (zero point 0) whose largest absolute value is max_abs, mapped on
 * qmax: 127 for int8 weights (one call a channel), 32767 for int16. 0 gives scale 1. max_abs must
 * be finite and >= 0. */
void mw_quant_params_symmetric(float max_abs, int32_t qmax, float *scale);

/* The integer in [lo, hi] for the real value x: round(x / scale) + zero_point, the quotient in
 * float32, halves away from zero, saturating. NaN gives the zero point (clamped). scale > 0. This
 * is what QUANTIZE computes from float32. */
int32_t mw_quant_value(float x, float scale, int32_t zero_point, int32_t lo, int32_t hi);

/* The real value of an integer: scale * (q - zero_point) in float32, as DEQUANTIZE computes it. */
float mw_quant_real(int32_t q, float scale, int32_t zero_point);

/* The bias of an accumulator with scale input_scale * weight_scale: round(x / that) in double,
 * halves away from zero, saturating to int32. */
int32_t mw_quant_bias(double x, float input_scale, float weight_scale);

/* Writes a real factor >= 0 as multiplier * 2^(shift - 31), multiplier in [2^30, 2^31) or 0,
 * rounded to nearest (halves up). A factor below 2^-32 becomes 0. Finite factors only; shift is at
 * most 1024. */
void mw_quant_multiplier(double real, int32_t *multiplier, int *shift);

/* x * multiplier * 2^(shift - 31), rounded twice as the reference kernels do: the doubled high half
 * of the product to nearest (halves towards plus infinity), then the right shift to nearest (halves
 * away from zero). shift in [-31, 30]; a left shift wraps as two's complement does. */
int32_t mw_quant_rescale(int32_t x, int32_t multiplier, int shift);

#endif
