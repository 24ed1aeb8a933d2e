/* evaluate.h - scores rows with a .tflite file, by the same engine that serves it. */
#ifndef MW_TRAINING_EVALUATE_H
#define MW_TRAINING_EVALUATE_H

#include "lib/base/error.h"
#include "lib/base/file.h"

#include <stddef.h>

/* Runs n rows of `columns` raw features through a model with one float32 input of that many
 * elements and one float32 output of one; score gets n results. Errors: as mw_model_init;
 * UNSUPPORTED when the model has another shape; MEMORY. */
mw_err mw_evaluate(const struct mw_buffer *file, const float *x, size_t n, size_t columns,
                   double *score, struct mw_error *error);

#endif
