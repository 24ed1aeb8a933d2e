/* bundle.c - a bundle's parts as blobs under one OCI manifest, stored and read back. */
#include "lib/artifact/bundle_parts.h"
#include "lib/artifact/parts.h"

#include <stdlib.h>

#define CONFIG_TYPE "application/vnd.millwright.bundle.config.v1+json"
#define MODEL_TYPE "application/vnd.millwright.model.tflite"
#define GOLDEN_TYPE "application/vnd.millwright.golden.v1"
#define REPORT_TYPE "application/vnd.millwright.report.v1+json"
#define PART_MAX (64U << 20) /* bytes of one part */
#define LAYERS_MAX 64

/* report.json repeats the gates and figures, so that a person who pulls the artifact can read them.
 */
static mw_err print_report(const struct mw_bundle *bundle, struct mw_buffer *report)
{
    return mw_buffer_printf(report, "{\"v\":1,\"gates\":%s,\"metrics\":%s}",
                            bundle->gates_json != NULL ? bundle->gates_json : "{}",
                            bundle->metrics_json != NULL ? bundle->metrics_json : "{}");
}

static mw_err put_part(struct mw_store *store, const char *type, const char *title,
                       const struct mw_buffer *bytes, struct mw_descriptor *part,
                       struct mw_error *error)
{
    *part = (struct mw_descriptor){.media_type = type, .title = title, .size = bytes->size};
    return mw_store_put(store, bytes->data, bytes->size, part->digest, error);
}

static mw_err put_parts(struct mw_store *store, struct mw_bundle *bundle,
                        const struct mw_buffer *json, const struct mw_buffer *report,
                        struct mw_error *error)
{
    const struct {
        const char *type, *title;
        const struct mw_buffer *bytes;
    } layers[] = {
        {MODEL_TYPE, "model.int8.tflite", &bundle->int8_model},
        {MODEL_TYPE, "model.float32.tflite", &bundle->float_model},
        {GOLDEN_TYPE, "golden.bin", &bundle->golden},
        {REPORT_TYPE, "report.json", report},
    };
    struct mw_descriptor config, parts[sizeof layers / sizeof layers[0]];
    size_t n = 0;
    mw_err err = put_part(store, CONFIG_TYPE, "bundle.json", json, &config, error);
    for (size_t i = 0; err == MW_OK && i < sizeof layers / sizeof layers[0]; i++) {
        if (layers[i].bytes->size > 0) {
            err = put_part(store, layers[i].type, layers[i].title, layers[i].bytes, &parts[n++],
                           error);
        }
    }
    return err == MW_OK ? mw_store_put_manifest(store, MW_BUNDLE_TYPE, &config, parts, n,
                                                bundle->digest, error)
                        : err;
}

mw_err mw_bundle_put(struct mw_store *store, struct mw_bundle *bundle, uint64_t *length,
                     struct mw_error *error)
{
    struct mw_buffer json = {0}, report = {0}, none = {0};
    struct mw_golden golden;
    bundle->digest[0] = '\0';
    if (bundle->int8_model.size == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "the bundle has no int8 model");
    }
    mw_err err = mw_golden_open((struct mw_span){bundle->golden.data, bundle->golden.size},
                                bundle->n_features, &golden, error);
    if (err != MW_OK) {
        return err;
    }
    err = mw_bundle_print_json(bundle, &json);
    err = err == MW_OK ? print_report(bundle, &report) : err;
    if (err != MW_OK) {
        err = mw_error_set(error, err, "bundle.json: a part is missing or not finite");
    } else {
        /* What this program would not read back, it does not publish. */
        struct mw_bundle check;
        err = mw_bundle_parse_json((struct mw_span){json.data, json.size}, &check, error);
        if (err == MW_OK) {
            mw_bundle_clear(&check);
            err = put_parts(store, bundle, &json, &report, error);
        }
    }
    if (err == MW_OK) {
        err = mw_store_read(store, bundle->digest, 0, 0, &none, length, error);
    }
    mw_buffer_free(&json);
    mw_buffer_free(&report);
    mw_buffer_free(&none);
    return err;
}

/* Fetches the blob of an OCI descriptor and checks it against the descriptor's size and hash. */
static mw_err fetch(const json_t *descriptor, const char *title, mw_bundle_blob_fn *blob,
                    void *context, struct mw_span *bytes, struct mw_error *error)
{
    const char *digest = mw_json_string(descriptor, "digest");
    json_int_t size = json_integer_value(json_object_get(descriptor, "size"));
    char found[MW_DIGEST_TEXT];
    if (digest == NULL || !mw_digest_valid(mw_span_of(digest)) || size <= 0 || size > PART_MAX) {
        return mw_error_set(error, MW_ERR_PARSE, "OCI manifest: %s: no digest or no size", title);
    }
    *bytes = (struct mw_span){0};
    mw_err err = blob(context, digest, bytes);
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: %s: %s", title, digest, mw_err_text(err));
    }
    mw_digest(bytes->data, bytes->size, found);
    if (bytes->size != (size_t)size || strcmp(found, digest) != 0) {
        return mw_error_set(error, MW_ERR_CORRUPT, "%s: not the bytes that the manifest names",
                            title);
    }
    return MW_OK;
}

/* The layer of that title, or NULL. Two of one title are a malformed manifest: *err says so. */
static const json_t *find_layer(const json_t *layers, const char *title, mw_err *err)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        const char *name = mw_json_string(json_object_get(layer, "annotations"), MW_TITLE_KEY);
        if (name != NULL && strcmp(name, title) == 0) {
            *err = found != NULL ? MW_ERR_PARSE : *err;
            found = layer;
        }
    }
    return found;
}

struct source {
    const json_t *layers;
    mw_bundle_blob_fn *blob;
    void *context;
};

/* Copies a layer into `copy`. When `optional` it may be absent from the manifest and from the
 * source. */
static mw_err read_layer(const struct source *source, const char *title, bool optional,
                         struct mw_buffer *copy, struct mw_error *error)
{
    struct mw_span bytes;
    mw_err err = MW_OK;
    const json_t *layer = find_layer(source->layers, title, &err);
    if (err != MW_OK) {
        return mw_error_set(error, err, "OCI manifest: %s: listed twice", title);
    }
    if (layer == NULL) {
        return optional ? MW_OK
                        : mw_error_set(error, MW_ERR_PARSE, "OCI manifest: no %s in it", title);
    }
    err = fetch(layer, title, source->blob, source->context, &bytes, error);
    if (err == MW_ERR_NOT_FOUND && optional) {
        return MW_OK;
    }
    if (err == MW_OK && mw_buffer_add(copy, bytes.data, bytes.size) != MW_OK) {
        err = mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", title);
    }
    return err;
}

static mw_err check_model(const struct mw_buffer *file, const char *title, struct mw_error *error)
{
    struct mw_why why = {0};
    size_t bytes;
    mw_err err = file->size > 0 ? mw_model_size(file->data, file->size, &bytes, &why) : MW_OK;
    if (err != MW_OK) {
        (void)mw_error_why(error, err, &why, "byte");
        (void)mw_error_wrap(error, "%s", title);
    }
    return err;
}

static mw_err read_layers(const struct source *source, struct mw_bundle *bundle,
                          struct mw_error *error)
{
    struct mw_buffer report = {0};
    json_t *report_json = NULL;
    struct mw_golden golden;
    mw_err err = read_layer(source, "model.int8.tflite", false, &bundle->int8_model, error);
    err = err == MW_OK ? check_model(&bundle->int8_model, "model.int8.tflite", error) : err;
    err = err == MW_OK
              ? read_layer(source, "model.float32.tflite", true, &bundle->float_model, error)
              : err;
    err = err == MW_OK ? check_model(&bundle->float_model, "model.float32.tflite", error) : err;
    err = err == MW_OK ? read_layer(source, "golden.bin", false, &bundle->golden, error) : err;
    if (err == MW_OK) {
        err = mw_golden_open((struct mw_span){bundle->golden.data, bundle->golden.size},
                             bundle->n_features, &golden, error);
    }
    err = err == MW_OK ? read_layer(source, "report.json", true, &report, error) : err;
    if (err == MW_OK && report.size > 0) {
        err = mw_json_load((struct mw_span){report.data, report.size}, "report.json", &report_json,
                           error);
    }
    json_decref(report_json);
    mw_buffer_free(&report);
    return err;
}

static mw_err check_manifest(const json_t *manifest, struct mw_error *error)
{
    const char *type = mw_json_string(manifest, "artifactType");
    const json_t *layers = json_object_get(manifest, "layers");
    if (json_integer_value(json_object_get(manifest, "schemaVersion")) != 2) {
        return mw_error_set(error, MW_ERR_VERSION, "OCI manifest: not schema version 2");
    }
    if (type == NULL || strcmp(type, MW_BUNDLE_TYPE) != 0) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "OCI manifest: not a model bundle");
    }
    if (json_array_size(layers) == 0 || json_array_size(layers) > LAYERS_MAX) {
        return mw_error_set(error, MW_ERR_PARSE, "OCI manifest: no layers, or too many");
    }
    return MW_OK;
}

mw_err mw_bundle_read(struct mw_span manifest, mw_bundle_blob_fn *blob, void *context,
                      struct mw_bundle *bundle, struct mw_error *error)
{
    json_auto_t *json = NULL;
    struct mw_span config = {0};
    *bundle = (struct mw_bundle){0};
    mw_err err = mw_json_load(manifest, "OCI manifest", &json, error);
    err = err == MW_OK ? check_manifest(json, error) : err;
    if (err == MW_OK) {
        err = fetch(json_object_get(json, "config"), "bundle.json", blob, context, &config, error);
    }
    err = err == MW_OK ? mw_bundle_parse_json(config, bundle, error) : err;
    if (err == MW_OK) {
        struct source source = {json_object_get(json, "layers"), blob, context};
        err = read_layers(&source, bundle, error);
    }
    if (err != MW_OK) {
        mw_bundle_clear(bundle);
        return err;
    }
    mw_digest(manifest.data, manifest.size, bundle->digest);
    return MW_OK;
}

struct from_store {
    struct mw_store *store;
    struct mw_buffer bytes;
};

/* In a store every part that the manifest lists has to be there. */
static mw_err store_blob(void *context, const char *digest, struct mw_span *bytes)
{
    struct from_store *from = context;
    mw_buffer_clear(&from->bytes);
    mw_err err = mw_store_get(from->store, digest, &from->bytes, NULL);
    *bytes = (struct mw_span){from->bytes.data, from->bytes.size};
    return err == MW_ERR_NOT_FOUND ? MW_ERR_CORRUPT : err;
}

mw_err mw_bundle_get(struct mw_store *store, const char *digest, struct mw_bundle *bundle,
                     struct mw_error *error)
{
    struct mw_buffer manifest = {0};
    struct from_store from = {store, {0}};
    *bundle = (struct mw_bundle){0};
    mw_err err = mw_store_get(store, digest, &manifest, error);
    if (err == MW_OK) {
        err = mw_bundle_read((struct mw_span){manifest.data, manifest.size}, store_blob, &from,
                             bundle, error);
    }
    mw_buffer_free(&manifest);
    mw_buffer_free(&from.bytes);
    return err;
}
