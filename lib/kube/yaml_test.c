#include "lib/kube/yaml.h"

#include "lib/base/test.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    assert_ok(mw_kube_yaml_parse(mw_span_of(text), "x.yaml", &value, error));
    return value;
}

static void a_document_is_read(void **state)
{
    (void)state;
    json_t *value =
        parse("a: 1\nb: [x, 'true', true, ~]\nc:\n  - d: \"q\\n\"\n    e: 1.5\nf: {}\n");
    json_t *expected =
        json_loads("{\"a\":1,\"b\":[\"x\",\"true\",true,null],\"c\":[{\"d\":\"q\\n\","
                   "\"e\":\"1.5\"}],\"f\":{}}",
                   0, NULL);
    assert_true(json_equal(value, expected));
    json_decref(value);
    json_decref(expected);
}

static void what_is_not_read_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"a: 1\na: 2\n", "x.yaml:2: this key is given twice"},
        {"a: &x 1\nb: *x\n", "x.yaml:1: anchors"},
        {"a: !!int 1\n", "x.yaml:1: anchors"},
        {"a: 1\n---\nb: 2\n", "one document"},
        {"a: [1\n", "x.yaml:2: "},
        {"? [a]\n: 1\n", "a key was expected"},
        {"", "a value"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = NULL;
        assert_refused(mw_kube_yaml_parse(mw_span_of(cases[i].text), "x.yaml", &value, error),
                       MW_ERR_PARSE, cases[i].said);
        assert_null(value);
    }
}

static void what_is_printed_reads_back(void **state)
{
    static const char text[] =
        "{\"a\":\"off\",\"b\":[\"x: y\",\"5\",\"\",\"kafka://h:9092\",{\"c\":[[1,2],{}]},[]],"
        "\"d\":{\"e f\":true,\"g\":{\"h\":\"a\\\"b\\nc #\"}},\"i\":-3,\"j\":null,\"k\":\"a:\"}";
    (void)state;
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    struct mw_buffer out = {0};
    assert_int_equal(mw_kube_yaml_print(value, &out), MW_OK);
    json_t *back = parse(out.data);
    if (!json_equal(value, back)) {
        fail_msg("%s", out.data);
    }
    assert_non_null(strstr(out.data, "a: \"off\"\n"));
    assert_non_null(strstr(out.data, "  - kafka://h:9092\n"));
    mw_buffer_free(&out);
    json_decref(value);
    json_decref(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),
        cmocka_unit_test(what_is_not_read_is_refused_with_its_line),
        cmocka_unit_test(what_is_printed_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
