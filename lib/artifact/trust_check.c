/* trust_check.c - one document of metadata: who signed it, what it is, until when. */
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t mw_trust_version(const json_t *document)
{
    json_int_t version =
        json_integer_value(json_object_get(json_object_get(document, "signed"), "version"));
    return version > 0 ? (uint64_t)version : 0;
}

json_t *mw_trust_signed(const json_t *document)
{
    return json_object_get(document, "signed");
}

mw_err mw_trust_parse_time(const char *text, int64_t *microseconds)
{
    struct tm tm = {0};
    int end = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        end != 20 || text[end] != '\0') {
        return MW_ERR_PARSE;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm asked = tm;
    time_t seconds = timegm(&tm);
    /* timegm() makes a 2nd of March of a 30th of February; such a date is a mistake here. */
    if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon || tm.tm_hour != asked.tm_hour ||
        tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec) {
        return MW_ERR_PARSE;
    }
    *microseconds = (int64_t)seconds * MW_SECOND;
    return MW_OK;
}

static bool has_string(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item != NULL && strcmp(item, text) == 0) {
            return true;
        }
    }
    return false;
}

/* True when an earlier signature of the list carries the same key id: each key counts once. */
static bool counted(const json_t *signatures, size_t i, const char *keyid)
{
    for (size_t j = 0; j < i; j++) {
        const char *other = mw_json_string(json_array_get(signatures, j), "keyid");
        if (other != NULL && strcmp(other, keyid) == 0) {
            return true;
        }
    }
    return false;
}

static mw_err check_signatures(const json_t *root, const char *role, const json_t *document,
                               struct mw_error *error)
{
    const json_t *keys = json_object_get(mw_trust_signed(root), "keys");
    const json_t *rule = json_object_get(json_object_get(mw_trust_signed(root), "roles"), role);
    json_int_t threshold = json_integer_value(json_object_get(rule, "threshold"));
    const json_t *signatures = json_object_get(document, "signatures");
    struct mw_buffer message = {0};
    if (threshold < 1) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "root names no keys for %s", role);
    }
    mw_err err = mw_json_canonical(mw_trust_signed(document), &message);
    if (err != MW_OK) {
        mw_buffer_free(&message);
        return mw_error_set(error, err == MW_ERR_MEMORY ? err : MW_ERR_SIGNATURE,
                            "%s: no canonical form", role);
    }
    json_int_t good = 0;
    struct mw_error why = {0};
    (void)mw_error_set(&why, MW_ERR_SIGNATURE, "no signature by a key that root names");
    for (size_t i = 0; good < threshold && i < json_array_size(signatures) && i < 64; i++) {
        const json_t *signature = json_array_get(signatures, i);
        const char *keyid = mw_json_string(signature, "keyid");
        const char *hex = mw_json_string(signature, "sig");
        const json_t *key = keyid != NULL ? json_object_get(keys, keyid) : NULL;
        if (key == NULL || hex == NULL || counted(signatures, i, keyid) ||
            !has_string(json_object_get(rule, "keyids"), keyid)) {
            continue;
        }
        if (mw_key_verify(key, (struct mw_span){message.data, message.size}, hex, &why) == MW_OK) {
            good++;
        }
    }
    mw_buffer_free(&message);
    return good >= threshold ? MW_OK
                             : mw_error_set(error, MW_ERR_SIGNATURE, "%s: %s", role, why.text);
}

mw_err mw_trust_check(const json_t *root, const char *role, const json_t *document, int64_t now,
                      struct mw_error *error)
{
    const json_t *body = mw_trust_signed(document);
    if (!json_is_object(body)) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: nothing signed in it", role);
    }
    mw_err err = check_signatures(root, role, document, error);
    if (err != MW_OK) {
        return err;
    }
    const char *type = mw_json_string(body, "_type");
    const char *specification = mw_json_string(body, "spec_version");
    const char *expires = mw_json_string(body, "expires");
    int64_t end;
    if (type == NULL || strcmp(type, role) != 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: is signed as %.20s", role,
                            type != NULL ? type : "nothing");
    }
    if (specification == NULL || strncmp(specification, "1.", 2) != 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: not of version 1 of TUF", role);
    }
    if (mw_trust_version(document) == 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: no version", role);
    }
    if (expires == NULL || mw_trust_parse_time(expires, &end) != MW_OK) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: no readable date of expiry", role);
    }
    if (now >= 0 && end <= now) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "%s: expired at %s", role, expires);
    }
    return MW_OK;
}

bool mw_trust_lists(const json_t *targets, const char *digest, uint64_t *length)
{
    if (!mw_digest_valid(mw_span_of(digest))) {
        return false;
    }
    json_t *list = json_object_get(mw_trust_signed(targets), "targets");
    for (void *at = json_object_iter(list); at != NULL; at = json_object_iter_next(list, at)) {
        const json_t *target = json_object_iter_value(at);
        const char *hash = mw_json_string(json_object_get(target, "hashes"), "sha256");
        json_int_t size = json_integer_value(json_object_get(target, "length"));
        if (hash != NULL && size > 0 && strcmp(hash, digest + 7) == 0) {
            *length = (uint64_t)size;
            return true;
        }
    }
    return false;
}
