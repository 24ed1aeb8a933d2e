#include "tiers/training/network_file.h"

#include "core/wire/number.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- printing --- */

static mw_err print_floats(struct mw_buffer *json, const char *key, const float *values, size_t n)
{
    char number[MW_NUMBER_TEXT];
    mw_err err = mw_buffer_printf(json, ",\"%s\":[", key);
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        if (!isfinite(values[i])) {
            return MW_ERR_RANGE;
        }
        size_t length = mw_number_print_f32(number, values[i]);
        err = i == 0 ? MW_OK : mw_buffer_add(json, ",", 1);
        err = err == MW_OK ? mw_buffer_add(json, number, length) : err;
        /* As a real: an integer of JSON has no -0 and ends at 2^63. */
        if (err == MW_OK && strpbrk(number, ".e") == NULL) {
            err = mw_buffer_add(json, ".0", 2);
        }
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}

static mw_err print_names(struct mw_buffer *json, const struct mw_network *network)
{
    json_t *names = json_array();
    for (size_t i = 0; i < network->n_features; i++) {
        json_array_append_new(names, json_string(network->features[i]));
    }
    bool whole = json_array_size(names) == network->n_features;
    char *text = whole ? json_dumps(names, JSON_COMPACT) : NULL;
    json_decref(names);
    mw_err err = text == NULL ? MW_ERR_ARGUMENT : mw_buffer_printf(json, ",\"features\":%s", text);
    free(text);
    return err;
}

static mw_err print_layer(struct mw_buffer *json, const struct mw_layer *layer, bool first)
{
    mw_err err =
        mw_buffer_printf(json, "%s{\"inputs\":%zu,\"outputs\":%zu,\"relu\":%s", first ? "" : ",",
                         layer->inputs, layer->outputs, layer->relu ? "true" : "false");
    err = err == MW_OK ? print_floats(json, "weight", layer->weight, layer->inputs * layer->outputs)
                       : err;
    err = err == MW_OK ? print_floats(json, "bias", layer->bias, layer->outputs) : err;
    return err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
}

mw_err mw_network_file_print(const struct mw_network_file *file, struct mw_buffer *json)
{
    const struct mw_network *network = &file->network;
    if (!isfinite(network->c) || !isfinite(file->quantile) || !isfinite(file->cut.input) ||
        !isfinite(file->cut.hidden) || !isfinite(file->cut.output)) {
        return MW_ERR_RANGE;
    }
    mw_err err = mw_buffer_printf(
        json,
        "{\"v\":1,\"kind\":\"%s\",\"c\":%.9g,\"quantile\":%.17g,\"cut\":{\"input\":%.17g,"
        "\"hidden\":%.17g,\"output\":%.17g}",
        mw_network_kind_name(network->kind), (double)network->c, file->quantile, file->cut.input,
        file->cut.hidden, file->cut.output);
    err = err == MW_OK ? print_names(json, network) : err;
    err = err == MW_OK ? print_floats(json, "mean", network->mean, network->n_features) : err;
    err = err == MW_OK ? print_floats(json, "factor", network->factor, network->n_features) : err;
    err = err == MW_OK ? mw_buffer_printf(json, ",\"layers\":[") : err;
    for (size_t i = 0; err == MW_OK && i < network->n_layers; i++) {
        err = print_layer(json, &network->layers[i], i == 0);
    }
    return err == MW_OK ? mw_buffer_add(json, "]}", 2) : err;
}

/* --- parsing --- */

static mw_err refuse(struct mw_error *error, const char *what)
{
    return mw_error_set(error, MW_ERR_PARSE, "network file: %s", what);
}

static mw_err read_floats(const json_t *list, float *values, size_t n, const char *key,
                          struct mw_error *error)
{
    if (json_array_size(list) != n) {
        return mw_error_set(error, MW_ERR_PARSE, "network file: %s: not %zu numbers", key, n);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        /* The shortest decimal of a float32 reads back to it by way of a float64 too. */
        values[i] = (float)json_number_value(item);
        if (!json_is_number(item) || !isfinite(values[i])) {
            return mw_error_set(error, MW_ERR_RANGE, "network file: %s: number %zu is not finite",
                                key, i);
        }
    }
    return MW_OK;
}

static mw_err read_number(const json_t *root, const char *key, double least, double most,
                          double *value, struct mw_error *error)
{
    const json_t *item = json_object_get(root, key);
    *value = json_number_value(item);
    return json_is_number(item) && *value >= least && *value <= most
               ? MW_OK
               : mw_error_set(error, MW_ERR_RANGE, "network file: %s: not from %g to %g", key,
                              least, most);
}

static mw_err read_kind(const json_t *root, enum mw_model_kind *kind, struct mw_error *error)
{
    const char *name = json_string_value(json_object_get(root, "kind"));
    for (int i = MW_MODEL_LOGISTIC; name != NULL && i <= MW_MODEL_AUTOENCODER; i++) {
        if (strcmp(name, mw_network_kind_name((enum mw_model_kind)i)) == 0) {
            *kind = (enum mw_model_kind)i;
            return MW_OK;
        }
    }
    return refuse(error, "kind: not logistic, mlp or autoencoder");
}

/* The widths that layers state, each fed by the one before. */
static mw_err read_widths(const json_t *layers, size_t n_features, enum mw_model_kind kind,
                          size_t *widths, struct mw_error *error)
{
    size_t n = json_array_size(layers);
    json_int_t before = (json_int_t)n_features;
    for (size_t i = 0; i < n; i++) {
        const json_t *layer = json_array_get(layers, i);
        json_int_t inputs = json_integer_value(json_object_get(layer, "inputs"));
        json_int_t outputs = json_integer_value(json_object_get(layer, "outputs"));
        if (inputs != before || outputs < 1 || outputs > MW_NETWORK_WIDTH_MAX) {
            return refuse(error, "layers: they do not fit together");
        }
        widths[i] = (size_t)outputs;
        before = outputs;
    }
    return before == (kind == MW_MODEL_AUTOENCODER ? (json_int_t)n_features : 1)
               ? MW_OK
               : refuse(error, "layers: the last one has another width than the kind's output");
}

static mw_err make_network(struct mw_network *network, const json_t *root, struct mw_error *error)
{
    const json_t *names = json_object_get(root, "features");
    const json_t *layers = json_object_get(root, "layers");
    size_t n = json_array_size(names), n_layers = json_array_size(layers);
    size_t widths[MW_NETWORK_LAYERS_MAX];
    enum mw_model_kind kind = MW_MODEL_LOGISTIC;
    if (n == 0 || n > MW_NETWORK_WIDTH_MAX || n_layers == 0 || n_layers > MW_NETWORK_LAYERS_MAX) {
        return refuse(error, "features or layers: none, or too many");
    }
    mw_err err = read_kind(root, &kind, error);
    err = err == MW_OK ? read_widths(layers, n, kind, widths, error) : err;
    if (err != MW_OK) {
        return err;
    }
    char **features = calloc(n, sizeof *features);
    for (size_t i = 0; features != NULL && i < n; i++) {
        features[i] = (char *)(uintptr_t)json_string_value(json_array_get(names, i));
        err = features[i] == NULL ? refuse(error, "features: not a name") : err;
    }
    if (features == NULL ||
        (err == MW_OK && mw_network_init(network, kind, features, n, widths, n_layers) != MW_OK)) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    free(features);
    return err;
}

static mw_err fill_network(struct mw_network *network, const json_t *root, struct mw_error *error)
{
    const json_t *layers = json_object_get(root, "layers");
    double c = 0;
    mw_err err = read_floats(json_object_get(root, "mean"), network->mean, network->n_features,
                             "mean", error);
    err = err == MW_OK ? read_floats(json_object_get(root, "factor"), network->factor,
                                     network->n_features, "factor", error)
                       : err;
    err = err == MW_OK ? read_number(root, "c", 0, 1e30, &c, error) : err;
    network->c = (float)c;
    for (size_t i = 0; err == MW_OK && i < network->n_layers; i++) {
        struct mw_layer *layer = &network->layers[i];
        const json_t *from = json_array_get(layers, i);
        layer->relu = json_is_true(json_object_get(from, "relu"));
        err = read_floats(json_object_get(from, "weight"), layer->weight,
                          layer->inputs * layer->outputs, "weight", error);
        err = err == MW_OK ? read_floats(json_object_get(from, "bias"), layer->bias, layer->outputs,
                                         "bias", error)
                           : err;
    }
    return err;
}

mw_err mw_network_file_parse(struct mw_network_file *file, struct mw_span json,
                             struct mw_error *error)
{
    json_error_t why;
    *file = (struct mw_network_file){0};
    if (json.size > MW_NETWORK_FILE_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "network file: more than %u bytes",
                            MW_NETWORK_FILE_MAX);
    }
    json_t *root = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, &why);
    mw_err err = MW_OK;
    if (!json_is_object(root)) {
        err = mw_error_set(error, MW_ERR_PARSE, "network file: line %d: %s",
                           root == NULL ? why.line : 1, root == NULL ? why.text : "no object");
    } else if (json_integer_value(json_object_get(root, "v")) != 1) {
        err = mw_error_set(error, MW_ERR_VERSION, "network file: not version 1");
    }
    const json_t *cut = json_object_get(root, "cut");
    err = err == MW_OK ? read_number(root, "quantile", 0, 1, &file->quantile, error) : err;
    err = err == MW_OK ? read_number(cut, "input", 0, 1e9, &file->cut.input, error) : err;
    err = err == MW_OK ? read_number(cut, "hidden", 0.5, 1, &file->cut.hidden, error) : err;
    err = err == MW_OK ? read_number(cut, "output", 0, 1e9, &file->cut.output, error) : err;
    err = err == MW_OK ? make_network(&file->network, root, error) : err;
    err = err == MW_OK ? fill_network(&file->network, root, error) : err;
    json_decref(root);
    if (err != MW_OK) {
        mw_network_clear(&file->network);
        *file = (struct mw_network_file){0};
    }
    return err;
}
