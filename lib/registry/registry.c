/* registry.c - bundles: parts first, then the manifest, then the tag, so that nobody who follows a
 * tag or a digest finds half of it. */
#include "lib/registry/registry.h"

#include "lib/base/clock.h"
#include "lib/registry/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (30 * MW_SECOND)

static char *copy_given(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : strdup(text);
}

static mw_err read_password(struct mw_registry *registry, const char *path, struct mw_error *error)
{
    struct mw_buffer text = {0};
    if (path == NULL || path[0] == '\0') {
        return mw_error_set(error, MW_ERR_ARGUMENT, "a user of the registry, but no password file");
    }
    mw_err err = mw_file_read(path, 4096, &text, error);
    if (err == MW_OK) {
        registry->password = strndup(text.data == NULL ? "" : text.data,
                                     text.data == NULL ? 0 : strcspn(text.data, "\r\n"));
        err = registry->password == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                         : MW_OK;
    }
    mw_buffer_free(&text);
    return err;
}

mw_err mw_registry_open(struct mw_registry **registry, const struct mw_registry_options *options,
                        struct mw_error *error)
{
    *registry = NULL;
    struct mw_registry *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    made->patience = options->patience > 0 ? options->patience : PATIENCE;
    made->ca_file = copy_given(options->ca_file);
    made->username = copy_given(options->username);
    mw_err err = mw_registry_address_parse(&made->address, options->url, error);
    if (err == MW_OK && made->username != NULL) {
        err = read_password(made, options->password_file, error);
    }
    if (err != MW_OK) {
        mw_registry_close(made);
        return err;
    }
    *registry = made;
    return MW_OK;
}

void mw_registry_close(struct mw_registry *registry)
{
    if (registry != NULL) {
        free(registry->ca_file);
        free(registry->username);
        free(registry->password);
        free(registry);
    }
}

static mw_err make_url(const struct mw_registry *registry, const char *kind, const char *what,
                       char url[MW_REGISTRY_URL_TEXT], struct mw_error *error)
{
    int n = snprintf(url, MW_REGISTRY_URL_TEXT, "%s/v2/%s/%s/%s", registry->address.base,
                     registry->address.name, kind, what);
    return n > 0 && n < MW_REGISTRY_URL_TEXT
               ? MW_OK
               : mw_error_set(error, MW_ERR_TOO_LARGE, "%.80s: too long", what);
}

/* ---- sending ---- */

static mw_err has_blob(struct mw_registry *registry, const char *digest, bool *there,
                       struct mw_error *error)
{
    char url[MW_REGISTRY_URL_TEXT];
    struct mw_registry_answer answer;
    struct mw_error why = {0};
    mw_err err = make_url(registry, "blobs", digest, url, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_registry_request request = {.method = "HEAD", .url = url};
    err = mw_registry_request(registry, &request, &answer, &why);
    mw_buffer_free(&answer.body);
    *there = err == MW_OK;
    if (err == MW_OK || err == MW_ERR_NOT_FOUND) {
        return MW_OK;
    }
    return mw_error_set(error, err, "%s", why.text);
}

mw_err mw_registry_push_blob(struct mw_registry *registry, struct mw_span bytes, const char *digest,
                             struct mw_error *error)
{
    char url[MW_REGISTRY_URL_TEXT];
    struct mw_registry_answer answer = {0};
    bool there;
    mw_err err = has_blob(registry, digest, &there, error);
    if (err != MW_OK || there) {
        return err;
    }
    err = make_url(registry, "blobs", "uploads/", url, error);
    if (err == MW_OK) {
        struct mw_registry_request begin = {
            .method = "POST", .url = url, .limit = MW_REGISTRY_JSON_MAX};
        err = mw_registry_request(registry, &begin, &answer, error);
    }
    if (err == MW_OK) {
        err = mw_registry_upload_url(&registry->address, mw_span_of(answer.location), digest, url,
                                     error);
    }
    mw_buffer_free(&answer.body);
    if (err == MW_OK) {
        struct mw_registry_request send = {.method = "PUT",
                                           .url = url,
                                           .type = "application/octet-stream",
                                           .body = bytes,
                                           .limit = MW_REGISTRY_JSON_MAX};
        err = mw_registry_request(registry, &send, &answer, error);
        mw_buffer_free(&answer.body);
    }
    return err;
}

mw_err mw_registry_push_manifest(struct mw_registry *registry, struct mw_span manifest,
                                 const char *tag_or_digest, struct mw_error *error)
{
    char url[MW_REGISTRY_URL_TEXT];
    struct mw_registry_answer answer;
    mw_err err = make_url(registry, "manifests", tag_or_digest, url, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_registry_request request = {.method = "PUT",
                                          .url = url,
                                          .type = MW_REGISTRY_MANIFEST_TYPE,
                                          .body = manifest,
                                          .limit = MW_REGISTRY_JSON_MAX};
    err = mw_registry_request(registry, &request, &answer, error);
    mw_buffer_free(&answer.body);
    return err;
}

static mw_err push_parts(struct mw_registry *registry, struct mw_store *store,
                         struct mw_span manifest, struct mw_error *error)
{
    struct mw_registry_parts parts;
    struct mw_buffer bytes = {0};
    mw_err err = mw_registry_parts_read(&parts, manifest, MW_REGISTRY_BLOB_MAX, error);
    for (size_t i = 0; err == MW_OK && i < parts.n; i++) {
        mw_buffer_clear(&bytes);
        err = mw_store_get(store, parts.part[i].digest, &bytes, error);
        if (err == MW_OK) {
            err = mw_registry_push_blob(registry, (struct mw_span){bytes.data, bytes.size},
                                        parts.part[i].digest, error);
        }
    }
    mw_buffer_free(&bytes);
    return err;
}

mw_err mw_registry_push(struct mw_registry *registry, struct mw_store *store, const char *digest,
                        const char *tag, struct mw_error *error)
{
    struct mw_buffer bytes = {0};
    mw_err err = mw_store_get(store, digest, &bytes, error);
    struct mw_span manifest = {bytes.data, bytes.size};
    err = err == MW_OK ? push_parts(registry, store, manifest, error) : err;
    err = err == MW_OK ? mw_registry_push_manifest(registry, manifest, digest, error) : err;
    if (err == MW_OK && tag != NULL) {
        err = mw_registry_push_manifest(registry, manifest, tag, error);
    }
    mw_buffer_free(&bytes);
    return err;
}

mw_err mw_registry_push_image(struct mw_registry *registry, const struct mw_image *image,
                              const char *tag, struct mw_error *error)
{
    struct mw_span layer = {image->layer.data, image->layer.size};
    struct mw_span config = {image->config.data, image->config.size};
    struct mw_span manifest = {image->manifest.data, image->manifest.size};
    mw_err err = mw_registry_push_blob(registry, layer, image->layer_digest, error);
    err = err == MW_OK ? mw_registry_push_blob(registry, config, image->config_digest, error) : err;
    return err == MW_OK ? mw_registry_push_manifest(registry, manifest, tag, error) : err;
}

/* ---- bringing ---- */

/* Appends to `out` what the URL of that kind and name gives. */
static mw_err get(struct mw_registry *registry, const char *kind, const char *what,
                  const char *accept, uint64_t limit, struct mw_buffer *out, struct mw_error *error)
{
    char url[MW_REGISTRY_URL_TEXT];
    struct mw_registry_answer answer;
    mw_err err = make_url(registry, kind, what, url, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_registry_request request = {
        .method = "GET", .url = url, .accept = accept, .limit = limit};
    err = mw_registry_request(registry, &request, &answer, error);
    if (err == MW_OK && answer.body.size > 0) {
        err = mw_buffer_add(out, answer.body.data, answer.body.size);
        err = err == MW_OK ? MW_OK : mw_error_set(error, err, "%.80s: out of memory", what);
    }
    mw_buffer_free(&answer.body);
    return err;
}

static mw_err check_digest(const struct mw_registry *registry, const struct mw_buffer *bytes,
                           const char *digest, struct mw_error *error)
{
    char found[MW_DIGEST_TEXT];
    mw_digest(bytes->data == NULL ? "" : bytes->data, bytes->size, found);
    return strcmp(found, digest) == 0
               ? MW_OK
               : mw_error_set(error, MW_ERR_CORRUPT, "%s/%s sent other bytes than %s",
                              registry->address.base, registry->address.name, digest);
}

mw_err mw_registry_get_blob(struct mw_registry *registry, const char *digest, uint64_t limit,
                            struct mw_buffer *out, struct mw_error *error)
{
    struct mw_buffer bytes = {0};
    mw_err err = get(registry, "blobs", digest, NULL, limit, &bytes, error);
    err = err == MW_OK ? check_digest(registry, &bytes, digest, error) : err;
    if (err == MW_OK && bytes.size > 0) {
        err = mw_buffer_add(out, bytes.data, bytes.size);
    }
    mw_buffer_free(&bytes);
    return err;
}

mw_err mw_registry_get_manifest(struct mw_registry *registry, const char *tag_or_digest,
                                struct mw_buffer *out, struct mw_error *error)
{
    out->size = 0;
    mw_err err = get(registry, "manifests", tag_or_digest, MW_REGISTRY_MANIFEST_TYPE,
                     MW_REGISTRY_JSON_MAX, out, error);
    return err == MW_OK && mw_digest_valid(mw_span_of(tag_or_digest))
               ? check_digest(registry, out, tag_or_digest, error)
               : err;
}

static mw_err pull_part(struct mw_registry *registry, struct mw_store *store,
                        const struct mw_descriptor *part, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    struct mw_buffer bytes = {0};
    mw_err err = mw_store_get(store, part->digest, &bytes, NULL); /* whole, and with its hash */
    if (err != MW_OK) {
        mw_buffer_clear(&bytes);
        err = mw_registry_get_blob(registry, part->digest, part->size, &bytes, error);
        err = err == MW_OK ? mw_store_put(store, bytes.data == NULL ? "" : bytes.data, bytes.size,
                                          digest, error)
                           : err;
    }
    mw_buffer_free(&bytes);
    return err;
}

mw_err mw_registry_pull(struct mw_registry *registry, struct mw_store *store,
                        const char *tag_or_digest, char digest[MW_DIGEST_TEXT],
                        struct mw_error *error)
{
    struct mw_registry_parts parts;
    struct mw_buffer bytes = {0};
    mw_err err = mw_registry_get_manifest(registry, tag_or_digest, &bytes, error);
    if (err == MW_OK) {
        err = mw_registry_parts_read(&parts, (struct mw_span){bytes.data, bytes.size},
                                     MW_REGISTRY_BLOB_MAX, error);
    }
    for (size_t i = 0; err == MW_OK && i < parts.n; i++) {
        err = pull_part(registry, store, &parts.part[i], error);
    }
    if (err == MW_OK) { /* last: who finds the manifest finds the parts */
        err = mw_store_put(store, bytes.data, bytes.size, digest, error);
    }
    mw_buffer_free(&bytes);
    return err;
}
