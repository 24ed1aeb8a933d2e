/* parser_test.c - a message into its objects, and its limits. */
#include "core/wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOKENS = 4096 };

static struct mw_wire_parser *new_parser(size_t tokens)
{
    struct mw_wire_parser *parser = NULL;
    size_t bytes = mw_wire_parser_size(tokens);
    assert_int_equal(mw_wire_parser_init(malloc(bytes), bytes, &parser), MW_OK);
    return parser;
}

static void objects_of_a_message(void **state)
{
    (void)state;
    struct mw_wire_parser *p = new_parser(TOKENS);
    struct mw_why why = {0};
    assert_int_equal(mw_wire_open(p, mw_span_of(" {\"a\":1} "), &why), MW_OK);
    assert_int_equal(mw_wire_count(p), 1);
    assert_true(mw_span_is(mw_wire_item(p, 0), "{\"a\":1}"));
    assert_int_equal(mw_wire_item(p, 1).size, 0);

    static const char batch[] = "[{\"a\":{\"b\":[1,2,{\"c\":3}]}}, {} ,{\"a\":\"x\"}]";
    assert_int_equal(mw_wire_open(p, mw_span_of(batch), &why), MW_OK);
    assert_int_equal(mw_wire_count(p), 3);
    assert_true(mw_span_is(mw_wire_item(p, 0), "{\"a\":{\"b\":[1,2,{\"c\":3}]}}"));
    assert_true(mw_span_is(mw_wire_item(p, 1), "{}"));
    assert_true(mw_span_is(mw_wire_item(p, 2), "{\"a\":\"x\"}"));
    free(p);
}

static void keys_are_those_of_the_top_level(void **state)
{
    (void)state;
    struct mw_wire_parser *p = new_parser(TOKENS);
    struct mw_span value;
    static const char text[] =
        "[{\"a\":{\"hidden\":[1,{\"deep\":2}]},\"b\":\"q\\\"q\",\"c\":-1.5e3,"
        "\"d\":[],\"e\":null,\"value\":\"hidden\"},{\"other\":1}]";
    assert_int_equal(mw_wire_open(p, mw_span_of(text), NULL), MW_OK);
    assert_int_equal(mw_wire_get(p, 0, "a", &value), MW_OK);
    assert_true(mw_span_is(value, "{\"hidden\":[1,{\"deep\":2}]}"));
    assert_int_equal(mw_wire_get(p, 0, "b", &value), MW_OK);
    assert_true(mw_span_is(value, "q\\\"q"));
    assert_int_equal(mw_wire_get(p, 0, "c", &value), MW_OK);
    assert_true(mw_span_is(value, "-1.5e3"));
    assert_int_equal(mw_wire_get(p, 0, "d", &value), MW_OK);
    assert_true(mw_span_is(value, "[]"));
    assert_int_equal(mw_wire_get(p, 0, "e", &value), MW_OK);
    assert_true(mw_span_is(value, "null"));
    assert_int_equal(mw_wire_get(p, 0, "hidden", &value), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_wire_get(p, 0, "deep", &value), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_wire_get(p, 0, "other", &value), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_wire_get(p, 2, "a", &value), MW_ERR_ARGUMENT);
    static const struct mw_span key[] = {{"e", 1}, {"hidden", 6}, {"a", 1}};
    struct mw_span values[3], alone;
    mw_wire_get_all(p, 0, key, values, 3);
    for (size_t k = 0; k < 3; k += 2) {
        assert_int_equal(mw_wire_get(p, 0, k == 0 ? "e" : "a", &alone), MW_OK);
        assert_ptr_equal(values[k].data, alone.data);
        assert_int_equal(values[k].size, alone.size);
    }
    assert_null(values[1].data);
    mw_wire_get_all(p, 2, key, values, 3);
    assert_null(values[0].data);
    assert_true(mw_wire_has(p, 1, "other"));
    assert_false(mw_wire_has(p, 1, "a"));
    assert_false(mw_wire_has(p, 2, "other"));
    free(p);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mw_err err;
    } cases[] = {
        {"", MW_ERR_PARSE},
        {"[]", MW_ERR_PARSE},
        {"1", MW_ERR_PARSE},
        {"\"{}\"", MW_ERR_PARSE},
        {"null", MW_ERR_PARSE},
        {"[1]", MW_ERR_PARSE},
        {"[{},1]", MW_ERR_PARSE},
        {"[[{}]]", MW_ERR_PARSE},
        {"[{},[]]", MW_ERR_PARSE},
        {"{\"a\":01}", MW_ERR_PARSE},
        {"{\"a\" \"b\"}", MW_ERR_PARSE},
        {"[[[[[[[[[1]]]]]]]]]", MW_ERR_TOO_LARGE},
    };
    struct mw_wire_parser *p = new_parser(TOKENS);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_why why = {0};
        assert_int_equal(mw_wire_open(p, mw_span_of(cases[i].text), &why), cases[i].err);
        assert_non_null(why.text);
        assert_int_equal(mw_wire_count(p), 0);
    }
    free(p);
}

static void limits_hold(void **state)
{
    (void)state;
    struct mw_wire_parser *p = new_parser(MW_BATCH_MAX + 2);
    struct mw_why why = {0};
    char batch[4 * MW_BATCH_MAX + 8] = "[";
    for (int i = 0; i < MW_BATCH_MAX; i++) {
        (void)strcat(batch, i == 0 ? "{}" : ",{}");
    }
    size_t size = strlen(batch);
    (void)strcpy(batch + size, "]");
    assert_int_equal(mw_wire_open(p, mw_span_of(batch), &why), MW_OK);
    assert_int_equal(mw_wire_count(p), MW_BATCH_MAX);
    (void)strcpy(batch + size, ",{}]");
    assert_int_equal(mw_wire_open(p, mw_span_of(batch), &why), MW_ERR_TOO_LARGE);
    assert_int_equal(why.where, size + 1);
    (void)strcpy(batch + size - 2, "{\"a\":1}]"); /* two tokens more than the space has */
    assert_int_equal(mw_wire_open(p, mw_span_of(batch), &why), MW_ERR_TOO_LARGE);

    char *longest = malloc(MW_MESSAGE_MAX + 2);
    memset(longest, ' ', MW_MESSAGE_MAX + 2);
    memcpy(longest, "{}", 2);
    assert_int_equal(mw_wire_open(p, (struct mw_span){longest, MW_MESSAGE_MAX}, &why), MW_OK);
    assert_int_equal(mw_wire_open(p, (struct mw_span){longest, MW_MESSAGE_MAX + 1}, &why),
                     MW_ERR_TOO_LARGE);
    free(longest);
    free(p);
}

static void memory_is_checked(void **state)
{
    (void)state;
    struct mw_wire_parser *p = NULL;
    size_t bytes = mw_wire_parser_size(1);
    char *memory = malloc(bytes + 8);
    assert_int_equal(mw_wire_parser_init(NULL, bytes, &p), MW_ERR_ARGUMENT);
    assert_int_equal(mw_wire_parser_init(memory + 1, bytes, &p), MW_ERR_ARGUMENT);
    assert_int_equal(mw_wire_parser_init(memory, bytes - 1, &p), MW_ERR_TOO_SMALL);
    assert_int_equal(mw_wire_parser_init(memory, bytes, &p), MW_OK);
    assert_int_equal(mw_wire_open(p, mw_span_of("{}"), NULL), MW_OK);
    assert_int_equal(mw_wire_open(p, mw_span_of("[{}]"), NULL), MW_ERR_TOO_LARGE);
    assert_true(mw_wire_parser_size(SIZE_MAX) < SIZE_MAX / 2); /* no overflow */
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_of_a_message),
        cmocka_unit_test(keys_are_those_of_the_top_level),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(memory_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
