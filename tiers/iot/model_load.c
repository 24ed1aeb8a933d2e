#include "tiers/iot/model_load.h"

#include <stdlib.h>

#define PARTS_MAX 16

/* mw_bundle_read borrows bytes until it returns, so each part gets a buffer of its own. */
struct parts {
    struct mw_store *store;
    struct mw_buffer part[PARTS_MAX];
    size_t n;
};

static mw_err give_part(void *context, const char *digest, struct mw_span *bytes)
{
    struct parts *parts = context;
    if (parts->n == PARTS_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    struct mw_buffer *part = &parts->part[parts->n++];
    mw_err err = mw_store_get(parts->store, digest, part, NULL);
    *bytes = (struct mw_span){part->data, part->size};
    return err;
}

mw_err mw_model_load(struct mw_store *store, const char *digest, struct mw_runner **out,
                     struct mw_error *error)
{
    struct parts parts = {.store = store};
    struct mw_buffer manifest = {0};
    struct mw_bundle bundle = {0};
    struct mw_runner *runner = calloc(1, sizeof *runner);
    mw_err err = runner == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                : mw_store_get(store, digest, &manifest, error);
    if (err == MW_OK) {
        err = mw_bundle_read((struct mw_span){manifest.data, manifest.size}, give_part, &parts,
                             &bundle, error);
    }
    if (err == MW_OK) {
        err = mw_runner_init(runner, &bundle, error);
    }
    for (size_t i = 0; i < parts.n; i++) {
        mw_buffer_free(&parts.part[i]);
    }
    mw_buffer_free(&manifest);
    if (err != MW_OK) {
        free(runner);
        return err;
    }
    *out = runner;
    return MW_OK;
}

void mw_model_unload(struct mw_runner *runner)
{
    if (runner != NULL) {
        mw_runner_clear(runner);
        free(runner);
    }
}
