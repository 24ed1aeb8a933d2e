/* image_take.c - out of an image's store into the plant's own. Nothing in it is believed: bytes are
 * checked against the digests that name them, metadata by their signatures, bundles by metadata. */
#include "lib/artifact/image_parts.h"
#include "lib/artifact/parts.h"

static mw_err visit_part(const json_t *part, const char *what, mw_image_part_fn *fn, void *context,
                         struct mw_error *error)
{
    const char *digest = mw_json_string(part, "digest");
    if (digest == NULL || !mw_digest_valid(mw_span_of(digest))) {
        return mw_error_set(error, MW_ERR_PARSE, "%s: a part without a digest", what);
    }
    return fn(context, digest, error);
}

mw_err mw_image_parts(struct mw_span manifest, const char *what, mw_image_part_fn *fn,
                      void *context, struct mw_error *error)
{
    json_auto_t *json = NULL;
    size_t i;
    const json_t *layer;
    mw_err err = mw_json_load(manifest, what, &json, error);
    if (err != MW_OK) {
        return err;
    }
    const json_t *layers = json_object_get(json, "layers");
    if (!json_is_array(layers) || json_array_size(layers) > MW_IMAGE_PARTS_MAX) {
        return mw_error_set(error, MW_ERR_PARSE, "%s: not a manifest with at most %d layers", what,
                            MW_IMAGE_PARTS_MAX);
    }
    err = visit_part(json_object_get(json, "config"), what, fn, context, error);
    json_array_foreach(layers, i, layer)
    {
        err = err == MW_OK ? visit_part(layer, what, fn, context, error) : err;
    }
    return err;
}

struct copying {
    struct mw_store *from, *to;
};

static mw_err copy_part(void *context, const char *digest, struct mw_error *error)
{
    const struct copying *copying = context;
    char put[MW_DIGEST_TEXT];
    struct mw_buffer bytes = {0};
    mw_err err = mw_store_get(copying->from, digest, &bytes, error);
    if (err == MW_OK) {
        err =
            mw_store_put(copying->to, bytes.data == NULL ? "" : bytes.data, bytes.size, put, error);
    }
    mw_buffer_free(&bytes);
    return err;
}

/* The manifest last: who finds it finds its parts. */
static mw_err copy(struct copying *copying, const char *digest, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = mw_store_get(copying->from, digest, &text, error);
    if (err == MW_OK) {
        err = mw_image_parts((struct mw_span){text.data, text.size}, digest, copy_part, copying,
                             error);
    }
    mw_buffer_free(&text);
    return err == MW_OK ? copy_part(copying, digest, error) : err;
}

mw_err mw_image_take_metadata(struct mw_store *from, struct mw_store *to, struct mw_error *error)
{
    struct copying copying = {from, to};
    char digest[MW_DIGEST_TEXT];
    mw_err err = mw_store_resolve(from, MW_IMAGE_METADATA, digest, error);
    err = err == MW_OK ? copy(&copying, digest, error) : err;
    return err == MW_OK ? mw_trust_import(to, digest, error) : err;
}

mw_err mw_image_take_bundle(struct mw_store *from, struct mw_store *to, const char *digest,
                            struct mw_error *error)
{
    struct copying copying = {from, to};
    mw_err err = copy(&copying, digest, error);
    return err == MW_OK ? mw_trust_verify(to, digest, error) : err;
}
