#include "lib/plant/topic_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_pattern_says_what_the_levels_are(void **state)
{
    (void)state;
    struct mw_topic_maps maps = {0};
    struct mw_topic_match match;
    struct mw_error error = {0};
    char filter[MW_TOPIC_PATTERN_MAX + 1];
    assert_int_equal(mw_topic_maps_add(&maps, "uns",
                                       "acme/plant1/{area}/{device}/{device}/{feature...}", &error),
                     MW_OK);
    const struct mw_topic_map *map = &maps.map[0];
    mw_topic_map_filter(map, filter);
    assert_string_equal(filter, "acme/plant1/+/+/+/#");

    assert_true(
        mw_topic_map_match(map, mw_span_of("acme/plant1/a/l1/press/motor/current"), &match));
    assert_int_equal(match.n_devices, 2);
    assert_true(mw_span_is(match.device[0], "l1") && mw_span_is(match.device[1], "press"));
    assert_true(mw_span_is(match.feature, "motor/current"));
    assert_true(mw_span_is(match.origin, "acme/plant1/a/l1/press"));
    assert_true(mw_topic_map_match(map, mw_span_of("acme/plant1/a/l1/press"), &match));
    assert_int_equal(match.feature.size, 0);
    assert_true(mw_span_is(match.origin, "acme/plant1/a/l1/press"));
    assert_false(mw_topic_map_match(map, mw_span_of("acme/plant1/a/l1"), &match));
    assert_false(mw_topic_map_match(map, mw_span_of("acme/plant2/a/l1/press/x"), &match));
    assert_false(mw_topic_map_match(map, mw_span_of(""), &match));
    mw_topic_maps_clear(&maps);
}

static void one_level_is_one_level(void **state)
{
    (void)state;
    struct mw_topic_maps maps = {0};
    struct mw_topic_match match;
    struct mw_error error = {0};
    char filter[MW_TOPIC_PATTERN_MAX + 1];
    assert_int_equal(mw_topic_maps_add(&maps, "a", "s/{machine}/{feature}", &error), MW_OK);
    assert_int_equal(mw_topic_maps_add(&maps, "b", "sensors/data", &error), MW_OK);
    mw_topic_map_filter(&maps.map[0], filter);
    assert_string_equal(filter, "s/+/+");
    assert_true(mw_topic_map_match(&maps.map[0], mw_span_of("s/m/f"), &match));
    assert_true(mw_span_is(match.machine[0], "m") && mw_span_is(match.feature, "f"));
    assert_true(mw_span_is(match.origin, "s/m"));
    assert_false(mw_topic_map_match(&maps.map[0], mw_span_of("s/m"), &match));
    assert_false(mw_topic_map_match(&maps.map[0], mw_span_of("s/m/f/g"), &match));
    assert_true(mw_topic_map_match(&maps.map[1], mw_span_of("sensors/data"), &match));
    assert_false(mw_topic_map_match(&maps.map[1], mw_span_of("sensors/data/x"), &match));
    struct mw_topic_maps other = {0};
    assert_false(mw_topic_maps_equal(&maps, &other));
    assert_int_equal(mw_topic_maps_add(&other, "a", "s/{machine}/{feature}", &error), MW_OK);
    assert_int_equal(mw_topic_maps_add(&other, "b", "sensors/other", &error), MW_OK);
    assert_false(mw_topic_maps_equal(&maps, &other));
    assert_true(mw_topic_maps_equal(&maps, &maps));
    mw_topic_maps_clear(&maps);
    mw_topic_maps_clear(&other);
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *word;
    } bad[] = {
        {"", "1 to 255"},
        {"{device}/x", "first level has to be a word"},
        {"mw/{device}", "taken"},
        {"spBv1.0/{device}", "taken"},
        {"$SYS/{device}", "taken"},
        {"/a/{device}", "empty"},
        {"a/{device}/", "empty"},
        {"a//{device}", "empty"},
        {"a/+/{device}", "+ and #"},
        {"a/{device}/#", "+ and #"},
        {"a/line-{device}", "whole level"},
        {"a/{device}-x", "whole level"},
        {"a/{}", "whole level"},
        {"a/x{y}z", "a word or one"},
        {"a/{feature}/{device}", "last level"},
        {"a/{device}/{feature...}/b", "last level"},
        {"a/{line}/{feature}", "nobody could know"},
        {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/{device}", "16 levels"},
        {"taken/{device}/x", "topics.first takes"},
        {"taken/y/{device}/{feature...}", "topics.first takes"},
        {"taken/{machine}/{feature...}", "topics.first takes"},
    };
    struct mw_topic_maps maps = {0};
    struct mw_error error = {0};
    assert_int_equal(mw_topic_maps_add(&maps, "first", "taken/{device}/{feature}", &error), MW_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error = (struct mw_error){0};
        assert_int_equal(mw_topic_maps_add(&maps, "second", bad[i].pattern, &error), MW_ERR_PARSE);
        assert_int_equal(maps.n, 1);
        if (strstr(error.text, bad[i].word) == NULL ||
            strstr(error.text, "topics.second") == NULL) {
            fail_msg("%s: no '%s' in: %s", bad[i].pattern, bad[i].word, error.text);
        }
    }
    assert_int_equal(mw_topic_maps_add(&maps, "second", "taken/{device}", &error), MW_OK);
    assert_int_equal(mw_topic_maps_add(&maps, "third", "taken/a/b/{device}/{feature...}", &error),
                     MW_OK);
    mw_topic_maps_clear(&maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_says_what_the_levels_are),
        cmocka_unit_test(one_level_is_one_level),
        cmocka_unit_test(what_cannot_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
