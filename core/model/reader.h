/* reader.h - the parts of the TensorFlow Lite schema (version 3) that the engine reads.
 *
 * Layout of the tables, as field numbers of flatbuffer.h; fields not named here are not looked at:
 *
 *   Model         1 operator_codes [OperatorCode]  2 subgraphs [SubGraph]  4 buffers [Buffer]
 *                 6 metadata [Metadata]
 *   OperatorCode  0 deprecated_builtin_code i8  1 custom_code string  2 version i32
 *                 3 builtin_code i32 (the larger of 0 and 3 holds)
 *   SubGraph      0 tensors [Tensor]  1 inputs [i32]  2 outputs [i32]  3 operators [Operator]
 *   Tensor        0 shape [i32]  1 type u8  2 buffer u32  3 name string  4 quantization
 *                 5 is_variable u8  6 sparsity
 *   Quantization  2 scale [f32]  3 zero_point [i64]  6 quantized_dimension i32
 *   Operator      0 opcode_index u32  1 inputs [i32] (-1: absent)  2 outputs [i32]
 *                 3 builtin_options_type u8  4 builtin_options
 *   Buffer        0 data [u8]  1 offset u64 (data outside of the FlatBuffer)
 *   Metadata      0 name string  1 buffer u32
 *
 * Internal to core/model.
 */
#ifndef MW_CORE_MODEL_READER_H
#define MW_CORE_MODEL_READER_H

#include "core/err.h"
#include "core/model/flatbuffer.h"
#include "core/model/model.h"

/* An opened file: the vectors of the model and of its one subgraph. */
struct mw_reader {
    struct mw_span file;
    struct mw_vector codes;
    struct mw_vector buffers;
    struct mw_vector tensors;
    struct mw_vector inputs;
    struct mw_vector outputs;
    struct mw_vector operators;
};

/* A tensor with what only preparing an operator needs. */
struct mw_operand {
    struct mw_tensor tensor; /* data: the constant's bytes in the file, NULL for an activation */
    bool present;            /* false for an optional input that is absent */
    bool constant;
    struct mw_vector scales; /* f32; more than one: one a channel */
    struct mw_vector zero_points;
    int32_t channel_axis; /* dimension that the scales run along */
};

/* An operator as the file has it. */
struct mw_call {
    int32_t code; /* BuiltinOperator of the schema */
    int32_t version;
    struct mw_span custom; /* name of a custom operator; may be empty */
    struct mw_vector inputs;
    struct mw_vector outputs;
    uint8_t options_type; /* 0: none */
    struct mw_table options;
};

/* Opens a file. Errors: PARSE, UNSUPPORTED (not one subgraph), TOO_LARGE. */
mw_err mw_reader_open(const void *file, size_t size, struct mw_reader *reader, struct mw_why *why);

/* Reads and checks tensor i: known type, rank and shape, scales and zero points in range, and for a
 * constant as many bytes as the shape says. Errors: PARSE, UNSUPPORTED, TOO_LARGE; *why's place is
 * i. */
mw_err mw_reader_tensor(const struct mw_reader *reader, size_t i, struct mw_operand *operand,
                        struct mw_why *why);

/* Reads operator i; its tensor indices are checked to be inside the subgraph. Errors: PARSE. */
mw_err mw_reader_call(const struct mw_reader *reader, size_t i, struct mw_call *call,
                      struct mw_why *why);

/* Bytes of one element; 0 for an unknown type. */
size_t mw_type_size(enum mw_type type);

#endif
