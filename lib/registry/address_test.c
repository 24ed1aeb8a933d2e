#include "lib/registry/address.h"

#include "lib/base/test.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_address_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *base, *name;
    } good[] = {
        {"oci://registry.example/mill", "https://registry.example", "mill"},
        {"oci://r:5000/plants/pump-1/a.b__c", "https://r:5000", "plants/pump-1/a.b__c"},
        {"oci://[fd00::1]:5000/a", "https://[fd00::1]:5000", "a"},
        {"oci+http://127.0.0.1:5000/a/b", "http://127.0.0.1:5000", "a/b"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mw_registry_address address;
        assert_ok(mw_registry_address_parse(&address, good[i].text, error));
        assert_string_equal(address.base, good[i].base);
        assert_string_equal(address.name, good[i].name);
        assert_int_equal(address.plain, good[i].base[4] == ':');
    }
}

static void test_address_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "oci://",       "oci:///a",     "oci://h",          "oci://h/",   "oci://h:/a",
        "oci://h:x/a",  "oci://h y/a",  "oci://u:p@h/a",    "oci://h/A",  "oci://h/a//b",
        "oci://h/-a",   "oci://h/a-/b", "oci://h/a/.b",     "oci://h/a/", "oci://h/a?b",
        "oci://[::1/a", "oci://h/a b",  "oci://h:123456/a", "oci://h]/a", "oci://h/a/../b",
    };
    struct mw_registry_address address;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(mw_registry_address_parse(&address, bad[i], error), MW_ERR_PARSE, bad[i]);
    }
    assert_refused(mw_registry_address_parse(&address, "https://h/a", error), MW_ERR_UNSUPPORTED,
                   "oci://HOST");
}

static void test_upload_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *location, *url;
    } good[] = {
        {"/v2/a/blobs/uploads/1", "https://h/v2/a/blobs/uploads/1?digest=" DIGEST},
        {"/u?_state=x", "https://h/u?_state=x&digest=" DIGEST},
        {"https://other/u", "https://other/u?digest=" DIGEST},
    };
    static const char *const bad[] = {"",     "u",    "//other/u", "http://h/u",
                                      "/u#x", "/u v", "file:///u", "/u\r\nX: y"};
    struct mw_registry_address address;
    char url[MW_REGISTRY_URL_TEXT], longer[MW_REGISTRY_URL_TEXT];
    assert_ok(mw_registry_address_parse(&address, "oci://h/a", error));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_ok(
            mw_registry_upload_url(&address, mw_span_of(good[i].location), DIGEST, url, error));
        assert_string_equal(url, good[i].url);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(mw_registry_upload_url(&address, mw_span_of(bad[i]), DIGEST, url, error),
                       MW_ERR_PARSE, "Location");
    }
    memset(longer, 'u', sizeof longer);
    longer[0] = '/';
    struct mw_span location = {longer, sizeof longer};
    assert_refused(mw_registry_upload_url(&address, location, DIGEST, url, error), MW_ERR_TOO_LARGE,
                   "too long");
    assert_ok(mw_registry_address_parse(&address, "oci+http://h/a", error));
    assert_ok(mw_registry_upload_url(&address, mw_span_of("http://h/u"), DIGEST, url, error));
}

static void test_parts(void **state)
{
    (void)state;
    static const char part[] = "{\"digest\":\"" DIGEST "\",\"size\":7}";
    char text[8192];
    struct mw_registry_parts parts;
    snprintf(text, sizeof text, "{\"config\":%s,\"layers\":[%s,%s]}", part, part, part);
    assert_ok(mw_registry_parts_read(&parts, mw_span_of(text), 7, error));
    assert_int_equal(parts.n, 3);
    assert_string_equal(parts.part[2].digest, DIGEST);
    assert_int_equal(parts.part[2].size, 7);
    assert_refused(mw_registry_parts_read(&parts, mw_span_of(text), 6, error), MW_ERR_TOO_LARGE,
                   "7 bytes");

    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"layers\":{}}",
        "{\"layers\":[]}",
        "{\"layers\":[],\"layers\":[]}",
        "{\"config\":{\"digest\":\"sha256:12\",\"size\":1},\"layers\":[]}",
        "{\"config\":{\"digest\":\"" DIGEST "\",\"size\":-1},\"layers\":[]}",
        "{\"config\":{\"digest\":\"" DIGEST "\"},\"layers\":[]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(mw_registry_parts_read(&parts, mw_span_of(bad[i]), 7, error), MW_ERR_PARSE,
                       "OCI manifest");
    }

    size_t n = (size_t)snprintf(text, sizeof text, "{\"config\":%s,\"layers\":[%s", part, part);
    for (size_t i = 0; i < MW_REGISTRY_PARTS_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, ",%s", part);
    }
    snprintf(text + n, sizeof text - n, "]}");
    assert_refused(mw_registry_parts_read(&parts, mw_span_of(text), 7, error), MW_ERR_TOO_LARGE,
                   "64 parts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_accepts),
        cmocka_unit_test(test_address_refuses),
        cmocka_unit_test(test_upload_goes_on),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
