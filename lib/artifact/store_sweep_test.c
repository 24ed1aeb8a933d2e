#include "lib/artifact/test_place.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"

#define LATER (mw_clock_utc() + 3600 * MW_SECOND)

/* A manifest with one layer of its own; both digests. */
static void put(const struct place *place, const char *content, char manifest[MW_DIGEST_TEXT],
                char part[MW_DIGEST_TEXT])
{
    struct mw_descriptor layer = {.media_type = "text/plain", .size = strlen(content)};
    assert_ok(mw_store_put(place->store, content, layer.size, layer.digest, error));
    assert_ok(mw_store_put_manifest(place->store, "application/vnd.millwright.report.v1", NULL,
                                    &layer, 1, manifest, error));
    memcpy(part, layer.digest, MW_DIGEST_TEXT);
}

static bool has(const struct place *place, const char *digest)
{
    struct mw_buffer out = {0};
    mw_err err = mw_store_get(place->store, digest, &out, NULL);
    mw_buffer_free(&out);
    return err == MW_OK;
}

static void sign(const struct place *place, const char *name, const char *manifest)
{
    struct mw_buffer text = {0};
    assert_ok(mw_store_get(place->store, manifest, &text, error));
    assert_ok(mw_trust_sign(place->store, place->keys, name, manifest, text.size, NULL, error));
    mw_buffer_free(&text);
}

/* Tagged, signed, a root, and nothing of the three. */
static void test_what_is_named_stays(void **state)
{
    struct place *place = *state;
    char manifest[4][MW_DIGEST_TEXT], part[4][MW_DIGEST_TEXT];
    const char *const content[] = {"tagged", "signed", "running", "none"};
    struct mw_swept swept;
    for (int i = 0; i < 4; i++) {
        put(place, content[i], manifest[i], part[i]);
    }
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(mw_store_tag(place->store, "plant", manifest[0], error));
    sign(place, "bundle/plant/0", manifest[1]);

    assert_ok(mw_trust_sweep(place->store, NULL, 0, mw_clock_utc() - 3600 * MW_SECOND, &swept,
                             error)); /* all of it is young */
    assert_int_equal(swept.blobs, 0);
    assert_ok(mw_trust_sweep(place->store, (const char(*)[MW_DIGEST_TEXT]) & manifest[2], 1, LATER,
                             &swept, error));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(has(place, manifest[i]), i < 3);
        assert_int_equal(has(place, part[i]), i < 3);
    }
    assert_int_equal(swept.blobs, 2);
    assert_true(swept.bytes > strlen("none"));
    assert_ok(mw_trust_verify(place->store, manifest[1], error));

    /* A name that moves lets go of what it named. */
    put(place, "newer", manifest[3], part[3]);
    sign(place, "bundle/plant/0", manifest[3]);
    assert_ok(mw_trust_sweep(place->store, NULL, 0, LATER, &swept, error));
    assert_int_equal(swept.blobs, 4); /* signed and running, each with its part */
    assert_true(has(place, part[0]) && has(place, part[3]));
    assert_ok(mw_trust_verify(place->store, manifest[3], error));
    assert_ok(mw_store_resolve(place->store, "plant", manifest[1], error));
}

static void test_a_damaged_store_is_not_touched(void **state)
{
    struct place *place = *state;
    char manifest[MW_DIGEST_TEXT], part[MW_DIGEST_TEXT], loose[MW_DIGEST_TEXT], name[160];
    struct mw_swept swept;
    put(place, "tagged", manifest, part);
    assert_ok(mw_store_put(place->store, "loose", 5, loose, error));
    assert_ok(mw_store_tag(place->store, "plant", manifest, error));
    assert_refused(mw_trust_sweep(place->store, NULL, 0, LATER, &swept, error), MW_ERR_SIGNATURE,
                   "root"); /* nothing says what is signed */
    assert_ok(mw_trust_init(place->store, place->keys, error));
    (void)snprintf(name, sizeof name, "blobs/sha256/%s", manifest + 7);
    place_write(place_path(place, name), "{}", 2);
    assert_refused(mw_trust_sweep(place->store, NULL, 0, LATER, &swept, error), MW_ERR_CORRUPT,
                   "another hash");
    assert_true(has(place, part) && has(place, loose));
}

static void test_without_metadata_roots_count(void **state)
{
    struct place *place = *state;
    char manifest[2][MW_DIGEST_TEXT], part[2][MW_DIGEST_TEXT];
    struct mw_swept swept;
    put(place, "active", manifest[0], part[0]);
    put(place, "long ago", manifest[1], part[1]);
    assert_ok(mw_store_sweep(place->store, NULL, 0, LATER, &swept, error));
    assert_int_equal(swept.blobs, 0);
    assert_ok(mw_store_sweep(place->store, (const char(*)[MW_DIGEST_TEXT])manifest, 1, LATER,
                             &swept, error));
    assert_int_equal(swept.blobs, 2);
    assert_true(has(place, manifest[0]) && has(place, part[0]));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_what_is_named_stays),
        ROW(test_a_damaged_store_is_not_touched),
        ROW(test_without_metadata_roots_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
