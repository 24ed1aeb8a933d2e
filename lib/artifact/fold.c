#include "lib/artifact/fold.h"

#include "core/model/flatbuffer.h"
#include "core/model/model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DATA_ALIGN 16 /* force_align of Buffer.data in the schema */
#define FEATURES_MAX 128
#define FEATURES_NAME "millwright.features"

enum { STEPS = 5 }; /* operators that are put in front, at most */

/* Field numbers of the TensorFlow Lite schema. */
enum { MODEL_VERSION, MODEL_CODES, MODEL_GRAPHS, MODEL_BUFFERS = 4, MODEL_METADATA = 6 };
enum { MODEL_FIELDS = 8 };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS, GRAPH_FIELDS = 5 };
enum { CODE_OLD, CODE_CUSTOM, CODE_VERSION, CODE_BUILTIN, CODE_FIELDS };
enum { OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPERATOR_TYPE, OPERATOR_OPTIONS };
enum { OPERATOR_FIELDS = 5 };
enum { TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_FIELDS };

enum step_op { OP_FULLY_CONNECTED, OP_SUB, OP_MUL, OP_DIV, OP_ADD };
static const struct {
    uint32_t builtin, options;
} ops[] = {{9, 8}, {41, 28}, {18, 21}, {42, 29}, {0, 11}};

/* An offset that can be set only once it is known how far behind the old file begins. */
struct relocation {
    size_t place, target; /* in the new part; in the old file */
};

struct step {
    enum step_op op;
    float *constant; /* n numbers, or n * n */
};

struct folding {
    const struct mw_fold *fold;
    struct mw_span file;
    struct mw_buffer front; /* the new part */
    struct relocation *relocation;
    size_t n_relocations, capacity;
    bool failed;

    struct mw_table root, graph;
    struct mw_vector codes, buffers, tensors, operators;
    int32_t input;
    struct step step[STEPS];
    size_t n_steps;
    size_t named; /* the buffer that names the features; SIZE_MAX: none */
};

/* ---- writing, front to back ---- */

static size_t grow(struct folding *f, size_t bytes)
{
    size_t at = f->front.size;
    if (f->failed || mw_buffer_reserve(&f->front, bytes) != MW_OK) {
        f->failed = true;
        return 0;
    }
    memset(f->front.data + at, 0, bytes);
    f->front.size += bytes;
    return at;
}

/* `head` bytes from here on the next thing is aligned. */
static void align(struct folding *f, size_t to, size_t head)
{
    (void)grow(f, (to - (f->front.size + head) % to) % to);
}

static void set(struct folding *f, size_t place, uint32_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes && !f->failed; i++) {
        f->front.data[place + i] = (char)(value >> (8 * i));
    }
}

/* What comes next is what `place` refers to. */
static void link_next(struct folding *f, size_t place)
{
    set(f, place, (uint32_t)(f->front.size - place), 4);
}

static void link_old(struct folding *f, size_t place, size_t target)
{
    if (f->n_relocations == f->capacity) {
        size_t capacity = f->capacity == 0 ? 64 : 2 * f->capacity;
        void *more = realloc(f->relocation, capacity * sizeof *f->relocation);
        if (more == NULL) {
            f->failed = true;
            return;
        }
        f->relocation = more;
        f->capacity = capacity;
    }
    f->relocation[f->n_relocations++] = (struct relocation){place, target};
}

/* A table with room of four bytes for each of its first n fields whose bit is set in `present`,
 * referred to from `from`; field[i] is the place of field i. */
static void add_table(struct folding *f, size_t from, size_t n, unsigned present, size_t *field)
{
    size_t bytes = 4;
    align(f, 4, (4 + 2 * n) % 4);
    size_t vtable = grow(f, 4 + 2 * n);
    link_next(f, from);
    size_t table = f->front.size;
    for (size_t i = 0; i < n; i++) {
        field[i] = table + bytes;
        set(f, vtable + 4 + 2 * i, (present >> i & 1) != 0 ? (uint32_t)bytes : 0, 2);
        bytes += (present >> i & 1) != 0 ? 4 : 0;
    }
    (void)grow(f, bytes);
    set(f, vtable, (uint32_t)(4 + 2 * n), 2);
    set(f, vtable + 2, (uint32_t)bytes, 2);
    set(f, table, (uint32_t)(table - vtable), 4);
}

/* A vector of n elements of four bytes, all 0; the place of the first. */
static size_t add_vector(struct folding *f, size_t from, size_t n)
{
    align(f, 4, 0);
    link_next(f, from);
    size_t at = grow(f, 4 + 4 * n);
    set(f, at, (uint32_t)n, 4);
    return at + 4;
}

static void add_numbers(struct folding *f, size_t from, const uint32_t *value, size_t n)
{
    size_t at = add_vector(f, from, n);
    for (size_t i = 0; i < n; i++) {
        set(f, at + 4 * i, value[i], 4);
    }
}

/* A longer list of tables: the old ones, and room for `more`, whose first place is returned. */
static size_t add_list(struct folding *f, size_t from, const struct mw_vector *old, size_t more)
{
    size_t at = add_vector(f, from, old->count + more);
    for (size_t i = 0; i < old->count; i++) {
        struct mw_table table = {0};
        (void)mw_vector_table(old, i, &table);
        link_old(f, at + 4 * i, table.at);
    }
    return at + 4 * old->count;
}

static void add_buffer(struct folding *f, size_t from, const void *data, size_t size)
{
    size_t field[1];
    add_table(f, from, 1, 1, field);
    align(f, DATA_ALIGN, 4);
    link_next(f, field[0]);
    size_t at = grow(f, 4 + size);
    set(f, at, (uint32_t)size, 4);
    if (!f->failed) {
        memcpy(f->front.data + at + 4, data, size);
    }
}

/* ---- reading what is there ---- */

static bool open_graph(struct folding *f)
{
    struct mw_vector graphs, inputs, outputs;
    return mw_table_root(f->file, "TFL3", &f->root) &&
           mw_table_vector(&f->root, MODEL_CODES, 4, &f->codes) &&
           mw_table_vector(&f->root, MODEL_BUFFERS, 4, &f->buffers) &&
           mw_table_vector(&f->root, MODEL_GRAPHS, 4, &graphs) && graphs.count == 1 &&
           mw_vector_table(&graphs, 0, &f->graph) &&
           mw_table_vector(&f->graph, GRAPH_TENSORS, 4, &f->tensors) &&
           mw_table_vector(&f->graph, GRAPH_OPERATORS, 4, &f->operators) &&
           mw_table_vector(&f->graph, GRAPH_INPUTS, 4, &inputs) && inputs.count == 1 &&
           mw_table_vector(&f->graph, GRAPH_OUTPUTS, 4, &outputs) && outputs.count > 0 &&
           (f->input = mw_vector_i32(&inputs, 0)) >= 0 && (size_t)f->input < f->tensors.count;
}

/* Every table of the lists can be followed, so that they can be carried over. */
static bool check_list(const struct mw_vector *list)
{
    struct mw_table table;
    bool good = true;
    for (size_t i = 0; i < list->count && good; i++) {
        good = mw_vector_table(list, i, &table);
    }
    return good;
}

static mw_err check_input(const struct folding *f, struct mw_error *error)
{
    struct mw_table tensor;
    struct mw_vector shape;
    uint8_t type = MW_TYPE_FLOAT32;
    size_t count = 1;
    if (!mw_vector_table(&f->tensors, (size_t)f->input, &tensor) ||
        !mw_table_vector(&tensor, TENSOR_SHAPE, 4, &shape) ||
        !mw_table_u8(&tensor, TENSOR_TYPE, MW_TYPE_FLOAT32, &type)) {
        return mw_error_set(error, MW_ERR_PARSE, "the model's input cannot be read");
    }
    for (size_t i = 0; i < shape.count; i++) {
        count *= (size_t)mw_vector_i32(&shape, i);
    }
    return type == MW_TYPE_FLOAT32 && count == f->fold->n
               ? MW_OK
               : mw_error_set(error, MW_ERR_UNSUPPORTED,
                              "the model's input is not %zu features as float32", f->fold->n);
}

static void find_names(struct folding *f)
{
    struct mw_vector entries;
    struct mw_table entry;
    struct mw_span name;
    uint32_t buffer = 0;
    f->named = SIZE_MAX;
    if (!mw_table_vector(&f->root, MODEL_METADATA, 4, &entries)) {
        return;
    }
    for (size_t i = 0; i < entries.count; i++) {
        if (mw_vector_table(&entries, i, &entry) && mw_table_string(&entry, 0, &name) &&
            mw_table_u32(&entry, 1, 0, &buffer) && mw_span_is(name, FEATURES_NAME)) {
            f->named = buffer;
        }
    }
}

static mw_err open_file(struct folding *f, struct mw_error *error)
{
    size_t bytes = 0;
    struct mw_why why = {0};
    mw_err err = mw_model_size(f->file.data, f->file.size, &bytes, &why);
    if (err != MW_OK) {
        return mw_error_why(error, err, &why, "byte");
    }
    if (!open_graph(f) || !check_list(&f->codes) || !check_list(&f->buffers) ||
        !check_list(&f->tensors) || !check_list(&f->operators)) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "the model is not one graph with one input");
    }
    find_names(f);
    return check_input(f, error);
}

/* ---- what is put in front ---- */

static mw_err check_order(const struct mw_fold *fold, bool *differs, struct mw_error *error)
{
    bool used[FEATURES_MAX] = {false};
    *differs = false;
    for (size_t i = 0; fold->order != NULL && i < fold->n; i++) {
        size_t at = fold->order[i];
        if (at >= fold->n || used[at]) {
            return mw_error_set(error, MW_ERR_ARGUMENT, "the order does not name each input once");
        }
        used[at] = true;
        *differs |= at != i;
    }
    return MW_OK;
}

static float *add_step(struct folding *f, enum step_op op, size_t numbers)
{
    struct step *step = &f->step[f->n_steps++];
    *step = (struct step){op, calloc(numbers, sizeof(float))};
    f->failed |= step->constant == NULL;
    return step->constant;
}

/* A deviation of 0 leaves the value's own scale, as mw_baseline_map does: x * 1 / 1. */
static void plan_baseline(struct folding *f)
{
    const struct mw_fold *fold = f->fold;
    const struct mw_baseline *baseline = fold->baseline;
    float *mean = add_step(f, OP_SUB, fold->n), *factor = add_step(f, OP_MUL, fold->n);
    float *divisor = add_step(f, OP_DIV, fold->n), *offset = add_step(f, OP_ADD, fold->n);
    for (size_t i = 0; i < fold->n && !f->failed; i++) {
        bool moves = baseline->std[i] > 0.0F;
        mean[i] = baseline->mean[i];
        factor[i] = moves ? fold->reference_std[i] : 1.0F;
        divisor[i] = moves ? baseline->std[i] : 1.0F;
        offset[i] = fold->reference_mean[i];
    }
}

static mw_err plan(struct folding *f, struct mw_error *error)
{
    const struct mw_fold *fold = f->fold;
    bool differs = false;
    mw_err err = check_order(fold, &differs, error);
    if (err != MW_OK) {
        return err;
    }
    if (differs) {
        float *matrix = add_step(f, OP_FULLY_CONNECTED, fold->n * fold->n);
        for (size_t i = 0; i < fold->n && !f->failed; i++) {
            matrix[fold->order[i] * fold->n + i] = 1.0F;
        }
    } else {
        f->named = SIZE_MAX; /* its names stay true */
    }
    if (fold->baseline != NULL) {
        plan_baseline(f);
    }
    return f->failed ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
}

/* ---- the new parts ---- */

static void add_codes(struct folding *f, size_t from)
{
    size_t at = add_list(f, from, &f->codes, f->n_steps), field[CODE_FIELDS];
    for (size_t i = 0; i < f->n_steps; i++) {
        uint32_t builtin = ops[f->step[i].op].builtin;
        add_table(f, at + 4 * i, CODE_FIELDS,
                  1U << CODE_OLD | 1U << CODE_VERSION | 1U << CODE_BUILTIN, field);
        set(f, field[CODE_OLD], builtin, 1);
        set(f, field[CODE_VERSION], 1, 4);
        set(f, field[CODE_BUILTIN], builtin, 4);
    }
}

static size_t numbers_of(const struct folding *f, const struct step *step)
{
    return step->op == OP_FULLY_CONNECTED ? f->fold->n * f->fold->n : f->fold->n;
}

/* The names in the new order, as a JSON array; NULL without memory. */
static char *print_names(const struct mw_fold *fold)
{
    json_auto_t *names = json_array();
    for (size_t i = 0; i < fold->n; i++) {
        if (json_array_append_new(names, json_string(fold->features[fold->order[i]])) != 0) {
            return NULL;
        }
    }
    return json_dumps(names, JSON_COMPACT);
}

static void add_buffers(struct folding *f, size_t from)
{
    size_t at = add_list(f, from, &f->buffers, f->n_steps);
    for (size_t i = 0; i < f->n_steps; i++) {
        add_buffer(f, at + 4 * i, f->step[i].constant, 4 * numbers_of(f, &f->step[i]));
    }
    if (f->named >= f->buffers.count) {
        return;
    }
    size_t place = at - 4 * (f->buffers.count - f->named);
    char *names = print_names(f->fold);
    f->failed |= names == NULL;
    for (size_t i = 0; i < f->n_relocations; i++) { /* the old names are not referred to */
        if (f->relocation[i].place == place) {
            f->relocation[i] = f->relocation[--f->n_relocations];
        }
    }
    if (!f->failed) {
        add_buffer(f, place, names, strlen(names));
    }
    free(names);
}

static void add_tensor(struct folding *f, size_t from, uint32_t rows, uint32_t buffer)
{
    size_t field[TENSOR_FIELDS];
    add_table(f, from, TENSOR_FIELDS, 1U << TENSOR_SHAPE | 1U << TENSOR_BUFFER, field);
    set(f, field[TENSOR_BUFFER], buffer, 4);
    add_numbers(f, field[TENSOR_SHAPE], (uint32_t[]){rows, (uint32_t)f->fold->n}, 2);
}

/* Tensor 2 i is step i's constant, 2 i + 1 what comes out of it. */
static uint32_t tensor_of(const struct folding *f, size_t i)
{
    return (uint32_t)(f->tensors.count + i);
}

static void add_tensors(struct folding *f, size_t from)
{
    size_t at = add_list(f, from, &f->tensors, 2 * f->n_steps);
    for (size_t i = 0; i < f->n_steps; i++) {
        uint32_t rows = f->step[i].op == OP_FULLY_CONNECTED ? (uint32_t)f->fold->n : 1;
        add_tensor(f, at + 8 * i, rows, (uint32_t)(f->buffers.count + i));
        add_tensor(f, at + 8 * i + 4, 1, 0); /* buffer 0 is everybody's empty one */
    }
}

static void add_step_operator(struct folding *f, size_t from, size_t i)
{
    size_t field[OPERATOR_FIELDS], none[1];
    bool matrix = f->step[i].op == OP_FULLY_CONNECTED;
    uint32_t before = i == 0 ? (uint32_t)f->input : tensor_of(f, 2 * i - 1);
    const uint32_t inputs[3] = {before, tensor_of(f, 2 * i), UINT32_MAX}; /* -1: no bias */
    const uint32_t output = tensor_of(f, 2 * i + 1);
    add_table(f, from, OPERATOR_FIELDS, (1U << OPERATOR_FIELDS) - 1, field);
    set(f, field[OPERATOR_CODE], (uint32_t)(f->codes.count + i), 4);
    set(f, field[OPERATOR_TYPE], ops[f->step[i].op].options, 1);
    add_numbers(f, field[OPERATOR_INPUTS], inputs, matrix ? 3 : 2);
    add_numbers(f, field[OPERATOR_OUTPUTS], &output, 1);
    add_table(f, field[OPERATOR_OPTIONS], 0, 0, none);
}

static void add_operators(struct folding *f, size_t from)
{
    size_t n = f->n_steps, at = add_vector(f, from, n + f->operators.count);
    for (size_t i = 0; i < f->operators.count; i++) {
        struct mw_table table = {0};
        (void)mw_vector_table(&f->operators, i, &table);
        link_old(f, at + 4 * (n + i), table.at);
    }
    for (size_t i = 0; i < n; i++) {
        add_step_operator(f, at + 4 * i, i);
    }
}

/* The place of the vector or string that a field refers to; 0: the table does not have it. */
static size_t reference(const struct mw_table *table, size_t field)
{
    struct mw_vector value;
    return mw_table_vector(table, field, 1, &value) && value.at > 0 ? value.at - 4 : 0;
}

/* A table with the fields `own`, which are for the caller to set, and with the vectors and strings
 * that an old one has beside these, which stay where they are. */
static void carry_table(struct folding *f, size_t from, const struct mw_table *old, size_t n,
                        unsigned own, size_t *field)
{
    unsigned present = own;
    for (size_t i = 0; i < n; i++) {
        present |= reference(old, i) != 0 ? 1U << i : 0;
    }
    add_table(f, from, n, present, field);
    for (size_t i = 0; i < n; i++) {
        if ((present & ~own) >> i & 1) {
            link_old(f, field[i], reference(old, i));
        }
    }
}

static void add_graph(struct folding *f, size_t from)
{
    size_t field[GRAPH_FIELDS], list = add_vector(f, from, 1);
    carry_table(f, list, &f->graph, GRAPH_FIELDS, 1U << GRAPH_TENSORS | 1U << GRAPH_OPERATORS,
                field);
    add_tensors(f, field[GRAPH_TENSORS]);
    add_operators(f, field[GRAPH_OPERATORS]);
}

static void write_front(struct folding *f)
{
    size_t field[MODEL_FIELDS], head = grow(f, 8);
    uint32_t version = 0;
    if (!f->failed) {
        memcpy(f->front.data + head + 4, "TFL3", 4);
    }
    (void)mw_table_u32(&f->root, MODEL_VERSION, 0, &version);
    carry_table(f, head, &f->root, MODEL_FIELDS,
                1U << MODEL_VERSION | 1U << MODEL_CODES | 1U << MODEL_GRAPHS | 1U << MODEL_BUFFERS,
                field);
    set(f, field[MODEL_VERSION], version, 4);
    add_codes(f, field[MODEL_CODES]);
    add_graph(f, field[MODEL_GRAPHS]);
    add_buffers(f, field[MODEL_BUFFERS]);
    align(f, DATA_ALIGN, 0);
    for (size_t i = 0; i < f->n_relocations; i++) {
        const struct relocation *r = &f->relocation[i];
        set(f, r->place, (uint32_t)(f->front.size + r->target - r->place), 4);
    }
}

/* In the copy of the old file, what read the input reads the last new tensor. */
static void redirect(const struct folding *f, char *old)
{
    uint32_t last = tensor_of(f, 2 * f->n_steps - 1);
    for (size_t i = 0; i < f->operators.count; i++) {
        struct mw_table reader = {0};
        struct mw_vector inputs = {0};
        if (!mw_vector_table(&f->operators, i, &reader) ||
            !mw_table_vector(&reader, OPERATOR_INPUTS, 4, &inputs)) {
            continue;
        }
        for (size_t k = 0; k < inputs.count; k++) {
            for (size_t b = 0; b < 4 && mw_vector_i32(&inputs, k) == f->input; b++) {
                old[inputs.at + 4 * k + b] = (char)(last >> (8 * b));
            }
        }
    }
}

static mw_err put_together(struct folding *f, struct mw_buffer *out)
{
    write_front(f);
    mw_err err = f->failed ? MW_ERR_MEMORY : mw_buffer_add(out, f->front.data, f->front.size);
    size_t at = out->size;
    err = err == MW_OK ? mw_buffer_add(out, f->file.data, f->file.size) : err;
    if (err == MW_OK) {
        redirect(f, out->data + at);
    }
    return err;
}

mw_err mw_fold_model(struct mw_span file, const struct mw_fold *fold, struct mw_buffer *out,
                     struct mw_error *error)
{
    struct folding f = {.fold = fold, .file = file};
    if (fold->n == 0 || fold->n > FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "a model of %zu features", fold->n);
    }
    mw_err err = open_file(&f, error);
    err = err == MW_OK ? plan(&f, error) : err;
    if (err == MW_OK) {
        err = f.n_steps == 0 ? mw_buffer_add(out, file.data, file.size) : put_together(&f, out);
        err = err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
    }
    for (size_t i = 0; i < f.n_steps; i++) {
        free(f.step[i].constant);
    }
    free(f.relocation);
    mw_buffer_free(&f.front);
    return err;
}
