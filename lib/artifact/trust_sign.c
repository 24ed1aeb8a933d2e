/* trust_sign.c - one document of metadata, signed and written; and the first root. */
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROOT_LIFE (3653 * 86400 * MW_SECOND)

static const char *const roles[] = {"root", "targets", "snapshot", "timestamp"};

mw_err mw_trust_no_memory(struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_MEMORY, "metadata: out of memory");
}

static mw_err key_path(const char *keys_folder, const char *role, char *path, size_t capacity,
                       struct mw_error *error)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s.pem", role);
    if (mw_file_join(path, capacity, keys_folder, name) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", keys_folder);
    }
    return MW_OK;
}

json_t *mw_trust_body(const char *type, uint64_t version, int64_t life)
{
    char expires[32];
    struct tm tm;
    time_t end = (time_t)((mw_clock_utc() + life) / MW_SECOND);
    if (gmtime_r(&end, &tm) == NULL ||
        strftime(expires, sizeof expires, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:I, s:s}", "_type", type, "spec_version", "1.0.31", "version",
                     (json_int_t)version, "expires", expires);
}

mw_err mw_trust_write(const struct mw_store *store, const char *keys_folder, const char *role,
                      const char *name, json_t *body, struct mw_buffer *text,
                      struct mw_error *error)
{
    char path[MW_PATH_TEXT], id[MW_KEYID_TEXT];
    EVP_PKEY *key = NULL;
    json_auto_t *owned = body, *public_key = NULL; /* freed on every way out */
    struct mw_buffer message = {0}, hex = {0};
    text->size = 0;
    if (owned == NULL) {
        return mw_trust_no_memory(error);
    }
    mw_err err = key_path(keys_folder, role, path, sizeof path, error);
    if (err == MW_OK) {
        err = mw_key_load(path, &key, error);
    }
    if (err == MW_OK) {
        err = mw_key_public(key, &public_key, error);
    }
    if (err == MW_OK &&
        (mw_key_id(public_key, id) != MW_OK || mw_json_canonical(owned, &message) != MW_OK)) {
        err = mw_trust_no_memory(error);
    }
    if (err == MW_OK) {
        err = mw_key_sign(key, (struct mw_span){message.data, message.size}, &hex, error);
    }
    if (err == MW_OK) {
        json_auto_t *document = json_pack("{s:[{s:s, s:s}], s:O}", "signatures", "keyid", id, "sig",
                                          hex.data, "signed", owned);
        char *printed = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
        err = printed != NULL ? mw_buffer_add(text, printed, strlen(printed)) : MW_ERR_MEMORY;
        free(printed);
        err = err != MW_OK ? mw_trust_no_memory(error)
                           : mw_store_metadata_path(store, name, path, sizeof path, error);
    }
    if (err == MW_OK) {
        err = mw_file_write(path, text->data, text->size, 0644, error);
    }
    EVP_PKEY_free(key);
    mw_buffer_free(&message);
    mw_buffer_free(&hex);
    return err;
}

/* Adds the role's key (made when missing) to root's keys and roles. */
static mw_err add_role(const char *keys_folder, const char *role, json_t *keys, json_t *rules,
                       struct mw_error *error)
{
    char path[MW_PATH_TEXT], id[MW_KEYID_TEXT];
    EVP_PKEY *key = NULL;
    json_t *public_key = NULL;
    mw_err err = key_path(keys_folder, role, path, sizeof path, error);
    if (err == MW_OK) {
        err =
            mw_file_exists(path) ? mw_key_load(path, &key, error) : mw_key_make(path, &key, error);
    }
    if (err == MW_OK) {
        err = mw_key_public(key, &public_key, error);
    }
    EVP_PKEY_free(key);
    if (err != MW_OK) {
        return err;
    }
    if (mw_key_id(public_key, id) != MW_OK) {
        json_decref(public_key);
        return mw_trust_no_memory(error);
    }
    if (json_object_set_new(keys, id, public_key) != 0 ||
        json_object_set_new(rules, role, json_pack("{s:[s], s:i}", "keyids", id, "threshold", 1)) !=
            0) {
        return mw_trust_no_memory(error);
    }
    return MW_OK;
}

mw_err mw_trust_make_root(const struct mw_store *store, const char *keys_folder,
                          struct mw_error *error)
{
    struct mw_buffer text = {0};
    json_auto_t *keys = json_object(), *rules = json_object();
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < sizeof roles / sizeof roles[0]; i++) {
        err = add_role(keys_folder, roles[i], keys, rules, error);
    }
    if (err != MW_OK) {
        return err;
    }
    json_t *body = mw_trust_body("root", 1, ROOT_LIFE);
    if (json_object_set_new(body, "consistent_snapshot", json_true()) != 0 ||
        json_object_set(body, "keys", keys) != 0 || json_object_set(body, "roles", rules) != 0) {
        json_decref(body);
        return mw_trust_no_memory(error);
    }
    err = mw_trust_write(store, keys_folder, "root", "1.root.json", body, &text, error);
    mw_buffer_free(&text);
    return err;
}

/* True when the role's private key is one that root names. */
static mw_err check_key(const char *keys_folder, const char *role, const json_t *root,
                        struct mw_error *error)
{
    char path[MW_PATH_TEXT], id[MW_KEYID_TEXT];
    EVP_PKEY *key = NULL;
    json_auto_t *public_key = NULL;
    const json_t *rule = json_object_get(json_object_get(mw_trust_signed(root), "roles"), role);
    const json_t *ids = json_object_get(rule, "keyids");
    mw_err err = key_path(keys_folder, role, path, sizeof path, error);
    if (err == MW_OK) {
        err = mw_key_load(path, &key, error);
    }
    if (err == MW_OK) {
        err = mw_key_public(key, &public_key, error);
    }
    EVP_PKEY_free(key);
    if (err != MW_OK) {
        return err;
    }
    if (mw_key_id(public_key, id) != MW_OK) {
        return mw_trust_no_memory(error);
    }
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *named = json_string_value(json_array_get(ids, i));
        if (named != NULL && strcmp(named, id) == 0) {
            return MW_OK;
        }
    }
    return mw_error_set(error, MW_ERR_SIGNATURE, "%s: not the key that root names for %s", path,
                        role);
}

mw_err mw_trust_check_keys(const char *keys_folder, const json_t *root, struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 1; err == MW_OK && i < sizeof roles / sizeof roles[0]; i++) {
        err = check_key(keys_folder, roles[i], root, error);
    }
    return err;
}
