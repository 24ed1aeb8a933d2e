#include "tiers/training/tflite_write.h"

#include "tiers/training/tflite_graph.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The float32 variant's logit as int16: the range in which the integer logistic is not flat. */
#define FLOAT_LOGIT_SCALE (1.0f / 3072.0f)

struct writer {
    struct mw_tflite file;
    const struct mw_network *network;
    const struct mw_quantized *quantized; /* NULL: float32 */
    int32_t input, normalised;
    int32_t at;    /* the tensor that the graph has come to */
    int32_t width; /* its columns */
    float scale;   /* its scale when it is quantized */
    int32_t zero_point;
};

/* A computed tensor [1, width]. */
static int32_t computed(struct writer *w, const char *name, enum mw_type type, int32_t width,
                        float scale, int32_t zero_point)
{
    struct mw_tflite_tensor tensor = {.name = name,
                                      .type = type,
                                      .shape = {1, width},
                                      .rank = 2,
                                      .scales = type == MW_TYPE_FLOAT32 ? NULL : &scale,
                                      .n_scales = 1,
                                      .zero_point = zero_point};
    return mw_tflite_add_tensor(&w->file, &tensor);
}

static int32_t constant(struct writer *w, const char *name, int32_t width, const float *data)
{
    struct mw_tflite_tensor tensor = {
        .name = name, .type = MW_TYPE_FLOAT32, .shape = {1, width}, .rank = 2, .data = data};
    return mw_tflite_add_tensor(&w->file, &tensor);
}

/* Appends an operator whose inputs are where the graph is and, when it is not negative, `other`. */
static void apply(struct writer *w, enum mw_tflite_op op, int32_t other, int32_t output)
{
    int32_t inputs[2] = {w->at, other};
    mw_tflite_add_operator(&w->file, op, inputs, other >= 0 ? 2 : 1, output, false);
    w->at = output;
}

static void quantize(struct writer *w, const char *name, enum mw_type type, float scale,
                     int32_t zero_point)
{
    int32_t to = computed(w, name, type, w->width, scale, zero_point);
    apply(w, type == MW_TYPE_INT16 ? MW_TFLITE_QUANTIZE_INT16 : MW_TFLITE_QUANTIZE, -1, to);
    w->scale = scale;
    w->zero_point = zero_point;
}

static void write_normalisation(struct writer *w)
{
    int32_t n = (int32_t)w->network->n_features;
    w->input = w->at = computed(w, "features", MW_TYPE_FLOAT32, n, 0.0f, 0);
    w->width = n;
    int32_t mean = constant(w, "mean", n, w->network->mean);
    apply(w, MW_TFLITE_SUB, mean, computed(w, "centred", MW_TYPE_FLOAT32, n, 0.0f, 0));
    int32_t factor = constant(w, "factor", n, w->network->factor);
    apply(w, MW_TFLITE_MUL, factor, computed(w, "normalised", MW_TYPE_FLOAT32, n, 0.0f, 0));
    w->normalised = w->at;
    if (w->quantized != NULL) {
        quantize(w, "normalised_int8", MW_TYPE_INT8, w->quantized->in_scale,
                 w->quantized->in_zero_point);
    }
}

static void write_float_layer(struct writer *w, size_t i)
{
    const struct mw_layer *layer = &w->network->layers[i];
    char name[3][32];
    (void)snprintf(name[0], sizeof name[0], "weight_%zu", i);
    (void)snprintf(name[1], sizeof name[1], "bias_%zu", i);
    (void)snprintf(name[2], sizeof name[2], "layer_%zu", i);
    struct mw_tflite_tensor weight = {.name = name[0],
                                      .type = MW_TYPE_FLOAT32,
                                      .shape = {(int32_t)layer->outputs, (int32_t)layer->inputs},
                                      .rank = 2,
                                      .data = layer->weight};
    struct mw_tflite_tensor bias = {.name = name[1],
                                    .type = MW_TYPE_FLOAT32,
                                    .shape = {(int32_t)layer->outputs},
                                    .rank = 1,
                                    .data = layer->bias};
    int32_t inputs[3] = {w->at, mw_tflite_add_tensor(&w->file, &weight),
                         mw_tflite_add_tensor(&w->file, &bias)};
    w->width = (int32_t)layer->outputs;
    w->at = computed(w, name[2], MW_TYPE_FLOAT32, w->width, 0.0f, 0);
    mw_tflite_add_operator(&w->file, MW_TFLITE_FULLY_CONNECTED, inputs, 3, w->at, layer->relu);
}

static mw_err write_int8_layer(struct writer *w, size_t i)
{
    const struct mw_layer *layer = &w->network->layers[i];
    const struct mw_quantized_layer *from = &w->quantized->layers[i];
    char name[3][32];
    (void)snprintf(name[0], sizeof name[0], "weight_%zu", i);
    (void)snprintf(name[1], sizeof name[1], "bias_%zu", i);
    (void)snprintf(name[2], sizeof name[2], "layer_%zu", i);
    float *scales = calloc(from->outputs, sizeof *scales);
    if (scales == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t o = 0; o < from->outputs; o++) {
        scales[o] = w->scale * from->scale[o];
    }
    struct mw_tflite_tensor weight = {.name = name[0],
                                      .type = MW_TYPE_INT8,
                                      .shape = {(int32_t)from->outputs, (int32_t)layer->inputs},
                                      .rank = 2,
                                      .data = from->weight,
                                      .scales = from->scale,
                                      .n_scales = from->outputs};
    struct mw_tflite_tensor bias = {.name = name[1],
                                    .type = MW_TYPE_INT32,
                                    .shape = {(int32_t)from->outputs},
                                    .rank = 1,
                                    .data = from->bias,
                                    .scales = scales,
                                    .n_scales = from->outputs};
    int32_t inputs[3] = {w->at, mw_tflite_add_tensor(&w->file, &weight),
                         mw_tflite_add_tensor(&w->file, &bias)};
    free(scales);
    w->width = (int32_t)from->outputs;
    w->scale = from->out_scale;
    w->zero_point = from->out_zero_point;
    w->at = computed(w, name[2], MW_TYPE_INT8, w->width, w->scale, w->zero_point);
    mw_tflite_add_operator(&w->file, MW_TFLITE_FULLY_CONNECTED_INT8, inputs, 3, w->at, layer->relu);
    return MW_OK;
}

/* MEAN over the columns, to [1, 1]. */
static void average(struct writer *w, const char *name)
{
    static const int32_t last_axis = 1;
    struct mw_tflite_tensor axis = {
        .name = "axis", .type = MW_TYPE_INT32, .shape = {1}, .rank = 1, .data = &last_axis};
    int32_t columns = mw_tflite_add_tensor(&w->file, &axis);
    apply(w, MW_TFLITE_MEAN, columns, computed(w, name, MW_TYPE_FLOAT32, 1, 0.0f, 0));
    w->width = 1;
}

/* An int8 step becomes exactly 128 int16 steps: |q - zero_point| is at most 255, so it fits. */
static void write_logistic(struct writer *w)
{
    bool copies = w->width > 1;
    float scale = w->quantized != NULL ? w->scale / 128.0f : FLOAT_LOGIT_SCALE;
    quantize(w, "logit", MW_TYPE_INT16, scale, 0);
    apply(w, MW_TFLITE_LOGISTIC_INT16, -1,
          computed(w, "score_int16", MW_TYPE_INT16, w->width, 1.0f / 32768.0f, 0));
    apply(w, MW_TFLITE_DEQUANTIZE_INT16, -1,
          computed(w, copies ? "scores" : "score", MW_TYPE_FLOAT32, w->width, 0.0f, 0));
    if (copies) {
        average(w, "score");
    }
}

static void write_error(struct writer *w)
{
    if (w->quantized != NULL) {
        apply(w, MW_TFLITE_DEQUANTIZE, -1,
              computed(w, "reconstruction", MW_TYPE_FLOAT32, w->width, 0.0f, 0));
    }
    apply(w, MW_TFLITE_SQUARED_DIFFERENCE, w->normalised,
          computed(w, "squared_error", MW_TYPE_FLOAT32, w->width, 0.0f, 0));
    average(w, "error");
    int32_t error = w->at;
    int32_t c = constant(w, "c", 1, &w->network->c);
    apply(w, MW_TFLITE_ADD, c, computed(w, "error_plus_c", MW_TYPE_FLOAT32, 1, 0.0f, 0));
    int32_t divisor = w->at;
    w->at = error;
    apply(w, MW_TFLITE_DIV, divisor, computed(w, "score", MW_TYPE_FLOAT32, 1, 0.0f, 0));
}

/* A JSON array of the feature names. */
static mw_err print_names(const struct mw_network *network, struct mw_buffer *json)
{
    mw_err err = mw_buffer_add(json, "[", 1);
    for (size_t i = 0; err == MW_OK && i < network->n_features; i++) {
        err = mw_buffer_printf(json, "%s\"", i > 0 ? "," : "");
        for (const char *c = network->features[i]; err == MW_OK && *c != '\0'; c++) {
            if (*c == '"' || *c == '\\') {
                err = mw_buffer_printf(json, "\\%c", *c);
            } else if ((unsigned char)*c < 0x20) {
                err = mw_buffer_printf(json, "\\u%04x", (unsigned)*c);
            } else {
                err = mw_buffer_add(json, c, 1);
            }
        }
        if (err == MW_OK) {
            err = mw_buffer_add(json, "\"", 1);
        }
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}

static mw_err write_metadata(struct writer *w)
{
    struct mw_buffer names = {0};
    mw_err err = print_names(w->network, &names);
    if (err == MW_OK) {
        const char *kind = mw_network_kind_name(w->network->kind);
        mw_tflite_add_metadata(&w->file, "millwright.features", names.data, names.size);
        mw_tflite_add_metadata(&w->file, "millwright.kind", kind, strlen(kind));
    }
    mw_buffer_free(&names);
    return err;
}

mw_err mw_tflite_write(const struct mw_network *network, const struct mw_quantized *quantized,
                       struct mw_buffer *out)
{
    struct writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return MW_ERR_MEMORY;
    }
    w->network = network;
    w->quantized = quantized;
    mw_tflite_begin(&w->file);
    write_normalisation(w);
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < network->n_layers; i++) {
        if (quantized != NULL) {
            err = write_int8_layer(w, i);
        } else {
            write_float_layer(w, i);
        }
    }
    if (network->kind == MW_MODEL_AUTOENCODER) {
        write_error(w);
    } else {
        write_logistic(w);
    }
    if (err == MW_OK) {
        err = write_metadata(w);
    }
    if (err == MW_OK) {
        err = mw_tflite_end(&w->file, w->input, w->at, out);
    }
    mw_tflite_fini(&w->file);
    free(w);
    return err;
}
