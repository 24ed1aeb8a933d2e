/* take_test.c - models that come in a folder: published once, in the plant's own words. */
#include "tiers/training/take.h"

#include "lib/artifact/test_image.h"
#include "tiers/training/in_use.h"
#include "tiers/training/training_test_plant.h"

#include <jansson.h>

struct scene {
    struct test_plant plant;
    struct place *origin; /* where the models are made */
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    void *origin = NULL;
    *state = scene;
    test_plant_open(&scene->plant, "");
    int result = place_set_up(&origin);
    scene->origin = origin;
    return result;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    void *origin = scene->origin;
    (void)place_tear_down(&origin);
    test_plant_close(&scene->plant);
    free(scene);
    return 0;
}

/* The bundles of topic `model`, in order. */
static size_t published(const struct scene *scene, char digest[4][MW_DIGEST_TEXT])
{
    char uri[256];
    const char *topic = "model";
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record record[4];
    size_t n = 0;
    assert_ok(mw_plant_stream_uri(&scene->plant.plant, uri, sizeof uri));
    struct mw_stream_options options = {.uri = uri, .plant = "test"};
    mw_err err = mw_stream_open(&stream, &options, NULL);
    if (err == MW_ERR_NOT_FOUND) { /* nobody has written yet */
        return 0;
    }
    assert_int_equal(err, MW_OK);
    assert_ok(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, error));
    assert_ok(mw_stream_poll(reader, record, 4, &n, error));
    for (size_t i = 0; i < n; i++) {
        snprintf(digest[i], MW_DIGEST_TEXT, "%.*s", (int)record[i].key.size, record[i].key.data);
    }
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return n;
}

static void assert_tagged(const struct scene *scene, const char *digest)
{
    char tagged[MW_DIGEST_TEXT];
    struct mw_store *store = NULL;
    assert_ok(mw_in_use_store(&store, &scene->plant.plant, false, error));
    assert_ok(mw_store_resolve(store, "plant", tagged, error));
    assert_string_equal(tagged, digest);
    assert_ok(mw_trust_verify(store, digest, error));
    mw_store_close(store);
}

static void a_new_plant_begins_with_it(void **state)
{
    struct scene *scene = *state;
    char digest[MW_DIGEST_TEXT], found[4][MW_DIGEST_TEXT];
    bool changed = false;
    test_sign_bundle(scene->origin, "bundle/plant/0", 1.0F, digest);
    const char *folder = test_mount(scene->origin, "mounted");
    assert_ok(mw_take_models(&scene->plant.plant, folder, &changed, error));
    assert_true(changed);
    assert_tagged(scene, digest);
    assert_int_equal(published(scene, found), 1);
    assert_string_equal(found[0], digest);
    /* Every pod takes it over when it starts. */
    assert_ok(mw_take_models(&scene->plant.plant, folder, &changed, error));
    assert_false(changed);
    assert_int_equal(published(scene, found), 1);
}

static void a_newer_one_replaces_it_and_an_older_one_does_not(void **state)
{
    struct scene *scene = *state;
    char old[MW_DIGEST_TEXT], new[MW_DIGEST_TEXT], found[4][MW_DIGEST_TEXT], first[400];
    bool changed;
    test_sign_bundle(scene->origin, "bundle/plant/0", 1.0F, old);
    snprintf(first, sizeof first, "%s", test_mount(scene->origin, "first"));
    test_sign_bundle(scene->origin, "bundle/plant/1", 2.0F, new);
    const char *second = test_mount(scene->origin, "second");
    assert_ok(mw_take_models(&scene->plant.plant, first, &changed, error));
    assert_ok(mw_take_models(&scene->plant.plant, second, &changed, error));
    assert_true(changed);
    assert_tagged(scene, new);
    assert_refused(mw_take_models(&scene->plant.plant, first, &changed, error), MW_ERR_SIGNATURE,
                   "is older than");
    assert_false(changed);
    assert_tagged(scene, new);
    assert_int_equal(published(scene, found), 2);
    assert_string_equal(found[1], new);
}

/* What the plant has signed since makes the image's metadata old, and its model is not new. */
static void what_was_taken_does_not_come_back(void **state)
{
    struct scene *scene = *state;
    char digest[MW_DIGEST_TEXT], own[MW_DIGEST_TEXT], found[4][MW_DIGEST_TEXT];
    char folder[400], second[400];
    bool changed;
    test_sign_bundle(scene->origin, "bundle/plant/0", 1.0F, digest);
    snprintf(folder, sizeof folder, "%s", test_mount(scene->origin, "mounted"));
    assert_ok(mw_take_models(&scene->plant.plant, folder, &changed, error));
    test_sign_bundle(scene->origin, "bundle/plant/1", 2.0F, own);
    snprintf(second, sizeof second, "%s", test_mount(scene->origin, "since"));
    assert_ok(mw_take_models(&scene->plant.plant, second, &changed, error));
    /* As the first pod that starts with the second image sees it again. */
    assert_ok(mw_take_models(&scene->plant.plant, second, &changed, error));
    assert_false(changed);
    test_sign_bundle(scene->origin, "bundle/plant/2", 3.0F, digest);
    struct mw_store *store = NULL, *from = NULL;
    char uri[512];
    snprintf(uri, sizeof uri, "oci:%s", test_mount(scene->origin, "registry"));
    assert_ok(mw_store_open(&from, uri, false, error));
    assert_ok(mw_in_use_store(&store, &scene->plant.plant, false, error));
    assert_ok(mw_image_take_metadata(from, store, error)); /* by another way */
    mw_store_close(from);
    mw_store_close(store);
    assert_ok(mw_take_models(&scene->plant.plant, second, &changed, error));
    assert_false(changed);
    assert_int_equal(published(scene, found), 2);
}

static void strangers_are_refused(void **state)
{
    struct scene *scene = *state;
    void *other = NULL;
    char digest[MW_DIGEST_TEXT], strange[MW_DIGEST_TEXT], found[4][MW_DIGEST_TEXT];
    bool changed;
    assert_int_equal(place_set_up(&other), 0);
    test_sign_bundle(scene->origin, "bundle/plant/0", 1.0F, digest);
    test_sign_bundle(other, "bundle/plant/0", 2.0F, strange);
    assert_ok(
        mw_take_models(&scene->plant.plant, test_mount(scene->origin, "mounted"), &changed, error));
    assert_refused(
        mw_take_models(&scene->plant.plant, test_mount(other, "mounted"), &changed, error),
        MW_ERR_SIGNATURE, "1.root.json is not the one seen before");
    assert_tagged(scene, digest);
    assert_int_equal(published(scene, found), 1);
    assert_refused(mw_take_models(&scene->plant.plant, scene->plant.folder, &changed, error),
                   MW_ERR_NOT_FOUND, "no artifact store there");
    (void)place_tear_down(&other);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_plant_begins_with_it),
        TEST(a_newer_one_replaces_it_and_an_older_one_does_not),
        TEST(what_was_taken_does_not_come_back),
        TEST(strangers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
