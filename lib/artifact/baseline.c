/* baseline.c - a machine's own mean and deviation, and the map onto the reference machine. */
#include "lib/artifact/bundle.h"
#include "lib/artifact/parts.h"

#include <math.h>
#include <stdlib.h>

static mw_err read_feature(const json_t *pair, float *mean, float *std)
{
    const json_t *first = json_array_get(pair, 0), *second = json_array_get(pair, 1);
    *mean = (float)json_number_value(first);
    *std = (float)json_number_value(second);
    bool good = json_array_size(pair) == 2 && json_is_number(first) && json_is_number(second) &&
                isfinite(*mean) && isfinite(*std) && *std >= 0.0F;
    return good ? MW_OK : MW_ERR_PARSE;
}

mw_err mw_baseline_parse(struct mw_baseline *baseline, const struct mw_bundle *bundle,
                         struct mw_span text, struct mw_error *error)
{
    json_auto_t *json = NULL;
    size_t n = bundle->n_features;
    *baseline = (struct mw_baseline){0};
    mw_err err = mw_json_load(text, "baseline", &json, error);
    if (err != MW_OK) {
        return err;
    }
    const json_t *features = json_object_get(json, "features");
    const json_t *count = json_object_get(json, "count");
    if (json_integer_value(json_object_get(json, "v")) != 1) {
        return mw_error_set(error, MW_ERR_VERSION, "baseline: v: not version 1");
    }
    if (!json_is_object(features) || !json_is_integer(count) || json_integer_value(count) < 0) {
        return mw_error_set(error, MW_ERR_PARSE, "baseline: no features or no count");
    }
    baseline->count = (uint64_t)json_integer_value(count);
    baseline->mean = malloc(n * sizeof(float));
    baseline->std = malloc(n * sizeof(float));
    if (baseline->mean == NULL || baseline->std == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "baseline: out of memory");
    }
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        const json_t *pair = json_object_get(features, bundle->features[i]);
        if (pair == NULL) {
            baseline->mean[i] = bundle->reference_mean[i];
            baseline->std[i] = bundle->reference_std[i];
        } else if (read_feature(pair, &baseline->mean[i], &baseline->std[i]) != MW_OK) {
            err = mw_error_set(error, MW_ERR_PARSE, "baseline: %s: not [mean, deviation]",
                               bundle->features[i]);
        }
    }
    if (err != MW_OK) {
        mw_baseline_clear(baseline);
    }
    return err;
}

void mw_baseline_clear(struct mw_baseline *baseline)
{
    free(baseline->mean);
    free(baseline->std);
    *baseline = (struct mw_baseline){0};
}

void mw_baseline_map(const struct mw_baseline *baseline, const float *reference_mean,
                     const float *reference_std, size_t n, const float *x, float *mapped)
{
    if (baseline == NULL) {
        memmove(mapped, x, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        /* One operation a statement: no compiler may fuse them, and every target gets equal bits.
         */
        float value = x[i] - baseline->mean[i];
        if (baseline->std[i] > 0.0F) {
            value = value * reference_std[i];
            value = value / baseline->std[i];
        }
        value = value + reference_mean[i];
        mapped[i] = value;
    }
}

void mw_runner_map(const struct mw_runner *runner, const struct mw_baseline *baseline,
                   const float *x, float *mapped)
{
    const struct mw_bundle *bundle = &runner->bundle;
    mw_baseline_map(baseline, bundle->reference_mean, bundle->reference_std, bundle->n_features, x,
                    mapped);
}
