/* network.h - a trained model in float32: what the trainers make and the writers of .tflite take.
 */
#ifndef MW_TRAINING_NETWORK_H
#define MW_TRAINING_NETWORK_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <stdbool.h>
#include <stddef.h>

/* One fully connected layer: y = w x + b, then max(0, y) where relu. */
struct mw_layer {
    size_t inputs, outputs;
    float *weight; /* outputs rows of inputs */
    float *bias;   /* outputs */
    bool relu;
};

/* Owned by the caller; {0} is empty. A feature is normalised as z = (x - mean) * factor, in float32
 * and in this order, as the graph's SUB and MUL do; factor is 1 / standard deviation, or 0 for a
 * constant feature. A classifier's last layer has one output, the logit of its score. An
 * autoencoder's has n_features, the reconstruction of z; its score is e / (e + c), e the mean
 * squared difference. */
struct mw_network {
    enum mw_model_kind kind;
    size_t n_features;
    char **features; /* names */
    float *mean, *factor;
    size_t n_layers;
    struct mw_layer *layers;
    float c; /* autoencoder only, > 0 */
};

/* Makes a network with layers of these widths (n_layers of them; the last is the output), weights
 * 0. Names are copied. Errors: MEMORY, ARGUMENT for a width of 0. On an error *network is empty. */
mw_err mw_network_init(struct mw_network *network, enum mw_model_kind kind, char *const *features,
                       size_t n_features, const size_t *widths, size_t n_layers);
void mw_network_clear(struct mw_network *network);

const char *mw_network_kind_name(enum mw_model_kind kind);

/* Normalises rows of raw features (n rows of n_features) into z. */
void mw_network_normalise(const struct mw_network *network, const float *x, size_t n, float *z);

/* The floats that mw_network_run needs to work in. */
size_t mw_network_scratch(const struct mw_network *network);

/* Runs one normalised row through the layers; returns the last layer's output, inside scratch. When
 * `record` is not NULL it is called after each layer with that layer's output. */
typedef void mw_network_record_fn(void *context, size_t layer, const float *output, size_t n);
const float *mw_network_run(const struct mw_network *network, const float *z, float *scratch,
                            mw_network_record_fn *record, void *context);

/* What ranks a normalised row: a classifier's logit, an autoencoder's mean squared error. */
double mw_network_rank(const struct mw_network *network, const float *z, float *scratch);
/* The score in [0,1] that belongs to a rank. */
double mw_network_score(const struct mw_network *network, double rank);

#endif
