/* The three doors of a bundle: bundle.json, the OCI manifest and golden.bin. The first byte
 * chooses. */
#include "lib/artifact/bundle_parts.h"
#include "lib/artifact/test_bundle.h"

#include <stdlib.h>

struct parts {
    struct mw_bundle bundle;
    struct mw_buffer json;
};

/* Serves the blobs of one good bundle, so that a manifest that names them is read to its end. */
static mw_err give_blob(void *context, const char *digest, struct mw_span *bytes)
{
    struct parts *parts = context;
    const struct mw_buffer *all[] = {&parts->json, &parts->bundle.int8_model,
                                     &parts->bundle.golden};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char found[MW_DIGEST_TEXT];
        mw_digest(all[i]->data, all[i]->size, found);
        if (strcmp(found, digest) == 0) {
            *bytes = (struct mw_span){all[i]->data, all[i]->size};
            return MW_OK;
        }
    }
    return MW_ERR_NOT_FOUND;
}

/* What was accepted prints, and prints as the same when it is read back. */
static void try_json(struct mw_span text)
{
    struct mw_bundle bundle, again;
    struct mw_buffer first = {0}, second = {0};
    if (mw_bundle_parse_json(text, &bundle, NULL) != MW_OK) {
        return;
    }
    if (mw_bundle_print_json(&bundle, &first) != MW_OK ||
        mw_bundle_parse_json((struct mw_span){first.data, first.size}, &again, NULL) != MW_OK ||
        mw_bundle_print_json(&again, &second) != MW_OK ||
        !mw_span_equal((struct mw_span){first.data, first.size},
                       (struct mw_span){second.data, second.size})) {
        abort();
    }
    mw_buffer_free(&first);
    mw_buffer_free(&second);
    mw_bundle_clear(&again);
    mw_bundle_clear(&bundle);
}

static void try_manifest(struct mw_span text)
{
    static struct parts parts;
    struct mw_bundle bundle;
    struct mw_error error = {0};
    if (parts.json.data == NULL) {
        test_bundle_build(&parts.bundle, 0.5F);
        (void)mw_bundle_print_json(&parts.bundle, &parts.json);
    }
    if (mw_bundle_read(text, give_blob, &parts, &bundle, &error) == MW_OK) {
        mw_bundle_clear(&bundle);
    } else if (error.text[0] == '\0') {
        abort(); /* a refusal has to say why */
    }
}

static void try_golden(struct mw_span bytes)
{
    struct mw_golden golden;
    float inputs[MW_BUNDLE_FEATURES_MAX];
    if (bytes.size > 0 && (unsigned char)bytes.data[0] <= MW_BUNDLE_FEATURES_MAX &&
        mw_golden_open((struct mw_span){bytes.data + 1, bytes.size - 1},
                       (unsigned char)bytes.data[0], &golden, NULL) == MW_OK) {
        for (uint32_t i = 0; i < golden.count; i++) {
            (void)mw_golden_vector(&golden, i, inputs);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct mw_span rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'j':
        try_json(rest);
        break;
    case 'm':
        try_manifest(rest);
        break;
    case 'g':
        try_golden(rest);
        break;
    default:
        break;
    }
    return 0;
}
