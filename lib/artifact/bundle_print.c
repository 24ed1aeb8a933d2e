/* bundle_print.c - a bundle's manifest as bundle.json: the same bundle gives the same bytes. */
#include "lib/artifact/bundle.h"
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints as few digits as read back to the same float64, or, when `single`, to the same float32 by
 * way of a float64 (which is how the reader does it). */
static mw_err add_number(struct mw_buffer *json, double value, bool single)
{
    char text[40];
    if (!isfinite(value)) {
        return MW_ERR_ARGUMENT;
    }
    for (int digits = single ? 6 : 9; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value) {
            break;
        }
    }
    return mw_buffer_add(json, text, strlen(text));
}

/* A JSON string, escaped. */
static mw_err add_text(struct mw_buffer *json, const char *text)
{
    json_t *string = json_string(text);
    char *quoted = string != NULL ? json_dumps(string, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    json_decref(string);
    if (quoted == NULL) {
        return MW_ERR_ARGUMENT; /* not UTF-8 */
    }
    mw_err err = mw_buffer_add(json, quoted, strlen(quoted));
    free(quoted);
    return err;
}

/* ,"key":"text", or nothing when text is NULL. */
static mw_err add_member(struct mw_buffer *json, const char *key, const char *text)
{
    if (text == NULL) {
        return MW_OK;
    }
    mw_err err = mw_buffer_printf(json, ",\"%s\":", key);
    return err == MW_OK ? add_text(json, text) : err;
}

static mw_err add_numbers(struct mw_buffer *json, const float *values, size_t n)
{
    mw_err err = mw_buffer_add(json, "[", 1);
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        if (i > 0) {
            err = mw_buffer_add(json, ",", 1);
        }
        if (err == MW_OK) {
            err = add_number(json, (double)values[i], true);
        }
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}

static mw_err add_sketch(struct mw_buffer *json, const struct mw_sketch *sketch)
{
    mw_err err = mw_buffer_add(json, "[", 1);
    for (size_t i = 0; err == MW_OK && i < MW_SKETCH_BINS; i++) {
        err = mw_buffer_printf(json, "%" PRIu64 ",", sketch->count[i]);
    }
    return err == MW_OK ? mw_buffer_printf(json, "%" PRIu64 "]", sketch->not_finite) : err;
}

static mw_err add_head(struct mw_buffer *json, const struct mw_bundle *bundle)
{
    mw_err err = mw_buffer_printf(json, "{\"v\":1,\"kind\":");
    err = err == MW_OK ? add_text(json, bundle->kind) : err;
    err = err == MW_OK ? mw_buffer_printf(json, ",\"features\":[") : err;
    for (size_t i = 0; err == MW_OK && i < bundle->n_features; i++) {
        err = i > 0 ? mw_buffer_add(json, ",", 1) : MW_OK;
        err = err == MW_OK ? add_text(json, bundle->features[i]) : err;
    }
    err = err == MW_OK ? mw_buffer_printf(json, "],\"base_rate\":") : err;
    err = err == MW_OK ? add_number(json, bundle->base_rate, false) : err;
    if (err == MW_OK) {
        err = mw_buffer_printf(json,
                               ",\"horizon_us\":%" PRId64 ",\"seed\":%" PRId64
                               ",\"created\":%" PRId64 ".%06" PRId64,
                               bundle->horizon, bundle->seed, bundle->created / MW_SECOND,
                               bundle->created % MW_SECOND);
    }
    err = err == MW_OK ? add_member(json, "dataset", bundle->dataset) : err;
    err = err == MW_OK ? add_member(json, "code", bundle->code) : err;
    err = err == MW_OK ? add_member(json, "parent", bundle->parent) : err;
    return err == MW_OK ? add_member(json, "machine", bundle->machine) : err;
}

static mw_err add_reference(struct mw_buffer *json, const struct mw_bundle *bundle)
{
    size_t n = bundle->n_features;
    mw_err err = mw_buffer_printf(json, ",\"reference\":{\"mean\":");
    err = err == MW_OK ? add_numbers(json, bundle->reference_mean, n) : err;
    err = err == MW_OK ? mw_buffer_printf(json, ",\"std\":") : err;
    err = err == MW_OK ? add_numbers(json, bundle->reference_std, n) : err;
    err = err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
    if (err == MW_OK && bundle->baselines.n > 0) {
        err = mw_buffer_printf(json, ",\"baselines\":");
        err = err == MW_OK ? mw_baseline_list_print(&bundle->baselines, n, json) : err;
    }
    err = err == MW_OK ? mw_buffer_printf(json, ",\"edges\":{\"features\":[") : err;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = i > 0 ? mw_buffer_add(json, ",", 1) : MW_OK;
        err = err == MW_OK ? add_numbers(json, bundle->edges[i].edge, MW_SKETCH_EDGES) : err;
    }
    err = err == MW_OK ? mw_buffer_printf(json, "],\"score\":") : err;
    err = err == MW_OK ? add_numbers(json, bundle->score_edges.edge, MW_SKETCH_EDGES) : err;
    err = err == MW_OK ? mw_buffer_printf(json, "},\"sketch\":{\"features\":[") : err;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = i > 0 ? mw_buffer_add(json, ",", 1) : MW_OK;
        err = err == MW_OK ? add_sketch(json, &bundle->sketch[i]) : err;
    }
    err = err == MW_OK ? mw_buffer_printf(json, "],\"score\":") : err;
    err = err == MW_OK ? add_sketch(json, &bundle->score_sketch) : err;
    return err == MW_OK ? mw_buffer_printf(json, "}") : err;
}

/* Puts an object that came as text, after checking that it is one. */
static mw_err add_object(struct mw_buffer *json, const char *key, const char *text)
{
    json_t *object = NULL;
    if (text == NULL) {
        return MW_OK;
    }
    mw_err err = mw_json_load(mw_span_of(text), key, &object, NULL);
    json_decref(object);
    return err == MW_OK ? mw_buffer_printf(json, ",\"%s\":%s", key, text) : MW_ERR_ARGUMENT;
}

mw_err mw_bundle_print_json(const struct mw_bundle *bundle, struct mw_buffer *json)
{
    size_t before = json->size;
    if (bundle->n_features == 0 || bundle->n_features > MW_BUNDLE_FEATURES_MAX ||
        bundle->kind == NULL || bundle->features == NULL || bundle->dataset == NULL ||
        bundle->code == NULL || bundle->reference_mean == NULL || bundle->reference_std == NULL ||
        bundle->edges == NULL || bundle->sketch == NULL || bundle->created < 0) {
        return MW_ERR_ARGUMENT;
    }
    mw_err err = add_head(json, bundle);
    err = err == MW_OK ? add_reference(json, bundle) : err;
    err = err == MW_OK ? add_object(json, "gates", bundle->gates_json) : err;
    err = err == MW_OK ? add_object(json, "metrics", bundle->metrics_json) : err;
    err = err == MW_OK ? mw_buffer_printf(json, ",\"int8_auc_loss\":") : err;
    err = err == MW_OK ? add_number(json, bundle->int8_auc_loss, false) : err;
    err = err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
    if (err != MW_OK && json->data != NULL) {
        json->size = before;
        json->data[before] = '\0';
    }
    return err;
}
