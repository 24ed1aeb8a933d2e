#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiers/inference/score_index.h"

#include <stdio.h>
#include <stdlib.h>

struct entry {
    char name[16];
    unsigned number, visits;
};

static void test_finds_what_was_added(void **state)
{
    struct mw_score_index index = {0};
    struct entry *entry;
    size_t at = 0;
    (void)state;
    assert_null(mw_score_index_get(&index, mw_span_of("motor-0")));
    assert_null(mw_score_index_next(&index, &at));
    for (unsigned i = 0; i < 1000; i++) {
        entry = calloc(1, sizeof *entry);
        assert_non_null(entry);
        (void)snprintf(entry->name, sizeof entry->name, "motor-%u", i);
        entry->number = i;
        assert_int_equal(mw_score_index_add(&index, mw_span_of(entry->name), entry), MW_OK);
    }
    assert_int_equal(index.count, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "motor-%u", i);
        entry = mw_score_index_get(&index, mw_span_of(name));
        assert_non_null(entry);
        assert_int_equal(entry->number, i);
    }
    assert_null(mw_score_index_get(&index, mw_span_of("motor-1000")));
    assert_null(mw_score_index_get(&index, mw_span_of("")));
    size_t n = 0;
    for (at = 0; (entry = mw_score_index_next(&index, &at)) != NULL; n++) {
        assert_int_equal(entry->visits++, 0);
    }
    assert_int_equal(n, 1000);
    mw_score_index_clear(&index, free);
    assert_null(mw_score_index_get(&index, mw_span_of("motor-1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_what_was_added)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
