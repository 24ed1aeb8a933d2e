/* json_test.c - what RFC 8259 accepts and refuses, case by case. */
#include "core/wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static void json_is_accepted(void **state)
{
    (void)state;
    static const struct {
        struct mw_span text;
        size_t tokens;
    } cases[] = {
        {TEXT("{}"), 1},
        {TEXT("[]"), 1},
        {TEXT(" \t\r\n[ \n] "), 1},
        {TEXT("{\"a\":1}"), 3},
        {TEXT("{ \"a\" : 1 , \"b\" : [ 2 , 3 ] }"), 7},
        {TEXT("[[],{},[[]]]"), 5},
        {TEXT("{\"a\":{\"b\":{\"c\":null}}}"), 7},
        {TEXT("{\"\":0}"), 3},
        {TEXT("{\"a\":1,\"a\":2}"), 5}, /* names SHOULD be unique; the readers ask for it */
        {TEXT("[true,false,null]"), 4},
        {TEXT("\"text\""), 1},
        {TEXT("42"), 1},
        {TEXT("-0"), 1},
        {TEXT("[0,-0,1,-1,10,0.5,-0.5,1e5,1E5,1e+5,1e-5,1.25e-05,0e0,1e00]"), 15},
        {TEXT("[123456789012345678901234567890,1e400,1e-400]"), 4},
        {TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uabCD\\ud834\\udd1e\\ud800\"]"), 2},
        {TEXT("[\"\x7f\"]"), 2},
        {TEXT("[\"\xc2\xb0\xe2\x82\xac\xf0\x9d\x84\x9e\"]"), 2},
        {TEXT("[\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"]"), 2},
        {TEXT("[\"{}[],:\"]"), 2},
        {TEXT("[\"a quote at \\\" many \\\" places \\\" in a long \\\" string\"]"), 2},
        {TEXT("[1]\n"), 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_why why = {0};
        size_t tokens = 0;
        mw_err err = mw_json_check(cases[i].text, 8, &tokens, &why);
        if (err != MW_OK || tokens != cases[i].tokens) {
            fail_msg("%s: %s at %u, %zu tokens", cases[i].text.data, why.text, why.where, tokens);
        }
    }
}

static const struct {
    struct mw_span text;
    unsigned where;
} refused[] = {
    {TEXT(""), 0},
    {TEXT(" "), 1},
    {TEXT("{"), 1},
    {TEXT("["), 1},
    {TEXT("}"), 0},
    {TEXT("]"), 0},
    {TEXT("[}"), 1},
    {TEXT("{]"), 1},
    {TEXT("[1}"), 2},
    {TEXT("{\"a\":1]"), 6},
    {TEXT("[[1]"), 4},
    {TEXT("[1]]"), 3},
    {TEXT("{}}"), 2},
    {TEXT("{}{}"), 2},
    {TEXT("[1] x"), 4},
    {TEXT("1 2"), 2},
    {TEXT("[] []"), 3},
    /* commas */
    {TEXT("[1 2]"), 3},
    {TEXT("[1,]"), 3},
    {TEXT("[,1]"), 1},
    {TEXT("[1,,2]"), 3},
    {TEXT("[,]"), 1},
    {TEXT("{\"a\":1,}"), 7},
    {TEXT("{,\"a\":1}"), 1},
    {TEXT("{\"a\":1 \"b\":2}"), 7},
    {TEXT("{\"a\":1,,\"b\":2}"), 7},
    {TEXT("[1],"), 3},
    {TEXT("[\"a\"\"b\"]"), 4},
    {TEXT("[{}{}]"), 3},
    {TEXT("[[][]]"), 3},
    /* colons and keys */
    {TEXT("{\"a\" 1}"), 5},
    {TEXT("{\"a\"::1}"), 5},
    {TEXT("{\"a\":}"), 5},
    {TEXT("{\"a\"}"), 4},
    {TEXT("{\"a\",\"b\"}"), 4},
    {TEXT("{:1}"), 1},
    {TEXT("{1:1}"), 1},
    {TEXT("{a:1}"), 1},
    {TEXT("{'a':1}"), 1},
    {TEXT("{null:1}"), 1},
    {TEXT("{[]:1}"), 1},
    {TEXT("{\"a\":1:2}"), 6},
    {TEXT("{\"a\":\"b\":\"c\"}"), 8},
    {TEXT("[\"a\":1]"), 4},
    {TEXT("[1:2]"), 2},
    {TEXT("\"a\":1"), 3},
    {TEXT("{\"a\":1"), 6},
    {TEXT("{\"a\""), 4},
    {TEXT("{\"a\":"), 5},
    {TEXT("{\"a\":1,"), 7},
    /* numbers */
    {TEXT("[01]"), 2},
    {TEXT("[-01]"), 3},
    {TEXT("[00]"), 2},
    {TEXT("[+1]"), 1},
    {TEXT("[.5]"), 1},
    {TEXT("[-.5]"), 2},
    {TEXT("[5.]"), 3},
    {TEXT("[5.e1]"), 3},
    {TEXT("[1e]"), 3},
    {TEXT("[1e+]"), 4},
    {TEXT("[1e1.5]"), 4},
    {TEXT("[1.2.3]"), 4},
    {TEXT("[-]"), 2},
    {TEXT("[--1]"), 2},
    {TEXT("[- 1]"), 2},
    {TEXT("[0x10]"), 2},
    {TEXT("[1_0]"), 2},
    {TEXT("[1a]"), 2},
    {TEXT("[1e5e5]"), 4},
    {TEXT("[NaN]"), 1},
    {TEXT("[Infinity]"), 1},
    {TEXT("[-Infinity]"), 2},
    {TEXT("[nan]"), 1},
    {TEXT("[1,5 6]"), 5},
    {TEXT("[1/2]"), 2},
    {TEXT("-"), 1},
    {TEXT("1e"), 2},
    {TEXT("1."), 2},
    {TEXT("[\xef\xbc\x91]"), 1}, /* a full-width digit */
    /* words */
    {TEXT("[True]"), 1},
    {TEXT("[tru]"), 1},
    {TEXT("[truee]"), 5},
    {TEXT("[nul]"), 1},
    {TEXT("nul"), 0},
    {TEXT("t"), 0},
    {TEXT("[undefined]"), 1},
    {TEXT("[truefalse]"), 5},
    /* strings */
    {TEXT("\""), 1},
    {TEXT("[\"a]"), 4},
    {TEXT("[\"a\\\"]"), 6},
    {TEXT("[\"\\\"]"), 5},
    {TEXT("[\"\\a\"]"), 2},
    {TEXT("[\"\\'\"]"), 2},
    {TEXT("[\"\\x00\"]"), 2},
    {TEXT("[\"\\u12\"]"), 2},
    {TEXT("[\"\\u12G4\"]"), 2},
    {TEXT("[\"\\U0041\"]"), 2},
    {TEXT("[\"\\u"), 2},
    {TEXT("[\"\\"), 2},
    {TEXT("[\"a\nb\"]"), 3},
    {TEXT("[\"\t\"]"), 2},
    {TEXT("[\"\x1f\"]"), 2},
    {TEXT("[\"\0\"]"), 2},
    {TEXT("['a']"), 1},
    {TEXT("[abc]"), 1},
    {TEXT("[\"0123456789abcde\x01\"]"), 17},
    {TEXT("[\"a\\\n\"]"), 3},
    /* UTF-8 */
    {TEXT("[\"\xff\"]"), 2},
    {TEXT("[\"\x80\"]"), 2},
    {TEXT("[\"\xc3\"]"), 2},
    {TEXT("[\"\xc0\xaf\"]"), 2},
    {TEXT("[\"\xc1\xbf\"]"), 2},
    {TEXT("[\"\xe0\x80\xaf\"]"), 2},
    {TEXT("[\"\xe2\x82\"]"), 2},
    {TEXT("[\"\xed\xa0\x80\"]"), 2},
    {TEXT("[\"\xf0\x80\x80\xaf\"]"), 2},
    {TEXT("[\"\xf4\x90\x80\x80\"]"), 2},
    {TEXT("[\"\xf5\x80\x80\x80\"]"), 2},
    {TEXT("[\"\xc3"), 2},
    {TEXT("[\"\xf0\x9d\x84"), 2},
    {TEXT("\xef\xbb\xbf{}"), 0},
    {TEXT("[\xc3\xa9]"), 1},
    /* not white space, comments */
    {TEXT("[1\f]"), 2},
    {TEXT("[1\v]"), 2},
    {TEXT("\0[]"), 0},
    {TEXT("[]\0"), 2},
    {TEXT("[1\0]"), 2},
    {TEXT("[\xc2\xa0]"), 1},
    {TEXT("[\xe2\x81\xa0]"), 1},
    {TEXT("[/**/1]"), 1},
    {TEXT("[1]//"), 3},
    {TEXT("[1]#"), 3},
    {TEXT("<null>"), 0},
    {TEXT("*"), 0},
    {TEXT("[*]"), 1},
    {TEXT("(1)"), 0},
};

static void what_is_not_json_is_refused_where_it_goes_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct mw_why why = {0};
        size_t tokens = 0;
        mw_err err = mw_json_check(refused[i].text, 8, &tokens, &why);
        if (err != MW_ERR_PARSE || why.text == NULL || why.where != refused[i].where) {
            fail_msg("case %zu: %s: error %d, %s at %u, not at %u", i, refused[i].text.data,
                     (int)err, why.text != NULL ? why.text : "-", why.where, refused[i].where);
        }
    }
}

static void nesting_is_limited(void **state)
{
    (void)state;
    size_t tokens;
    struct mw_why why = {0};
    assert_int_equal(mw_json_check(mw_span_of("[[[1]]]"), 3, &tokens, &why), MW_OK);
    assert_int_equal(mw_json_check(mw_span_of("[[[[1]]]]"), 3, &tokens, &why), MW_ERR_TOO_LARGE);
    assert_int_equal(why.where, 3);
    assert_int_equal(mw_json_check(mw_span_of("[{\"a\":[{}]}]"), 3, &tokens, &why),
                     MW_ERR_TOO_LARGE);
    assert_int_equal(mw_json_check(mw_span_of("1"), 0, &tokens, &why), MW_OK);
    assert_int_equal(mw_json_check(mw_span_of("[]"), 0, &tokens, &why), MW_ERR_TOO_LARGE);
    assert_int_equal(mw_json_check(mw_span_of("[]"), MW_JSON_DEPTH_LIMIT + 1, &tokens, &why),
                     MW_ERR_ARGUMENT);

    static char deep[100001];
    memset(deep, '[', sizeof deep - 1);
    assert_int_equal(mw_json_check(mw_span_of(deep), MW_JSON_DEPTH_LIMIT, &tokens, &why),
                     MW_ERR_TOO_LARGE);
    char most[2 * MW_JSON_DEPTH_LIMIT + 1] = {0};
    memset(most, '[', MW_JSON_DEPTH_LIMIT);
    memset(most + MW_JSON_DEPTH_LIMIT, ']', MW_JSON_DEPTH_LIMIT);
    assert_int_equal(mw_json_check(mw_span_of(most), MW_JSON_DEPTH_LIMIT, &tokens, &why), MW_OK);
    assert_int_equal(tokens, MW_JSON_DEPTH_LIMIT);
}

/* Every way to cut a text short must be refused, and none may read behind its end. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"v\":1,\"a\":[-1.5e+10,true,\"\\u00e9\\n\xc3\xa9\"],\"b\":{\"c\":null,\"d\":[]}}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char exact[sizeof text]; /* its end is where a sanitizer watches */
        char *at = exact + sizeof exact - n;
        memcpy(at, text, n);
        size_t tokens;
        assert_int_equal(mw_json_check((struct mw_span){at, n}, 8, &tokens, NULL), MW_ERR_PARSE);
    }
}

/* Each byte alone within a string, at every place of a word of eight. */
static void each_byte_in_a_string(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 20; at++) {
            char text[24];
            memset(text, 'a', sizeof text);
            text[0] = '"';
            text[23] = '"';
            text[1 + at] = (char)byte;
            size_t tokens;
            bool fits = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            assert_int_equal(mw_json_check((struct mw_span){text, sizeof text}, 8, &tokens, NULL),
                             fits ? MW_OK : MW_ERR_PARSE);
            assert_int_equal(mw_json_string_plain((struct mw_span){text + 1, 22}), fits);
        }
    }
}

static void string_bodies(void **state)
{
    (void)state;
    assert_true(mw_json_string_plain((struct mw_span){NULL, 0}));
    assert_true(mw_json_string_plain(mw_span_of("Air temperature [K] \xc2\xb0")));
    assert_false(mw_json_string_plain(mw_span_of("a\\n")));
    assert_true(mw_json_string_valid(mw_span_of("a\\n\\u00e9")));
    assert_false(mw_json_string_valid(mw_span_of("a\\")));
    assert_false(mw_json_string_valid(mw_span_of("a\"b")));
    assert_false(mw_json_string_valid(mw_span_of("a\nb")));
    assert_false(mw_json_string_valid(mw_span_of("\xc3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_accepted),
        cmocka_unit_test(what_is_not_json_is_refused_where_it_goes_wrong),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(each_byte_in_a_string),
        cmocka_unit_test(string_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
