/* quantize.h - int8 weights and activation ranges for a trained network (post-training
 * quantization).
 *
 * Weights are symmetric, one scale an output; activations asymmetric, one range a layer, from what
 * the network does on calibration records. Source: R. Krishnamoorthi, "Quantizing deep
 * convolutional networks for efficient inference", 2018, section 3. */
#ifndef MW_TRAINING_QUANTIZE_H
#define MW_TRAINING_QUANTIZE_H

#include "tiers/training/network.h"

#include <stdint.h>

/* A classifier's logit is rounded to int8 in MW_QUANTIZE_COPIES ways: that many rows with the same
 * weights and biases that differ by even parts of a step. The mean of their scores keeps what a
 * single rounding to 256 steps would lose of the ranking (three more bits), for the price of a
 * wider last row. */
#define MW_QUANTIZE_COPIES 8

struct mw_quantized_layer {
    size_t outputs; /* as the network's, or MW_QUANTIZE_COPIES for a classifier's last layer */
    int8_t *weight; /* outputs rows of inputs, in [-127,127] */
    float *scale;   /* outputs */
    int32_t *bias;  /* outputs, in units of input scale * scale */
    float out_scale;
    int32_t out_zero_point;
};

/* Owned by the caller; {0} is empty. */
struct mw_quantized {
    float in_scale;
    int32_t in_zero_point;
    size_t n_layers;
    struct mw_quantized_layer *layers;
};

/* How ranges are cut; what lies outside saturates. An autoencoder sees only healthy records before
 * it is quantized, and must follow a fault for a while beyond them, or its reconstruction errors no
 * longer rank: its input and output hold exactly -input to input, and its hidden layers
 * MW_QUANTIZE_HEADROOM times what occurred. */
#define MW_QUANTIZE_HEADROOM 2.0f

struct mw_quantize_cut {
    double input; /* largest |z| that the input holds, in standard deviations; 0: all that occurs */
    double hidden; /* share of a hidden layer's values that its range holds, (0.5,1]; 1: all */
    double output; /* largest |logit| of a classifier's output; 0: all */
};

/* What a network's layers put out on calibration records, sorted, so that cuts can be tried. */
struct mw_quantize_ranges {
    size_t n_layers;
    float input_least, input_most;
    struct mw_quantize_values {
        float *value; /* n, ascending */
        size_t n;
    } * layers;
};

/* Runs n normalised rows. Errors: MEMORY. */
mw_err mw_quantize_observe(const struct mw_network *network, const float *z, size_t n,
                           struct mw_quantize_ranges *ranges);
void mw_quantize_ranges_clear(struct mw_quantize_ranges *ranges);

/* Chooses scales and integers. Errors: MEMORY, RANGE when a weight or a bias is not finite. */
mw_err mw_quantize(const struct mw_network *network, const struct mw_quantize_ranges *ranges,
                   struct mw_quantize_cut cut, struct mw_quantized *quantized);
void mw_quantized_clear(struct mw_quantized *quantized);

#endif
