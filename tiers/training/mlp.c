#include "tiers/training/mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AVERAGE_STEPS 200.0

struct fit {
    struct mw_backprop *net;
    uint32_t *order; /* of the training rows */
    float *live;     /* the parameters, while the average is judged */
    float *average;  /* of the parameters over the newest steps */
    float *best;     /* the average at the best epoch */
    size_t steps;
    struct mw_random random;
};

/* Polyak's average, exponentially weighted; at first over the few steps that there are. */
static void average(struct fit *fit)
{
    size_t size = mw_backprop_size(fit->net);
    const float *parameters = mw_backprop_parameters(fit->net);
    double share = 1.0 / (double)++fit->steps;
    float part = (float)(share > 1.0 / AVERAGE_STEPS ? share : 1.0 / AVERAGE_STEPS);
    for (size_t i = 0; i < size; i++) {
        fit->average[i] += part * (parameters[i] - fit->average[i]);
    }
}

static double run_epoch(struct fit *fit, const struct mw_samples *training,
                        const struct mw_mlp_options *options, double rate)
{
    double sum = 0.0, decay = options->l2 / (double)training->rows;
    mw_random_shuffle(&fit->random, fit->order, training->rows);
    for (size_t first = 0; first < training->rows; first += options->batch) {
        size_t n = training->rows - first;
        n = n < options->batch ? n : options->batch;
        sum += (double)n * mw_backprop_gradients(fit->net, training, fit->order + first, n);
        mw_backprop_step(fit->net, rate, decay);
        average(fit);
    }
    return sum / (double)training->rows;
}

static mw_err run(struct fit *fit, const struct mw_samples *training,
                  const struct mw_samples *validation, const struct mw_mlp_options *options,
                  struct mw_mlp_report *report, struct mw_error *error)
{
    size_t size = mw_backprop_size(fit->net);
    float *parameters = mw_backprop_parameters(fit->net);
    *report = (struct mw_mlp_report){.validation_loss = HUGE_VAL};
    for (size_t epoch = 1; epoch <= options->epochs; epoch++) {
        double done = (double)(epoch - 1) / (double)options->epochs;
        double rate = options->rate * (1.0 - (1.0 - options->decay) * done);
        double loss = run_epoch(fit, training, options, rate);
        memcpy(fit->live, parameters, size * sizeof *parameters);
        memcpy(parameters, fit->average, size * sizeof *parameters);
        double judged = validation != NULL ? mw_backprop_loss(fit->net, validation) : loss;
        memcpy(parameters, fit->live, size * sizeof *parameters);
        if (!isfinite(loss) || !isfinite(judged)) {
            return mw_error_set(error, MW_ERR_RANGE,
                                "the perceptron's loss is no longer finite after epoch %zu; a "
                                "smaller learning rate may help",
                                epoch);
        }
        if (validation == NULL || judged < report->validation_loss) {
            *report = (struct mw_mlp_report){epoch, loss, judged};
            memcpy(fit->best, fit->average, size * sizeof *parameters);
        }
        if (options->progress != NULL) {
            options->progress(options->context, epoch);
        }
        if (options->patience > 0 && epoch >= report->epochs + options->patience) {
            break;
        }
    }
    memcpy(parameters, fit->best, size * sizeof *parameters);
    return MW_OK;
}

mw_err mw_mlp_fit(struct mw_network *network, const struct mw_samples *training,
                  const struct mw_samples *validation, struct mw_mlp_options options,
                  struct mw_mlp_report *report, struct mw_error *error)
{
    struct mw_mlp_report own;
    struct fit fit = {.random = {options.seed}};
    fit.net = mw_backprop_new(network, options.batch, &fit.random);
    fit.order = calloc(training->rows, sizeof *fit.order);
    mw_err err = MW_ERR_MEMORY;
    if (fit.net != NULL && fit.order != NULL) {
        size_t size = mw_backprop_size(fit.net);
        fit.live = calloc(size, sizeof *fit.live);
        fit.average = calloc(size, sizeof *fit.average);
        fit.best = calloc(size, sizeof *fit.best);
    }
    if (fit.live == NULL || fit.average == NULL || fit.best == NULL) {
        (void)mw_error_set(error, err, "perceptron of %zu records", training->rows);
    } else {
        for (size_t i = 0; i < training->rows; i++) {
            fit.order[i] = (uint32_t)i;
        }
        err = run(&fit, training, validation, &options, report != NULL ? report : &own, error);
    }
    if (err == MW_OK) {
        mw_backprop_export(fit.net, network);
    }
    mw_backprop_free(fit.net);
    free(fit.order);
    free(fit.live);
    free(fit.average);
    free(fit.best);
    return err;
}
