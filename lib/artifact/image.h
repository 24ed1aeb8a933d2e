/* image.h - bundles with the metadata that vouch for them, as an ordinary container image.
 *
 * Kubernetes mounts an image as a read-only volume (volume source `image`), and a node has it
 * before the pod starts. Runtimes unpack tar layers for that, so the image has one layer, and in
 * it an artifact store (store.h):
 *
 *   oci-layout, index.json           the tags: "plant" or a machine's name for a bundle, and
 *                                    "metadata" for the signed metadata (mw_trust_export)
 *   blobs/sha256/<hex>               those manifests with their parts
 *
 * The same bundles under the same metadata give the same bytes, and so the same digest. */
#ifndef MW_ARTIFACT_IMAGE_H
#define MW_ARTIFACT_IMAGE_H

#include "lib/artifact/trust.h"

#define MW_IMAGE_METADATA "metadata" /* tag in the layer */

struct mw_image {
    struct mw_buffer layer, config, manifest; /* owned */
    char layer_digest[MW_DIGEST_TEXT], config_digest[MW_DIGEST_TEXT];
    char digest[MW_DIGEST_TEXT]; /* of the manifest, and so of the image */
};

/* Packs the bundles that n tags or digests name, after checking them. ARGUMENT for none, or for
 * two of one machine (or the plant); SIGNATURE for one that is not signed; those of the store.
 * Overwrites *image; free with mw_image_clear, also after an error. */
mw_err mw_image_pack(struct mw_store *store, char *const *names, size_t n, struct mw_image *image,
                     struct mw_error *error);
void mw_image_clear(struct mw_image *image);

/* Appends the image as an OCI archive (a tar file with an OCI image layout), which `ctr images
 * import`, `podman load` and `skopeo` take; `reference` (HOST/NAME:TAG) is the name it gets. */
mw_err mw_image_archive(const struct mw_image *image, const char *reference, struct mw_buffer *out,
                        struct mw_error *error);

/* ---- the other way: from the mounted store `from`, which need not be writable ---- */

/* Brings the signed metadata and puts them in force (mw_trust_import): SIGNATURE with the reason
 * when they do not go on from what `to` has, which then stays. */
mw_err mw_image_take_metadata(struct mw_store *from, struct mw_store *to, struct mw_error *error);
/* Brings the manifest of that digest with its parts, and verifies it by the metadata of `to`.
 * SIGNATURE, NOT_FOUND, CORRUPT, TOO_LARGE, PARSE. */
mw_err mw_image_take_bundle(struct mw_store *from, struct mw_store *to, const char *digest,
                            struct mw_error *error);

#endif
