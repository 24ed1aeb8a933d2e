/* store.h - immutable blobs named by their SHA-256, in an OCI image layout on disk.
 *
 *   FOLDER/oci-layout                {"imageLayoutVersion":"1.0.0"}
 *   FOLDER/index.json                manifests with their tags (org.opencontainers.image.ref.name)
 *   FOLDER/blobs/sha256/<hex>        manifests, configs and layers
 *   FOLDER/metadata/N.root.json ...  signed metadata (trust.h)
 *
 * A digest is "sha256:" and 64 lower-case hex digits. Writers of one folder exclude each other by a
 * lock for the length of a call; readers need none, since blobs never change and index.json is
 * replaced atomically. Opened by URI: oci:FOLDER. A registry can stand behind it
 * (mw_store_set_source): then the folder is a cache of what was asked for. */
#ifndef MW_ARTIFACT_STORE_H
#define MW_ARTIFACT_STORE_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_DIGEST_TEXT 72 /* bytes of "sha256:<64 hex>" with its NUL */

struct mw_store;

struct mw_descriptor {
    const char *media_type;
    const char *title; /* org.opencontainers.image.title: the file's name; may be NULL */
    char digest[MW_DIGEST_TEXT];
    uint64_t size;
};

/* The digest of bytes in memory, as text. */
void mw_digest(const void *data, size_t size, char digest[MW_DIGEST_TEXT]);
bool mw_digest_valid(struct mw_span digest);

/* Where every store of this process gets what it lacks, and tells what is tagged in it. Both block,
 * and neither is called with the store's lock held. What `bring` appends is checked against the
 * digest by the store; NOT_FOUND when there is no such blob. `renew` brings the signed metadata
 * (mw_trust_import); it is asked when mw_trust_verify would refuse. `give` sends manifest, parts
 * and metadata, and then moves the tag: when it fails, the tag in the store stays. Without a tag it
 * sends the metadata alone. */
struct mw_store_source {
    void *context;
    mw_err (*bring)(void *context, const char *digest, struct mw_buffer *out,
                    struct mw_error *error);
    mw_err (*renew)(void *context, struct mw_store *store, struct mw_error *error);
    mw_err (*give)(void *context, struct mw_store *store, const char *tag, const char *digest,
                   struct mw_error *error);
};
/* Borrows; NULL: none. Set it before the first store is opened. */
void mw_store_set_source(const struct mw_store_source *source);

/* Opens oci:FOLDER; makes the layout when `create`. NOT_FOUND, UNSUPPORTED (other scheme), IO. */
mw_err mw_store_open(struct mw_store **store, const char *uri, bool create, struct mw_error *error);
void mw_store_close(struct mw_store *store);

/* Stores a blob (a no-op when it is there) and gives its digest. FULL when the disk is. */
mw_err mw_store_put(struct mw_store *store, const void *data, size_t size,
                    char digest[MW_DIGEST_TEXT], struct mw_error *error);
/* Appends the blob to `out` after checking its hash. NOT_FOUND; CORRUPT when the hash does not
 * match; with a source, its errors. */
mw_err mw_store_get(struct mw_store *store, const char *digest, struct mw_buffer *out,
                    struct mw_error *error);
/* Part of a blob (for resumable transfer), not hashed. *total is the whole size. */
mw_err mw_store_read(struct mw_store *store, const char *digest, uint64_t offset, size_t size,
                     struct mw_buffer *out, uint64_t *total, struct mw_error *error);

/* Puts an OCI image manifest with that artifactType, config (NULL: OCI's empty one) and layers,
 * whose blobs are there already; gives its digest. The same arguments give the same bytes. */
mw_err mw_store_put_manifest(struct mw_store *store, const char *artifact_type,
                             const struct mw_descriptor *config, const struct mw_descriptor *layers,
                             size_t n, char digest[MW_DIGEST_TEXT], struct mw_error *error);

/* Points a tag at a stored manifest; an existing tag moves. A tag is what a registry takes as one:
 * [A-Za-z0-9_][A-Za-z0-9._-]{0,127}, else ARGUMENT. NOT_FOUND when the manifest is not there. */
mw_err mw_store_tag(struct mw_store *store, const char *tag, const char *digest,
                    struct mw_error *error);
mw_err mw_store_resolve(struct mw_store *store, const char *tag_or_digest,
                        char digest[MW_DIGEST_TEXT], struct mw_error *error);
/* Visits tags in name order; fn returns false to stop. */
typedef bool mw_store_visit_fn(void *context, const char *tag, const char *digest);
mw_err mw_store_visit(struct mw_store *store, mw_store_visit_fn *fn, void *context,
                      struct mw_error *error);

/* Removes the blobs that nothing leads to - no tag and none of the n `roots`, which are digests of
 * manifests - and that were put, or put again, before `before` (microseconds UTC), so that what is
 * being put together is left alone. With neither tags nor roots nothing is removed, nor when a
 * manifest cannot be read. For a store with signed metadata: mw_trust_sweep. */
struct mw_swept {
    size_t blobs;
    uint64_t bytes;
};
mw_err mw_store_sweep(struct mw_store *store, const char (*roots)[MW_DIGEST_TEXT], size_t n,
                      int64_t before, struct mw_swept *swept, struct mw_error *error);

#endif
