#include "tiers/iot/model_fetch.h"

#include "lib/base/clock.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define RETRY (2 * MW_SECOND)
#define BLOB_MAX (16U << 20)

bool mw_base64_decode(const char *text, struct mw_buffer *bytes)
{
    size_t length = strlen(text);
    if (length % 4 != 0 || length > 2U * BLOB_MAX ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") +
                strspn(text + strcspn(text, "="), "=") !=
            length ||
        mw_buffer_reserve(bytes, length / 4 * 3 + 1) != MW_OK) {
        return false;
    }
    size_t padding = length - strcspn(text, "=");
    int n = EVP_DecodeBlock((unsigned char *)bytes->data + bytes->size, (const unsigned char *)text,
                            (int)length);
    if (n < 0 || padding > 2) {
        return false;
    }
    bytes->size += (size_t)n - padding;
    return true;
}

static void ask(struct mw_model_fetch *fetch)
{
    fetch->asked = mw_clock_monotonic();
    fetch->want(fetch->context, fetch->blob, fetch->bytes.size);
}

static bool in_store(struct mw_model_fetch *fetch, const char *digest)
{
    struct mw_buffer bytes = {0};
    mw_err err = mw_store_get(fetch->store, digest, &bytes, NULL);
    mw_buffer_free(&bytes);
    return err == MW_OK;
}

/* A thing runs int8 only; the float32 variant and the report stay in the registry. */
static bool needed(const json_t *layer)
{
    const char *title = json_string_value(
        json_object_get(json_object_get(layer, "annotations"), "org.opencontainers.image.title"));
    return title == NULL ||
           (strcmp(title, "model.float32.tflite") != 0 && strcmp(title, "report.json") != 0);
}

/* Asks for the part unless it is here. */
static mw_err fetch_part(struct mw_model_fetch *fetch, const json_t *descriptor,
                         struct mw_error *error)
{
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    if (digest == NULL || !mw_digest_valid(mw_span_of(digest))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "the manifest names a part without a valid digest");
    }
    if (in_store(fetch, digest)) {
        return MW_OK;
    }
    snprintf(fetch->blob, sizeof fetch->blob, "%s", digest);
    ask(fetch);
    return MW_ERR_AGAIN;
}

static mw_err fetch_parts(struct mw_model_fetch *fetch, struct mw_span text, struct mw_error *error)
{
    json_error_t why;
    json_t *manifest = json_loadb(text.data, text.size, 0, &why);
    if (manifest == NULL) {
        return mw_error_set(error, MW_ERR_PARSE, "the bundle's manifest is not JSON: %s", why.text);
    }
    mw_err err = fetch_part(fetch, json_object_get(manifest, "config"), error);
    const json_t *layers = json_object_get(manifest, "layers");
    for (size_t i = 0; err == MW_OK && i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        err = needed(layer) ? fetch_part(fetch, layer, error) : MW_OK;
    }
    json_decref(manifest);
    return err;
}

static mw_err advance(struct mw_model_fetch *fetch, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_buffer_clear(&fetch->bytes);
    mw_err err = mw_store_get(fetch->store, fetch->bundle, &text, NULL);
    if (err == MW_OK) {
        err = fetch_parts(fetch, (struct mw_span){text.data, text.size}, error);
    } else {
        memcpy(fetch->blob, fetch->bundle, sizeof fetch->blob);
        ask(fetch);
        err = MW_ERR_AGAIN;
    }
    mw_buffer_free(&text);
    if (err != MW_ERR_AGAIN) {
        mw_model_fetch_stop(fetch);
    }
    return err;
}

mw_err mw_model_fetch_start(struct mw_model_fetch *fetch, const char *bundle,
                            struct mw_error *error)
{
    fetch->running = true;
    snprintf(fetch->bundle, sizeof fetch->bundle, "%s", bundle);
    return advance(fetch, error);
}

/* The part is whole: keeps it if it is what was asked for. */
static mw_err keep(struct mw_model_fetch *fetch, struct mw_error *error)
{
    char real[MW_DIGEST_TEXT];
    mw_digest(fetch->bytes.data, fetch->bytes.size, real);
    if (strcmp(real, fetch->blob) != 0) {
        return mw_error_set(error, MW_ERR_CORRUPT,
                            "a part does not have the hash it was asked for by");
    }
    return mw_store_put(fetch->store, fetch->bytes.data, fetch->bytes.size, real, error);
}

mw_err mw_model_fetch_piece(struct mw_model_fetch *fetch, const json_t *blob,
                            struct mw_error *error)
{
    const char *digest = json_string_value(json_object_get(blob, "digest"));
    const char *data = json_string_value(json_object_get(blob, "data"));
    json_int_t offset = json_integer_value(json_object_get(blob, "offset"));
    json_int_t size = json_integer_value(json_object_get(blob, "size"));
    size_t before = fetch->bytes.size;
    if (!fetch->running || digest == NULL || strcmp(digest, fetch->blob) != 0 || data == NULL ||
        offset != (json_int_t)before) {
        return MW_ERR_AGAIN; /* late, or asked for by an earlier process */
    }
    mw_err err = MW_OK;
    if (size < 1 || size > (json_int_t)BLOB_MAX || !mw_base64_decode(data, &fetch->bytes) ||
        fetch->bytes.size == before || (json_int_t)fetch->bytes.size > size) {
        err = mw_error_set(error, MW_ERR_PARSE, "a part came with a wrong size or broken base64");
    } else if ((json_int_t)fetch->bytes.size < size) {
        ask(fetch);
        return MW_ERR_AGAIN;
    }
    if (err == MW_OK) {
        err = keep(fetch, error);
    }
    if (err != MW_OK) {
        mw_model_fetch_stop(fetch);
        return err;
    }
    return advance(fetch, error);
}

void mw_model_fetch_tick(struct mw_model_fetch *fetch, int64_t now_monotonic)
{
    if (fetch->running && now_monotonic - fetch->asked > RETRY) {
        ask(fetch);
    }
}

void mw_model_fetch_stop(struct mw_model_fetch *fetch)
{
    fetch->running = false;
    mw_buffer_free(&fetch->bytes);
}
