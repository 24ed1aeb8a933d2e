/* backprop.h - a perceptron while it learns: padded weights, gradients by back-propagation, Adam.
 *
 * Sources: D. Rumelhart, G. Hinton, R. Williams, "Learning representations by back-propagating
 * errors", 1986; D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1;
 * starting weights after X. Glorot, Y. Bengio, "Understanding the difficulty of training deep
 * feedforward neural networks", 2010. Single-threaded, in a fixed order: the same seed gives the
 * same bits. */
#ifndef MW_TRAINING_BACKPROP_H
#define MW_TRAINING_BACKPROP_H

#include "tiers/training/network.h"
#include "tiers/training/random.h"

#include <stdint.h>

struct mw_backprop; /* opaque; on the heap */

/* Rows to learn from. With label NULL the target is z itself (mean squared error, over columns
 * too), else the label (log loss of the logit). weight may be NULL for all 1. All borrowed. */
struct mw_samples {
    const float *z; /* rows * columns, normalised */
    const uint8_t *label;
    const double *weight;
    size_t rows, columns;
};

/* Makes the working form of a network's layers, with weights drawn from `random` when it is not
 * NULL, else copied from the network. Batches have at most `batch` rows. NULL when there is no
 * memory. */
struct mw_backprop *mw_backprop_new(const struct mw_network *network, size_t batch,
                                    struct mw_random *random);
void mw_backprop_free(struct mw_backprop *net);

/* Number of parameters (padding included) and the parameters themselves, for copying and tests. */
size_t mw_backprop_size(const struct mw_backprop *net);
float *mw_backprop_parameters(struct mw_backprop *net);
float *mw_backprop_gradient(struct mw_backprop *net);

/* Writes the parameters back into the network's layers. */
void mw_backprop_export(const struct mw_backprop *net, struct mw_network *network);

/* Sets the gradient of  sum over the n rows of weight * loss / sum of weights  for
 * samples[index[0..n)], n at most the batch, and returns that mean loss. */
double mw_backprop_gradients(struct mw_backprop *net, const struct mw_samples *samples,
                             const uint32_t *index, size_t n);

/* The mean loss over all samples, without gradients. */
double mw_backprop_loss(struct mw_backprop *net, const struct mw_samples *samples);

/* One step of Adam (beta 0.9 and 0.999) along the gradient plus decay * weights (biases excepted).
 */
void mw_backprop_step(struct mw_backprop *net, double rate, double decay);

#endif
