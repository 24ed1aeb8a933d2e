/* trust_verify.c - from the first root to the targets: each document vouches for the next. */
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <inttypes.h>
#include <stdio.h>

void mw_trust_recall(const struct mw_store *store, struct mw_trust_seen *seen)
{
    *seen = store->seen;
}

void mw_trust_remember(struct mw_store *store, const struct mw_trust_seen *seen)
{
    store->seen = *seen;
}

void mw_trust_chain_clear(struct mw_trust_chain *chain)
{
    json_decref(chain->root);
    json_decref(chain->timestamp);
    json_decref(chain->snapshot);
    json_decref(chain->targets);
    mw_buffer_free(&chain->root_text);
    mw_buffer_free(&chain->targets_text);
    *chain = (struct mw_trust_chain){0};
}

/* Reads metadata/<name>. What is missing or malformed is SIGNATURE: nobody vouches for anything. */
static mw_err read_document(const struct mw_store *store, const char *name, struct mw_buffer *text,
                            json_t **document, struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    text->size = 0;
    *document = NULL;
    mw_err err = mw_store_metadata_path(store, name, path, sizeof path, error);
    if (err != MW_OK) {
        return err;
    }
    if (!mw_file_exists(path)) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "metadata/%s is missing", name);
    }
    err = mw_file_read(path, MW_JSON_MAX, text, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){text->data, text->size}, name, document, error);
    }
    if (err == MW_ERR_PARSE || err == MW_ERR_TOO_LARGE) {
        err = MW_ERR_SIGNATURE;
        if (error != NULL) {
            error->code = err;
        }
    }
    return err;
}

/* Walks from 1.root.json to the newest root; each is signed by the keys of the one before and by
 * its own (TUF specification 1.0.31, section 5.3). */
static mw_err load_root(const struct mw_store *store, int64_t now, struct mw_trust_chain *chain,
                        struct mw_error *error)
{
    struct mw_buffer text = {0};
    char name[48], path[MW_PATH_TEXT];
    mw_err err = read_document(store, "1.root.json", &chain->root_text, &chain->root, error);
    if (err != MW_OK) {
        return err;
    }
    mw_digest(chain->root_text.data, chain->root_text.size, chain->anchor);
    if (store->seen.root[0] != '\0' && strcmp(store->seen.root, chain->anchor) != 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "1.root.json is not the one seen before");
    }
    err = mw_trust_check(chain->root, "root", chain->root, -1, error);
    if (err == MW_OK && mw_trust_version(chain->root) != 1) {
        err = mw_error_set(error, MW_ERR_SIGNATURE, "1.root.json is not version 1");
    }
    for (uint64_t version = 2; err == MW_OK && version < 1024; version++) {
        json_t *next = NULL;
        (void)snprintf(name, sizeof name, "%" PRIu64 ".root.json", version);
        err = mw_store_metadata_path(store, name, path, sizeof path, error);
        if (err != MW_OK || !mw_file_exists(path)) {
            break;
        }
        err = read_document(store, name, &text, &next, error);
        if (err == MW_OK) {
            err = mw_trust_check(chain->root, "root", next, -1, error);
        }
        if (err == MW_OK) {
            err = mw_trust_check(next, "root", next, -1, error);
        }
        if (err == MW_OK && mw_trust_version(next) != version) {
            err = mw_error_set(error, MW_ERR_SIGNATURE, "%s is of another version", name);
        }
        if (err != MW_OK) {
            json_decref(next);
            break;
        }
        json_decref(chain->root);
        chain->root = next;
        struct mw_buffer old = chain->root_text;
        chain->root_text = text;
        text = old;
    }
    mw_buffer_free(&text);
    return err == MW_OK ? mw_trust_check(chain->root, "root", chain->root, now, error) : err;
}

/* The version that `document`'s meta gives for `file`; 0 when none. *entry is borrowed. */
static uint64_t meta_version(const json_t *document, const char *file, const json_t **entry)
{
    *entry = json_object_get(json_object_get(mw_trust_signed(document), "meta"), file);
    json_int_t version = json_integer_value(json_object_get(*entry, "version"));
    return version > 0 ? (uint64_t)version : 0;
}

/* Checks bytes against the length and hash of a meta entry, where it states them. */
static mw_err check_meta(const json_t *entry, const struct mw_buffer *text, const char *role,
                         struct mw_error *error)
{
    const json_t *length = json_object_get(entry, "length");
    const char *hash = mw_json_string(json_object_get(entry, "hashes"), "sha256");
    char found[MW_KEYID_TEXT];
    if (length != NULL && json_integer_value(length) != (json_int_t)text->size) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: another length than listed", role);
    }
    mw_sha256_hex(text->data, text->size, found);
    if (hash != NULL && strcmp(hash, found) != 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: another hash than listed", role);
    }
    return MW_OK;
}

static mw_err not_older(const char *role, uint64_t version, uint64_t seen, struct mw_error *error)
{
    if (version >= seen) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_SIGNATURE,
                        "%s: version %" PRIu64 " is older than %" PRIu64 ", seen before", role,
                        version, seen);
}

/* Loads what `above` lists as <role>.json. */
static mw_err load_listed(const struct mw_store *store, const json_t *root, const json_t *above,
                          const char *role, int64_t now, struct mw_buffer *text, json_t **document,
                          struct mw_error *error)
{
    char file[32], name[64];
    const json_t *entry;
    (void)snprintf(file, sizeof file, "%s.json", role);
    uint64_t version = meta_version(above, file, &entry);
    if (version == 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s is not listed", file);
    }
    (void)snprintf(name, sizeof name, "%" PRIu64 ".%s", version, file);
    mw_err err = read_document(store, name, text, document, error);
    if (err == MW_OK) {
        err = check_meta(entry, text, role, error);
    }
    if (err == MW_OK) {
        err = mw_trust_check(root, role, *document, now, error);
    }
    if (err == MW_OK && mw_trust_version(*document) != version) {
        err = mw_error_set(error, MW_ERR_SIGNATURE, "%s is of another version", name);
    }
    return err;
}

static mw_err load_chain(struct mw_store *store, int64_t now, struct mw_trust_chain *chain,
                         struct mw_error *error)
{
    struct mw_buffer text = {0};
    const struct mw_trust_seen *seen = &store->seen;
    mw_err err = load_root(store, now, chain, error);
    if (err == MW_OK) {
        err = read_document(store, "timestamp.json", &text, &chain->timestamp, error);
    }
    if (err == MW_OK) {
        err = mw_trust_check(chain->root, "timestamp", chain->timestamp, now, error);
    }
    if (err == MW_OK) {
        err = not_older("timestamp", mw_trust_version(chain->timestamp), seen->timestamp, error);
    }
    if (err == MW_OK) {
        err = load_listed(store, chain->root, chain->timestamp, "snapshot", now, &text,
                          &chain->snapshot, error);
    }
    if (err == MW_OK) {
        err = not_older("snapshot", mw_trust_version(chain->snapshot), seen->snapshot, error);
    }
    if (err == MW_OK) {
        err = load_listed(store, chain->root, chain->snapshot, "targets", now, &chain->targets_text,
                          &chain->targets, error);
    }
    if (err == MW_OK) {
        err = not_older("targets", mw_trust_version(chain->targets), seen->targets, error);
    }
    mw_buffer_free(&text);
    return err;
}

mw_err mw_trust_chain_load(struct mw_store *store, int64_t now, struct mw_trust_chain *chain,
                           struct mw_error *error)
{
    *chain = (struct mw_trust_chain){0};
    mw_err err = load_chain(store, now, chain, error);
    if (err != MW_OK) {
        mw_trust_chain_clear(chain);
        return err;
    }
    memcpy(store->seen.root, chain->anchor, sizeof chain->anchor);
    store->seen.timestamp = mw_trust_version(chain->timestamp);
    store->seen.snapshot = mw_trust_version(chain->snapshot);
    store->seen.targets = mw_trust_version(chain->targets);
    return MW_OK;
}

static mw_err verify(struct mw_store *store, const char *digest, struct mw_error *error)
{
    struct mw_trust_chain chain;
    struct mw_buffer manifest = {0};
    uint64_t length = 0;
    mw_err err = mw_trust_chain_load(store, mw_clock_utc(), &chain, error);
    if (err != MW_OK) {
        return err;
    }
    if (!mw_trust_lists(chain.targets, digest, &length)) {
        err =
            mw_error_set(error, MW_ERR_SIGNATURE, "%.80s is not among the signed targets", digest);
    }
    mw_trust_chain_clear(&chain);
    if (err == MW_OK) {
        err = mw_store_get(store, digest, &manifest, error);
    }
    if (err == MW_OK && manifest.size != length) {
        err = mw_error_set(error, MW_ERR_SIGNATURE,
                           "%s has %zu bytes, and %" PRIu64 " are signed for", digest,
                           manifest.size, length);
    }
    mw_buffer_free(&manifest);
    return err;
}

mw_err mw_trust_verify(struct mw_store *store, const char *digest, struct mw_error *error)
{
    const struct mw_store_source *source = mw_store_source();
    struct mw_error why = {0};
    mw_err err = verify(store, digest, &why);
    if (err != MW_ERR_SIGNATURE || source == NULL) {
        return err == MW_OK ? MW_OK : mw_error_set(error, err, "%s", why.text);
    }
    err = source->renew(source->context, store, error); /* it may have been signed meanwhile */
    return err == MW_OK ? verify(store, digest, error) : err;
}

static mw_err append(struct mw_buffer *out, const struct mw_buffer *text, struct mw_error *error)
{
    mw_err err = mw_buffer_add(out, text->data, text->size);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "metadata: out of memory");
}

/* The chain; with a source, the newest that it has or, while it cannot be asked, the last one that
 * came. */
static mw_err load_newest(struct mw_store *store, struct mw_trust_chain *chain,
                          struct mw_error *error)
{
    const struct mw_store_source *source = mw_store_source();
    struct mw_error why = {0};
    mw_err renewed = source == NULL ? MW_OK : source->renew(source->context, store, &why);
    mw_err err = mw_trust_chain_load(store, mw_clock_utc(), chain, error);
    return err == MW_OK || renewed == MW_OK ? err : mw_error_set(error, renewed, "%s", why.text);
}

mw_err mw_trust_targets(struct mw_store *store, struct mw_buffer *targets, struct mw_error *error)
{
    struct mw_trust_chain chain;
    mw_err err = load_newest(store, &chain, error);
    if (err == MW_OK) {
        err = append(targets, &chain.targets_text, error);
        mw_trust_chain_clear(&chain);
    }
    return err;
}

mw_err mw_trust_root(struct mw_store *store, struct mw_buffer *root, struct mw_error *error)
{
    struct mw_trust_chain chain;
    mw_err err = load_newest(store, &chain, error);
    if (err == MW_OK) {
        err = append(root, &chain.root_text, error);
        mw_trust_chain_clear(&chain);
    }
    return err;
}

mw_err mw_trust_verify_targets(struct mw_span root, struct mw_span targets, const char *digest,
                               uint64_t *version, struct mw_error *error)
{
    json_auto_t *root_json = NULL, *targets_json = NULL;
    int64_t now = mw_clock_utc();
    uint64_t length = 0;
    *version = 0;
    mw_err err = mw_json_load(root, "root", &root_json, error);
    if (err == MW_OK) {
        err = mw_json_load(targets, "targets", &targets_json, error);
    }
    if (err == MW_OK) {
        err = mw_trust_check(root_json, "root", root_json, now, error);
    }
    if (err == MW_OK) {
        err = mw_trust_check(root_json, "targets", targets_json, now, error);
    }
    if (err != MW_OK) {
        return err;
    }
    *version = mw_trust_version(targets_json);
    if (!mw_trust_lists(targets_json, digest, &length)) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%.80s is not among the signed targets",
                            digest);
    }
    return MW_OK;
}

mw_err mw_trust_signer(struct mw_store *store, char keyid[MW_DIGEST_TEXT], struct mw_error *error)
{
    struct mw_trust_chain chain;
    mw_err err = mw_trust_chain_load(store, mw_clock_utc(), &chain, error);
    if (err != MW_OK) {
        return err;
    }
    const char *id =
        mw_json_string(json_array_get(json_object_get(chain.targets, "signatures"), 0), "keyid");
    (void)snprintf(keyid, MW_DIGEST_TEXT, "%s", id != NULL ? id : "");
    mw_trust_chain_clear(&chain);
    return MW_OK;
}
