/* parts.h - what the files of lib/registry share and nobody else includes. */
#ifndef MW_REGISTRY_PARTS_H
#define MW_REGISTRY_PARTS_H

#include "lib/registry/transport.h"

#define MW_REGISTRY_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define MW_REGISTRY_JSON_MAX ((uint64_t)4 << 20)   /* bytes of a manifest */
#define MW_REGISTRY_BLOB_MAX ((uint64_t)256 << 20) /* bytes of any other blob */

/* A blob that is there already is not sent again. */
mw_err mw_registry_push_blob(struct mw_registry *registry, struct mw_span bytes, const char *digest,
                             struct mw_error *error);
mw_err mw_registry_push_manifest(struct mw_registry *registry, struct mw_span manifest,
                                 const char *tag_or_digest, struct mw_error *error);

/* Append to `out` what is asked for, after checking its hash (of a manifest: when it is asked for
 * by digest). */
mw_err mw_registry_get_blob(struct mw_registry *registry, const char *digest, uint64_t limit,
                            struct mw_buffer *out, struct mw_error *error);
mw_err mw_registry_get_manifest(struct mw_registry *registry, const char *tag_or_digest,
                                struct mw_buffer *out, struct mw_error *error);

#endif
