#include "tiers/training/fit.h"

#include "tiers/training/elementary.h"
#include "tiers/training/logistic.h"
#include "tiers/training/mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONSTANT 1e-7 /* deviation against the mean, below which a feature does not change */
#define STEPS_MOST                                                                \
    4000000.0 /* records times epochs, so that large data sets end in seconds too \
               */
#define LOGISTIC_L2 10.0
#define MLP_DECAY 0.004 /* l2 a record */

/* The rows of one side, gathered. */
struct side {
    float *x; /* raw, then normalised in place */
    uint8_t *label;
    double *weight; /* of the record */
    size_t rows;
};

static void side_clear(struct side *side)
{
    free(side->x);
    free(side->label);
    free(side->weight);
    *side = (struct side){0};
}

static mw_err gather(const struct mw_dataset *set, const uint8_t *held_out, uint8_t which,
                     bool healthy_only, struct side *side)
{
    size_t columns = set->columns;
    *side = (struct side){0};
    side->x = calloc(set->rows * columns, sizeof *side->x);
    side->label = calloc(set->rows, sizeof *side->label);
    side->weight = calloc(set->rows, sizeof *side->weight);
    if (side->x == NULL || side->label == NULL || side->weight == NULL) {
        side_clear(side);
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < set->rows; i++) {
        uint8_t label = set->label != NULL ? set->label[i] : 0;
        if ((held_out != NULL && held_out[i] != which) || (healthy_only && label)) {
            continue;
        }
        memcpy(side->x + side->rows * columns, set->x + i * columns, columns * sizeof *side->x);
        side->label[side->rows] = label;
        side->weight[side->rows++] = mw_dataset_weight(set, i);
    }
    return MW_OK;
}

/* Weighted mean and standard deviation of each feature, in two passes. */
static void measure(const struct side *side, size_t columns, struct mw_network *network)
{
    double total = 0.0;
    for (size_t i = 0; i < side->rows; i++) {
        total += side->weight[i];
    }
    for (size_t j = 0; j < columns; j++) {
        double mean = 0.0, square = 0.0;
        for (size_t i = 0; i < side->rows; i++) {
            mean += side->weight[i] * (double)side->x[i * columns + j];
        }
        mean /= total;
        for (size_t i = 0; i < side->rows; i++) {
            double difference = (double)side->x[i * columns + j] - mean;
            square += side->weight[i] * difference * difference;
        }
        double deviation = sqrt(square / total);
        bool constant = !(deviation > CONSTANT * fabs(mean)) || !isfinite((float)(1.0 / deviation));
        network->mean[j] = (float)mean;
        network->factor[j] = constant ? 0.0f : (float)(1.0 / deviation);
    }
}

/* Record weights become training weights of mean 1, with the classes balanced as far as asked. */
static mw_err balance(struct side *side, double power, struct mw_error *error)
{
    double total[2] = {0.0, 0.0}, factor[2], sum = 0.0;
    for (size_t i = 0; i < side->rows; i++) {
        total[side->label[i]] += side->weight[i];
    }
    if (!(total[0] > 0.0) || !(total[1] > 0.0)) {
        return mw_error_set(error, MW_ERR_RANGE, "the records to learn from are all %s",
                            total[1] > 0.0 ? "positive" : "negative");
    }
    for (int c = 0; c < 2; c++) {
        double ratio = (total[0] + total[1]) / (2.0 * total[c]);
        factor[c] = mw_math_exp(power * mw_math_log(ratio));
        sum += factor[c] * total[c];
    }
    for (size_t i = 0; i < side->rows; i++) {
        side->weight[i] *= factor[side->label[i]] * (double)side->rows / sum;
    }
    return MW_OK;
}

/* Inputs that are always 0 keep no weight, or they would only coarsen the others' scale. */
static void drop_constant(struct mw_network *network)
{
    struct mw_layer *first = &network->layers[0];
    for (size_t j = 0; j < network->n_features; j++) {
        for (size_t o = 0; network->factor[j] == 0.0f && o < first->outputs; o++) {
            first->weight[o * first->inputs + j] = 0.0f;
        }
    }
}

static mw_err make_network(const struct mw_dataset *set, const struct mw_train_options *options,
                           struct mw_network *network, struct mw_error *error)
{
    size_t widths[16], n = 0;
    bool encoder = options->kind == MW_MODEL_AUTOENCODER;
    if (options->n_hidden > 14) {
        return mw_error_set(error, MW_ERR_RANGE, "at most 14 hidden layers");
    }
    for (size_t i = 0; i < options->n_hidden && options->kind != MW_MODEL_LOGISTIC; i++) {
        if (options->hidden[i] < 1 || options->hidden[i] > 4096) {
            return mw_error_set(error, MW_ERR_RANGE, "a hidden layer has 1 to 4096 units");
        }
        widths[n++] = (size_t)options->hidden[i];
    }
    if (n == 0 && encoder) {
        size_t width = (5 * set->columns + 4) / 8;
        widths[n++] = width > 2 ? width : 2;
    } else if (n == 0 && options->kind == MW_MODEL_MLP) {
        widths[n++] = 50;
        widths[n++] = 40;
    }
    widths[n++] = encoder ? set->columns : 1;
    mw_err err = mw_network_init(network, options->kind, set->names, set->columns, widths, n);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "a network of %zu layers", n);
}

size_t mw_fit_epochs(const struct mw_train_options *options, size_t rows)
{
    double most = STEPS_MOST / (double)(rows > 0 ? rows : 1);
    bool encoder = options->kind == MW_MODEL_AUTOENCODER;
    size_t epochs = encoder ? MW_TRAIN_ENCODER_EPOCHS : MW_TRAIN_EPOCHS;
    epochs = options->epochs > 0 ? options->epochs : epochs;
    if (options->epochs == 0 && (double)epochs > most) {
        epochs = most > 20.0 ? (size_t)most : 20;
    }
    return epochs;
}

static mw_err fit_logistic(struct mw_network *network, const struct side *train,
                           const struct mw_train_options *options, struct mw_fit_report *report,
                           struct mw_error *error)
{
    struct mw_layer *layer = &network->layers[0];
    struct mw_logistic_options logistic = {.l2 = options->l2 >= 0.0 ? options->l2 : LOGISTIC_L2};
    struct mw_logistic_report got = {0};
    double *w = calloc(network->n_features + 1, sizeof *w);
    if (w == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "weights");
    }
    mw_err err = mw_logistic_fit(train->x, train->label, train->weight, train->rows,
                                 network->n_features, logistic, w, &got, error);
    for (size_t j = 0; j < network->n_features; j++) {
        layer->weight[j] = (float)w[j];
    }
    layer->bias[0] = (float)w[network->n_features];
    free(w);
    *report = (struct mw_fit_report){(size_t)got.iterations, got.loss};
    return err;
}

static mw_err fit_layers(struct mw_network *network, const struct side *train,
                         const struct side *validation, const struct mw_train_options *options,
                         size_t epochs, struct mw_fit_report *report, struct mw_error *error)
{
    bool encoder = options->kind == MW_MODEL_AUTOENCODER;
    struct mw_samples samples[2];
    const struct side *sides[2] = {train, validation};
    for (int s = 0; s < 2; s++) {
        samples[s] = (struct mw_samples){.z = sides[s]->x,
                                         .label = encoder ? NULL : sides[s]->label,
                                         .weight = sides[s]->weight,
                                         .rows = sides[s]->rows,
                                         .columns = network->n_features};
    }
    size_t most = mw_fit_epochs(options, train->rows);
    bool stop = validation->rows > 0;
    size_t batch = train->rows / 20;
    struct mw_mlp_options mlp = {.seed = options->seed,
                                 .batch = batch > 128  ? 128
                                          : batch < 16 ? 16
                                                       : batch,
                                 .epochs = stop ? most : epochs,
                                 .patience = stop ? 25 : 0,
                                 .rate = 0.002,
                                 .decay = stop ? 0.05 : 1.0 - 0.95 * (double)epochs / (double)most,
                                 .l2 = options->l2,
                                 .progress = options->progress,
                                 .context = options->context};
    if (mlp.l2 < 0.0) {
        mlp.l2 = encoder ? 0.0 : MLP_DECAY * (double)train->rows;
    }
    struct mw_mlp_report got = {0};
    mw_err err = mw_mlp_fit(network, &samples[0], stop ? &samples[1] : NULL, mlp, &got, error);
    *report = (struct mw_fit_report){got.epochs, got.training_loss};
    return err;
}

mw_err mw_fit(const struct mw_dataset *dataset, const uint8_t *held_out,
              const struct mw_train_options *options, size_t epochs, struct mw_network *network,
              struct mw_fit_report *report, struct mw_error *error)
{
    bool encoder = options->kind == MW_MODEL_AUTOENCODER;
    struct side train = {0}, validation = {0};
    mw_err err = make_network(dataset, options, network, error);
    if (err != MW_OK) {
        return err;
    }
    err = gather(dataset, held_out, 0, encoder, &train);
    if (err == MW_OK && held_out != NULL) {
        err = gather(dataset, held_out, 1, encoder, &validation);
    }
    if (err != MW_OK || train.rows == 0) {
        err = mw_error_set(error, err != MW_OK ? err : MW_ERR_RANGE, "%zu records to learn from",
                           train.rows);
    } else {
        measure(&train, dataset->columns, network);
        mw_network_normalise(network, train.x, train.rows, train.x);
        mw_network_normalise(network, validation.x, validation.rows, validation.x);
        if (!encoder) {
            err = balance(&train, options->class_weight, error);
        }
        if (err == MW_OK && !encoder && validation.rows > 0) {
            err = balance(&validation, options->class_weight, error);
        }
    }
    if (err == MW_OK) {
        err = options->kind == MW_MODEL_LOGISTIC
                  ? fit_logistic(network, &train, options, report, error)
                  : fit_layers(network, &train, &validation, options, epochs, report, error);
    }
    drop_constant(network);
    side_clear(&train);
    side_clear(&validation);
    if (err != MW_OK) {
        mw_network_clear(network);
    }
    return err;
}
