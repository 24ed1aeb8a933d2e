#include "lib/artifact/test_place.h"

#include "lib/artifact/parts.h"
#include "lib/base/clock.h"

#include <openssl/evp.h>

#define DAY (86400 * MW_SECOND)

/* Signs a manifest whose content is `content`; gives its digest. */
static void publish(struct place *place, const char *name, const char *content,
                    char digest[MW_DIGEST_TEXT], uint64_t *version)
{
    assert_ok(mw_store_put(place->store, content, strlen(content), digest, error));
    assert_ok(
        mw_trust_sign(place->store, place->keys, name, digest, strlen(content), version, error));
}

static void test_canonical(void **state)
{
    struct mw_buffer out = {0};
    (void)state;
    json_t *json = json_loads(
        "{\"b\":[1,-2,true,null], \"a\":{\"z\":\"q\\\"\\\\\\n\\u00e9\",\"Z\":{}}}", 0, NULL);
    assert_ok(mw_json_canonical(json, &out));
    assert_string_equal(out.data,
                        "{\"a\":{\"Z\":{},\"z\":\"q\\\"\\\\\n\xc3\xa9\"},\"b\":[1,-2,true,null]}");
    json_decref(json);
    json = json_loads("[0.5]", 0, NULL);
    assert_int_equal(mw_json_canonical(json, &out), MW_ERR_UNSUPPORTED);
    json_decref(json);
    mw_buffer_free(&out);
}

static void test_time(void **state)
{
    int64_t t = 0;
    (void)state;
    assert_ok(mw_trust_parse_time("2026-01-01T00:00:00Z", &t));
    assert_int_equal(t, INT64_C(1767225600) * MW_SECOND);
    assert_int_equal(mw_trust_parse_time("2026-02-30T00:00:00Z", &t), MW_ERR_PARSE);
    assert_int_equal(mw_trust_parse_time("2026-01-01T00:00:00", &t), MW_ERR_PARSE);
    assert_int_equal(mw_trust_parse_time("2026-01-01T00:00:00Zx", &t), MW_ERR_PARSE);
    assert_int_equal(mw_trust_parse_time("", &t), MW_ERR_PARSE);
}

static void test_sign_and_verify(void **state)
{
    struct place *place = *state;
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT], signer[MW_DIGEST_TEXT];
    uint64_t version = 0;
    struct stat status;
    mw_digest("one", 3, one);
    assert_refused(mw_trust_verify(place->store, one, error), MW_ERR_SIGNATURE, "root.json");
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_refused(mw_trust_verify(place->store, one, error), MW_ERR_SIGNATURE, "not among");
    publish(place, "bundle/one", "one", one, &version);
    assert_int_equal(version, 2);
    publish(place, "bundle/two", "two", two, &version);
    assert_int_equal(version, 3);
    publish(place, "bundle/two", "two", two, &version);
    assert_int_equal(version, 3);
    assert_ok(mw_trust_verify(place->store, one, error));
    assert_ok(mw_trust_verify(place->store, two, error));
    assert_ok(mw_trust_signer(place->store, signer, error));
    assert_int_equal(strlen(signer), 64);
    char path[400];
    (void)snprintf(path, sizeof path, "%s/targets.pem", place->keys);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    /* A name that moves takes its trust along. */
    publish(place, "bundle/one", "three", two, &version);
    assert_refused(mw_trust_verify(place->store, one, error), MW_ERR_SIGNATURE, "not among");
    assert_refused(mw_trust_sign(place->store, place->keys, "../x", one, 3, NULL, error),
                   MW_ERR_ARGUMENT, "../x");
}

static void test_length_and_bytes_count(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], path[128];
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(mw_store_put(place->store, "one", 3, digest, error));
    assert_ok(mw_trust_sign(place->store, place->keys, "x", digest, 4, NULL, error));
    assert_refused(mw_trust_verify(place->store, digest, error), MW_ERR_SIGNATURE, "3 bytes");
    assert_ok(mw_trust_sign(place->store, place->keys, "x", digest, 3, NULL, error));
    assert_ok(mw_trust_verify(place->store, digest, error));
    (void)snprintf(path, sizeof path, "blobs/sha256/%s", digest + 7);
    place_write(place_path(place, path), "two", 3);
    assert_refused(mw_trust_verify(place->store, digest, error), MW_ERR_CORRUPT, "another hash");
}

/* Changes the character behind the first occurrence of `mark`. */
static void tamper(const struct place *place, const char *name, const char *mark)
{
    struct mw_buffer text = {0};
    const char *path = place_path(place, name);
    assert_ok(mw_file_read(path, 1U << 20, &text, error));
    char *at = strstr(text.data, mark);
    assert_non_null(at);
    at += strlen(mark);
    *at = *at == '1' ? '2' : '1';
    place_write(path, text.data, text.size);
    mw_buffer_free(&text);
}

static void test_tampered_metadata_is_refused(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *file, *mark, *reason;
    } cases[] = {
        {"metadata/1.root.json", "\"expires\":\"20", "root: the signature does not verify"},
        {"metadata/timestamp.json", "\"version\":", "timestamp: the signature does not verify"},
        {"metadata/timestamp.json", "\"sig\":\"30", "timestamp: the signature does not verify"},
        {"metadata/timestamp.json", "\"keyid\":\"", "timestamp: no signature by a key"},
        {"metadata/2.snapshot.json", "\"sha256\":\"", "snapshot: another hash"},
        {"metadata/2.targets.json", "\"length\":", "targets: another hash"},
        {"metadata/2.targets.json", "\"signed", "2.targets.json:1:"},
    };
    char digest[MW_DIGEST_TEXT];
    assert_ok(mw_trust_init(place->store, place->keys, error));
    publish(place, "x", "one", digest, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        place_copy(place, cases[i].file, "kept");
        tamper(place, cases[i].file, cases[i].mark);
        struct mw_store *store = place_reopen(place);
        assert_refused(mw_trust_verify(store, digest, error), MW_ERR_SIGNATURE, cases[i].reason);
        mw_store_close(store);
        place_copy(place, "kept", cases[i].file);
        assert_ok(mw_trust_verify(place->store, digest, error));
    }
    place_write(place_path(place, "metadata/timestamp.json"), "{\"signed\":", 10);
    assert_refused(mw_trust_verify(place->store, digest, error), MW_ERR_SIGNATURE,
                   "timestamp.json");
}

static void test_rollback_is_refused(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT];
    struct mw_trust_seen seen;
    assert_ok(mw_trust_init(place->store, place->keys, error));
    publish(place, "x", "one", digest, NULL);
    place_copy(place, "metadata/timestamp.json", "old");
    publish(place, "x", "two", digest, NULL);
    assert_ok(mw_trust_verify(place->store, digest, error));
    mw_trust_recall(place->store, &seen);
    assert_int_equal(seen.targets, 3);
    place_copy(place, "old", "metadata/timestamp.json");
    assert_refused(mw_trust_verify(place->store, digest, error), MW_ERR_SIGNATURE,
                   "timestamp: version 2 is older than 3");
    /* Another process that remembers is not misled either; one that knows nothing has to believe.
     */
    struct mw_store *other = place_reopen(place);
    assert_refused(mw_trust_verify(other, digest, error), MW_ERR_SIGNATURE, "not among");
    mw_trust_remember(other, &seen);
    assert_refused(mw_trust_verify(other, digest, error), MW_ERR_SIGNATURE, "older");
    mw_store_close(other);
}

static void test_other_keys_are_refused(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], from[600], to[600], evil[400];
    assert_ok(mw_trust_init(place->store, place->keys, error));
    publish(place, "x", "one", digest, NULL);
    /* Somebody else's keys cannot sign in this store ... */
    (void)snprintf(evil, sizeof evil, "%s/evil", place->folder);
    assert_ok(mw_file_make_folder(evil, error));
    static const char *const roles[] = {"root", "targets", "snapshot", "timestamp"};
    for (int i = 0; i < 4; i++) {
        EVP_PKEY *key = NULL;
        (void)snprintf(to, sizeof to, "%s/%s.pem", evil, roles[i]);
        assert_ok(mw_key_make(to, &key, error));
        struct mw_buffer hex = {0};
        assert_ok(mw_key_sign(key, mw_span_of("message"), &hex, error));
        json_t *public_key = NULL;
        assert_ok(mw_key_public(key, &public_key, error));
        assert_ok(mw_key_verify(public_key, mw_span_of("message"), hex.data, error));
        assert_refused(mw_key_verify(public_key, mw_span_of("massage"), hex.data, error),
                       MW_ERR_SIGNATURE, "does not verify");
        json_decref(public_key);
        mw_buffer_free(&hex);
        EVP_PKEY_free(key);
    }
    assert_refused(mw_trust_sign(place->store, evil, "y", digest, 3, NULL, error), MW_ERR_SIGNATURE,
                   "not the key that root names");
    /* ... and a whole new root is noticed by who knew the first. */
    assert_ok(mw_trust_verify(place->store, digest, error));
    (void)snprintf(from, sizeof from, "%s", place_path(place, "metadata/1.root.json"));
    assert_int_equal(unlink(from), 0);
    assert_int_equal(unlink(place_path(place, "metadata/timestamp.json")), 0);
    assert_ok(mw_trust_init(place->store, evil, error));
    assert_refused(mw_trust_verify(place->store, digest, error), MW_ERR_SIGNATURE,
                   "not the one seen before");
}

static void test_expiry_and_renewal(void **state)
{
    struct place *place = *state;
    struct mw_trust_chain chain;
    assert_ok(mw_trust_init(place->store, place->keys, error));
    int64_t now = mw_clock_utc();
    assert_ok(mw_trust_chain_load(place->store, now + 364 * DAY, &chain, error));
    mw_trust_chain_clear(&chain);
    assert_refused(mw_trust_chain_load(place->store, now + 366 * DAY, &chain, error),
                   MW_ERR_SIGNATURE, "timestamp: expired");
    assert_refused(mw_trust_chain_load(place->store, now + 3654 * DAY, &chain, error),
                   MW_ERR_SIGNATURE, "root: expired");
    /* What expires soon is signed anew by init; what does not is left alone. */
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(mw_trust_chain_load(place->store, now, &chain, error));
    assert_int_equal(mw_trust_version(chain.timestamp), 1);
    mw_trust_chain_clear(&chain);
    struct mw_buffer text = {0};
    json_t *body = mw_trust_body("timestamp", 1, 30 * DAY);
    assert_ok(mw_trust_chain_load(place->store, now, &chain, error));
    json_object_set(body, "meta", json_object_get(mw_trust_signed(chain.timestamp), "meta"));
    mw_trust_chain_clear(&chain);
    assert_ok(mw_trust_write(place->store, place->keys, "timestamp", "timestamp.json", body, &text,
                             error));
    mw_buffer_free(&text);
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(mw_trust_chain_load(place->store, now + 60 * DAY, &chain, error));
    assert_int_equal(mw_trust_version(chain.timestamp), 2);
    mw_trust_chain_clear(&chain);
}

static void test_device_verifies_targets(void **state)
{
    struct place *place = *state;
    struct mw_buffer root = {0}, targets = {0};
    char digest[MW_DIGEST_TEXT], unknown[MW_DIGEST_TEXT];
    uint64_t version = 0;
    assert_ok(mw_trust_init(place->store, place->keys, error));
    publish(place, "x", "one", digest, NULL);
    mw_digest("no", 2, unknown);
    assert_ok(mw_trust_root(place->store, &root, error));
    assert_ok(mw_trust_targets(place->store, &targets, error));
    struct mw_span r = {root.data, root.size}, t = {targets.data, targets.size};
    assert_ok(mw_trust_verify_targets(r, t, digest, &version, error));
    assert_int_equal(version, 2);
    assert_refused(mw_trust_verify_targets(r, t, unknown, &version, error), MW_ERR_SIGNATURE,
                   "not among");
    /* Root is signed, but not by the targets key. */
    assert_refused(mw_trust_verify_targets(r, r, digest, &version, error), MW_ERR_SIGNATURE,
                   "targets: no signature by a key that root names");
    for (size_t size = 0; size < targets.size; size++) {
        struct mw_span cut = {targets.data, size};
        assert_int_not_equal(mw_trust_verify_targets(r, cut, digest, &version, NULL), MW_OK);
    }
    char *at = strstr(targets.data, "\"version\":2");
    assert_non_null(at);
    at[10] = '9';
    assert_refused(mw_trust_verify_targets(r, t, digest, &version, error), MW_ERR_SIGNATURE,
                   "does not verify");
    assert_int_equal(version, 0);
    mw_buffer_free(&root);
    mw_buffer_free(&targets);
}

static void test_old_versions_go(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], content[16];
    assert_ok(mw_trust_init(place->store, place->keys, error));
    for (int i = 0; i < 20; i++) {
        (void)snprintf(content, sizeof content, "%d", i);
        publish(place, "x", content, digest, NULL);
    }
    assert_ok(mw_trust_verify(place->store, digest, error));
    assert_false(mw_file_exists(place_path(place, "metadata/5.targets.json")));
    assert_true(mw_file_exists(place_path(place, "metadata/6.snapshot.json")));
    assert_true(mw_file_exists(place_path(place, "metadata/1.root.json")));
}

int main(void)
{
#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_time),
        PLACED(test_sign_and_verify),
        PLACED(test_length_and_bytes_count),
        PLACED(test_tampered_metadata_is_refused),
        PLACED(test_rollback_is_refused),
        PLACED(test_other_keys_are_refused),
        PLACED(test_expiry_and_renewal),
        PLACED(test_device_verifies_targets),
        PLACED(test_old_versions_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
