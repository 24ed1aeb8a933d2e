#include "tiers/training/metrics.h"

#include "tiers/training/elementary.h"

#include <math.h>
#include <stdlib.h>

#define BINS 10

struct ranked {
    double value, weight;
    uint8_t label;
};

static int by_value(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

static double weight_of(const double *weight, size_t i)
{
    return weight != NULL ? weight[i] : 1.0;
}

static struct ranked *rank(const double *value, const uint8_t *label, const double *weight,
                           size_t n)
{
    struct ranked *sorted = calloc(n > 0 ? n : 1, sizeof *sorted);
    for (size_t i = 0; sorted != NULL && i < n; i++) {
        sorted[i] = (struct ranked){value[i], weight_of(weight, i), label[i]};
    }
    if (sorted != NULL) {
        qsort(sorted, n, sizeof *sorted, by_value);
    }
    return sorted;
}

mw_err mw_metrics_roc_auc(const double *value, const uint8_t *label, const double *weight, size_t n,
                          double *auc)
{
    struct ranked *sorted = rank(value, label, weight, n);
    if (sorted == NULL) {
        return MW_ERR_MEMORY;
    }
    double pairs = 0.0, below = 0.0, positives = 0.0;
    for (size_t i = 0, end; i < n; i = end) {
        double tied[2] = {0.0, 0.0};
        for (end = i; end < n && sorted[end].value == sorted[i].value; end++) {
            tied[sorted[end].label != 0] += sorted[end].weight;
        }
        pairs += tied[1] * (below + 0.5 * tied[0]);
        below += tied[0];
        positives += tied[1];
    }
    free(sorted);
    *auc = positives > 0.0 && below > 0.0 ? pairs / (positives * below) : (double)NAN;
    return MW_OK;
}

mw_err mw_metrics_average_precision(const double *value, const uint8_t *label, const double *weight,
                                    size_t n, double *ap)
{
    struct ranked *sorted = rank(value, label, weight, n);
    if (sorted == NULL) {
        return MW_ERR_MEMORY;
    }
    double found = 0.0, taken = 0.0, sum = 0.0;
    for (size_t i = n, end; i > 0; i = end) {
        double gained = 0.0;
        for (end = i; end > 0 && sorted[end - 1].value == sorted[i - 1].value; end--) {
            gained += sorted[end - 1].label ? sorted[end - 1].weight : 0.0;
            taken += sorted[end - 1].weight;
        }
        found += gained;
        sum += gained * found / taken;
    }
    free(sorted);
    *ap = found > 0.0 ? sum / found : (double)NAN;
    return MW_OK;
}

double mw_metrics_f1(const double *score, const uint8_t *label, const double *weight, size_t n,
                     double threshold)
{
    double right = 0.0, wrong = 0.0; /* wrong: missed or false */
    for (size_t i = 0; i < n; i++) {
        int said = score[i] >= threshold, is = label[i] != 0;
        right += said && is ? weight_of(weight, i) : 0.0;
        wrong += said != is ? weight_of(weight, i) : 0.0;
    }
    return right > 0.0 ? 2.0 * right / (2.0 * right + wrong) : 0.0;
}

double mw_metrics_at_base_rate(double score, double base_rate)
{
    return mw_math_sigmoid(mw_math_logit(score) + mw_math_logit(base_rate));
}

double mw_metrics_log_loss(const double *probability, const uint8_t *label, const double *weight,
                           size_t n)
{
    double sum = 0.0, total = 0.0;
    for (size_t i = 0; i < n; i++) {
        double p = label[i] ? probability[i] : 1.0 - probability[i];
        p = p < 1e-7 ? 1e-7 : p;
        sum -= weight_of(weight, i) * mw_math_log(p);
        total += weight_of(weight, i);
    }
    return total > 0.0 ? sum / total : (double)NAN;
}

double mw_metrics_calibration_error(const double *probability, const uint8_t *label,
                                    const double *weight, size_t n)
{
    double difference[BINS] = {0.0}, total = 0.0, error = 0.0;
    for (size_t i = 0; i < n; i++) {
        double p = probability[i], w = weight_of(weight, i);
        int bin = p >= 1.0 ? BINS - 1 : p > 0.0 ? (int)(p * BINS) : 0;
        difference[bin] += w * ((label[i] ? 1.0 : 0.0) - p);
        total += w;
    }
    for (int b = 0; b < BINS; b++) {
        error += fabs(difference[b]);
    }
    return total > 0.0 ? error / total : (double)NAN;
}

mw_err mw_metrics_compute(struct mw_metrics *metrics, const double *score, const uint8_t *label,
                          const double *weight, size_t n, double base_rate)
{
    *metrics = (struct mw_metrics){.records = n, .base_rate = base_rate};
    double *probability = calloc(n > 0 ? n : 1, sizeof *probability);
    if (probability == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        probability[i] = mw_metrics_at_base_rate(score[i], base_rate);
        metrics->positives += label[i] != 0;
    }
    metrics->log_loss = mw_metrics_log_loss(probability, label, weight, n);
    metrics->calibration_error = mw_metrics_calibration_error(probability, label, weight, n);
    metrics->f1_impending = mw_metrics_f1(score, label, weight, n, MW_BAND_IMPENDING);
    metrics->f1_immediate = mw_metrics_f1(score, label, weight, n, MW_BAND_IMMEDIATE);
    free(probability);
    mw_err err = mw_metrics_roc_auc(score, label, weight, n, &metrics->roc_auc);
    if (err == MW_OK) {
        err = mw_metrics_average_precision(score, label, weight, n, &metrics->average_precision);
    }
    return err;
}
