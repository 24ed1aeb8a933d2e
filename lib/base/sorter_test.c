#include "lib/base/sorter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A key out of few, and the entry's own number, so that order and loss both show. */
static uint32_t key_of(uint32_t i, uint32_t keys)
{
    return (uint32_t)((uint64_t)i * 2654435761U >> 7) % keys;
}

static void add(struct mw_sorter *sorter, uint32_t i, uint32_t keys)
{
    char key[32];
    struct mw_error error = {0};
    int size = snprintf(key, sizeof key, "k%u", key_of(i, keys));
    assert_int_equal(mw_sorter_add(sorter, (struct mw_span){key, (size_t)size},
                                   (struct mw_span){(const char *)&i, sizeof i}, &error),
                     MW_OK);
}

/* Adds n entries and wants them back by key, and of one key as they were added. */
static void sorts(size_t memory, uint32_t n, uint32_t keys)
{
    struct mw_sorter *sorter = NULL;
    struct mw_span key, value;
    bool there = true;
    char last[32] = "";
    uint32_t seen = 0, before = 0;
    assert_int_equal(mw_sorter_new(&sorter, memory, NULL), MW_OK);
    for (uint32_t i = 0; i < n; i++) {
        add(sorter, i, keys);
    }
    while (assert_int_equal(mw_sorter_next(sorter, &key, &value, &there, NULL), MW_OK), there) {
        char text[32], wanted[32];
        uint32_t number;
        snprintf(text, sizeof text, "%.*s", (int)key.size, key.data);
        assert_int_equal(value.size, sizeof number);
        memcpy(&number, value.data, sizeof number);
        snprintf(wanted, sizeof wanted, "k%u", key_of(number, keys));
        assert_string_equal(text, wanted);
        int order = strcmp(last, text);
        assert_true(order < 0 || (order == 0 && before < number));
        strcpy(last, text);
        before = number;
        seen++;
    }
    assert_int_equal(seen, n);
    assert_int_equal(mw_sorter_next(sorter, &key, &value, &there, NULL), MW_OK);
    assert_false(there);
    mw_sorter_free(sorter);
}

static void nothing_and_little(void **state)
{
    (void)state;
    sorts(MW_SORTER_LEAST, 0, 1);
    sorts(MW_SORTER_LEAST, 1, 1);
    sorts(MW_SORTER_LEAST, 100, 10);
}

static void more_than_memory_holds(void **state)
{
    (void)state;
    sorts(MW_SORTER_LEAST, 1000, 7);
    sorts(MW_SORTER_LEAST, 100000, 1000); /* three levels of runs */
    sorts(MW_SORTER_LEAST + 3, 20000, 1);
}

static void empty_and_longest(void **state)
{
    (void)state;
    struct mw_sorter *sorter = NULL;
    struct mw_error error = {0};
    struct mw_span key, value;
    char most[MW_SORTER_MOST + 1];
    bool there;
    memset(most, 'a', sizeof most);
    const struct mw_span none = {NULL, 0}, longest = {most, MW_SORTER_MOST};
    const struct mw_span longer = {most, MW_SORTER_MOST + 1};
    assert_int_equal(mw_sorter_new(&sorter, MW_SORTER_LEAST, NULL), MW_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(mw_sorter_add(sorter, longest, longest, NULL), MW_OK);
        assert_int_equal(mw_sorter_add(sorter, none, none, NULL), MW_OK);
    }
    assert_int_equal(mw_sorter_add(sorter, longer, none, &error), MW_ERR_ARGUMENT);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(mw_sorter_next(sorter, &key, &value, &there, NULL), MW_OK);
        assert_true(there);
        assert_true(mw_span_equal(key, i < 100 ? none : longest));
        assert_true(mw_span_equal(value, key));
    }
    mw_sorter_free(sorter);
}

static void says_where_there_is_no_room(void **state)
{
    (void)state;
    struct mw_sorter *sorter = NULL;
    struct mw_error error = {0};
    mw_err err = MW_OK;
    char value[200] = {0};
    const char *named = getenv("TMPDIR");
    char kept[4096];
    snprintf(kept, sizeof kept, "%s", named == NULL ? "" : named);
    assert_int_equal(mw_sorter_new(&sorter, 100, &error), MW_ERR_ARGUMENT);
    assert_int_equal(mw_sorter_new(&sorter, MW_SORTER_LEAST, NULL), MW_OK);
    assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    for (int i = 0; err == MW_OK && i < 100; i++) {
        err = mw_sorter_add(sorter, mw_span_of("k"), (struct mw_span){value, sizeof value}, &error);
    }
    assert_int_equal(kept[0] == '\0' ? unsetenv("TMPDIR") : setenv("TMPDIR", kept, 1), 0);
    assert_int_equal(err, MW_ERR_IO);
    assert_non_null(strstr(error.text, "/nowhere/at/all: cannot make a temporary file"));
    mw_sorter_free(sorter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_and_little),
        cmocka_unit_test(more_than_memory_holds),
        cmocka_unit_test(empty_and_longest),
        cmocka_unit_test(says_where_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
