#include "tiers/training/cut_search.h"

#include "tiers/training/evaluate.h"
#include "tiers/training/metrics.h"
#include "tiers/training/tflite_write.h"

#include <math.h>
#include <stdlib.h>

const struct mw_quantize_cut mw_cut_encoder = {.input = 8.0, .hidden = 1.0};

struct search {
    const struct mw_network *network;
    struct mw_quantize_ranges ranges;
    const float *x;
    const uint8_t *label;
    const double *weight;
    size_t n;
    double *reference, *score; /* n: float32's score, int8's */
    double auc, ap;            /* of the reference */
    struct mw_quantize_cut best;
    double loss;
};

/* Fills in the float32 scores. */
static mw_err refer(struct search *s, const float *z)
{
    const struct mw_network *network = s->network;
    float *scratch = calloc(mw_network_scratch(network), sizeof *scratch);
    if (scratch == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < s->n; i++) {
        double rank = mw_network_rank(network, z + i * network->n_features, scratch);
        s->reference[i] = mw_network_score(network, rank);
    }
    free(scratch);
    mw_err err = mw_metrics_roc_auc(s->reference, s->label, s->weight, s->n, &s->auc);
    return err == MW_OK
               ? mw_metrics_average_precision(s->reference, s->label, s->weight, s->n, &s->ap)
               : err;
}

static mw_err judge(struct search *s, double *loss)
{
    double difference = 0.0, auc, ap;
    mw_err err = mw_metrics_roc_auc(s->score, s->label, s->weight, s->n, &auc);
    if (err == MW_OK) {
        err = mw_metrics_average_precision(s->score, s->label, s->weight, s->n, &ap);
    }
    if (err != MW_OK) {
        return err;
    }
    for (size_t i = 0; i < s->n; i++) {
        difference += fabs(s->score[i] - s->reference[i]);
    }
    *loss = difference / (double)s->n;
    if (!isnan(s->auc)) {
        *loss += (s->auc - auc) + (s->ap - ap);
    }
    return MW_OK;
}

static mw_err attempt(struct search *s, struct mw_quantize_cut cut, struct mw_error *error)
{
    struct mw_quantized quantized = {0};
    struct mw_buffer file = {0};
    double loss = HUGE_VAL;
    mw_err err = mw_quantize(s->network, &s->ranges, cut, &quantized);
    if (err == MW_OK) {
        err = mw_tflite_write(s->network, &quantized, &file);
    }
    if (err != MW_OK) {
        (void)mw_error_set(error, err, "quantization");
    } else {
        err = mw_evaluate(&file, s->x, s->n, s->network->n_features, s->score, error);
    }
    if (err == MW_OK) {
        err = judge(s, &loss);
    }
    if (err == MW_OK && loss < s->loss) {
        s->loss = loss;
        s->best = cut;
    }
    mw_quantized_clear(&quantized);
    mw_buffer_free(&file);
    return err;
}

static mw_err search(struct search *s, struct mw_error *error)
{
    static const double input[] = {8.0, 6.0, 5.0, 4.0, 12.0, 0.0};
    static const double hidden[] = {0.9999, 0.999, 0.99};
    static const double output[] = {8.0, 6.0, 5.0};
    size_t n_hidden = s->network->n_layers > 1 ? sizeof hidden / sizeof *hidden : 0;
    s->best = (struct mw_quantize_cut){.hidden = 1.0};
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < sizeof input / sizeof *input; i++) {
        struct mw_quantize_cut cut = {.input = input[i], .hidden = 1.0};
        err = attempt(s, cut, error);
    }
    for (size_t i = 0; err == MW_OK && i < n_hidden; i++) {
        struct mw_quantize_cut cut = s->best;
        cut.hidden = hidden[i];
        err = attempt(s, cut, error);
    }
    for (size_t i = 0; err == MW_OK && i < sizeof output / sizeof *output; i++) {
        struct mw_quantize_cut cut = s->best;
        cut.output = output[i];
        err = attempt(s, cut, error);
    }
    return err;
}

mw_err mw_cut_search(const struct mw_network *network, const float *x, const uint8_t *label,
                     const double *weight, size_t n, struct mw_quantize_cut *cut,
                     struct mw_error *error)
{
    struct search s = {
        .network = network, .x = x, .label = label, .weight = weight, .n = n, .loss = HUGE_VAL};
    float *z = calloc(n * network->n_features, sizeof *z);
    s.reference = calloc(n, sizeof *s.reference);
    s.score = calloc(n, sizeof *s.score);
    mw_err err = MW_ERR_MEMORY;
    if (z != NULL && s.reference != NULL && s.score != NULL) {
        mw_network_normalise(network, x, n, z);
        err = mw_quantize_observe(network, z, n, &s.ranges);
        if (err == MW_OK) {
            err = refer(&s, z);
        }
    }
    err = err == MW_OK ? search(&s, error) : mw_error_set(error, err, "calibration records");
    mw_quantize_ranges_clear(&s.ranges);
    free(z);
    free(s.reference);
    free(s.score);
    *cut = s.best;
    return err;
}

mw_err mw_cut_write(const struct mw_network *network, const float *z, size_t n,
                    struct mw_quantize_cut cut, struct mw_buffer *out, struct mw_error *error)
{
    struct mw_quantize_ranges ranges;
    struct mw_quantized quantized = {0};
    mw_err err = mw_quantize_observe(network, z, n, &ranges);
    if (err == MW_OK) {
        err = mw_quantize(network, &ranges, cut, &quantized);
    }
    if (err == MW_OK) {
        err = mw_tflite_write(network, &quantized, out);
    }
    mw_quantize_ranges_clear(&ranges);
    mw_quantized_clear(&quantized);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "quantization");
}
