/* trust_metadata.c - writes what trust_verify.c reads: keys, root, and the three that follow. */
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DAY (86400 * MW_SECOND)
#define LIFE (365 * DAY)
#define RENEW_BEFORE (183 * DAY)
#define KEEP_VERSIONS 16 /* a reader on its way down the chain may still want these */

/* The entry of a meta map: version, length and hash of a document just written. */
static json_t *meta_entry(uint64_t version, const struct mw_buffer *text)
{
    char hash[MW_KEYID_TEXT];
    mw_sha256_hex(text->data, text->size, hash);
    return json_pack("{s:I, s:I, s:{s:s}}", "version", (json_int_t)version, "length",
                     (json_int_t)text->size, "hashes", "sha256", hash);
}

/* A body with one more member (taken), or NULL. */
static json_t *body_with(const char *type, uint64_t version, const char *key, json_t *value)
{
    json_t *body = mw_trust_body(type, version, LIFE);
    if (json_object_set_new(body, key, value) != 0) {
        json_decref(body);
        return NULL;
    }
    return body;
}

static void forget_version(const struct mw_store *store, const char *role, uint64_t version)
{
    char name[64], path[MW_PATH_TEXT];
    if (version > KEEP_VERSIONS) {
        (void)snprintf(name, sizeof name, "%" PRIu64 ".%s.json", version - KEEP_VERSIONS, role);
        if (mw_store_metadata_path(store, name, path, sizeof path, NULL) == MW_OK) {
            (void)unlink(path);
        }
    }
}

/* Writes targets (the map is taken), then snapshot, then timestamp: until the last is there, the
 * state before is in force. */
static mw_err publish(const struct mw_store *store, const char *keys_folder, json_t *targets,
                      const uint64_t version[3], struct mw_error *error)
{
    struct mw_buffer text = {0};
    char name[64];
    json_t *body = body_with("targets", version[0], "targets", targets);
    (void)snprintf(name, sizeof name, "%" PRIu64 ".targets.json", version[0]);
    mw_err err = mw_trust_write(store, keys_folder, "targets", name, body, &text, error);
    if (err == MW_OK) {
        body = body_with("snapshot", version[1], "meta",
                         json_pack("{s:o}", "targets.json", meta_entry(version[0], &text)));
        (void)snprintf(name, sizeof name, "%" PRIu64 ".snapshot.json", version[1]);
        err = mw_trust_write(store, keys_folder, "snapshot", name, body, &text, error);
    }
    if (err == MW_OK) {
        body = body_with("timestamp", version[2], "meta",
                         json_pack("{s:o}", "snapshot.json", meta_entry(version[1], &text)));
        err = mw_trust_write(store, keys_folder, "timestamp", "timestamp.json", body, &text, error);
    }
    mw_buffer_free(&text);
    if (err == MW_OK) {
        forget_version(store, "targets", version[0]);
        forget_version(store, "snapshot", version[1]);
    }
    return err;
}

/* Signs `targets` (taken) with the next versions. */
static mw_err publish_next(const struct mw_store *store, const char *keys_folder,
                           const struct mw_trust_chain *chain, json_t *targets,
                           uint64_t *version_out, struct mw_error *error)
{
    uint64_t version[3] = {mw_trust_version(chain->targets) + 1,
                           mw_trust_version(chain->snapshot) + 1,
                           mw_trust_version(chain->timestamp) + 1};
    mw_err err = mw_trust_check_keys(keys_folder, chain->root, error);
    if (err != MW_OK) {
        json_decref(targets);
        return err;
    }
    err = publish(store, keys_folder, targets, version, error);
    if (err == MW_OK && version_out != NULL) {
        *version_out = version[0];
    }
    return err;
}

static bool expires_soon(const json_t *document)
{
    int64_t end = 0;
    const char *expires = mw_json_string(mw_trust_signed(document), "expires");
    return expires == NULL || mw_trust_parse_time(expires, &end) != MW_OK ||
           end < mw_clock_utc() + RENEW_BEFORE;
}

static mw_err renew(struct mw_store *store, const char *keys_folder, bool *made,
                    struct mw_error *error)
{
    struct mw_trust_chain chain;
    mw_err err = mw_trust_chain_load(store, -1, &chain, error);
    if (err != MW_OK) {
        return err;
    }
    if (expires_soon(chain.targets) || expires_soon(chain.snapshot) ||
        expires_soon(chain.timestamp)) {
        json_t *targets = json_object_get(mw_trust_signed(chain.targets), "targets");
        err = publish_next(store, keys_folder, &chain, json_incref(targets), NULL, error);
        *made = err == MW_OK;
    }
    mw_trust_chain_clear(&chain);
    return err;
}

/* The first targets: none. Root may be from an attempt that was cut off, so its keys are checked.
 */
static mw_err publish_first(const struct mw_store *store, const char *keys_folder,
                            const char *root_path, struct mw_error *error)
{
    static const uint64_t first[3] = {1, 1, 1};
    struct mw_buffer text = {0};
    json_auto_t *root = NULL;
    mw_err err = mw_file_read(root_path, MW_JSON_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){text.data, text.size}, root_path, &root, error);
    }
    mw_buffer_free(&text);
    if (err == MW_OK) {
        err = mw_trust_check_keys(keys_folder, root, error);
    }
    return err == MW_OK ? publish(store, keys_folder, json_object(), first, error) : err;
}

/* A store that has lost its metadata, or is new beside a registry that has them, goes on from
 * there: another first root would be refused by all who know the one before. */
static mw_err bring_first(struct mw_store *store, const char *timestamp, struct mw_error *error)
{
    const struct mw_store_source *source = mw_store_source();
    struct mw_error why = {0};
    if (source == NULL || mw_file_exists(timestamp)) {
        return MW_OK;
    }
    mw_err err = source->renew(source->context, store, &why);
    return err == MW_OK || err == MW_ERR_NOT_FOUND ? MW_OK
                                                   : mw_error_set(error, err, "%s", why.text);
}

mw_err mw_trust_init(struct mw_store *store, const char *keys_folder, struct mw_error *error)
{
    char root[MW_PATH_TEXT], timestamp[MW_PATH_TEXT];
    const struct mw_store_source *source = mw_store_source();
    bool made = false;
    int lock;
    mw_err err = mw_file_make_folder(keys_folder, error);
    if (err == MW_OK) {
        err = mw_store_metadata_path(store, "1.root.json", root, sizeof root, error);
    }
    if (err == MW_OK) {
        err = mw_store_metadata_path(store, "timestamp.json", timestamp, sizeof timestamp, error);
    }
    if (err == MW_OK) {
        err = bring_first(store, timestamp, error);
    }
    if (err == MW_OK) {
        err = mw_store_lock(store, &lock, error);
    }
    if (err != MW_OK) {
        return err;
    }
    if (!mw_file_exists(root)) {
        err = mw_trust_make_root(store, keys_folder, error);
    }
    if (err == MW_OK) {
        made = !mw_file_exists(timestamp);
        err = made ? publish_first(store, keys_folder, root, error)
                   : renew(store, keys_folder, &made, error);
    }
    mw_store_unlock(lock);
    if (err == MW_OK && made && source != NULL) {
        err = source->give(source->context, store, NULL, NULL, error);
    }
    return err;
}

static bool name_valid(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 255 || name[0] == '/' || strstr(name, "..") != NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] <= ' ' || name[i] == '\\' || name[i] == 127) {
            return false;
        }
    }
    return true;
}

static mw_err add_target(struct mw_store *store, const char *keys_folder, const char *name,
                         const char *digest, uint64_t length, uint64_t *version,
                         struct mw_error *error)
{
    struct mw_trust_chain chain;
    mw_err err = mw_trust_chain_load(store, -1, &chain, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *targets = json_object_get(mw_trust_signed(chain.targets), "targets");
    json_t *entry =
        json_pack("{s:I, s:{s:s}}", "length", (json_int_t)length, "hashes", "sha256", digest + 7);
    json_t *old = json_object_get(targets, name);
    if (entry == NULL || !json_is_object(targets)) {
        json_decref(entry);
        err = mw_trust_no_memory(error);
    } else if (old != NULL && json_equal(old, entry) != 0) {
        json_decref(entry);
        if (version != NULL) {
            *version = mw_trust_version(chain.targets);
        }
    } else if (json_object_set_new(targets, name, entry) != 0) {
        err = mw_trust_no_memory(error);
    } else {
        err = publish_next(store, keys_folder, &chain, json_incref(targets), version, error);
    }
    mw_trust_chain_clear(&chain);
    return err;
}

mw_err mw_trust_sign(struct mw_store *store, const char *keys_folder, const char *name,
                     const char *digest, uint64_t length, uint64_t *version, struct mw_error *error)
{
    int lock;
    if (!name_valid(name) || !mw_digest_valid(mw_span_of(digest)) || length == 0 ||
        length > MW_BLOB_MAX) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "cannot sign %.80s as %.80s", digest, name);
    }
    mw_err err = mw_store_lock(store, &lock, error);
    if (err == MW_OK) {
        err = add_target(store, keys_folder, name, digest, length, version, error);
        mw_store_unlock(lock);
    }
    return err;
}
