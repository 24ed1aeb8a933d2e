/* source.c - a registry behind the stores of this process, and the signed metadata in it.
 *
 * A role asks for a bundle at the moment it is told to run it, in its loop. So a registry that
 * cannot be reached is asked once in a while only, and in between the last error is given again. */
#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/registry/parts.h"

#include <stdio.h>
#include <string.h>

#define AWAY_FOR (5 * MW_SECOND)

mw_err mw_registry_push_metadata(struct mw_registry *registry, struct mw_store *store,
                                 struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    mw_err err = mw_trust_export(store, digest, error);
    return err == MW_OK ? mw_registry_push(registry, store, digest, MW_REGISTRY_METADATA, error)
                        : err;
}

mw_err mw_registry_pull_metadata(struct mw_registry *registry, struct mw_store *store,
                                 struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    mw_err err = mw_registry_pull(registry, store, MW_REGISTRY_METADATA, digest, error);
    err = err == MW_OK ? mw_trust_import(store, digest, error) : err;
    return err == MW_OK
               ? MW_OK
               : mw_error_wrap(error, "%s/%s", registry->address.base, registry->address.name);
}

static bool is_away(struct mw_registry *registry, struct mw_error *error)
{
    if (registry->away == 0 || mw_clock_monotonic() - registry->away >= AWAY_FOR) {
        return false;
    }
    (void)mw_error_set(error, registry->last.code, "%s", registry->last.text);
    return true;
}

static mw_err remember(struct mw_registry *registry, mw_err err, const struct mw_error *error)
{
    bool away = err == MW_ERR_NET || err == MW_ERR_TIMEOUT;
    registry->away = away ? mw_clock_monotonic() : 0;
    if (away) {
        registry->last.code = err;
        (void)snprintf(registry->last.text, sizeof registry->last.text, "%s",
                       error == NULL ? "the registry cannot be reached" : error->text);
    }
    return err;
}

static mw_err bring(void *context, const char *digest, struct mw_buffer *out,
                    struct mw_error *error)
{
    struct mw_registry *registry = context;
    if (is_away(registry, error)) {
        return registry->last.code;
    }
    struct mw_error why = {0};
    mw_err err = mw_registry_get_blob(registry, digest, MW_REGISTRY_BLOB_MAX, out, &why);
    if (err == MW_ERR_NOT_FOUND) { /* a manifest is not among the blobs */
        struct mw_buffer manifest = {0};
        err = mw_registry_get_manifest(registry, digest, &manifest, &why);
        if (err == MW_OK) {
            err = mw_buffer_add(out, manifest.data, manifest.size);
        }
        mw_buffer_free(&manifest);
    }
    if (err != MW_OK) {
        (void)mw_error_set(error, err, "%s", why.text);
    }
    return remember(registry, err, error);
}

static mw_err renew(void *context, struct mw_store *store, struct mw_error *error)
{
    struct mw_registry *registry = context;
    if (is_away(registry, error)) {
        return registry->last.code;
    }
    return remember(registry, mw_registry_pull_metadata(registry, store, error), error);
}

static mw_err give(void *context, struct mw_store *store, const char *tag, const char *digest,
                   struct mw_error *error)
{
    struct mw_registry *registry = context;
    mw_err err = tag == NULL ? MW_OK : mw_registry_push(registry, store, digest, NULL, error);
    err = err == MW_OK ? mw_registry_push_metadata(registry, store, error) : err;
    if (err == MW_OK && tag != NULL) {
        err = mw_registry_push(registry, store, digest, tag, error);
    }
    return remember(registry, err, error);
}

void mw_registry_attach(struct mw_registry *registry)
{
    static struct mw_store_source source = {.bring = bring, .renew = renew, .give = give};
    source.context = registry;
    mw_store_set_source(registry == NULL ? NULL : &source);
}
