#include "lib/base/log.h"

#include "lib/base/test.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

static char text[16384];

/* Runs statements with stderr caught in text. */
#define CATCH(...)                                      \
    do {                                                \
        FILE *file;                                     \
        int kept = test_stderr_begin(&file);            \
        __VA_ARGS__;                                    \
        test_stderr_end(file, kept, text, sizeof text); \
    } while (0)

static void a_line_has_its_parts(void **state)
{
    (void)state;
    mw_log_init("bridge", MW_LOG_INFO, MW_LOG_TEXT);
    CATCH(mw_log(MW_LOG_WARN, "motor-7", "record refused", MW_KS("reason", "too deep"),
                 MW_KI("bytes", 311), MW_KN("share", 0.05), MW_KS("topic", "mw/p/telemetry/a")));
    assert_int_equal(strspn(text, "0123456789-:.TZ"), 24);
    assert_string_equal(text + 24,
                        " warn bridge thing=motor-7 \"record refused\" reason=\"too deep\" "
                        "bytes=311 share=0.05 topic=mw/p/telemetry/a\n");
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    mw_log_init("bridge", MW_LOG_WARN, MW_LOG_TEXT);
    CATCH(mw_log_write(MW_LOG_INFO, NULL, "no", NULL, 0);
          mw_log_write(MW_LOG_ERROR, NULL, "yes", NULL, 0));
    assert_null(strstr(text, "no"));
    assert_non_null(strstr(text, " error bridge \"yes\"\n"));
}

static void texts_from_outside_cannot_break_the_line(void **state)
{
    (void)state;
    mw_log_init("r", MW_LOG_INFO, MW_LOG_TEXT);
    CATCH(mw_log(MW_LOG_INFO, "a b=\n", "x", MW_KS("k", "\"\\\n\t\033[31m\xff\xc3\xa9"),
                 MW_KS("empty", ""), MW_KS("null", NULL)));
    assert_non_null(strstr(text,
                           " thing=\"a b=\\n\" \"x\" k=\"\\\"\\\\\\n\\t\\u001b[31m\\ufffd\xc3\xa9\""
                           " empty=\"\" null=\"\"\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void json_lines_are_json(void **state)
{
    (void)state;
    mw_log_init("score", MW_LOG_DEBUG, MW_LOG_JSON);
    CATCH(mw_log(MW_LOG_DEBUG, "m\"1", "tab\there", MW_KS("s", "\xed\xa0\x80 \xf0\x9f\x98\x80"),
                 MW_KI("i", INT64_MIN), MW_KN("n", 2.5), MW_KN("bad", NAN)));
    json_error_t problem;
    json_t *line = json_loads(text, 0, &problem);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "debug");
    assert_string_equal(json_string_value(json_object_get(line, "role")), "score");
    assert_string_equal(json_string_value(json_object_get(line, "thing")), "m\"1");
    assert_string_equal(json_string_value(json_object_get(line, "message")), "tab\there");
    assert_int_equal(json_integer_value(json_object_get(line, "i")), INT64_MIN);
    assert_true(json_real_value(json_object_get(line, "n")) == 2.5);
    assert_true(json_is_null(json_object_get(line, "bad")));
    /* A surrogate half is no character: each of its bytes is replaced. */
    assert_string_equal(json_string_value(json_object_get(line, "s")),
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xf0\x9f\x98\x80");
    json_decref(line);
}

static void long_lines_lose_whole_pairs(void **state)
{
    (void)state;
    static char longer[20000];
    memset(longer, '"', sizeof longer - 1);
    mw_log_init("score", MW_LOG_DEBUG, MW_LOG_JSON);
    CATCH(mw_log(MW_LOG_INFO, longer, longer, MW_KS("a", longer), MW_KS("b", longer),
                 MW_KS("c", longer), MW_KS("d", longer), MW_KI("e", 5)));
    assert_true(strlen(text) <= 4096);
    json_error_t problem;
    json_t *line = json_loads(text, 0, &problem);
    assert_non_null(line);
    assert_non_null(json_object_get(line, "a"));
    assert_null(json_object_get(line, "d"));
    assert_int_equal(json_integer_value(json_object_get(line, "e")), 5);
    json_decref(line);
}

static void errno_stays(void **state)
{
    (void)state;
    mw_log_init("r", MW_LOG_INFO, MW_LOG_TEXT);
    CATCH(errno = ERANGE; mw_log_write(MW_LOG_INFO, NULL, "x", NULL, 0);
          assert_int_equal(errno, ERANGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_parts),
        cmocka_unit_test(lower_levels_are_left_out),
        cmocka_unit_test(texts_from_outside_cannot_break_the_line),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(long_lines_lose_whole_pairs),
        cmocka_unit_test(errno_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
