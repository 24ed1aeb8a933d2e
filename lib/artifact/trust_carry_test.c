/* trust_carry_test.c - metadata that travel as an artifact, and a store that has a source. */
#include "lib/artifact/parts.h"
#include "lib/artifact/test_place.h"

/* Puts every blob of one store into another. */
static void carry(struct place *from, struct place *to, const char *digest)
{
    struct mw_buffer text = {0};
    char put[MW_DIGEST_TEXT];
    json_t *manifest, *layer;
    size_t i;
    assert_ok(mw_store_get(from->store, digest, &text, error));
    assert_ok(mw_store_put(to->store, text.data, text.size, put, error));
    manifest = json_loadb(text.data, text.size, 0, NULL);
    assert_non_null(manifest);
    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
    {
        mw_buffer_clear(&text);
        assert_ok(mw_store_get(from->store, mw_json_string(layer, "digest"), &text, error));
        assert_ok(mw_store_put(to->store, text.data, text.size, put, error));
    }
    json_decref(manifest);
    mw_buffer_free(&text);
}

static void sign(struct place *place, const char *name, const char *bytes,
                 char digest[MW_DIGEST_TEXT])
{
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(mw_store_put(place->store, bytes, strlen(bytes), digest, error));
    assert_ok(mw_trust_sign(place->store, place->keys, name, digest, strlen(bytes), NULL, error));
}

static void give(struct place *from, struct place *to, char artifact[MW_DIGEST_TEXT])
{
    assert_ok(mw_trust_export(from->store, artifact, error));
    carry(from, to, artifact);
}

static void test_there_and_back(void **state)
{
    struct place *place = *state, *other = place_new();
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT], first[MW_DIGEST_TEXT], second[MW_DIGEST_TEXT];
    sign(place, "bundle/one", "one", one);
    give(place, other, first);
    sign(place, "bundle/two", "two", two);
    give(place, other, second);
    assert_string_not_equal(first, second);
    assert_ok(mw_store_put(other->store, "one", 3, one, error));
    assert_ok(mw_store_put(other->store, "two", 3, two, error));

    assert_ok(mw_trust_import(other->store, first, error));
    assert_ok(mw_trust_verify(other->store, one, error));
    assert_refused(mw_trust_verify(other->store, two, error), MW_ERR_SIGNATURE,
                   "not among the signed targets");
    assert_ok(mw_trust_import(other->store, second, error));
    assert_ok(mw_trust_import(other->store, second, error));
    assert_ok(mw_trust_verify(other->store, two, error));
    /* Not back to the older ones, by this process or another. */
    assert_refused(mw_trust_import(other->store, first, error), MW_ERR_SIGNATURE, "is older than");
    struct mw_store *again = place_reopen(other);
    assert_refused(mw_trust_import(again, first, error), MW_ERR_SIGNATURE, "is older than");
    assert_ok(mw_trust_verify(again, two, error));
    assert_false(mw_file_exists(place_path(other, "incoming")));
    mw_store_close(again);
    place_free(other);
}

static void test_strangers_are_refused(void **state)
{
    struct place *place = *state, *stranger = place_new();
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT], artifact[MW_DIGEST_TEXT];
    sign(place, "bundle/one", "one", one);
    sign(stranger, "bundle/two", "two", two);
    give(stranger, place, artifact);
    struct mw_store *again = place_reopen(place);
    assert_refused(mw_trust_import(again, artifact, error), MW_ERR_SIGNATURE,
                   "not the one seen before");
    assert_ok(mw_trust_verify(again, one, error));
    mw_store_close(again);
    place_free(stranger);
}

static void test_what_is_no_chain_is_refused(void **state)
{
    struct place *place = *state, *other = place_new();
    static const char *const names[] = {"../x", "1.mirrors.json", "root.json", "1.root.json.x",
                                        "timestamp.json"};
    char one[MW_DIGEST_TEXT], artifact[MW_DIGEST_TEXT];
    sign(place, "bundle/one", "one", one);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mw_descriptor layer = {
            .media_type = "application/json", .title = names[i], .size = 2};
        assert_ok(mw_store_put(other->store, "{}", 2, layer.digest, error));
        assert_ok(mw_store_put_manifest(other->store, "application/vnd.millwright.metadata.v1",
                                        NULL, &layer, 1, artifact, error));
        assert_refused(mw_trust_import(other->store, artifact, error), MW_ERR_SIGNATURE,
                       "metadata");
    }
    assert_ok(mw_store_put_manifest(other->store, "application/vnd.other.v1", NULL, NULL, 0,
                                    artifact, error));
    assert_refused(mw_trust_import(other->store, artifact, error), MW_ERR_SIGNATURE,
                   "not an artifact of signed metadata");
    assert_false(mw_file_exists(place_path(other, "metadata/timestamp.json")));
    place_free(other);
}

/* ---- a source ---- */

struct far {
    struct place *place;
    char metadata[MW_DIGEST_TEXT];
    unsigned brought, renewed, given;
    bool lies;
};

static mw_err bring(void *context, const char *digest, struct mw_buffer *out,
                    struct mw_error *error)
{
    struct far *far = context;
    far->brought++;
    if (far->lies) {
        return mw_buffer_add(out, "lie", 3);
    }
    return mw_store_get_own(far->place->store, digest, out, error);
}

static mw_err renew(void *context, struct mw_store *store, struct mw_error *error)
{
    struct far *far = context;
    far->renewed++;
    return mw_trust_import(store, far->metadata, error);
}

static mw_err take(void *context, struct mw_store *store, const char *tag, const char *digest,
                   struct mw_error *error)
{
    struct far *far = context;
    (void)store;
    far->given++;
    return tag != NULL && strcmp(tag, "refused") == 0
               ? mw_error_set(error, MW_ERR_NET, "away: %s", digest)
               : MW_OK;
}

static void test_a_store_brings_what_it_lacks(void **state)
{
    struct place *place = *state;
    struct far far = {.place = place_new()};
    const struct mw_store_source source = {&far, bring, renew, take};
    char one[MW_DIGEST_TEXT], found[MW_DIGEST_TEXT], manifest[MW_DIGEST_TEXT];
    struct mw_buffer bytes = {0};
    uint64_t total;
    sign(far.place, "bundle/one", "one", one);
    assert_ok(mw_trust_export(far.place->store, far.metadata, error));
    assert_refused(mw_trust_verify(place->store, one, error), MW_ERR_SIGNATURE, "missing");
    mw_store_set_source(&source);

    far.lies = true;
    assert_refused(mw_store_get(place->store, one, &bytes, error), MW_ERR_CORRUPT, "other bytes");
    far.lies = false;
    assert_ok(mw_store_read(place->store, one, 1, 2, &bytes, &total, error));
    assert_memory_equal(bytes.data, "ne", 2);
    unsigned before = far.brought;
    assert_ok(mw_store_get(place->store, one, &bytes, error)); /* now its own */
    assert_int_equal(far.brought, before);
    assert_ok(mw_trust_verify(place->store, one, error));
    assert_int_equal(far.renewed, 1);
    assert_refused(mw_store_get(place->store,
                                "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b"
                                "934ca495991b7852b855",
                                &bytes, error),
                   MW_ERR_NOT_FOUND, "e3b0");

    assert_ok(mw_store_put_manifest(place->store, "application/vnd.test.v1", NULL, NULL, 0,
                                    manifest, error));
    assert_ok(mw_store_tag(place->store, "taken", manifest, error));
    assert_refused(mw_store_tag(place->store, "refused", manifest, error), MW_ERR_NET, "away");
    assert_int_equal(far.given, 2);
    assert_refused(mw_store_resolve(place->store, "refused", found, error), MW_ERR_NOT_FOUND, "");
    mw_store_set_source(NULL);
    mw_buffer_free(&bytes);
    place_free(far.place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_strangers_are_refused, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_chain_is_refused, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(test_a_store_brings_what_it_lacks, place_set_up,
                                        place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
