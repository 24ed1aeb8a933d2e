/* trust.h - who may say what runs: The Update Framework's four roles with ECDSA P-256 keys.
 *
 * root names the keys, targets lists manifests by SHA-256 and length, snapshot fixes the version of
 * targets, timestamp that of snapshot. Each is {"signed":{...},"signatures":[{"keyid","sig"}]},
 * signed over its canonical JSON (no floats: figures are decimal strings). Versions only grow.
 * Private keys lie in the keys folder as <role>.pem, mode 0600; a missing set is made on first use,
 * threshold 1. */
#ifndef MW_ARTIFACT_TRUST_H
#define MW_ARTIFACT_TRUST_H

#include "lib/artifact/store.h"

/* What a verifier remembers between runs, so that nobody can show it older metadata or other keys:
 * the digest of the first root and the highest versions that it has seen. {0} remembers nothing. */
struct mw_trust_seen {
    char root[MW_DIGEST_TEXT];
    uint64_t timestamp, snapshot, targets;
};
/* A store remembers while it is open; a role that restarts carries it over with these two. */
void mw_trust_recall(const struct mw_store *store, struct mw_trust_seen *seen);
void mw_trust_remember(struct mw_store *store, const struct mw_trust_seen *seen);

/* Makes the keys and version 1 of all metadata where they are missing, and signs anew what expires
 * within half a year (root lives ten years, the others one). Idempotent. */
mw_err mw_trust_init(struct mw_store *store, const char *keys_folder, struct mw_error *error);

/* Adds a manifest to targets under `name` ("bundle/<tag>") and signs targets, snapshot and
 * timestamp anew. A name that was there moves: what it named before is then trusted no more, unless
 * another name lists it. *version (may be NULL) is that of targets. Signing what is listed already
 * changes nothing. */
mw_err mw_trust_sign(struct mw_store *store, const char *keys_folder, const char *name,
                     const char *digest, uint64_t length, uint64_t *version,
                     struct mw_error *error);

/* Checks the chain root -> timestamp -> snapshot -> targets (signatures, hashes, versions, expiry)
 * and that targets lists this manifest's digest and length. SIGNATURE with the reason when not. */
mw_err mw_trust_verify(struct mw_store *store, const char *digest, struct mw_error *error);

/* For a device: the signed targets metadata as bytes, and the check that a device makes of it with
 * the root metadata it was given at enrolment. *version (of targets) is only written: the device
 * compares it with the highest one that it has accepted and refuses a lower one. */
mw_err mw_trust_targets(struct mw_store *store, struct mw_buffer *targets, struct mw_error *error);
mw_err mw_trust_root(struct mw_store *store, struct mw_buffer *root, struct mw_error *error);
mw_err mw_trust_verify_targets(struct mw_span root, struct mw_span targets, const char *digest,
                               uint64_t *version, struct mw_error *error);

/* The metadata in force as an artifact of the store, to be carried where the bundles go, and back:
 * import puts the documents of such an artifact in force when their whole chain holds and goes on
 * from the roots and versions that the store has, else SIGNATURE and the store stays as it was. A
 * store without metadata believes the first root that it is given. */
mw_err mw_trust_export(struct mw_store *store, char digest[MW_DIGEST_TEXT], struct mw_error *error);
mw_err mw_trust_import(struct mw_store *store, const char *digest, struct mw_error *error);

/* mw_store_sweep that also keeps all that targets list. Metadata stays as it is; when it cannot be
 * checked nothing is removed. */
mw_err mw_trust_sweep(struct mw_store *store, const char (*roots)[MW_DIGEST_TEXT], size_t n,
                      int64_t before, struct mw_swept *swept, struct mw_error *error);

/* Key id (hex SHA-256) that signed targets last, for people. */
mw_err mw_trust_signer(struct mw_store *store, char keyid[MW_DIGEST_TEXT], struct mw_error *error);

#endif
