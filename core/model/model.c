/* model.c - builds a model in the caller's buffer and runs it.
 *
 * The buffer holds, one after the other: struct mw_model, the tensors, the nodes, the lists of
 * inputs and outputs, copies of misaligned constants, what the operators prepared, and the arena of
 * the activations. mw_model_size walks the same path with no buffer, so the two cannot disagree. */
#include "core/model/model.h"

#include "core/model/op.h"
#include "core/model/plan.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "constants are used as they are stored");

#define OPERATORS_MAX UINT16_MAX

struct mw_model {
    size_t nodes, inputs, outputs;
    struct mw_node *node;
    struct mw_tensor *tensor; /* by the subgraph's index */
    const struct mw_tensor **input;
    const struct mw_tensor **output;
};

/* All that building passes around. */
struct builder {
    struct mw_reader reader;
    struct mw_plan plan;
    struct mw_carver carver;
    struct mw_model *model; /* NULL when measuring */
    struct mw_why *why;
};

/* Every operator must be known before anything else is looked at: its name is the best reason. */
static mw_err check_operators(const struct builder *builder)
{
    const struct mw_reader *reader = &builder->reader;

    if (reader->operators.count > OPERATORS_MAX) {
        return mw_fail(builder->why, MW_ERR_TOO_LARGE, "more than 65535 operators", 0);
    }
    for (size_t i = 0; i < reader->operators.count; i++) {
        struct mw_call call;
        const struct mw_op *op;
        const mw_err err = mw_reader_call(reader, i, &call, builder->why);

        if (err != MW_OK) {
            return err;
        }
        op = mw_op_find(call.code);
        if (op == NULL) {
            return mw_fail(builder->why, MW_ERR_UNSUPPORTED, mw_op_unsupported(call.code), i);
        }
        if (call.version < 1 || call.version > op->version) {
            return mw_fail(builder->why, MW_ERR_UNSUPPORTED, "an operator's version", i);
        }
        if (call.inputs.count > MW_OP_INPUTS_MAX || call.outputs.count > MW_OP_OUTPUTS_MAX) {
            return mw_fail(builder->why, MW_ERR_PARSE, "an operator's number of tensors is wrong",
                           i);
        }
        if (call.options.at != 0 && call.options_type != op->options_type &&
            op->options_type != 0) {
            return mw_fail(builder->why, MW_ERR_PARSE, "an operator has another one's options", i);
        }
    }
    return MW_OK;
}

/* Adds the block of a tensor that comes to life at operator `first`. */
static mw_err add_block(struct builder *builder, size_t tensor, size_t first,
                        struct mw_block **block)
{
    struct mw_operand operand;
    const mw_err err = mw_reader_tensor(&builder->reader, tensor, &operand, builder->why);

    if (err != MW_OK) {
        return err;
    }
    if (operand.constant) {
        return mw_fail(builder->why, MW_ERR_PARSE, "a constant is written to", tensor);
    }
    *block = mw_plan_add(&builder->plan, (uint32_t)tensor, operand.tensor.bytes, first);
    if (*block == NULL) {
        return mw_fail(builder->why, MW_ERR_TOO_LARGE, "more than 256 activations", tensor);
    }
    return MW_OK;
}

/* A tensor is read at operator `at`: it must be a constant or written before. */
static mw_err read_block(struct builder *builder, size_t tensor, size_t at)
{
    struct mw_block *block = mw_plan_find(&builder->plan, (uint32_t)tensor);
    struct mw_operand operand;
    mw_err err;

    if (block != NULL) {
        block->last = (uint16_t)at;
        return MW_OK;
    }
    err = mw_reader_tensor(&builder->reader, tensor, &operand, builder->why);
    if (err == MW_OK && !operand.constant) {
        err = mw_fail(builder->why, MW_ERR_PARSE, "a tensor is read before it is written", tensor);
    }
    return err;
}

static mw_err plan_call(struct builder *builder, size_t i)
{
    struct mw_block *block;
    struct mw_call call;
    mw_err err = mw_reader_call(&builder->reader, i, &call, builder->why);

    for (size_t k = 0; err == MW_OK && k < call.inputs.count; k++) {
        const int32_t tensor = mw_vector_i32(&call.inputs, k);
        if (tensor >= 0) {
            err = read_block(builder, (size_t)tensor, i);
        }
    }
    for (size_t k = 0; err == MW_OK && k < call.outputs.count; k++) {
        const size_t tensor = (size_t)mw_vector_i32(&call.outputs, k);
        if (mw_plan_find(&builder->plan, (uint32_t)tensor) != NULL) {
            return mw_fail(builder->why, MW_ERR_PARSE, "a tensor is written twice", tensor);
        }
        err = add_block(builder, tensor, i, &block);
    }
    return err;
}

/* Finds the life of every activation. Inputs and outputs live through the whole run: the caller
 * holds pointers to them. */
static mw_err plan_lives(struct builder *builder)
{
    const struct mw_reader *reader = &builder->reader;
    const size_t end = reader->operators.count == 0 ? 0 : reader->operators.count - 1;
    struct mw_block *block;
    mw_err err = MW_OK;

    for (size_t i = 0; err == MW_OK && i < reader->inputs.count; i++) {
        const size_t tensor = (size_t)mw_vector_i32(&reader->inputs, i);
        if (mw_plan_find(&builder->plan, (uint32_t)tensor) == NULL) {
            err = add_block(builder, tensor, 0, &block);
        }
    }
    for (size_t i = 0; err == MW_OK && i < reader->operators.count; i++) {
        err = plan_call(builder, i);
    }
    for (size_t i = 0; err == MW_OK && i < reader->inputs.count; i++) {
        err = read_block(builder, (size_t)mw_vector_i32(&reader->inputs, i), end);
    }
    for (size_t i = 0; err == MW_OK && i < reader->outputs.count; i++) {
        err = read_block(builder, (size_t)mw_vector_i32(&reader->outputs, i), end);
    }
    return err;
}

/* A constant that operators could not read where it is gets an aligned copy. */
static void align_constant(struct builder *builder, struct mw_tensor *tensor)
{
    const size_t width = mw_type_size(tensor->type);
    void *copy;

    if ((uintptr_t)tensor->data % width == 0) {
        return;
    }
    copy = mw_carve(&builder->carver, tensor->bytes, 1);
    if (copy != NULL) {
        memcpy(copy, tensor->data, tensor->bytes);
        tensor->data = copy;
    }
}

static mw_err build_tensors(struct builder *builder)
{
    const struct mw_reader *reader = &builder->reader;

    for (size_t i = 0; i < reader->tensors.count; i++) {
        struct mw_operand operand;
        const mw_err err = mw_reader_tensor(reader, i, &operand, builder->why);

        if (err != MW_OK) {
            return err;
        }
        if (operand.constant) {
            align_constant(builder, &operand.tensor);
        }
        if (builder->model != NULL) {
            builder->model->tensor[i] = operand.tensor;
        }
    }
    return MW_OK;
}

/* Fills in operand k of an operator, and the node's pointer to it. */
static mw_err load_operand(const struct builder *builder, const struct mw_vector *indices, size_t k,
                           struct mw_operand *operand, const struct mw_tensor **tensor)
{
    const int32_t index = mw_vector_i32(indices, k);
    mw_err err;

    if (index < 0) {
        *operand = (struct mw_operand){.present = false};
        return MW_OK;
    }
    err = mw_reader_tensor(&builder->reader, (size_t)index, operand, builder->why);
    if (builder->model != NULL) {
        *tensor = &builder->model->tensor[index];
        operand->tensor.data = (*tensor)->data;
    }
    return err;
}

static mw_err build_node(struct builder *builder, size_t i)
{
    struct mw_prepare prepare = {.index = i, .carver = &builder->carver, .why = builder->why};
    struct mw_node node = {0};
    struct mw_call call;
    mw_err err = mw_reader_call(&builder->reader, i, &call, builder->why);

    if (err != MW_OK) {
        return err;
    }
    prepare.op = mw_op_find(call.code);
    prepare.options_type = call.options_type;
    prepare.options = call.options;
    prepare.inputs = call.inputs.count;
    prepare.outputs = call.outputs.count;
    for (size_t k = 0; err == MW_OK && k < prepare.inputs; k++) {
        err = load_operand(builder, &call.inputs, k, &prepare.in[k], &node.in[k]);
    }
    for (size_t k = 0; err == MW_OK && k < prepare.outputs; k++) {
        err = load_operand(builder, &call.outputs, k, &prepare.out[k], &node.out[k]);
    }
    if (err == MW_OK) {
        err = prepare.op->prepare(&prepare);
    }
    if (err == MW_OK && builder->model != NULL) {
        node.op = prepare.op;
        node.state = prepare.state;
        node.macs = prepare.macs;
        builder->model->node[i] = node;
    }
    return err;
}

/* Carves the lists and fills in what does not need the plan. */
static void carve_model(struct builder *builder)
{
    const struct mw_reader *reader = &builder->reader;
    struct mw_carver *carver = &builder->carver;
    struct mw_model *model = mw_carve(carver, 1, sizeof *model);
    struct mw_tensor *tensor = mw_carve(carver, reader->tensors.count, sizeof *tensor);
    struct mw_node *node = mw_carve(carver, reader->operators.count, sizeof *node);
    const struct mw_tensor **input = mw_carve(carver, reader->inputs.count, sizeof *input);
    const struct mw_tensor **output = mw_carve(carver, reader->outputs.count, sizeof *output);

    if (carver->base == NULL || carver->overflow) {
        return;
    }
    for (size_t i = 0; i < reader->inputs.count; i++) {
        input[i] = &tensor[mw_vector_i32(&reader->inputs, i)];
    }
    for (size_t i = 0; i < reader->outputs.count; i++) {
        output[i] = &tensor[mw_vector_i32(&reader->outputs, i)];
    }
    *model = (struct mw_model){
        .nodes = reader->operators.count,
        .inputs = reader->inputs.count,
        .outputs = reader->outputs.count,
        .node = node,
        .tensor = tensor,
        .input = input,
        .output = output,
    };
    builder->model = model;
}

static mw_err build_arena(struct builder *builder)
{
    size_t bytes;
    uint8_t *arena;
    const mw_err err = mw_plan_place(&builder->plan, MW_MODEL_ALIGN, &bytes);

    if (err != MW_OK) {
        return mw_fail(builder->why, err, "the activations need more than 2 GiB", 0);
    }
    arena = mw_carve(&builder->carver, bytes, 1);
    if (arena == NULL) {
        return MW_OK;
    }
    memset(arena, 0, bytes);
    for (size_t i = 0; i < builder->plan.count; i++) {
        const struct mw_block *block = &builder->plan.block[i];
        builder->model->tensor[block->tensor].data = arena + block->offset;
    }
    return MW_OK;
}

static mw_err build(struct builder *builder, const void *file, size_t size)
{
    mw_err err = mw_reader_open(file, size, &builder->reader, builder->why);

    builder->plan.count = 0;
    if (err == MW_OK) {
        err = check_operators(builder);
    }
    if (err == MW_OK) {
        err = plan_lives(builder);
    }
    if (err == MW_OK) {
        carve_model(builder);
        err = build_tensors(builder);
    }
    for (size_t i = 0; err == MW_OK && i < builder->reader.operators.count; i++) {
        err = build_node(builder, i);
    }
    if (err == MW_OK) {
        err = build_arena(builder);
    }
    if (err == MW_OK && builder->carver.overflow) {
        err = mw_fail(builder->why, MW_ERR_TOO_LARGE, "the model needs too much memory", 0);
    }
    return err;
}

mw_err mw_model_size(const void *file, size_t size, size_t *bytes, struct mw_why *why)
{
    struct builder builder;
    mw_err err;

    builder.carver = (struct mw_carver){NULL, 0, 0, false};
    builder.model = NULL;
    builder.why = why;
    err = build(&builder, file, size);
    *bytes = err == MW_OK ? builder.carver.used : 0;
    return err;
}

mw_err mw_model_init(void *memory, size_t bytes, const void *file, size_t size,
                     struct mw_model **model, struct mw_why *why)
{
    struct builder builder;
    size_t needed;
    mw_err err = mw_model_size(file, size, &needed, why);

    *model = NULL;
    if (err != MW_OK) {
        return err;
    }
    if (bytes < needed) {
        return mw_fail(why, MW_ERR_TOO_SMALL, "the model's memory is too small", needed);
    }
    if (memory == NULL || (uintptr_t)memory % MW_MODEL_ALIGN != 0) {
        return mw_fail(why, MW_ERR_ARGUMENT, "the model's memory is not aligned", 0);
    }
    builder.carver = (struct mw_carver){memory, bytes, 0, false};
    builder.model = NULL;
    builder.why = why;
    err = build(&builder, file, size);
    *model = err == MW_OK ? builder.model : NULL;
    return err;
}

size_t mw_model_inputs(const struct mw_model *model)
{
    return model->inputs;
}

size_t mw_model_outputs(const struct mw_model *model)
{
    return model->outputs;
}

const struct mw_tensor *mw_model_input(const struct mw_model *model, size_t i)
{
    return i < model->inputs ? model->input[i] : NULL;
}

const struct mw_tensor *mw_model_output(const struct mw_model *model, size_t i)
{
    return i < model->outputs ? model->output[i] : NULL;
}

mw_err mw_model_run(struct mw_model *model)
{
    if (model == NULL) {
        return MW_ERR_ARGUMENT;
    }
    for (size_t i = 0; i < model->nodes; i++) {
        const struct mw_node *node = &model->node[i];
        node->op->run(node);
    }
    return MW_OK;
}

size_t mw_model_operators(const struct mw_model *model)
{
    return model->nodes;
}

struct mw_operator mw_model_operator(const struct mw_model *model, size_t i)
{
    if (i >= model->nodes) {
        return (struct mw_operator){NULL, 0, 0};
    }
    return (struct mw_operator){
        .name = model->node[i].op->name,
        .code = (int32_t)model->node[i].op->code,
        .macs = model->node[i].macs,
    };
}
