/* What an image brings: the first byte chooses a manifest ('m'), or the index.json of its store
 * ('i'), which then is taken from. */
#include "fuzz/folder.h"
#include "lib/artifact/image_parts.h"
#include "lib/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static mw_err see(void *context, const char *digest, struct mw_error *error)
{
    (void)error;
    require(mw_digest_valid(mw_span_of(digest)));
    ++*(size_t *)context;
    return MW_OK;
}

static void try_manifest(struct mw_span text)
{
    size_t n = 0;
    struct mw_error error = {0};
    if (mw_image_parts(text, "it", see, &n, &error) == MW_OK) {
        require(n >= 1 && n <= MW_IMAGE_PARTS_MAX + 1);
    } else {
        require(error.text[0] != '\0');
    }
}

static struct {
    char index[96];
    struct mw_store *from, *to; /* NULL until an index comes */
} scene;

static void close_scene(void)
{
    mw_store_close(scene.from);
    mw_store_close(scene.to);
}

static void open_scene(void)
{
    char uri[128];
    const char *folder = fuzz_folder();
    require(atexit(close_scene) == 0);
    (void)snprintf(scene.index, sizeof scene.index, "%s/from/index.json", folder);
    (void)snprintf(uri, sizeof uri, "oci:%s/from", folder);
    require(mw_store_open(&scene.from, uri, true, NULL) == MW_OK);
    (void)snprintf(uri, sizeof uri, "oci:%s/to", folder);
    require(mw_store_open(&scene.to, uri, true, NULL) == MW_OK);
}

static bool see_tag(void *context, const char *tag, const char *digest)
{
    struct mw_error error = {0};
    (void)context;
    require(tag != NULL && mw_digest_valid(mw_span_of(digest)));
    require(mw_image_take_bundle(scene.from, scene.to, digest, &error) != MW_OK);
    require(error.text[0] != '\0');
    return true;
}

/* There are no blobs, so nothing may be taken, whatever the index says. */
static void try_index(struct mw_span text)
{
    struct mw_error error = {0};
    if (scene.from == NULL) {
        open_scene();
    }
    FILE *file = fopen(scene.index, "wb");
    require(file != NULL && fwrite(text.data, 1, text.size, file) == text.size);
    require(fclose(file) == 0);
    (void)mw_store_visit(scene.from, see_tag, NULL, NULL);
    require(mw_image_take_metadata(scene.from, scene.to, &error) != MW_OK);
    require(error.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct mw_span rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'm') {
        try_manifest(rest);
    } else if (data[0] == 'i') {
        try_index(rest);
    }
    return 0;
}
