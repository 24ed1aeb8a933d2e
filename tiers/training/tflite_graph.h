/* tflite_graph.h - collects tensors and operators and lays them out as a .tflite file. Internal:
 * the shape of Millwright's own graphs is in tflite_write.c. */
#ifndef MW_TRAINING_TFLITE_GRAPH_H
#define MW_TRAINING_TFLITE_GRAPH_H

#include "core/model/model.h"
#include "lib/base/file.h"
#include "tiers/training/flat_builder.h"

#define MW_TFLITE_MOST 128 /* tensors, buffers, operators */

/* Operators that can be written, with the lowest version that has the types used here. */
enum mw_tflite_op {
    MW_TFLITE_ADD,
    MW_TFLITE_DEQUANTIZE,
    MW_TFLITE_DEQUANTIZE_INT16,
    MW_TFLITE_DIV,
    MW_TFLITE_FULLY_CONNECTED,
    MW_TFLITE_FULLY_CONNECTED_INT8,
    MW_TFLITE_LOGISTIC_INT16,
    MW_TFLITE_MEAN,
    MW_TFLITE_MUL,
    MW_TFLITE_QUANTIZE,
    MW_TFLITE_QUANTIZE_INT16,
    MW_TFLITE_SQUARED_DIFFERENCE,
    MW_TFLITE_SUB,
    MW_TFLITE_OPS
};

/* {0} is empty; mw_tflite_fini frees. Too many parts or a failed allocation show in mw_tflite_end.
 */
struct mw_tflite {
    struct mw_flat flat;
    uint32_t buffer[MW_TFLITE_MOST], tensor[MW_TFLITE_MOST], operation[MW_TFLITE_MOST];
    uint32_t metadata[8];
    size_t buffers, tensors, operations, entries;
    uint32_t place[MW_TFLITE_OPS]; /* 1 + index of the operator's code; 0: not used yet */
    uint32_t codes;
    bool overflow;
};

/* What a tensor is. Without data it is computed. scales NULL: not quantized; one scale: for the
 * whole tensor; more: one for each index of dimension 0, zero points 0. */
struct mw_tflite_tensor {
    const char *name;
    enum mw_type type;
    int32_t shape[2];
    size_t rank; /* 1 or 2 */
    const void *data;
    const float *scales;
    size_t n_scales;
    int32_t zero_point;
};

/* Each adds a part; a tensor's number is returned. The first call must be mw_tflite_begin. */
void mw_tflite_begin(struct mw_tflite *file);
int32_t mw_tflite_add_tensor(struct mw_tflite *file, const struct mw_tflite_tensor *tensor);
void mw_tflite_add_metadata(struct mw_tflite *file, const char *name, const void *data, size_t n);
/* relu: fused RELU of a fully connected layer. */
void mw_tflite_add_operator(struct mw_tflite *file, enum mw_tflite_op op, const int32_t *inputs,
                            size_t n, int32_t output, bool relu);

/* Appends the file with that graph input and output. Errors: MEMORY, TOO_LARGE. */
mw_err mw_tflite_end(struct mw_tflite *file, int32_t input, int32_t output, struct mw_buffer *out);
void mw_tflite_fini(struct mw_tflite *file);

#endif
