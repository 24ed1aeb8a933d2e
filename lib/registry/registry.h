/* registry.h - a store's bundles in an OCI registry (distribution specification 1.1), by libcurl.
 *
 * A bundle goes as what it is on disk: an OCI image manifest with its parts. The plant's signed
 * metadata go as an artifact of their own under the tag "metadata", so that who pulls a bundle can
 * check who signed it. Digests are checked on the way in; nothing that a registry says is believed
 * unsigned.
 *
 * All functions block, for at most about `patience` a request; what may pass by itself (no
 * connection, 429, 5xx) is tried again a few times. Errors: NET, TIMEOUT, DENIED (401, 403),
 * NOT_FOUND, CORRUPT (other bytes than asked for), TOO_LARGE, PARSE. */
#ifndef MW_REGISTRY_REGISTRY_H
#define MW_REGISTRY_REGISTRY_H

#include "lib/artifact/image.h"
#include "lib/artifact/store.h"
#include "lib/base/file.h"

#define MW_REGISTRY_METADATA "metadata" /* tag of the signed metadata */

struct mw_registry;

struct mw_registry_options {
    const char *url;           /* address.h */
    const char *ca_file;       /* PEM; NULL or empty: the system's authorities */
    const char *username;      /* NULL or empty: nobody */
    const char *password_file; /* its first line; needed with a username */
    int64_t patience;          /* microseconds a request; 0: 30 s */
};

/* Copies the options; sends nothing yet. PARSE, UNSUPPORTED, and those of the password file. */
mw_err mw_registry_open(struct mw_registry **registry, const struct mw_registry_options *options,
                        struct mw_error *error);
void mw_registry_close(struct mw_registry *registry);

/* Sends the manifest of that digest with its parts, those that are not there yet, and points `tag`
 * at it (NULL: only its digest names it). */
mw_err mw_registry_push(struct mw_registry *registry, struct mw_store *store, const char *digest,
                        const char *tag, struct mw_error *error);
/* Sends an image of bundles (image.h) under that tag. */
mw_err mw_registry_push_image(struct mw_registry *registry, const struct mw_image *image,
                              const char *tag, struct mw_error *error);
/* Brings the manifest that a tag or digest names, and its parts, into the store. */
mw_err mw_registry_pull(struct mw_registry *registry, struct mw_store *store,
                        const char *tag_or_digest, char digest[MW_DIGEST_TEXT],
                        struct mw_error *error);

/* The signed metadata: sent as they are; brought, and put in force only when the whole chain holds
 * and goes on from what the store has seen, else SIGNATURE and the store stays as it was. */
mw_err mw_registry_push_metadata(struct mw_registry *registry, struct mw_store *store,
                                 struct mw_error *error);
mw_err mw_registry_pull_metadata(struct mw_registry *registry, struct mw_store *store,
                                 struct mw_error *error);

/* From now on every store that this process opens brings what it lacks from this registry, and a
 * tag that is moved in it is moved there (store.h, mw_store_set_source). Borrows; NULL: no more. */
void mw_registry_attach(struct mw_registry *registry);

#endif
