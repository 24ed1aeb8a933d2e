#include "tiers/training/quantize.h"

#include "core/model/quantize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The score's integer logistic is flat beyond this logit: a table of 256 steps up to 32767/3072. */
#define LOGIT_MOST 10.66

static int by_value(const void *left, const void *right)
{
    const float *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void record(void *context, size_t layer, const float *output, size_t n)
{
    struct mw_quantize_values *values = &((struct mw_quantize_ranges *)context)->layers[layer];
    memcpy(values->value + values->n, output, n * sizeof *output);
    values->n += n;
}

mw_err mw_quantize_observe(const struct mw_network *network, const float *z, size_t n,
                           struct mw_quantize_ranges *ranges)
{
    *ranges = (struct mw_quantize_ranges){0};
    float *scratch = calloc(mw_network_scratch(network), sizeof *scratch);
    ranges->layers = calloc(network->n_layers, sizeof *ranges->layers);
    bool ok = scratch != NULL && ranges->layers != NULL && n > 0;
    ranges->n_layers = ranges->layers != NULL ? network->n_layers : 0;
    for (size_t i = 0; ok && i < network->n_layers; i++) {
        ranges->layers[i].value = calloc(n * network->layers[i].outputs, sizeof(float));
        ok = ranges->layers[i].value != NULL;
    }
    for (size_t i = 0; ok && i < n; i++) {
        const float *row = z + i * network->n_features;
        (void)mw_network_run(network, row, scratch, record, ranges);
        for (size_t j = 0; j < network->n_features; j++) {
            ranges->input_least = row[j] < ranges->input_least ? row[j] : ranges->input_least;
            ranges->input_most = row[j] > ranges->input_most ? row[j] : ranges->input_most;
        }
    }
    free(scratch);
    if (!ok) {
        mw_quantize_ranges_clear(ranges);
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < network->n_layers; i++) {
        qsort(ranges->layers[i].value, ranges->layers[i].n, sizeof(float), by_value);
    }
    return MW_OK;
}

void mw_quantize_ranges_clear(struct mw_quantize_ranges *ranges)
{
    for (size_t i = 0; i < ranges->n_layers; i++) {
        free(ranges->layers[i].value);
    }
    free(ranges->layers);
    *ranges = (struct mw_quantize_ranges){0};
}

void mw_quantized_clear(struct mw_quantized *quantized)
{
    for (size_t i = 0; i < quantized->n_layers; i++) {
        free(quantized->layers[i].weight);
        free(quantized->layers[i].scale);
        free(quantized->layers[i].bias);
    }
    free(quantized->layers);
    *quantized = (struct mw_quantized){0};
}

static float limit(float value, double most)
{
    return most > 0.0 && (double)value > most    ? (float)most
           : most > 0.0 && (double)value < -most ? (float)-most
                                                 : value;
}

/* The range of the input under the cut. */
static void choose_input(const struct mw_network *network, const struct mw_quantize_ranges *ranges,
                         struct mw_quantize_cut cut, float *least, float *most)
{
    *least = limit(ranges->input_least, cut.input);
    *most = limit(ranges->input_most, cut.input);
    if (network->kind == MW_MODEL_AUTOENCODER && cut.input > 0.0) {
        *most = (float)cut.input;
        *least = -*most;
    }
}

/* The range of a layer's output under the cut. */
static void choose_range(const struct mw_network *network, const struct mw_quantize_ranges *ranges,
                         struct mw_quantize_cut cut, size_t layer, float *least, float *most)
{
    const struct mw_quantize_values *values = &ranges->layers[layer];
    bool encoder = network->kind == MW_MODEL_AUTOENCODER;
    if (layer + 1 == network->n_layers && encoder) {
        choose_input(network, ranges, cut, least, most);
        return;
    }
    if (layer + 1 == network->n_layers) {
        double bound = cut.output > 0.0 && cut.output < LOGIT_MOST ? cut.output : LOGIT_MOST;
        *least = limit(values->value[0], bound);
        *most = limit(values->value[values->n - 1], bound);
        return;
    }
    size_t outside = (size_t)((1.0 - cut.hidden) * (double)values->n);
    float headroom = encoder ? MW_QUANTIZE_HEADROOM : 1.0f;
    *least = network->layers[layer].relu ? 0.0f : values->value[outside] * headroom;
    *most = values->value[values->n - 1 - outside] * headroom;
}

/* The scale of one row: its largest weight, or more where the bias would not fit in 30 bits else.
 */
static mw_err choose_scale(const float *w, size_t inputs, float bias, float in_scale, float *scale)
{
    float most = fabsf(bias) / in_scale * 0x1p-30f * 127.0f;
    for (size_t j = 0; j < inputs; j++) {
        if (!isfinite(w[j])) {
            return MW_ERR_RANGE;
        }
        most = fabsf(w[j]) > most ? fabsf(w[j]) : most;
    }
    if (!isfinite(most)) {
        return MW_ERR_RANGE;
    }
    mw_quant_params_symmetric(most, 127, scale);
    return MW_OK;
}

/* Quantizes weights and biases for an input of that scale. Row o of the result is row o / copies of
 * the layer, its bias shifted by its place among the copies. */
static mw_err quantize_layer(const struct mw_layer *layer, float in_scale, size_t copies,
                             struct mw_quantized_layer *out)
{
    size_t inputs = layer->inputs;
    out->outputs = layer->outputs * copies;
    out->weight = calloc(inputs * out->outputs, sizeof *out->weight);
    out->scale = calloc(out->outputs, sizeof *out->scale);
    out->bias = calloc(out->outputs, sizeof *out->bias);
    if (out->weight == NULL || out->scale == NULL || out->bias == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t o = 0; o < out->outputs; o++) {
        const float *w = layer->weight + o / copies * inputs;
        float bias = layer->bias[o / copies];
        mw_err err = choose_scale(w, inputs, bias, in_scale, &out->scale[o]);
        if (err != MW_OK) {
            return err;
        }
        for (size_t j = 0; j < inputs; j++) {
            out->weight[o * inputs + j] = (int8_t)mw_quant_value(w[j], out->scale[o], 0, -127, 127);
        }
        double place = ((double)(o % copies) + 0.5) / (double)copies - 0.5;
        out->bias[o] =
            mw_quant_bias((double)bias + place * (double)out->out_scale, in_scale, out->scale[o]);
    }
    return MW_OK;
}

mw_err mw_quantize(const struct mw_network *network, const struct mw_quantize_ranges *ranges,
                   struct mw_quantize_cut cut, struct mw_quantized *quantized)
{
    *quantized = (struct mw_quantized){0};
    quantized->layers = calloc(network->n_layers, sizeof *quantized->layers);
    if (quantized->layers == NULL) {
        return MW_ERR_MEMORY;
    }
    quantized->n_layers = network->n_layers;
    float least, most;
    choose_input(network, ranges, cut, &least, &most);
    mw_quant_params_int8(least, most, &quantized->in_scale, &quantized->in_zero_point);
    float in_scale = quantized->in_scale;
    for (size_t i = 0; i < network->n_layers; i++) {
        struct mw_quantized_layer *out = &quantized->layers[i];
        choose_range(network, ranges, cut, i, &least, &most);
        mw_quant_params_int8(least, most, &out->out_scale, &out->out_zero_point);
        bool logit = i + 1 == network->n_layers && network->kind != MW_MODEL_AUTOENCODER;
        mw_err err =
            quantize_layer(&network->layers[i], in_scale, logit ? MW_QUANTIZE_COPIES : 1, out);
        if (err != MW_OK) {
            mw_quantized_clear(quantized);
            return err;
        }
        in_scale = out->out_scale;
    }
    return MW_OK;
}
