#include "lib/artifact/test_place.h"

#include <jansson.h>

/* FIPS 180-4's own example. */
static void test_digest(void **state)
{
    char digest[MW_DIGEST_TEXT];
    (void)state;
    mw_digest("abc", 3, digest);
    assert_string_equal(digest,
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(mw_digest_valid(mw_span_of(digest)));
    mw_digest(NULL, 0, digest);
    assert_string_equal(digest,
                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest[20] = 'G';
    assert_false(mw_digest_valid(mw_span_of(digest)));
    assert_false(mw_digest_valid(mw_span_of("sha256:")));
    assert_false(mw_digest_valid((struct mw_span){NULL, 0}));
}

static void test_put_get_read(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], again[MW_DIGEST_TEXT];
    struct mw_buffer out = {0};
    uint64_t total = 0;
    assert_ok(mw_store_put(place->store, "hello\0world", 11, digest, error));
    assert_ok(mw_store_put(place->store, "hello\0world", 11, again, error));
    assert_string_equal(digest, again);
    assert_ok(mw_buffer_add(&out, "x", 1));
    assert_ok(mw_store_get(place->store, digest, &out, error));
    assert_int_equal(out.size, 12);
    assert_memory_equal(out.data, "xhello\0world", 12);
    mw_buffer_clear(&out);
    assert_ok(mw_store_read(place->store, digest, 6, 100, &out, &total, error));
    assert_int_equal(total, 11);
    assert_string_equal(out.data, "world");
    assert_ok(mw_store_read(place->store, digest, 99, 5, &out, &total, error));
    assert_int_equal(out.size, 5);
    mw_buffer_free(&out);
}

static void test_refuses_what_is_not_there_or_damaged(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], path[128];
    struct mw_buffer out = {0};
    assert_ok(mw_store_put(place->store, "bytes", 5, digest, error));
    (void)snprintf(path, sizeof path, "blobs/sha256/%s", digest + 7);
    place_write(place_path(place, path), "bytez", 5);
    assert_refused(mw_store_get(place->store, digest, &out, error), MW_ERR_CORRUPT, "another hash");
    assert_int_equal(out.size, 0);
    /* Putting the same bytes again heals it. */
    assert_ok(mw_store_put(place->store, "bytes", 5, digest, error));
    assert_ok(mw_store_get(place->store, digest, &out, error));
    digest[70] = digest[70] == '0' ? '1' : '0';
    assert_refused(mw_store_get(place->store, digest, &out, error), MW_ERR_NOT_FOUND, digest);
    assert_refused(mw_store_get(place->store, "sha256:../../etc/passwd", &out, error),
                   MW_ERR_ARGUMENT, "not a digest");
    mw_buffer_free(&out);
}

static void put_manifest(struct mw_store *store, const char *content, char digest[MW_DIGEST_TEXT])
{
    struct mw_descriptor layer = {.media_type = "text/plain", .title = "report.txt"};
    layer.size = strlen(content);
    assert_ok(mw_store_put(store, content, layer.size, layer.digest, error));
    assert_ok(mw_store_put_manifest(store, "application/vnd.millwright.report.v1", NULL, &layer, 1,
                                    digest, error));
}

static void test_manifest_is_oci(void **state)
{
    struct place *place = *state;
    char digest[MW_DIGEST_TEXT], again[MW_DIGEST_TEXT];
    struct mw_buffer text = {0};
    put_manifest(place->store, "first", digest);
    put_manifest(place->store, "first", again);
    assert_string_equal(digest, again);
    assert_ok(mw_store_get(place->store, digest, &text, error));
    json_t *json = json_loads(text.data, 0, NULL);
    const char *type, *config, *layer, *title;
    int version, n;
    assert_int_equal(json_unpack(json, "{s:i, s:s, s:{s:s, s:i}, s:[{s:s, s:{s:s}}]}",
                                 "schemaVersion", &version, "artifactType", &type, "config",
                                 "mediaType", &config, "size", &n, "layers", "mediaType", &layer,
                                 "annotations", "org.opencontainers.image.title", &title),
                     0);
    assert_int_equal(version, 2);
    assert_string_equal(type, "application/vnd.millwright.report.v1");
    assert_string_equal(config, "application/vnd.oci.empty.v1+json");
    assert_int_equal(n, 2);
    assert_string_equal(layer, "text/plain");
    assert_string_equal(title, "report.txt");
    json_decref(json);
    mw_buffer_free(&text);
}

struct seen {
    char text[256];
    int stop_after;
};

static bool see(void *context, const char *tag, const char *digest)
{
    struct seen *seen = context;
    size_t at = strlen(seen->text);
    assert_true(mw_digest_valid(mw_span_of(digest)));
    (void)snprintf(seen->text + at, sizeof seen->text - at, "%s ", tag);
    return --seen->stop_after != 0;
}

static void test_tags(void **state)
{
    struct place *place = *state;
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT], found[MW_DIGEST_TEXT];
    put_manifest(place->store, "one", one);
    put_manifest(place->store, "two", two);
    assert_ok(mw_store_tag(place->store, "newest", one, error));
    assert_ok(mw_store_tag(place->store, "first", one, error));
    assert_ok(mw_store_tag(place->store, "newest", two, error));
    struct mw_store *other = place_reopen(place);
    assert_ok(mw_store_resolve(other, "newest", found, error));
    assert_string_equal(found, two);
    assert_ok(mw_store_resolve(other, "first", found, error));
    assert_string_equal(found, one);
    assert_ok(mw_store_resolve(other, two, found, error));
    assert_string_equal(found, two);
    mw_store_close(other);
    assert_refused(mw_store_resolve(place->store, "none", found, error), MW_ERR_NOT_FOUND, "none");
    assert_refused(mw_store_tag(place->store, "a/b", one, error), MW_ERR_ARGUMENT, "a/b");
    one[70] = one[70] == '0' ? '1' : '0';
    assert_refused(mw_store_tag(place->store, "x", one, error), MW_ERR_NOT_FOUND, one);
    struct seen seen = {.stop_after = 0};
    assert_ok(mw_store_visit(place->store, see, &seen, error));
    assert_string_equal(seen.text, "first newest ");
    seen = (struct seen){.stop_after = 1};
    assert_ok(mw_store_visit(place->store, see, &seen, error));
    assert_string_equal(seen.text, "first ");
}

static void test_open(void **state)
{
    struct place *place = *state;
    struct mw_store *store = NULL;
    char uri[700];
    assert_refused(mw_store_open(&store, "https://registry", true, error), MW_ERR_UNSUPPORTED,
                   "oci:FOLDER");
    (void)snprintf(uri, sizeof uri, "oci:%s/none", place->folder);
    assert_refused(mw_store_open(&store, uri, false, error), MW_ERR_NOT_FOUND, "none");
    place_write(place_path(place, "oci-layout"), "{\"imageLayoutVersion\":\"2.0.0\"}", 30);
    (void)snprintf(uri, sizeof uri, "oci:%s", place->artifacts);
    assert_refused(mw_store_open(&store, uri, true, error), MW_ERR_VERSION, "oci-layout");
    assert_null(store);
    place_write(place_path(place, "index.json"), "{\"manifests\":[{\"annotations\":7},3]}", 35);
    char found[MW_DIGEST_TEXT];
    assert_refused(mw_store_resolve(place->store, "x", found, error), MW_ERR_NOT_FOUND, "x");
    place_write(place_path(place, "index.json"), "{\"manifests\":", 13);
    assert_refused(mw_store_resolve(place->store, "x", found, error), MW_ERR_PARSE, "index.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest),
        cmocka_unit_test_setup_teardown(test_put_get_read, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_not_there_or_damaged, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(test_manifest_is_oci, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_tags, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_open, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
