/* test_bundle.h - a small signed bundle for tests: score = mean(weight * x), as a .tflite file of
 * MUL and MEAN in float32, and everything else that a bundle has.
 *
 * The FlatBuffer is written front to back: a table's fields are 4 bytes each, and offsets are set
 * when what they point at has been written. Field numbers are those of the TensorFlow Lite schema.
 */
#ifndef MW_ARTIFACT_TEST_BUNDLE_H
#define MW_ARTIFACT_TEST_BUNDLE_H

#include "lib/artifact/bundle.h"
#include "lib/artifact/trust.h"

#include <stdio.h>
#include <stdlib.h>

#define TEST_FEATURES 2

struct test_flat {
    unsigned char data[4096];
    uint32_t size;
};

static inline void test_flat_u32(struct test_flat *flat, uint32_t at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        flat->data[at + i] = (unsigned char)(value >> (8 * i));
    }
}

static inline uint32_t test_flat_grow(struct test_flat *flat, uint32_t bytes, uint32_t align,
                                      uint32_t head)
{
    while ((flat->size + head) % align != 0) {
        flat->size++;
    }
    uint32_t at = flat->size;
    flat->size += bytes;
    return at;
}

/* Points the offset field at `slot` to `target`. */
static inline void test_flat_link(struct test_flat *flat, uint32_t slot, uint32_t target)
{
    test_flat_u32(flat, slot, target - slot);
}

/* A table of n fields with values (0 where an offset will be linked); a field whose bit in `absent`
 * is set is left out. Field i lies at the returned position + 4 + 4 * i. */
static inline uint32_t test_flat_table(struct test_flat *flat, const uint32_t *values, uint32_t n,
                                       uint32_t absent)
{
    uint32_t vtable = test_flat_grow(flat, 4 + 2 * n, 4, 0);
    uint32_t table = test_flat_grow(flat, 4 + 4 * n, 4, 0);
    flat->data[vtable] = (unsigned char)(4 + 2 * n);
    flat->data[vtable + 2] = (unsigned char)(4 + 4 * n);
    test_flat_u32(flat, table, table - vtable);
    for (uint32_t i = 0; i < n; i++) {
        if ((absent >> i & 1) == 0) {
            flat->data[vtable + 4 + 2 * i] = (unsigned char)(4 + 4 * i);
            test_flat_u32(flat, table + 4 + 4 * i, values[i]);
        }
    }
    return table;
}

/* A vector of n 4-byte elements; element i lies at the returned position + 4 + 4 * i. */
static inline uint32_t test_flat_vector(struct test_flat *flat, const uint32_t *values, uint32_t n)
{
    uint32_t at = test_flat_grow(flat, 4 + 4 * n, 4, 0);
    test_flat_u32(flat, at, n);
    for (uint32_t i = 0; i < n; i++) {
        test_flat_u32(flat, at + 4 + 4 * i, values != NULL ? values[i] : 0);
    }
    return at;
}

/* A byte vector whose content is aligned to 16 and holds n 32-bit words. */
static inline uint32_t test_flat_bytes(struct test_flat *flat, const uint32_t *words, uint32_t n)
{
    uint32_t at = test_flat_grow(flat, 4 + 4 * n, 16, 4);
    test_flat_u32(flat, at, 4 * n);
    for (uint32_t i = 0; i < n; i++) {
        test_flat_u32(flat, at + 4 + 4 * i, words[i]);
    }
    return at;
}

static inline void test_model_tensors(struct test_flat *flat, uint32_t slot)
{
    static const uint32_t shapes[5][2] = {
        {1, TEST_FEATURES}, {1, TEST_FEATURES}, {1, TEST_FEATURES}, {1, 0}, {1, 1}};
    static const uint32_t types[5] = {0, 0, 0, 2, 0}; /* FLOAT32, and INT32 for the axis */
    static const uint32_t buffers[5] = {0, 1, 0, 2, 0};
    uint32_t tensors = test_flat_vector(flat, NULL, 5);
    test_flat_link(flat, slot, tensors);
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t table = test_flat_table(flat, (const uint32_t[]){0, types[i], buffers[i]}, 3, 0);
        test_flat_link(flat, tensors + 4 + 4 * i, table);
        test_flat_link(flat, table + 4, test_flat_vector(flat, shapes[i], i == 3 ? 1 : 2));
    }
}

static inline void test_model_operators(struct test_flat *flat, uint32_t slot)
{
    static const uint32_t inputs[2][2] = {{0, 1}, {2, 3}};
    static const uint32_t outputs[2] = {2, 4};
    static const uint32_t options_type[2] = {21, 27}; /* MulOptions, ReducerOptions */
    static const uint32_t options[2] = {0, 1};        /* no activation; keep_dims */
    uint32_t operators = test_flat_vector(flat, NULL, 2);
    test_flat_link(flat, slot, operators);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t table =
            test_flat_table(flat, (const uint32_t[]){i, 0, 0, options_type[i], 0}, 5, 0);
        test_flat_link(flat, operators + 4 + 4 * i, table);
        test_flat_link(flat, table + 8, test_flat_vector(flat, inputs[i], 2));
        test_flat_link(flat, table + 12, test_flat_vector(flat, &outputs[i], 1));
        test_flat_link(flat, table + 20, test_flat_table(flat, &options[i], 1, 0));
    }
}

/* Appends the .tflite file. */
static inline void test_model_build(struct mw_buffer *file, float weight)
{
    static struct test_flat flat;
    static const uint32_t codes[2] = {18, 40}; /* MUL, MEAN */
    static const uint32_t axis = 1;
    uint32_t words[TEST_FEATURES], zero[5] = {0};
    flat = (struct test_flat){.size = 8};
    for (int i = 0; i < TEST_FEATURES; i++) {
        memcpy(&words[i], &weight, sizeof weight);
    }
    memcpy(flat.data + 4, "TFL3", 4);
    uint32_t model = test_flat_table(&flat, (const uint32_t[]){3, 0, 0, 0, 0}, 5, 1U << 3);
    test_flat_link(&flat, 0, model);
    uint32_t list = test_flat_vector(&flat, NULL, 2);
    test_flat_link(&flat, model + 8, list);
    for (uint32_t i = 0; i < 2; i++) {
        test_flat_link(&flat, list + 4 + 4 * i,
                       test_flat_table(&flat, (const uint32_t[]){codes[i], 0, 1, codes[i]}, 4, 2));
    }
    uint32_t graphs = test_flat_vector(&flat, NULL, 1);
    test_flat_link(&flat, model + 12, graphs);
    uint32_t graph = test_flat_table(&flat, zero, 4, 0);
    test_flat_link(&flat, graphs + 4, graph);
    test_model_tensors(&flat, graph + 4);
    test_flat_link(&flat, graph + 8, test_flat_vector(&flat, (const uint32_t[]){0}, 1));
    test_flat_link(&flat, graph + 12, test_flat_vector(&flat, (const uint32_t[]){4}, 1));
    test_model_operators(&flat, graph + 16);
    uint32_t buffers = test_flat_vector(&flat, NULL, 3);
    test_flat_link(&flat, model + 20, buffers);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t buffer = test_flat_table(&flat, zero, 1, i == 0 ? 1 : 0);
        test_flat_link(&flat, buffers + 4 + 4 * i, buffer);
        if (i > 0) {
            test_flat_link(&flat, buffer + 4,
                           i == 1 ? test_flat_bytes(&flat, words, TEST_FEATURES)
                                  : test_flat_bytes(&flat, &axis, 1));
        }
    }
    (void)mw_buffer_add(file, flat.data, flat.size);
}

/* What the model answers, in the order of its arithmetic. */
static inline float test_model_score(float weight, float a, float b)
{
    float first = a * weight, second = b * weight;
    float sum = first + second;
    return sum / 2.0F;
}

static inline void test_golden_build(struct mw_buffer *golden, float weight)
{
    const uint32_t head[2] = {2, TEST_FEATURES};
    const float inputs[2][TEST_FEATURES] = {{0.25F, 0.75F}, {1.0F, 0.5F}};
    (void)mw_buffer_add(golden, "MWG1", 4);
    (void)mw_buffer_add(golden, head, sizeof head);
    for (int i = 0; i < 2; i++) {
        float score = test_model_score(weight, inputs[i][0], inputs[i][1]);
        (void)mw_buffer_add(golden, inputs[i], sizeof inputs[i]);
        (void)mw_buffer_add(golden, &score, sizeof score);
    }
}

/* A whole bundle of features "a" and "b"; free with mw_bundle_clear. */
static inline void test_bundle_build(struct mw_bundle *bundle, float weight)
{
    *bundle = (struct mw_bundle){.n_features = TEST_FEATURES,
                                 .kind = strdup("mlp"),
                                 .base_rate = 0.1,
                                 .horizon = 3600000000,
                                 .seed = 42,
                                 .created = 1767225600123456,
                                 .dataset = strdup("sha256:of the data"),
                                 .code = strdup("0.1.0"),
                                 .int8_auc_loss = 0.001,
                                 .gates_json = strdup("{\"auc\":\"0.99 is at least 0.9\"}"),
                                 .metrics_json = strdup("{\"auc\":0.974}")};
    bundle->features = calloc(TEST_FEATURES, sizeof *bundle->features);
    bundle->reference_mean = calloc(TEST_FEATURES, sizeof(float));
    bundle->reference_std = calloc(TEST_FEATURES, sizeof(float));
    bundle->edges = calloc(TEST_FEATURES, sizeof *bundle->edges);
    bundle->sketch = calloc(TEST_FEATURES, sizeof *bundle->sketch);
    for (int i = 0; i < TEST_FEATURES; i++) {
        bundle->features[i] = strdup(i == 0 ? "a" : "b");
        bundle->reference_mean[i] = 0.5F + (float)i / 3.0F;
        bundle->reference_std[i] = 0.25F;
        for (int j = 0; j < MW_SKETCH_EDGES; j++) {
            bundle->edges[i].edge[j] = (float)j / 7.0F - 1.0F;
            bundle->score_edges.edge[j] = (float)(j + 1) / 16.0F;
        }
        for (unsigned j = 0; j < MW_SKETCH_BINS; j++) {
            bundle->sketch[i].count[j] = j;
            bundle->score_sketch.count[j] = 2 * j;
        }
        bundle->sketch[i].not_finite = 3;
    }
    test_model_build(&bundle->int8_model, weight);
    test_model_build(&bundle->float_model, weight);
    test_golden_build(&bundle->golden, weight);
}

/* Stores and signs a bundle, and clears it. */
static inline mw_err test_bundle_sign(struct mw_store *store, const char *keys,
                                      struct mw_bundle *bundle, const char *name,
                                      char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    uint64_t length = 0;
    mw_err err = mw_bundle_put(store, bundle, &length, error);
    (void)snprintf(digest, MW_DIGEST_TEXT, "%s", bundle->digest);
    if (err == MW_OK) {
        err = mw_trust_sign(store, keys, name, digest, length, NULL, error);
    }
    mw_bundle_clear(bundle);
    return err;
}

/* The same for one of that weight, under "bundle/<weight>". */
static inline mw_err test_bundle_publish(struct mw_store *store, const char *keys, float weight,
                                         char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    struct mw_bundle bundle;
    char name[64];
    test_bundle_build(&bundle, weight);
    (void)snprintf(name, sizeof name, "bundle/%g", (double)weight);
    return test_bundle_sign(store, keys, &bundle, name, digest, error);
}

#endif
