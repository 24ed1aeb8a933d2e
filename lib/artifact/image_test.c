/* image_test.c - bundles that travel as an image, and what is refused on arrival. */
#include "lib/artifact/image_parts.h"
#include "lib/artifact/test_image.h"

#include <jansson.h>

static char *const plant[] = {(char[]){"plant"}};

static struct mw_store *open_at(const char *folder)
{
    char uri[512];
    struct mw_store *store = NULL;
    (void)snprintf(uri, sizeof uri, "oci:%s", folder);
    assert_ok(mw_store_open(&store, uri, false, error));
    return store;
}

static mw_err take(const char *folder, struct place *to, const char *digest, struct mw_error *error)
{
    struct mw_store *from = open_at(folder);
    mw_err err = mw_image_take_metadata(from, to->store, error);
    err = err == MW_OK ? mw_image_take_bundle(from, to->store, digest, error) : err;
    mw_store_close(from);
    return err;
}

static void it_arrives_as_it_was(void **state)
{
    struct place *place = *state, *other = place_new();
    char digest[MW_DIGEST_TEXT], tagged[MW_DIGEST_TEXT];
    struct mw_bundle bundle;
    test_sign_bundle(place, "bundle/plant/0", 1.0F, digest);
    const char *folder = test_mount(place, "mounted");
    struct mw_store *from = open_at(folder);
    assert_ok(mw_store_resolve(from, "plant", tagged, error));
    assert_string_equal(tagged, digest);
    mw_store_close(from);
    assert_ok(take(folder, other, digest, error));
    assert_ok(take(folder, other, digest, error)); /* and again */
    assert_ok(mw_trust_verify(other->store, digest, error));
    assert_ok(mw_bundle_get(other->store, digest, &bundle, error));
    mw_bundle_clear(&bundle);
    place_free(other);
}

/* An ordinary image: one tar layer whose digest is the file system's, too. */
static void the_same_bundles_give_the_same_image(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], found[MW_DIGEST_TEXT];
    struct mw_image one, two;
    const char *layer, *type, *config, *diff_id, *machine;
    test_sign_bundle(place, "bundle/plant/0", 1.0F, digest);
    assert_ok(mw_image_pack(place->store, plant, 1, &one, error));
    struct mw_store *again = place_reopen(place);
    char *by_digest[] = {digest};
    assert_ok(mw_image_pack(again, by_digest, 1, &two, error));
    mw_store_close(again);
    assert_string_equal(one.digest, two.digest);
    assert_int_equal(one.layer.size, two.layer.size);
    assert_memory_equal(one.layer.data, two.layer.data, one.layer.size);
    mw_digest(one.layer.data, one.layer.size, found);
    json_t *manifest = json_loadb(one.manifest.data, one.manifest.size, 0, NULL);
    assert_int_equal(json_unpack(manifest, "{s:[{s:s, s:s}], s:{s:s}}", "layers", "mediaType",
                                 &type, "digest", &layer, "config", "digest", &config),
                     0);
    assert_string_equal(type, "application/vnd.oci.image.layer.v1.tar");
    assert_string_equal(layer, found);
    assert_string_equal(config, one.config_digest);
    json_t *text = json_loadb(one.config.data, one.config.size, 0, NULL);
    assert_int_equal(
        json_unpack(text, "{s:s, s:{s:[s]}}", "os", &machine, "rootfs", "diff_ids", &diff_id), 0);
    assert_string_equal(diff_id, found);
    json_decref(text);
    json_decref(manifest);
    mw_image_clear(&one);
    mw_image_clear(&two);
}

static void the_order_of_the_bundles_does_not_matter(void **state)
{
    enum { N = 4 };
    struct place *place = *state;
    struct mw_image one, two;
    char digest[N][MW_DIGEST_TEXT], machine[16];
    char *there[N], *back[N];
    test_sign_bundle(place, "bundle/plant/0", 1.0F, digest[0]);
    for (int i = 0; i < N; i++) {
        struct mw_bundle bundle;
        there[i] = back[N - 1 - i] = digest[i];
        if (i > 0) {
            test_bundle_build(&bundle, (float)(1 + i));
            (void)snprintf(machine, sizeof machine, "motor-%d", i);
            bundle.machine = strdup(machine);
            assert_ok(
                test_bundle_sign(place->store, place->keys, &bundle, machine, digest[i], error));
        }
    }
    assert_ok(mw_image_pack(place->store, there, N, &one, error));
    assert_ok(mw_image_pack(place->store, back, N, &two, error));
    assert_string_equal(one.digest, two.digest);
    mw_image_clear(&one);
    mw_image_clear(&two);
}

static void an_archive_holds_the_image(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], folder[128], found[MW_DIGEST_TEXT];
    struct mw_image image;
    struct mw_buffer archive = {0}, layer = {0};
    test_sign_bundle(place, "bundle/plant/0", 1.0F, digest);
    assert_ok(mw_image_pack(place->store, plant, 1, &image, error));
    assert_refused(mw_image_archive(&image, "models", &archive, error), MW_ERR_ARGUMENT,
                   "HOST/NAME:TAG was expected");
    assert_refused(mw_image_archive(&image, "host:5000/models", &archive, error), MW_ERR_ARGUMENT,
                   "HOST/NAME:TAG was expected");
    mw_buffer_clear(&archive);
    assert_ok(mw_image_archive(&image, "host:5000/models:1", &archive, error));
    (void)snprintf(folder, sizeof folder, "%s/archive", place->folder);
    /* A reader makes the folders that an archive does not name. */
    char blobs[200];
    (void)snprintf(blobs, sizeof blobs, "%s/blobs/sha256", folder);
    assert_ok(mw_file_make_folder(blobs, error));
    test_unpack(&archive, folder);
    struct mw_store *store = open_at(folder);
    assert_ok(mw_store_resolve(store, "1", found, error));
    assert_string_equal(found, image.digest);
    assert_ok(mw_store_get(store, image.layer_digest, &layer, error));
    assert_int_equal(layer.size, image.layer.size);
    mw_store_close(store);
    mw_buffer_free(&archive);
    mw_buffer_free(&layer);
    mw_image_clear(&image);
}

static void only_what_is_signed_is_packed(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT];
    uint64_t length;
    struct mw_image image;
    struct mw_bundle bundle;
    test_sign_bundle(place, "bundle/plant/0", 1.0F, digest);
    test_bundle_build(&bundle, 2.0F);
    assert_ok(mw_bundle_put(place->store, &bundle, &length, error));
    char *unsigned_one[] = {bundle.digest}, *twice[] = {digest, digest};
    assert_refused(mw_image_pack(place->store, unsigned_one, 1, &image, error), MW_ERR_SIGNATURE,
                   "not among the signed targets");
    mw_image_clear(&image);
    assert_refused(mw_image_pack(place->store, twice, 2, &image, error), MW_ERR_ARGUMENT,
                   "two bundles for plant");
    mw_image_clear(&image);
    assert_refused(mw_image_pack(place->store, twice, 0, &image, error), MW_ERR_ARGUMENT,
                   "no bundle");
    mw_image_clear(&image);
    mw_bundle_clear(&bundle);
}

/* Older metadata, another plant's, and bytes that were changed on the way: what was there stays. */
static void what_does_not_hold_is_refused(void **state)
{
    struct place *place = *state, *stranger = place_new(), *other = place_new();
    char old[MW_DIGEST_TEXT], new[MW_DIGEST_TEXT], strange[MW_DIGEST_TEXT], path[700];
    char first[400], second[400];
    test_sign_bundle(place, "bundle/plant/0", 1.0F, old);
    (void)snprintf(first, sizeof first, "%s", test_mount(place, "first"));
    test_sign_bundle(place, "bundle/plant/1", 2.0F, new);
    (void)snprintf(second, sizeof second, "%s", test_mount(place, "second"));
    test_sign_bundle(stranger, "bundle/plant/0", 3.0F, strange);

    assert_ok(take(second, other, new, error));
    assert_refused(take(first, other, old, error), MW_ERR_SIGNATURE, "is older than");
    assert_refused(take(test_mount(stranger, "strange"), other, strange, error), MW_ERR_SIGNATURE,
                   "not the one seen before");
    struct mw_store *from = open_at(second);
    assert_refused(mw_image_take_bundle(from, other->store, strange, error), MW_ERR_NOT_FOUND,
                   strange);
    assert_ok(mw_trust_verify(other->store, new, error));
    assert_refused(mw_trust_verify(other->store, strange, error), MW_ERR_SIGNATURE, "not among");

    (void)snprintf(path, sizeof path, "%s/blobs/sha256/%s", second, new + 7);
    place_write(path, "{}", 2);
    assert_refused(mw_image_take_bundle(from, other->store, new, error), MW_ERR_CORRUPT,
                   "another hash");
    mw_store_close(from);
    place_free(stranger);
    place_free(other);
}

/* A bundle of this image that its metadata do not list: some bytes, rightly named, and a tag. */
static void a_bundle_must_be_listed(void **state)
{
    struct place *place = *state, *other = place_new();
    char digest[MW_DIGEST_TEXT];
    uint64_t length;
    struct mw_bundle bundle;
    test_sign_bundle(place, "bundle/plant/0", 1.0F, digest);
    struct mw_store *from = open_at(test_mount(place, "mounted"));
    test_bundle_build(&bundle, 2.0F);
    assert_ok(mw_bundle_put(from, &bundle, &length, error));
    assert_ok(mw_image_take_metadata(from, other->store, error));
    assert_refused(mw_image_take_bundle(from, other->store, bundle.digest, error), MW_ERR_SIGNATURE,
                   "not among the signed targets");
    mw_store_close(from);
    mw_bundle_clear(&bundle);
    place_free(other);
}

static mw_err count(void *context, const char *digest, struct mw_error *error)
{
    (void)error;
    assert_true(mw_digest_valid(mw_span_of(digest)));
    ++*(int *)context;
    return MW_OK;
}

static void parts_are_read_with_care(void **state)
{
#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PART "{\"digest\":\"" DIGEST "\"}"
    static const struct {
        const char *text;
        int n; /* -1: refused */
    } cases[] = {
        {"{\"config\":" PART ",\"layers\":[" PART "," PART "]}", 3},
        {"{\"config\":" PART ",\"layers\":[]}", 1},
        {"{\"config\":" PART "}", -1},
        {"{\"layers\":[" PART "]}", -1},
        {"{\"config\":" PART ",\"layers\":[{\"digest\":\"sha256:../../etc/passwd\"}]}", -1},
        {"{\"config\":" PART ",\"layers\":[{\"digest\":7}]}", -1},
        {"[]", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int n = 0;
        struct mw_error why = {0};
        mw_err err = mw_image_parts(mw_span_of(cases[i].text), "it", count, &n, &why);
        if (cases[i].n < 0) {
            assert_int_equal(err, MW_ERR_PARSE);
            assert_true(why.text[0] != '\0');
        } else {
            assert_int_equal(err, MW_OK);
            assert_int_equal(n, cases[i].n);
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_arrives_as_it_was),
        TEST(the_same_bundles_give_the_same_image),
        TEST(the_order_of_the_bundles_does_not_matter),
        TEST(an_archive_holds_the_image),
        TEST(only_what_is_signed_is_packed),
        TEST(what_does_not_hold_is_refused),
        TEST(a_bundle_must_be_listed),
        cmocka_unit_test(parts_are_read_with_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
