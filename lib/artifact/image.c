/* image.c - packs bundles and metadata. Everything is in memory: a bundle is small. */
#include "lib/artifact/image.h"

#include "lib/artifact/bundle.h"
#include "lib/artifact/image_parts.h"
#include "lib/artifact/parts.h"
#include "lib/artifact/tar.h"

#include <stdio.h>
#include <stdlib.h>

#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"
#define CONTAINERD_NAME "io.containerd.image.name"

/* What goes into the layer. */
struct packing {
    struct mw_store *store;
    json_t *blobs;     /* an object whose keys are digests */
    json_t *manifests; /* of index.json */
};

static mw_err no_memory(struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_MEMORY, "image: out of memory");
}

static mw_err add_text(struct mw_buffer *out, const json_t *json, struct mw_error *error)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    mw_err err = text == NULL ? MW_ERR_MEMORY : mw_buffer_add(out, text, strlen(text));
    free(text);
    return err == MW_OK ? MW_OK : no_memory(error);
}

static struct mw_span span_of(const struct mw_buffer *buffer)
{
    return (struct mw_span){buffer->data, buffer->size};
}

/* ---- what goes in ---- */

static mw_err add_part(void *context, const char *digest, struct mw_error *error)
{
    struct packing *packing = context;
    return json_object_set_new(packing->blobs, digest, json_true()) == 0 ? MW_OK : no_memory(error);
}

static bool has_tag(const struct packing *packing, const char *tag)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(packing->manifests, i, entry)
    {
        const char *name = mw_json_string(json_object_get(entry, "annotations"), MW_TAG_KEY);
        if (name != NULL && strcmp(name, tag) == 0) {
            return true;
        }
    }
    return false;
}

/* A manifest with its parts, under a tag. */
static mw_err add_manifest(struct packing *packing, const char *tag, const char *digest,
                           struct mw_error *error)
{
    struct mw_buffer text = {0};
    if (has_tag(packing, tag)) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "two bundles for %.128s", tag);
    }
    mw_err err = mw_store_get(packing->store, digest, &text, error);
    if (err == MW_OK) {
        err = mw_image_parts(span_of(&text), digest, add_part, packing, error);
    }
    err = err == MW_OK ? add_part(packing, digest, error) : err;
    if (err == MW_OK &&
        json_array_append_new(packing->manifests,
                              json_pack("{s:s, s:s, s:I, s:{s:s}}", "mediaType", MW_MANIFEST_TYPE,
                                        "digest", digest, "size", (json_int_t)text.size,
                                        "annotations", MW_TAG_KEY, tag)) != 0) {
        err = no_memory(error);
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err add_bundle(struct packing *packing, const char *name, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    struct mw_bundle bundle = {0};
    mw_err err = mw_store_resolve(packing->store, name, digest, error);
    err = err == MW_OK ? mw_trust_verify(packing->store, digest, error) : err;
    err = err == MW_OK ? mw_bundle_get(packing->store, digest, &bundle, error) : err;
    if (err == MW_OK) {
        const char *tag = bundle.machine == NULL ? "plant" : bundle.machine;
        err = add_manifest(packing, tag, digest, error);
    }
    mw_bundle_clear(&bundle);
    return err;
}

static mw_err gather(struct packing *packing, char *const *names, size_t n, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    if (packing->blobs == NULL || packing->manifests == NULL) {
        return no_memory(error);
    }
    if (n == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "image: no bundle to pack");
    }
    mw_err err = mw_trust_export(packing->store, digest, error);
    err = err == MW_OK ? add_manifest(packing, MW_IMAGE_METADATA, digest, error) : err;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = add_bundle(packing, names[i], error);
    }
    return err;
}

/* ---- the layer ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static mw_err add_blob(struct mw_buffer *tar, const char *digest, const struct mw_buffer *bytes,
                       struct mw_error *error)
{
    char name[96];
    (void)snprintf(name, sizeof name, "blobs/sha256/%s", digest + 7);
    return mw_tar_add_file(tar, name, span_of(bytes), error);
}

static mw_err add_stored(const struct packing *packing, const char *digest, struct mw_buffer *layer,
                         struct mw_error *error)
{
    struct mw_buffer bytes = {0};
    mw_err err = mw_store_get(packing->store, digest, &bytes, error);
    err = err == MW_OK ? add_blob(layer, digest, &bytes, error) : err;
    mw_buffer_free(&bytes);
    return err;
}

/* By digest, so that the order in which they were named does not matter. */
static mw_err add_blobs(const struct packing *packing, struct mw_buffer *layer,
                        struct mw_error *error)
{
    size_t n = 0;
    const char *digest, **digests = calloc(json_object_size(packing->blobs), sizeof *digests);
    json_t *unused;
    if (digests == NULL) {
        return no_memory(error);
    }
    json_object_foreach(packing->blobs, digest, unused)
    {
        digests[n++] = digest;
    }
    qsort(digests, n, sizeof *digests, compare);
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = add_stored(packing, digests[i], layer, error);
    }
    free(digests);
    return err;
}

static int by_tag(const void *a, const void *b)
{
    const json_t *left = *(const json_t *const *)a, *right = *(const json_t *const *)b;
    return strcmp(mw_json_string(json_object_get(left, "annotations"), MW_TAG_KEY),
                  mw_json_string(json_object_get(right, "annotations"), MW_TAG_KEY));
}

/* index.json with these manifests, sorted by tag. */
static mw_err print_index(const json_t *manifests, struct mw_buffer *out, struct mw_error *error)
{
    size_t n = json_array_size(manifests);
    json_t *list = json_array(), **entries = calloc(n, sizeof *entries);
    mw_err err = list == NULL || entries == NULL ? no_memory(error) : MW_OK;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        entries[i] = json_array_get(manifests, i);
    }
    if (err == MW_OK) {
        qsort(entries, n, sizeof(json_t *), by_tag);
    }
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = json_array_append(list, entries[i]) == 0 ? MW_OK : no_memory(error);
    }
    free(entries);
    json_auto_t *index = json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType",
                                   MW_INDEX_TYPE, "manifests", list);
    return err == MW_OK ? add_text(out, index, error) : err;
}

static mw_err make_layer(const struct packing *packing, struct mw_buffer *layer,
                         struct mw_error *error)
{
    struct mw_buffer index = {0};
    mw_err err = mw_tar_add_folder(layer, "blobs", error);
    err = err == MW_OK ? mw_tar_add_folder(layer, "blobs/sha256", error) : err;
    err = err == MW_OK ? add_blobs(packing, layer, error) : err;
    err = err == MW_OK ? print_index(packing->manifests, &index, error) : err;
    err = err == MW_OK ? mw_tar_add_file(layer, "index.json", span_of(&index), error) : err;
    err = err == MW_OK ? mw_tar_add_file(layer, "oci-layout", mw_span_of(MW_LAYOUT_TEXT), error)
                       : err;
    mw_buffer_free(&index);
    return err == MW_OK ? mw_tar_end(layer, error) : err;
}

/* ---- the image ---- */

static mw_err name_blob(const struct mw_buffer *bytes, char digest[MW_DIGEST_TEXT],
                        struct mw_error *error)
{
    mw_digest(bytes->data, bytes->size, digest);
    return digest[0] == '\0' ? no_memory(error) : MW_OK;
}

/* An image has to name a machine; its files are the same on all of them. */
static mw_err make_config(struct mw_image *image, struct mw_error *error)
{
    json_auto_t *config =
        json_pack("{s:s, s:s, s:{}, s:{s:s, s:[s]}}", "architecture", "amd64", "os", "linux",
                  "config", "rootfs", "type", "layers", "diff_ids", image->layer_digest);
    mw_err err = add_text(&image->config, config, error);
    return err == MW_OK ? name_blob(&image->config, image->config_digest, error) : err;
}

static json_t *describe(const char *type, const char *digest, const struct mw_buffer *bytes)
{
    return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", digest, "size",
                     (json_int_t)bytes->size);
}

static mw_err make_manifest(struct mw_image *image, struct mw_error *error)
{
    json_auto_t *manifest =
        json_pack("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType", MW_MANIFEST_TYPE,
                  "config", describe(CONFIG_TYPE, image->config_digest, &image->config), "layers",
                  describe(LAYER_TYPE, image->layer_digest, &image->layer));
    mw_err err = add_text(&image->manifest, manifest, error);
    return err == MW_OK ? name_blob(&image->manifest, image->digest, error) : err;
}

mw_err mw_image_pack(struct mw_store *store, char *const *names, size_t n, struct mw_image *image,
                     struct mw_error *error)
{
    struct packing packing = {.store = store, .blobs = json_object(), .manifests = json_array()};
    *image = (struct mw_image){0};
    mw_err err = gather(&packing, names, n, error);
    err = err == MW_OK ? make_layer(&packing, &image->layer, error) : err;
    err = err == MW_OK ? name_blob(&image->layer, image->layer_digest, error) : err;
    err = err == MW_OK ? make_config(image, error) : err;
    err = err == MW_OK ? make_manifest(image, error) : err;
    json_decref(packing.blobs);
    json_decref(packing.manifests);
    return err;
}

void mw_image_clear(struct mw_image *image)
{
    mw_buffer_free(&image->layer);
    mw_buffer_free(&image->config);
    mw_buffer_free(&image->manifest);
    *image = (struct mw_image){0};
}

/* ---- the archive ---- */

/* The tag alone is the name by the specification, the whole reference that of containerd. */
static mw_err archive_index(const struct mw_image *image, const char *reference,
                            struct mw_buffer *out, struct mw_error *error)
{
    struct mw_buffer text = {0};
    const char *colon = strrchr(reference, ':');
    if (colon == NULL || colon == reference || colon[1] == '\0' || strchr(colon, '/') != NULL) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "%.200s: a reference HOST/NAME:TAG was expected", reference);
    }
    json_auto_t *manifests =
        json_pack("[{s:s, s:s, s:I, s:{s:s, s:s}}]", "mediaType", MW_MANIFEST_TYPE, "digest",
                  image->digest, "size", (json_int_t)image->manifest.size, "annotations",
                  CONTAINERD_NAME, reference, MW_TAG_KEY, colon + 1);
    if (manifests == NULL) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%.200s: not UTF-8", reference);
    }
    mw_err err = print_index(manifests, &text, error);
    err = err == MW_OK ? mw_tar_add_file(out, "index.json", span_of(&text), error) : err;
    mw_buffer_free(&text);
    return err;
}

mw_err mw_image_archive(const struct mw_image *image, const char *reference, struct mw_buffer *out,
                        struct mw_error *error)
{
    mw_err err = mw_tar_add_file(out, "oci-layout", mw_span_of(MW_LAYOUT_TEXT), error);
    err = err == MW_OK ? archive_index(image, reference, out, error) : err;
    err = err == MW_OK ? add_blob(out, image->digest, &image->manifest, error) : err;
    err = err == MW_OK ? add_blob(out, image->config_digest, &image->config, error) : err;
    err = err == MW_OK ? add_blob(out, image->layer_digest, &image->layer, error) : err;
    return err == MW_OK ? mw_tar_end(out, error) : err;
}
