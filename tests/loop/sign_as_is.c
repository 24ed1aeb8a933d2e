/* sign_as_is.c DATA BUNDLE: stores and signs the bundle of a folder with the plant's own keys, and
 * prints its digest. `millwright sign` proves the golden vectors first; this does not, so that a
 * test can send a fleet a bundle that is properly signed and does not do what it says. */
#include "lib/artifact/trust.h"
#include "tiers/training/assemble.h"

#include <stdio.h>

static mw_err sign(const char *data, const char *folder, struct mw_error *error)
{
    char uri[4096], keys[4096];
    struct mw_store *store = NULL;
    struct mw_bundle bundle = {0};
    uint64_t length = 0;
    (void)snprintf(uri, sizeof uri, "oci:%s/artifacts", data);
    (void)snprintf(keys, sizeof keys, "%s/keys", data);
    mw_err err = mw_assemble_read(&bundle, folder, error);
    err = err == MW_OK ? mw_store_open(&store, uri, false, error) : err;
    err = err == MW_OK ? mw_bundle_put(store, &bundle, &length, error) : err;
    err = err == MW_OK
              ? mw_trust_sign(store, keys, "bundle/as-is", bundle.digest, length, NULL, error)
              : err;
    if (err == MW_OK) {
        puts(bundle.digest);
    }
    mw_bundle_clear(&bundle);
    mw_store_close(store);
    return err;
}

int main(int argc, char **argv)
{
    struct mw_error error = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: %s DATA BUNDLE\n", argv[0]);
        return 2;
    }
    if (sign(argv[1], argv[2], &error) != MW_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
        return 1;
    }
    return 0;
}
