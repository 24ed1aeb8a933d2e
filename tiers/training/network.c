#include "tiers/training/network.h"

#include "tiers/training/elementary.h"

#include <stdlib.h>
#include <string.h>

static mw_err init_layers(struct mw_network *network, const size_t *widths, size_t n_layers)
{
    size_t inputs = network->n_features;
    for (size_t i = 0; i < n_layers; i++) {
        struct mw_layer *layer = &network->layers[i];
        if (widths[i] == 0) {
            return MW_ERR_ARGUMENT;
        }
        *layer =
            (struct mw_layer){.inputs = inputs, .outputs = widths[i], .relu = i + 1 < n_layers};
        layer->weight = calloc(inputs * widths[i], sizeof *layer->weight);
        layer->bias = calloc(widths[i], sizeof *layer->bias);
        if (layer->weight == NULL || layer->bias == NULL) {
            return MW_ERR_MEMORY;
        }
        inputs = widths[i];
    }
    return MW_OK;
}

mw_err mw_network_init(struct mw_network *network, enum mw_model_kind kind, char *const *features,
                       size_t n_features, const size_t *widths, size_t n_layers)
{
    *network = (struct mw_network){.kind = kind, .c = 1.0f};
    if (n_features == 0 || n_layers == 0) {
        return MW_ERR_ARGUMENT;
    }
    network->features = calloc(n_features, sizeof *network->features);
    network->mean = calloc(n_features, sizeof *network->mean);
    network->factor = calloc(n_features, sizeof *network->factor);
    network->layers = calloc(n_layers, sizeof *network->layers);
    bool ok = network->features != NULL && network->mean != NULL && network->factor != NULL &&
              network->layers != NULL;
    network->n_features = network->features != NULL ? n_features : 0;
    network->n_layers = network->layers != NULL ? n_layers : 0;
    for (size_t i = 0; ok && i < n_features; i++) {
        network->features[i] = strdup(features[i]);
        ok = network->features[i] != NULL;
    }
    mw_err err = ok ? init_layers(network, widths, n_layers) : MW_ERR_MEMORY;
    if (err != MW_OK) {
        mw_network_clear(network);
    }
    return err;
}

void mw_network_clear(struct mw_network *network)
{
    for (size_t i = 0; i < network->n_features; i++) {
        free(network->features[i]);
    }
    for (size_t i = 0; i < network->n_layers; i++) {
        free(network->layers[i].weight);
        free(network->layers[i].bias);
    }
    free(network->features);
    free(network->mean);
    free(network->factor);
    free(network->layers);
    *network = (struct mw_network){0};
}

const char *mw_network_kind_name(enum mw_model_kind kind)
{
    switch (kind) {
    case MW_MODEL_LOGISTIC:
        return "logistic";
    case MW_MODEL_MLP:
        return "mlp";
    case MW_MODEL_AUTOENCODER:
        return "autoencoder";
    }
    return "unknown";
}

void mw_network_normalise(const struct mw_network *network, const float *x, size_t n, float *z)
{
    size_t d = network->n_features;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) {
            z[i * d + j] = (x[i * d + j] - network->mean[j]) * network->factor[j];
        }
    }
}

size_t mw_network_scratch(const struct mw_network *network)
{
    size_t widest = 0;
    for (size_t i = 0; i < network->n_layers; i++) {
        size_t outputs = network->layers[i].outputs;
        widest = outputs > widest ? outputs : widest;
    }
    return 2 * widest;
}

const float *mw_network_run(const struct mw_network *network, const float *z, float *scratch,
                            mw_network_record_fn *record, void *context)
{
    size_t half = mw_network_scratch(network) / 2;
    const float *in = z;
    for (size_t i = 0; i < network->n_layers; i++) {
        const struct mw_layer *layer = &network->layers[i];
        float *out = scratch + (i % 2) * half;
        for (size_t o = 0; o < layer->outputs; o++) {
            const float *w = layer->weight + o * layer->inputs;
            float sum = layer->bias[o];
            for (size_t j = 0; j < layer->inputs; j++) {
                sum += w[j] * in[j];
            }
            out[o] = layer->relu && sum < 0.0f ? 0.0f : sum;
        }
        if (record != NULL) {
            record(context, i, out, layer->outputs);
        }
        in = out;
    }
    return in;
}

double mw_network_rank(const struct mw_network *network, const float *z, float *scratch)
{
    const float *out = mw_network_run(network, z, scratch, NULL, NULL);
    if (network->kind != MW_MODEL_AUTOENCODER) {
        return (double)out[0];
    }
    double sum = 0.0;
    for (size_t j = 0; j < network->n_features; j++) {
        double difference = (double)z[j] - (double)out[j];
        sum += difference * difference;
    }
    return sum / (double)network->n_features;
}

double mw_network_score(const struct mw_network *network, double rank)
{
    if (network->kind == MW_MODEL_AUTOENCODER) {
        return rank / (rank + (double)network->c);
    }
    return mw_math_sigmoid(rank);
}
