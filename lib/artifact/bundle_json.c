/* bundle_json.c - reads bundle.json, which may come from anywhere: every shape and range is
 * checked. */
#include "lib/artifact/bundle.h"
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <math.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 255

struct reader {
    struct mw_bundle *bundle;
    struct mw_error *error;
};

static mw_err refuse(const struct reader *r, const char *key, const char *what)
{
    return mw_error_set(r->error, MW_ERR_PARSE, "bundle.json: %s: %s", key, what);
}

static mw_err no_memory(const struct reader *r)
{
    return mw_error_set(r->error, MW_ERR_MEMORY, "bundle.json: out of memory");
}

/* Copies a text of 1 to 255 bytes without control characters. */
static mw_err copy_text(const struct reader *r, const char *key, const json_t *value, char **copy)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '\0' || strlen(text) > NAME_MAX_BYTES) {
        return refuse(r, key, "not a text of 1 to 255 bytes");
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 127) {
            return refuse(r, key, "has a control character");
        }
    }
    *copy = strdup(text);
    return *copy != NULL ? MW_OK : no_memory(r);
}

static mw_err read_text(const struct reader *r, const json_t *json, const char *key, bool needed,
                        char **copy)
{
    const json_t *value = json_object_get(json, key);
    if (value == NULL || json_is_null(value)) {
        return needed ? refuse(r, key, "is missing") : MW_OK;
    }
    return copy_text(r, key, value, copy);
}

static mw_err read_number(const struct reader *r, const json_t *json, const char *key, double min,
                          double max, double *number)
{
    const json_t *value = json_object_get(json, key);
    double found = json_number_value(value);
    if (!json_is_number(value) || !(found >= min && found <= max)) {
        return refuse(r, key, "not a number in its range");
    }
    *number = found;
    return MW_OK;
}

static mw_err read_integer(const struct reader *r, const json_t *json, const char *key, int64_t min,
                           int64_t *number)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_integer(value) || json_integer_value(value) < min) {
        return refuse(r, key, "not an integer in its range");
    }
    *number = json_integer_value(value);
    return MW_OK;
}

/* n finite float32 values, each at least `min`; not descending when `ordered`. */
static mw_err read_floats(const struct reader *r, const json_t *list, const char *key, size_t n,
                          double min, bool ordered, float *values)
{
    if (!json_is_array(list) || json_array_size(list) != n) {
        return refuse(r, key, "not an array of the right length");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        values[i] = (float)json_number_value(item);
        if (!json_is_number(item) || !isfinite(values[i]) || !((double)values[i] >= min)) {
            return refuse(r, key, "not a finite number in its range");
        }
        if (ordered && i > 0 && values[i] < values[i - 1]) {
            return refuse(r, key, "edges descend");
        }
    }
    return MW_OK;
}

static mw_err read_sketch(const struct reader *r, const json_t *list, const char *key,
                          struct mw_sketch *sketch)
{
    if (!json_is_array(list) || json_array_size(list) != MW_SKETCH_BINS + 1) {
        return refuse(r, key, "not an array of 17 counts");
    }
    for (size_t i = 0; i <= MW_SKETCH_BINS; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0) {
            return refuse(r, key, "not a count");
        }
        uint64_t count = (uint64_t)json_integer_value(item);
        if (i < MW_SKETCH_BINS) {
            sketch->count[i] = count;
        } else {
            sketch->not_finite = count;
        }
    }
    return MW_OK;
}

static mw_err read_features(const struct reader *r, const json_t *json)
{
    struct mw_bundle *bundle = r->bundle;
    const json_t *list = json_object_get(json, "features");
    size_t n = json_array_size(list);
    if (n == 0 || n > MW_BUNDLE_FEATURES_MAX) {
        return refuse(r, "features", "not an array of 1 to 128 names");
    }
    bundle->features = calloc(n, sizeof *bundle->features);
    if (bundle->features == NULL) {
        return no_memory(r);
    }
    bundle->n_features = n; /* from here on clear frees what is there */
    for (size_t i = 0; i < n; i++) {
        mw_err err = copy_text(r, "features", json_array_get(list, i), &bundle->features[i]);
        if (err != MW_OK) {
            return err;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(bundle->features[i], bundle->features[j]) == 0) {
                return refuse(r, "features", "a name twice");
            }
        }
    }
    return MW_OK;
}

static mw_err read_reference(const struct reader *r, const json_t *json)
{
    struct mw_bundle *bundle = r->bundle;
    size_t n = bundle->n_features;
    const json_t *reference = json_object_get(json, "reference");
    bundle->reference_mean = calloc(n, sizeof(float));
    bundle->reference_std = calloc(n, sizeof(float));
    if (bundle->reference_mean == NULL || bundle->reference_std == NULL) {
        return no_memory(r);
    }
    mw_err err = read_floats(r, json_object_get(reference, "mean"), "reference.mean", n, -INFINITY,
                             false, bundle->reference_mean);
    return err == MW_OK ? read_floats(r, json_object_get(reference, "std"), "reference.std", n, 0,
                                      false, bundle->reference_std)
                        : err;
}

static mw_err read_sketches(const struct reader *r, const json_t *json)
{
    struct mw_bundle *bundle = r->bundle;
    size_t n = bundle->n_features;
    const json_t *edges = json_object_get(json, "edges");
    const json_t *sketch = json_object_get(json, "sketch");
    const json_t *edge_list = json_object_get(edges, "features");
    const json_t *sketch_list = json_object_get(sketch, "features");
    bundle->edges = calloc(n, sizeof *bundle->edges);
    bundle->sketch = calloc(n, sizeof *bundle->sketch);
    if (bundle->edges == NULL || bundle->sketch == NULL) {
        return no_memory(r);
    }
    if (json_array_size(edge_list) != n || json_array_size(sketch_list) != n) {
        return refuse(r, "edges, sketch", "not one for each feature");
    }
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = read_floats(r, json_array_get(edge_list, i), "edges.features", MW_SKETCH_EDGES,
                          -INFINITY, true, bundle->edges[i].edge);
        if (err == MW_OK) {
            err = read_sketch(r, json_array_get(sketch_list, i), "sketch.features",
                              &bundle->sketch[i]);
        }
    }
    if (err == MW_OK) {
        err = read_floats(r, json_object_get(edges, "score"), "edges.score", MW_SKETCH_EDGES,
                          -INFINITY, true, bundle->score_edges.edge);
    }
    return err == MW_OK ? read_sketch(r, json_object_get(sketch, "score"), "sketch.score",
                                      &bundle->score_sketch)
                        : err;
}

static mw_err read_object(const struct reader *r, const json_t *json, const char *key, char **text)
{
    const json_t *value = json_object_get(json, key);
    if (value == NULL || json_is_null(value)) {
        return MW_OK;
    }
    if (!json_is_object(value)) {
        return refuse(r, key, "not an object");
    }
    *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
    return *text != NULL ? MW_OK : no_memory(r);
}

static mw_err read_lineage(const struct reader *r, const json_t *json)
{
    struct mw_bundle *bundle = r->bundle;
    double created = 0;
    mw_err err = read_text(r, json, "kind", true, &bundle->kind);
    err = err == MW_OK ? read_number(r, json, "base_rate", 0, 1, &bundle->base_rate) : err;
    err = err == MW_OK ? read_integer(r, json, "horizon_us", 0, &bundle->horizon) : err;
    err = err == MW_OK ? read_integer(r, json, "seed", INT64_MIN, &bundle->seed) : err;
    err = err == MW_OK ? read_number(r, json, "created", 0, 9e9, &created) : err;
    bundle->created = llround(created * (double)MW_SECOND);
    err = err == MW_OK ? read_text(r, json, "dataset", true, &bundle->dataset) : err;
    err = err == MW_OK ? read_text(r, json, "code", true, &bundle->code) : err;
    err = err == MW_OK ? read_text(r, json, "parent", false, &bundle->parent) : err;
    err = err == MW_OK ? read_text(r, json, "machine", false, &bundle->machine) : err;
    if (err == MW_OK && bundle->parent != NULL && !mw_digest_valid(mw_span_of(bundle->parent))) {
        err = refuse(r, "parent", "not a digest");
    }
    err = err == MW_OK ? read_object(r, json, "gates", &bundle->gates_json) : err;
    err = err == MW_OK ? read_object(r, json, "metrics", &bundle->metrics_json) : err;
    return err == MW_OK ? read_number(r, json, "int8_auc_loss", -1, 1, &bundle->int8_auc_loss)
                        : err;
}

mw_err mw_bundle_parse_json(struct mw_span text, struct mw_bundle *bundle, struct mw_error *error)
{
    struct reader r = {bundle, error};
    json_auto_t *json = NULL;
    *bundle = (struct mw_bundle){0};
    mw_err err = mw_json_load(text, "bundle.json", &json, error);
    if (err != MW_OK) {
        return err;
    }
    const json_t *version = json_object_get(json, "v");
    if (!json_is_integer(version) || json_integer_value(version) != 1) {
        return mw_error_set(error, MW_ERR_VERSION, "bundle.json: v: not version 1");
    }
    err = read_features(&r, json);
    err = err == MW_OK ? read_lineage(&r, json) : err;
    err = err == MW_OK ? read_reference(&r, json) : err;
    if (err == MW_OK) {
        err = mw_baseline_list_parse(&bundle->baselines, bundle->n_features,
                                     json_object_get(json, "baselines"), error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "bundle.json");
    }
    err = err == MW_OK ? read_sketches(&r, json) : err;
    if (err != MW_OK) {
        mw_bundle_clear(bundle);
    }
    return err;
}

static void clear_json(struct mw_bundle *bundle)
{
    for (size_t i = 0; bundle->features != NULL && i < bundle->n_features; i++) {
        free(bundle->features[i]);
    }
    free(bundle->features);
    free(bundle->kind);
    free(bundle->dataset);
    free(bundle->code);
    free(bundle->parent);
    free(bundle->machine);
    free(bundle->reference_mean);
    free(bundle->reference_std);
    mw_baseline_list_clear(&bundle->baselines);
    free(bundle->edges);
    free(bundle->sketch);
    free(bundle->gates_json);
    free(bundle->metrics_json);
}

void mw_bundle_clear(struct mw_bundle *bundle)
{
    clear_json(bundle);
    mw_buffer_free(&bundle->int8_model);
    mw_buffer_free(&bundle->float_model);
    mw_buffer_free(&bundle->golden);
    *bundle = (struct mw_bundle){0};
}
