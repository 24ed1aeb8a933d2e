/* parts.h - what the files of lib/artifact share and nobody else includes. */
#ifndef MW_ARTIFACT_PARTS_H
#define MW_ARTIFACT_PARTS_H

#include "lib/artifact/trust.h"

#include <jansson.h>
#include <openssl/types.h>

#define MW_PATH_TEXT 4096
#define MW_JSON_MAX (4U << 20)        /* bytes of any JSON document in a store */
#define MW_BLOB_MAX ((size_t)1 << 30) /* bytes of a blob that is read whole */
#define MW_KEYID_TEXT 65              /* hex SHA-256 and its NUL */
#define MW_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define MW_INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define MW_TITLE_KEY "org.opencontainers.image.title"
#define MW_TAG_KEY "org.opencontainers.image.ref.name"
#define MW_LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}" /* of oci-layout */

struct mw_store {
    char *folder;
    struct mw_trust_seen seen;
};

/* Starts libcrypto without openssl.cnf: its providers and engines would be loaded into every role.
 * Cheap to call again. */
void mw_crypto_start(void);

/* 64 lower-case hex digits and a NUL; all NUL when libcrypto has no memory. */
void mw_sha256_hex(const void *data, size_t size, char hex[MW_KEYID_TEXT]);

/* Waits for the store's writer lock; unlock closes the descriptor. Not recursive. */
mw_err mw_store_lock(const struct mw_store *store, int *fd, struct mw_error *error);
void mw_store_unlock(int fd);

/* The process's source, NULL when there is none; mw_store_get without it. */
const struct mw_store_source *mw_store_source(void);
mw_err mw_store_get_own(struct mw_store *store, const char *digest, struct mw_buffer *out,
                        struct mw_error *error);

/* FOLDER/metadata/<name>. */
mw_err mw_store_metadata_path(const struct mw_store *store, const char *name, char *path,
                              size_t capacity, struct mw_error *error);

/* Parses a whole JSON object without duplicate keys. `what` names it in errors. PARSE, TOO_LARGE.
 */
mw_err mw_json_load(struct mw_span text, const char *what, json_t **json, struct mw_error *error);
/* A time in seconds as microseconds; INT64_MIN for NULL. False when it is no time. */
bool mw_baseline_since(const json_t *value, int64_t *since);
/* The string of a key, or NULL when it is missing or no string. Borrowed. */
const char *mw_json_string(const json_t *object, const char *key);

/* Appends OLPC canonical JSON, the form that TUF signs: sorted keys, no white space, only '"' and
 * '\' escaped. UNSUPPORTED for a number that is not an integer. */
mw_err mw_json_canonical(const json_t *json, struct mw_buffer *text);

/* ECDSA P-256 keys. A key's JSON is TUF's {"keytype","keyval":{"public":PEM},"scheme"}. Private
 * keys are PKCS #8 PEM files; free with EVP_PKEY_free. */
mw_err mw_key_make(const char *path, EVP_PKEY **key, struct mw_error *error);
mw_err mw_key_load(const char *path, EVP_PKEY **key, struct mw_error *error);
mw_err mw_key_public(EVP_PKEY *key, json_t **json, struct mw_error *error);
mw_err mw_key_id(const json_t *key, char id[MW_KEYID_TEXT]);
/* Appends the hex of the DER signature. */
mw_err mw_key_sign(EVP_PKEY *key, struct mw_span message, struct mw_buffer *hex,
                   struct mw_error *error);
/* SIGNATURE when it does not verify or the key is of another kind. */
mw_err mw_key_verify(const json_t *key, struct mw_span message, const char *hex,
                     struct mw_error *error);

/* The metadata that is in force: whole documents, each already checked against the one before. */
struct mw_trust_chain {
    json_t *root, *timestamp, *snapshot, *targets;
    struct mw_buffer root_text, targets_text;
    char anchor[MW_DIGEST_TEXT]; /* digest of 1.root.json */
};
/* `now` is in microseconds UTC; negative: expiry is not looked at (to renew what has expired).
 * Raises store->seen on success. Every refusal is SIGNATURE. Free with mw_trust_chain_clear on
 * success. */
mw_err mw_trust_chain_load(struct mw_store *store, int64_t now, struct mw_trust_chain *chain,
                           struct mw_error *error);
void mw_trust_chain_clear(struct mw_trust_chain *chain);

/* Version of a checked document; the "signed" part of it, borrowed. */
uint64_t mw_trust_version(const json_t *document);
json_t *mw_trust_signed(const json_t *document);

/* Checks the signatures of `document` by the role's keys in `root`, then its type, version and
 * expiry. */
mw_err mw_trust_check(const json_t *root, const char *role, const json_t *document, int64_t now,
                      struct mw_error *error);
/* For the files that write metadata. A body has type, version and expiry after `life` microseconds;
 * NULL without memory. write signs `body` (taken, may be NULL) with the role's key and writes
 * metadata/<name>; *text is what was written. */
json_t *mw_trust_body(const char *type, uint64_t version, int64_t life);
mw_err mw_trust_write(const struct mw_store *store, const char *keys_folder, const char *role,
                      const char *name, json_t *body, struct mw_buffer *text,
                      struct mw_error *error);
/* Makes the four keys where they are missing, and 1.root.json. */
mw_err mw_trust_make_root(const struct mw_store *store, const char *keys_folder,
                          struct mw_error *error);
/* The keys of the other three roles are those that root names, else SIGNATURE. */
mw_err mw_trust_check_keys(const char *keys_folder, const json_t *root, struct mw_error *error);
mw_err mw_trust_no_memory(struct mw_error *error);

/* "2036-01-02T03:04:05Z" in microseconds; PARSE. */
mw_err mw_trust_parse_time(const char *text, int64_t *microseconds);

/* Looks for a digest in checked targets metadata; *length is the listed one. */
bool mw_trust_lists(const json_t *targets, const char *digest, uint64_t *length);

#endif
