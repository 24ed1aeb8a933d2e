#include "tiers/training/backprop.h"

#include "tiers/training/elementary.h"
#include "tiers/training/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A layer's weights lie input by input, outputs padded with zeros, so that the products run along
 * the outputs; `back` is the transposed copy that the way back needs. */
struct layer {
    size_t inputs, outputs, width; /* width: outputs padded */
    size_t weight, bias;           /* places in the parameters */
    float *back;                   /* outputs * padded inputs; none for the first layer */
    float *out, *delta;            /* batch * width */
    bool relu;
};

struct mw_backprop {
    size_t n_layers, batch, columns, size;
    struct layer *layers;
    float *parameters, *gradient, *first, *second; /* size each; Adam's moments */
    float *in;                                     /* batch * columns */
    double power1, power2;                         /* beta to the power of the steps done */
};

static void draw_weights(struct mw_backprop *net, struct mw_random *random)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        struct layer *layer = &net->layers[i];
        double bound = sqrt(6.0 / (double)(layer->inputs + layer->outputs));
        for (size_t o = 0; o < layer->outputs; o++) {
            for (size_t j = 0; j < layer->inputs; j++) {
                net->parameters[layer->weight + j * layer->width + o] =
                    (float)((2.0 * mw_random_unit(random) - 1.0) * bound);
            }
        }
    }
}

static void copy_weights(struct mw_backprop *net, const struct mw_network *network)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        struct layer *layer = &net->layers[i];
        for (size_t o = 0; o < layer->outputs; o++) {
            net->parameters[layer->bias + o] = network->layers[i].bias[o];
            for (size_t j = 0; j < layer->inputs; j++) {
                net->parameters[layer->weight + j * layer->width + o] =
                    network->layers[i].weight[o * layer->inputs + j];
            }
        }
    }
}

static bool init_layer(struct mw_backprop *net, size_t i, const struct mw_layer *from)
{
    struct layer *layer = &net->layers[i];
    layer->inputs = from->inputs;
    layer->outputs = from->outputs;
    layer->width = mw_gemm_pad(from->outputs);
    layer->relu = from->relu;
    layer->weight = net->size;
    layer->bias = net->size + layer->inputs * layer->width;
    net->size = layer->bias + layer->width;
    layer->out = calloc(net->batch * layer->width, sizeof *layer->out);
    layer->delta = calloc(net->batch * layer->width, sizeof *layer->delta);
    if (i > 0) {
        layer->back = calloc(layer->outputs * mw_gemm_pad(layer->inputs), sizeof *layer->back);
    }
    return layer->out != NULL && layer->delta != NULL && (i == 0 || layer->back != NULL);
}

struct mw_backprop *mw_backprop_new(const struct mw_network *network, size_t batch,
                                    struct mw_random *random)
{
    struct mw_backprop *net = calloc(1, sizeof *net);
    if (net == NULL) {
        return NULL;
    }
    net->batch = batch;
    net->columns = network->n_features;
    net->power1 = net->power2 = 1.0;
    net->layers = calloc(network->n_layers, sizeof *net->layers);
    net->in = calloc(batch * net->columns, sizeof *net->in);
    net->n_layers = net->layers != NULL ? network->n_layers : 0;
    bool ok = net->layers != NULL && net->in != NULL;
    for (size_t i = 0; ok && i < net->n_layers; i++) {
        ok = init_layer(net, i, &network->layers[i]);
    }
    if (ok) {
        net->parameters = calloc(net->size, sizeof *net->parameters);
        net->gradient = calloc(net->size, sizeof *net->gradient);
        net->first = calloc(net->size, sizeof *net->first);
        net->second = calloc(net->size, sizeof *net->second);
        ok = net->parameters != NULL && net->gradient != NULL && net->first != NULL &&
             net->second != NULL;
    }
    if (!ok) {
        mw_backprop_free(net);
        return NULL;
    }
    if (random != NULL) {
        draw_weights(net, random);
    } else {
        copy_weights(net, network);
    }
    return net;
}

void mw_backprop_free(struct mw_backprop *net)
{
    if (net == NULL) {
        return;
    }
    for (size_t i = 0; i < net->n_layers; i++) {
        free(net->layers[i].back);
        free(net->layers[i].out);
        free(net->layers[i].delta);
    }
    free(net->layers);
    free(net->in);
    free(net->parameters);
    free(net->gradient);
    free(net->first);
    free(net->second);
    free(net);
}

size_t mw_backprop_size(const struct mw_backprop *net)
{
    return net->size;
}

float *mw_backprop_parameters(struct mw_backprop *net)
{
    return net->parameters;
}

float *mw_backprop_gradient(struct mw_backprop *net)
{
    return net->gradient;
}

void mw_backprop_export(const struct mw_backprop *net, struct mw_network *network)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        const struct layer *layer = &net->layers[i];
        struct mw_layer *to = &network->layers[i];
        for (size_t o = 0; o < layer->outputs; o++) {
            to->bias[o] = net->parameters[layer->bias + o];
            for (size_t j = 0; j < layer->inputs; j++) {
                to->weight[o * layer->inputs + j] =
                    net->parameters[layer->weight + j * layer->width + o];
            }
        }
    }
}

static void forward(struct mw_backprop *net, const float *in, size_t n)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        struct layer *layer = &net->layers[i];
        size_t stride = i == 0 ? net->columns : net->layers[i - 1].width;
        mw_gemm(layer->out, in, stride, 1, net->parameters + layer->weight,
                net->parameters + layer->bias, n, layer->width, layer->inputs);
        for (size_t j = 0; layer->relu && j < n * layer->width; j++) {
            layer->out[j] = layer->out[j] > 0.0f ? layer->out[j] : 0.0f;
        }
        in = layer->out;
    }
}

/* The summed loss of n rows; the last layer's delta becomes its derivative by the output, times
 * `scale`. Row r of the batch is row index[r] of the samples, or first + r without an index. */
static double output_loss(struct mw_backprop *net, const struct mw_samples *samples,
                          const uint32_t *index, size_t first, size_t n, double scale)
{
    struct layer *last = &net->layers[net->n_layers - 1];
    double sum = 0.0;
    for (size_t r = 0; r < n; r++) {
        size_t row = index != NULL ? index[r] : first + r;
        double weight = samples->weight != NULL ? samples->weight[row] : 1.0;
        const float *out = last->out + r * last->width;
        float *delta = last->delta + r * last->width;
        if (samples->label != NULL) {
            double logit = (double)out[0], target = samples->label[row] ? 1.0 : 0.0;
            sum += weight * mw_math_softplus(target > 0.5 ? -logit : logit);
            delta[0] = (float)(scale * weight * (mw_math_sigmoid(logit) - target));
            continue;
        }
        const float *z = samples->z + row * samples->columns;
        double share = weight / (double)samples->columns;
        for (size_t j = 0; j < samples->columns; j++) {
            double difference = (double)out[j] - (double)z[j];
            sum += share * difference * difference;
            delta[j] = (float)(scale * 2.0 * share * difference);
        }
    }
    return sum;
}

/* delta of the layer below = delta * weights, where the unit below was active. */
static void pass_down(struct mw_backprop *net, size_t i, size_t n)
{
    struct layer *layer = &net->layers[i], *below = &net->layers[i - 1];
    const float *weight = net->parameters + layer->weight;
    for (size_t o = 0; o < layer->outputs; o++) {
        for (size_t j = 0; j < layer->inputs; j++) {
            layer->back[o * below->width + j] = weight[j * layer->width + o];
        }
    }
    mw_gemm(below->delta, layer->delta, layer->width, 1, layer->back, NULL, n, below->width,
            layer->outputs);
    for (size_t j = 0; below->relu && j < n * below->width; j++) {
        below->delta[j] = below->out[j] > 0.0f ? below->delta[j] : 0.0f;
    }
}

double mw_backprop_gradients(struct mw_backprop *net, const struct mw_samples *samples,
                             const uint32_t *index, size_t n)
{
    double total = 0.0;
    for (size_t r = 0; r < n; r++) {
        memcpy(net->in + r * net->columns, samples->z + index[r] * net->columns,
               net->columns * sizeof *net->in);
        total += samples->weight != NULL ? samples->weight[index[r]] : 1.0;
    }
    forward(net, net->in, n);
    double loss = output_loss(net, samples, index, 0, n, 1.0 / total);
    for (size_t i = net->n_layers; i-- > 0;) {
        struct layer *layer = &net->layers[i];
        const float *in = i == 0 ? net->in : net->layers[i - 1].out;
        size_t stride = i == 0 ? net->columns : net->layers[i - 1].width;
        mw_gemm(net->gradient + layer->weight, in, 1, stride, layer->delta, NULL, layer->inputs,
                layer->width, n);
        float *bias = net->gradient + layer->bias;
        memset(bias, 0, layer->width * sizeof *bias);
        for (size_t r = 0; r < n; r++) {
            for (size_t o = 0; o < layer->width; o++) {
                bias[o] += layer->delta[r * layer->width + o];
            }
        }
        if (i > 0) {
            pass_down(net, i, n);
        }
    }
    return loss / total;
}

double mw_backprop_loss(struct mw_backprop *net, const struct mw_samples *samples)
{
    double sum = 0.0, total = 0.0;
    for (size_t first = 0; first < samples->rows; first += net->batch) {
        size_t n = samples->rows - first < net->batch ? samples->rows - first : net->batch;
        forward(net, samples->z + first * net->columns, n);
        sum += output_loss(net, samples, NULL, first, n, 0.0);
    }
    for (size_t i = 0; i < samples->rows; i++) {
        total += samples->weight != NULL ? samples->weight[i] : 1.0;
    }
    return sum / total;
}

void mw_backprop_step(struct mw_backprop *net, double rate, double decay)
{
    const float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, shrink = (float)decay;
    net->power1 *= 0.9;
    net->power2 *= 0.999;
    float step = (float)(rate * sqrt(1.0 - net->power2) / (1.0 - net->power1));
    for (size_t i = 0; i < net->n_layers; i++) {
        const struct layer *layer = &net->layers[i];
        for (size_t j = layer->weight; j < layer->bias; j++) {
            net->gradient[j] += shrink * net->parameters[j];
        }
    }
    for (size_t j = 0; j < net->size; j++) {
        float g = net->gradient[j];
        net->first[j] = beta1 * net->first[j] + (1.0f - beta1) * g;
        net->second[j] = beta2 * net->second[j] + (1.0f - beta2) * g * g;
        net->parameters[j] -= step * net->first[j] / (sqrtf(net->second[j]) + epsilon);
    }
}
