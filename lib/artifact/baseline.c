/* baseline.c - a machine's own mean and deviation, and the map onto the reference machine. */
#include "core/wire/message.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/parts.h"
#include "lib/base/clock.h"

#include <math.h>
#include <stdlib.h>

#define LIST_MAX 65536

bool mw_baseline_since(const json_t *value, int64_t *since)
{
    double seconds = json_number_value(value);
    *since = INT64_MIN;
    if (value == NULL) {
        return true;
    }
    if (!json_is_number(value) || !(fabs(seconds) < 9e12)) {
        return false;
    }
    *since = llround(seconds * (double)MW_SECOND);
    return true;
}

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
    if (!mw_baseline_since(json_object_get(json, "since"), &baseline->since)) {
        return mw_error_set(error, MW_ERR_PARSE, "baseline: since: not a time");
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

/* --- lists --- */

static bool read_numbers(const json_t *list, size_t n, double least, float *values)
{
    bool good = json_is_array(list) && json_array_size(list) == n;
    for (size_t i = 0; good && i < n; i++) {
        const json_t *item = json_array_get(list, i);
        values[i] = (float)json_number_value(item);
        good = json_is_number(item) && isfinite(values[i]) && (double)values[i] >= least;
    }
    return good;
}

mw_err mw_baseline_list_parse(struct mw_baseline_list *list, size_t n, const json_t *json,
                              struct mw_error *error)
{
    size_t size = json_array_size(json);
    float *values = malloc((2 * n + 1) * sizeof *values);
    mw_err err = values == NULL ? MW_ERR_MEMORY : MW_OK;
    *list = (struct mw_baseline_list){0};
    if (json != NULL && (!json_is_array(json) || size > LIST_MAX)) {
        err = MW_ERR_PARSE;
    }
    for (size_t i = 0; err == MW_OK && i < size; i++) {
        const json_t *one = json_array_get(json, i), *count = json_object_get(one, "count");
        const char *machine = json_string_value(json_object_get(one, "machine"));
        int64_t since;
        bool good = machine != NULL && mw_name_valid(mw_span_of(machine)) &&
                    mw_baseline_since(json_object_get(one, "since"), &since) &&
                    since != INT64_MIN && json_is_integer(count) && json_integer_value(count) > 0 &&
                    read_numbers(json_object_get(one, "mean"), n, -INFINITY, values) &&
                    read_numbers(json_object_get(one, "std"), n, 0, values + n);
        err = good ? mw_baseline_list_add(list, machine, since, (uint64_t)json_integer_value(count),
                                          values, values + n, n)
                   : MW_ERR_PARSE;
    }
    free(values);
    if (err != MW_OK) {
        mw_baseline_list_clear(list);
        return mw_error_set(error, err,
                            err == MW_ERR_PARSE
                                ? "baselines: not a list of {machine, since, count, "
                                  "mean, std} with a number for each feature"
                                : "baselines: out of memory");
    }
    return MW_OK;
}
