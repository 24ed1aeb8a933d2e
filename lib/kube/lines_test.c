#include "lib/kube/lines.h"

#include "lib/base/test.h"

struct heard {
    char text[256];
    unsigned n, stop_at;
};

static bool on_line(void *context, struct mw_span line)
{
    struct heard *heard = context;
    size_t at = strlen(heard->text);
    snprintf(heard->text + at, sizeof heard->text - at, "[%.*s]", (int)line.size, line.data);
    return ++heard->n != heard->stop_at;
}

static void lines_come_out_whole_however_they_are_cut(void **state)
{
    static const char text[] = "one\ntwo\n\nthree\nfo";
    (void)state;
    for (size_t cut = 1; cut < sizeof text; cut++) {
        struct mw_kube_lines lines = {.most = 5};
        struct heard heard = {0};
        for (size_t at = 0; at < sizeof text - 1; at += cut) {
            size_t size = sizeof text - 1 - at < cut ? sizeof text - 1 - at : cut;
            assert_int_equal(
                mw_kube_lines_feed(&lines, (struct mw_span){text + at, size}, on_line, &heard),
                MW_OK);
        }
        assert_string_equal(heard.text, "[one][two][three]");
        mw_kube_lines_clear(&lines);
    }
}

static void a_line_that_is_too_long_is_refused_before_it_is_kept(void **state)
{
    (void)state;
    struct mw_kube_lines lines = {.most = 4};
    struct heard heard = {0};
    assert_int_equal(mw_kube_lines_feed(&lines, mw_span_of("four\nfives\n"), on_line, &heard),
                     MW_ERR_TOO_LARGE);
    assert_string_equal(heard.text, "[four]");
    assert_int_equal(mw_kube_lines_feed(&lines, mw_span_of("abc"), on_line, &heard), MW_OK);
    assert_int_equal(mw_kube_lines_feed(&lines, mw_span_of("de"), on_line, &heard),
                     MW_ERR_TOO_LARGE);
    assert_true(lines.rest.size <= 4);
    mw_kube_lines_clear(&lines);
}

static void whoever_has_heard_enough_stops_it(void **state)
{
    (void)state;
    struct mw_kube_lines lines = {.most = 100};
    struct heard heard = {.stop_at = 2};
    assert_int_equal(mw_kube_lines_feed(&lines, mw_span_of("a\nb\nc\n"), on_line, &heard),
                     MW_ERR_STATE);
    assert_string_equal(heard.text, "[a][b]");
    mw_kube_lines_clear(&lines);
}

static void events_are_read(void **state)
{
    (void)state;
    struct mw_kube_event event;
    assert_ok(mw_kube_event_parse(
        mw_span_of("{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}"),
        &event, error));
    assert_int_equal(event.type, MW_KUBE_ADDED);
    assert_string_equal(event.version, "7");
    json_decref(event.object);
    assert_ok(mw_kube_event_parse(
        mw_span_of("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}"), &event,
        error));
    assert_int_equal(event.type, MW_KUBE_ERROR);
    assert_int_equal(event.code, 410);
    assert_null(event.version);
    json_decref(event.object);
}

static void what_is_no_event_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "[]",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":7}}}",
        "{\"type\":\"SUNK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}} x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct mw_kube_event event;
        assert_refused(mw_kube_event_parse(mw_span_of(lines[i]), &event, error), MW_ERR_PARSE,
                       "watch: ");
        assert_null(event.object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_are_cut),
        cmocka_unit_test(a_line_that_is_too_long_is_refused_before_it_is_kept),
        cmocka_unit_test(whoever_has_heard_enough_stops_it),
        cmocka_unit_test(events_are_read),
        cmocka_unit_test(what_is_no_event_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
