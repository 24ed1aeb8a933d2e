#include "lib/base/test.h"
#include "lib/plant/command_map.h"

struct maps {
    struct mw_topic_maps topics;
    struct mw_command_maps commands;
};

static int set_up(void **state)
{
    struct maps *maps = calloc(1, sizeof *maps);
    assert_non_null(maps);
    assert_ok(
        mw_topic_maps_add(&maps->topics, "hall", "acme/{area}/{machine}/{feature...}", error));
    assert_ok(mw_topic_maps_add(&maps->topics, "flat", "sensors/data", error));
    *state = maps;
    return 0;
}

static int tear_down(void **state)
{
    struct maps *maps = *state;
    mw_topic_maps_clear(&maps->topics);
    mw_command_maps_clear(&maps->commands);
    free(maps);
    return 0;
}

static void test_topics_are_filled(void **state)
{
    static const struct {
        int map;
        const char *pattern, *origin, *topic; /* NULL: none can be made */
    } cases[] = {
        {0, "acme/{area}/{machine}/cmd", "acme/North/Press 1", "acme/North/Press 1/cmd"},
        {0, "cmd/{machine}/{area}", "acme/a/b", "cmd/b/a"},
        {0, "cmd", "acme/a/b", "cmd"},
        {1, "control/{device}", "sensors/data/ESP32_01", "control/ESP32_01"},
        {1, "control/{device}", "sensors/data/a/b", NULL},
        {1, "control/{device}", "sensors/data/a+", NULL},
        {1, "control/{device}", "sensors/data", NULL},
        {0, "cmd/{line}", "acme/a/b", NULL},
        {0, "cmd/{feature...}", "acme/a/b", NULL},
        {0, "cmd/{device}", "acme/a/b", NULL}, /* the machine speaks */
        {0, "cmd//x", "acme/a/b", NULL},
    };
    const struct maps *maps = *state;
    char topic[MW_TOPIC_PATTERN_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_err err = mw_command_topic(&maps->topics.map[cases[i].map], cases[i].pattern,
                                      mw_span_of(cases[i].origin), topic);
        if (cases[i].topic == NULL ? err == MW_OK
                                   : err != MW_OK || strcmp(topic, cases[i].topic) != 0) {
            fail_msg("%s of %s: %s", cases[i].pattern, cases[i].origin,
                     err == MW_OK ? topic : mw_err_text(err));
        }
    }
    char longest[MW_TOPIC_PATTERN_MAX + 8] = "sensors/data/";
    memset(longest + 13, 'x', sizeof longest - 14);
    assert_int_equal(
        mw_command_topic(&maps->topics.map[1], "c/{device}", mw_span_of(longest), topic), MW_OK);
    assert_int_equal(
        mw_command_topic(&maps->topics.map[1], "control/{device}", mw_span_of(longest), topic),
        MW_ERR_TOO_LARGE);
}

static void test_what_cannot_work_is_refused(void **state)
{
    static const struct {
        const char *key, *text, *reason;
    } cases[] = {
        {"hall.topic", "cmd/{line}", "is not one of the map's topics"},
        {"hall.topic", "cmd/+", "without + and #"},
        {"hall.stop", "x", "topic is missing"},
        {"hole.topic", "cmd", "no map of topics has that name"},
        {"sparkplug.stop", "Outputs/Run", "METRIC=VALUE was expected"},
    };
    struct maps *maps = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(mw_command_maps_add(&maps->commands, cases[i].key, cases[i].text, error));
        assert_refused(mw_command_maps_check(&maps->commands, &maps->topics, error), MW_ERR_PARSE,
                       cases[i].reason);
        mw_command_maps_clear(&maps->commands);
    }
    static const char *const keys[] = {"hall", "hall.", ".stop", "hall.stop.now"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_refused(mw_command_maps_add(&maps->commands, keys[i], "x", error), MW_ERR_PARSE,
                       "were expected");
    }
}

static void test_maps_are_found_and_compared(void **state)
{
    struct maps *maps = *state;
    struct mw_command_maps other = {0};
    assert_ok(mw_command_maps_add(&maps->commands, "hall.topic", "cmd/{machine}", error));
    assert_ok(mw_command_maps_add(&maps->commands, "hall.stop", "halt", error));
    assert_ok(mw_command_maps_check(&maps->commands, &maps->topics, error));
    assert_string_equal(mw_command_maps_find(&maps->commands, "hall", mw_span_of("stop")), "halt");
    assert_null(mw_command_maps_find(&maps->commands, "hall", mw_span_of("start")));
    assert_null(mw_command_maps_find(&maps->commands, "flat", mw_span_of("stop")));
    assert_ok(mw_command_maps_add(&other, "hall.stop", "halt", error));
    assert_false(mw_command_maps_equal(&maps->commands, &other));
    assert_ok(mw_command_maps_add(&other, "hall.topic", "cmd/{machine}", error));
    assert_true(mw_command_maps_equal(&maps->commands, &other)); /* in whatever order */
    mw_command_maps_clear(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_topics_are_filled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_work_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_maps_are_found_and_compared, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
