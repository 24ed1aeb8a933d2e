/* manifest.c - OCI image manifests, and the tags that index.json gives them. */
#include "lib/artifact/parts.h"

#include <stdlib.h>

#define EMPTY_TYPE "application/vnd.oci.empty.v1+json"
#define TAG_MAX 128

static json_t *descriptor_json(const struct mw_descriptor *descriptor)
{
    json_t *json = json_pack("{s:s, s:s, s:I}", "mediaType", descriptor->media_type, "digest",
                             descriptor->digest, "size", (json_int_t)descriptor->size);
    if (json != NULL && descriptor->title != NULL &&
        json_object_set_new(json, "annotations",
                            json_pack("{s:s}", MW_TITLE_KEY, descriptor->title)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *manifest_json(const char *artifact_type, const struct mw_descriptor *config,
                             const struct mw_descriptor *layers, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < n; i++) {
        if (json_array_append_new(list, descriptor_json(&layers[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    /* "o" takes the references, also when packing fails. */
    return json_pack("{s:i, s:s, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", MW_MANIFEST_TYPE,
                     "artifactType", artifact_type, "config", descriptor_json(config), "layers",
                     list);
}

mw_err mw_store_put_manifest(struct mw_store *store, const char *artifact_type,
                             const struct mw_descriptor *config, const struct mw_descriptor *layers,
                             size_t n, char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    struct mw_descriptor empty = {.media_type = EMPTY_TYPE, .size = 2};
    mw_err err = MW_OK;
    if (config == NULL || n == 0) {
        err = mw_store_put(store, "{}", 2, empty.digest, error);
        if (err != MW_OK) {
            return err;
        }
    }
    json_auto_t *manifest = manifest_json(artifact_type, config != NULL ? config : &empty,
                                          n > 0 ? layers : &empty, n > 0 ? n : 1);
    char *text = manifest != NULL ? json_dumps(manifest, JSON_COMPACT) : NULL;
    if (text == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "OCI manifest: out of memory or not UTF-8");
    }
    err = mw_store_put(store, text, strlen(text), digest, error);
    free(text);
    return err;
}

static mw_err read_index(const struct mw_store *store, json_t **index, struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    struct mw_buffer text = {0};
    if (mw_file_join(path, sizeof path, store->folder, "index.json") != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", store->folder);
    }
    mw_err err = mw_file_read(path, MW_JSON_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){text.data, text.size}, path, index, error);
    }
    mw_buffer_free(&text);
    if (err == MW_OK && !json_is_array(json_object_get(*index, "manifests"))) {
        json_decref(*index);
        *index = NULL;
        err = mw_error_set(error, MW_ERR_CORRUPT, "%s: no list of manifests", path);
    }
    return err;
}

static mw_err write_index(const struct mw_store *store, const json_t *index, struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    char *text = json_dumps(index, JSON_INDENT(1));
    if (text == NULL || mw_file_join(path, sizeof path, store->folder, "index.json") != MW_OK) {
        free(text);
        return mw_error_set(error, MW_ERR_MEMORY, "index.json: out of memory");
    }
    mw_err err = mw_file_write(path, text, strlen(text), 0644, error);
    free(text);
    return err;
}

/* The tag and the digest of an entry of the index, or false when it has none or is malformed. */
static bool entry_tag(const json_t *entry, const char **tag, const char **digest)
{
    *tag = mw_json_string(json_object_get(entry, "annotations"), MW_TAG_KEY);
    *digest = mw_json_string(entry, "digest");
    return *tag != NULL && *digest != NULL && mw_digest_valid(mw_span_of(*digest));
}

static bool tag_valid(const char *tag)
{
    size_t n = strlen(tag);
    if (n == 0 || n > TAG_MAX || tag[0] == '.' || tag[0] == '-') {
        return false;
    }
    return strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

/* Removes the tag's entry and adds the new one. */
static mw_err move_tag(json_t *index, const char *tag, const char *digest, uint64_t size,
                       const char *artifact_type)
{
    json_t *list = json_object_get(index, "manifests");
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *name, *old;
        if (entry_tag(json_array_get(list, i), &name, &old) && strcmp(name, tag) == 0) {
            (void)json_array_remove(list, i);
        }
    }
    json_t *entry = json_pack("{s:s, s:s, s:I, s:s*, s:{s:s}}", "mediaType", MW_MANIFEST_TYPE,
                              "digest", digest, "size", (json_int_t)size, "artifactType",
                              artifact_type, "annotations", MW_TAG_KEY, tag);
    return json_array_append_new(list, entry) == 0 ? MW_OK : MW_ERR_MEMORY;
}

mw_err mw_store_tag(struct mw_store *store, const char *tag, const char *digest,
                    struct mw_error *error)
{
    struct mw_buffer manifest = {0};
    json_auto_t *index = NULL, *json = NULL;
    if (!tag_valid(tag)) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%.140s is not a tag", tag);
    }
    mw_err err = mw_store_get(store, digest, &manifest, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){manifest.data, manifest.size}, digest, &json, error);
    }
    uint64_t size = manifest.size;
    mw_buffer_free(&manifest);
    const struct mw_store_source *source = mw_store_source();
    if (err == MW_OK && source != NULL) {
        err = source->give(source->context, store, tag, digest, error);
    }
    int lock;
    if (err == MW_OK) {
        err = mw_store_lock(store, &lock, error);
    }
    if (err != MW_OK) {
        return err;
    }
    err = read_index(store, &index, error);
    if (err == MW_OK) {
        err = move_tag(index, tag, digest, size, mw_json_string(json, "artifactType"));
        err = err != MW_OK ? mw_error_set(error, err, "index.json: out of memory")
                           : write_index(store, index, error);
    }
    mw_store_unlock(lock);
    return err;
}

mw_err mw_store_resolve(struct mw_store *store, const char *tag_or_digest,
                        char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    json_auto_t *index = NULL;
    digest[0] = '\0';
    if (mw_digest_valid(mw_span_of(tag_or_digest))) {
        uint64_t total;
        struct mw_buffer none = {0};
        mw_err err = mw_store_read(store, tag_or_digest, 0, 0, &none, &total, error);
        mw_buffer_free(&none);
        if (err == MW_OK) {
            memcpy(digest, tag_or_digest, 72);
        }
        return err;
    }
    mw_err err = read_index(store, &index, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *list = json_object_get(index, "manifests");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *tag, *found;
        if (entry_tag(json_array_get(list, i), &tag, &found) && strcmp(tag, tag_or_digest) == 0) {
            memcpy(digest, found, 72);
            return MW_OK;
        }
    }
    return mw_error_set(error, MW_ERR_NOT_FOUND, "%.140s: no such tag in %s", tag_or_digest,
                        store->folder);
}

struct tagged {
    const char *tag, *digest;
};

static int compare_tagged(const void *a, const void *b)
{
    return strcmp(((const struct tagged *)a)->tag, ((const struct tagged *)b)->tag);
}

mw_err mw_store_visit(struct mw_store *store, mw_store_visit_fn *fn, void *context,
                      struct mw_error *error)
{
    json_auto_t *index = NULL;
    mw_err err = read_index(store, &index, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *list = json_object_get(index, "manifests");
    struct tagged *tags = calloc(json_array_size(list) + 1, sizeof *tags);
    if (tags == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "index.json: out of memory");
    }
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        n += entry_tag(json_array_get(list, i), &tags[n].tag, &tags[n].digest) ? 1 : 0;
    }
    qsort(tags, n, sizeof *tags, compare_tagged);
    for (size_t i = 0; i < n && fn(context, tags[i].tag, tags[i].digest); i++) {
    }
    free(tags);
    return MW_OK;
}
