/* tflite_write.h - a trained network as a .tflite file that every runtime can run as it is.
 *
 * Input: one float32 tensor [1, features] in raw units, "features". Output: one float32 tensor [1,
 * 1], "score". Normalisation is part of the graph. No transcendental function in float32:
 *
 *   classifier, int8     SUB mean, MUL factor, QUANTIZE int8, FULLY_CONNECTED int8 ..., QUANTIZE
 * int16, LOGISTIC int16 (scale 1/32768), DEQUANTIZE, MEAN of the copies (quantize.h); a sum of few
 * multiples of 1/32768 is exact in float32, in any order classifier, float32  SUB, MUL,
 * FULLY_CONNECTED float32 ..., QUANTIZE int16, LOGISTIC int16, DEQUANTIZE autoencoder, int8    SUB,
 * MUL, QUANTIZE int8, FULLY_CONNECTED int8 ..., DEQUANTIZE, SQUARED_DIFFERENCE with the normalised
 * input, MEAN, e/(e+c) by ADD and DIV autoencoder, float32 the same without QUANTIZE and DEQUANTIZE
 *
 * Metadata: "millwright.features", a JSON array of names; "millwright.kind", the kind's name. The
 * layout of the file is the TensorFlow Lite schema, version 3. The same network gives the same
 * bytes. */
#ifndef MW_TRAINING_TFLITE_WRITE_H
#define MW_TRAINING_TFLITE_WRITE_H

#include "lib/base/file.h"
#include "tiers/training/quantize.h"

/* Appends the file to `out`: the int8 variant, or the float32 one when quantized is NULL.
 * Errors: MEMORY. */
mw_err mw_tflite_write(const struct mw_network *network, const struct mw_quantized *quantized,
                       struct mw_buffer *out);

#endif
