#include "tiers/platform/json_text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_string(const char *bytes, size_t size, const char *expected)
{
    struct mw_buffer out = {0};
    assert_int_equal(mw_json_add_string(&out, (struct mw_span){bytes, size}), MW_OK);
    assert_string_equal(out.data, expected);
    mw_buffer_free(&out);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_string("", 0, "\"\"");
    assert_string("plain", 5, "\"plain\"");
    assert_string("a\"b\\c\nd\te", 9, "\"a\\\"b\\\\c\\nd\\u0009e\"");
    assert_string("gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\"");
    assert_string("a\xff\xc3", 3, "\"a\\u00ff\\u00c3\"");
    assert_string("\0x", 2, "\"\\u0000x\"");
    assert_string("\xc0\x80\xed\xa0\x80", 5, "\"\\u00c0\\u0080\\u00ed\\u00a0\\u0080\"");
}

/* Another library reads any bytes back. */
static void any_bytes_give_json(void **state)
{
    unsigned random = 99;
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        char bytes[24];
        struct mw_buffer out = {0};
        for (size_t i = 0; i < sizeof bytes; i++) {
            random = random * 1103515245 + 12345;
            bytes[i] = (char)(random >> 16);
        }
        assert_int_equal(mw_json_add_string(&out, (struct mw_span){bytes, sizeof bytes}), MW_OK);
        json_t *json = json_loadb(out.data, out.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(json));
        json_decref(json);
        mw_buffer_free(&out);
    }
}

static void base64_as_in_rfc_4648(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xfe\xfd", "//79"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct mw_buffer out = {0};
        assert_int_equal(mw_json_add_base64(&out, mw_span_of(pairs[i][0])), MW_OK);
        assert_string_equal(out.size == 0 ? "" : out.data, pairs[i][1]);
        mw_buffer_free(&out);
    }
}

static void file_is_replaced_whole(void **state)
{
    char folder[] = "/tmp/mw-text-XXXXXX", path[64];
    struct mw_buffer text = {0};
    (void)state;
    assert_non_null(mkdtemp(folder));
    strcpy(path, folder);
    strcat(path, "/x.json");
    mw_run_file_replace(path, mw_span_of("longer than the next"));
    mw_run_file_replace(path, mw_span_of("{}"));
    assert_int_equal(mw_file_read(path, 64, &text, NULL), MW_OK);
    assert_string_equal(text.data, "{}");
    mw_buffer_free(&text);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);          /* nothing else was left */
    mw_run_file_replace(path, mw_span_of("{}")); /* nowhere to write: no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(any_bytes_give_json),
        cmocka_unit_test(base64_as_in_rfc_4648),
        cmocka_unit_test(file_is_replaced_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
