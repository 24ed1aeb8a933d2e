#include "lib/base/options.h"

#include "lib/base/file.h"
#include "lib/base/test.h"

#include <stdbool.h>
#include <stddef.h>

struct values {
    char *plant, *url;
    int64_t port, horizon;
    struct mw_list features;
    struct mw_ints hidden;
    bool enabled;
};
#define AT(field) offsetof(struct values, field)

static const struct mw_option table[] = {
    {"plant", MW_OPTION_NAME, NULL, 0, 0, "works", NULL, "", AT(plant)},
    {"broker.url", MW_OPTION_STRING, NULL, 0, 0, "", NULL, "", AT(url)},
    {"broker.port", MW_OPTION_INT, NULL, 0, 65535, "1883", NULL, "", AT(port)},
    {"broker.tls.enabled", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "", AT(enabled)},
    {"model.features", MW_OPTION_LIST, NULL, 0, 0, "rms", NULL, "", AT(features)},
    {"model.hidden", MW_OPTION_INTS, NULL, 1, 1024, NULL, NULL, "", AT(hidden)},
    {"model.horizon", MW_OPTION_DURATION, NULL, 0, 0, "1h", NULL, "", AT(horizon)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};

static struct values values;
static struct mw_error error;
static struct mw_buffer given;

static mw_err on_free(void *context, const char *key, const char *text, unsigned line,
                      struct mw_error *why)
{
    assert_ptr_equal(context, &given);
    if (strcmp(text, "bad") == 0) {
        return mw_error_set(why, MW_ERR_RANGE, "%s: is bad", key);
    }
    return mw_buffer_printf(&given, "%u %s=%s\n", line, key, text);
}

static mw_err parse_bytes(const char *text, size_t size)
{
    static const char *const prefixes[] = {"things", "columns.names", NULL};
    mw_buffer_clear(&given);
    return mw_options_parse_yaml(table, &values, text, size, "plant.yaml", prefixes, on_free,
                                 &given, &error);
}

static mw_err parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static int take_away(void **state)
{
    (void)state;
    mw_options_clear(table, &values);
    mw_buffer_free(&given);
    return 0;
}

static void mappings_spell_the_keys(void **state)
{
    (void)state;
    assert_int_equal(parse("# a plant\n"
                           "plant: works-2\n"
                           "broker:\n"
                           "  url: \"mqtt://h\"   # comment\n"
                           "  port: 0\n"
                           "  tls: {enabled: yes}\n"
                           "model:\n"
                           "  features: [a, \"b, c\"]\n"
                           "  hidden:\n"
                           "    - 8\n"
                           "    - 5\n"
                           "  horizon: 30s\n"),
                     MW_OK);
    assert_string_equal(values.plant, "works-2");
    assert_string_equal(values.url, "mqtt://h");
    assert_int_equal(values.port, 0);
    assert_true(values.enabled);
    assert_int_equal(values.features.n, 2);
    assert_string_equal(values.features.item[1], "b, c");
    assert_int_equal(values.hidden.n, 2);
    assert_int_equal(values.hidden.item[1], 5);
    assert_int_equal(values.horizon, 30000000);
}

static void what_is_not_named_has_its_default(void **state)
{
    (void)state;
    assert_int_equal(parse("plant: a\nmodel: {features: [x, y]}\n"), MW_OK);
    /* A second file does not see the first one's values. */
    assert_int_equal(parse("broker.port: 7\n"), MW_OK);
    assert_string_equal(values.plant, "works");
    assert_int_equal(values.port, 7);
    assert_int_equal(values.features.n, 1);
    assert_string_equal(values.features.item[0], "rms");
    static const char *const empty[] = {
        "", "\n# nothing\n", "---\n...\n", "~", "{}", "broker:\n", "\xEF\xBB\xBFplant: works\r\n"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        assert_int_equal(parse(empty[i]), MW_OK);
        assert_int_equal(values.port, 1883);
    }
}

static void scalars_and_nothings_make_lists(void **state)
{
    (void)state;
    assert_int_equal(parse("model: {features: 'a, b', hidden: 3}"), MW_OK);
    assert_int_equal(values.features.n, 2);
    assert_int_equal(values.hidden.item[0], 3);
    assert_int_equal(parse("model: {features: [], hidden: }\nbroker: {url: }"), MW_OK);
    assert_int_equal(values.features.n, 0);
    assert_int_equal(values.hidden.n, 0);
    assert_string_equal(values.url, "");
}

static void free_keys_are_handed_over(void **state)
{
    (void)state;
    assert_int_equal(parse("things:\n"
                           "  motor-1: 7\n"
                           "  motor-2: {gain: 2, kinds: [a, b]}\n"
                           "columns:\n"
                           "  names: {T 1: temperature}\n"
                           "plant: x\n"),
                     MW_OK);
    assert_string_equal(given.data, "2 things.motor-1=7\n"
                                    "3 things.motor-2.gain=2\n"
                                    "3 things.motor-2.kinds=a\n"
                                    "3 things.motor-2.kinds=b\n"
                                    "5 columns.names.T 1=temperature\n");
    assert_string_equal(values.plant, "x");
    assert_int_equal(parse("things:\n  a: 1\n  b: bad\n"), MW_ERR_RANGE);
    assert_string_equal(error.text, "plant.yaml:3: things.b: is bad");
    assert_int_equal(parse("things: 3\n"), MW_ERR_PARSE);
    assert_string_equal(error.text, "plant.yaml:1: things: expected keys below it, not a value");
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mw_err code;
        const char *message;
    } rows[] = {
        {"plant: a\nbroker:\n  prot: 1\n", MW_ERR_NOT_FOUND,
         "plant.yaml:3: broker.prot: unknown key, did you mean broker.port?"},
        {"brokr:\n  port: 1\n", MW_ERR_NOT_FOUND,
         "plant.yaml:1: brokr: unknown key, did you mean broker?"},
        {"brokr: [1]\n", MW_ERR_NOT_FOUND,
         "plant.yaml:1: brokr: unknown key, did you mean broker?"},
        {"model:\n  horizon: 2k\n", MW_ERR_PARSE,
         "plant.yaml:2: model.horizon: 2k is not a duration such as 250ms, 30s, 10m, 2h, 7d or "
         "off"},
        {"broker:\n  port:\n    - 1\n", MW_ERR_PARSE,
         "plant.yaml:2: broker.port: expected a whole number from 0 to 65535, not a list"},
        {"broker:\n  port: {a: 1}\n", MW_ERR_PARSE,
         "plant.yaml:2: broker.port: expected a whole number from 0 to 65535, not keys below it"},
        {"broker: here\n", MW_ERR_PARSE,
         "plant.yaml:1: broker: expected keys below it, not a value"},
        {"broker: [1, 2]\n", MW_ERR_PARSE,
         "plant.yaml:1: broker: expected keys below it, not a list"},
        {"plant: a\n\nplant: b\n", MW_ERR_PARSE,
         "plant.yaml:3: plant: given twice, first on line 1"},
        {"broker: {port: 1}\nbroker: {url: x}\n", MW_ERR_PARSE,
         "plant.yaml:2: broker: given twice, first on line 1"},
        {"broker: {port: 1}\nbroker.port: 2\n", MW_ERR_PARSE,
         "plant.yaml:2: broker.port: given twice, first on line 1"},
        {"model:\n  hidden:\n  - 5\n  - x\n", MW_ERR_PARSE,
         "plant.yaml:4: model.hidden: x is not a whole number from 1 to 1024"},
        {"model: {features: [a, [b]]}\n", MW_ERR_PARSE,
         "plant.yaml:1: model.features: an item of the list is no value"},
        {"- a\n- b\n", MW_ERR_PARSE, "plant.yaml:1: expected keys, as in \"key: value\""},
        {"just text\n", MW_ERR_PARSE, "plant.yaml:1: expected keys, as in \"key: value\""},
        {"plant: &x a\n", MW_ERR_PARSE, "plant.yaml:1: plant: anchors (&name) are not taken"},
        {"plant: a\nbroker: *x\n", MW_ERR_PARSE,
         "plant.yaml:2: broker: aliases (*name) are not taken"},
        {"plant: !!str a\n", MW_ERR_PARSE, "plant.yaml:1: plant: tags (!name) are not taken"},
        {"plant: a\n---\nplant: b\n", MW_ERR_PARSE, "plant.yaml:2: only one document is taken"},
        {"broker: {url: \"a\\0b\"}\n", MW_ERR_PARSE,
         "plant.yaml:1: broker.url: NUL characters are not taken"},
        {"? [a]\n: 1\n", MW_ERR_PARSE, "plant.yaml:1: a key has to be a plain text"},
        {"broker:\n  port: [1\n", MW_ERR_PARSE, NULL},
        {"plant: a\n\tbroker: 1\n", MW_ERR_PARSE, NULL},
        {"a: {b: 1}\n", MW_ERR_NOT_FOUND, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        error = (struct mw_error){0};
        assert_int_equal(parse(rows[i].text), rows[i].code);
        assert_int_equal(error.code, rows[i].code);
        assert_memory_equal(error.text, "plant.yaml:", 11);
        if (rows[i].message != NULL) {
            assert_string_equal(error.text, rows[i].message);
        }
    }
}

static void bytes_that_are_no_text_have_a_line(void **state)
{
    (void)state;
    assert_int_equal(parse("plant: a\nbroker:\n  url: \xff\n"), MW_ERR_PARSE);
    assert_memory_equal(error.text, "plant.yaml:3: ", 14);
    assert_int_equal(parse_bytes("plant: a\n\0", 10), MW_ERR_PARSE);
    assert_memory_equal(error.text, "plant.yaml:2: ", 14);
}

static void sizes_are_limited(void **state)
{
    (void)state;
    struct mw_buffer text = {0};
    for (int i = 0; i < 20; i++) {
        mw_buffer_printf(&text, "%*sthings:\n", i, "");
    }
    assert_int_equal(parse(text.data), MW_ERR_TOO_LARGE);
    mw_buffer_clear(&text);
    mw_buffer_printf(&text, "things:\n");
    for (int i = 0; i < 10001; i++) {
        mw_buffer_printf(&text, "  t%d: 1\n", i);
    }
    assert_int_equal(parse(text.data), MW_ERR_TOO_LARGE);
    mw_buffer_clear(&text);
    mw_buffer_printf(&text, "things:\n  %0300d: 1\n", 1);
    assert_int_equal(parse(text.data), MW_ERR_TOO_LARGE);
    mw_buffer_clear(&text);
    for (int i = 0; i < 120000; i++) {
        mw_buffer_printf(&text, "[[[[[[[[[[");
    }
    assert_int_equal(parse(text.data), MW_ERR_TOO_LARGE);
    text.data[1048576] = 0;
    assert_int_equal(parse(text.data), MW_ERR_PARSE);
    mw_buffer_free(&text);
}

static void files_are_read_and_named(void **state)
{
    (void)state;
    char folder[64], path[128], expected[256];
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/p.yaml", folder);
    assert_int_equal(mw_file_write(path, "plant: a\nx: 1\n", 14, 0600, &error), MW_OK);
    assert_int_equal(mw_options_read_yaml(table, &values, path, NULL, NULL, NULL, &error),
                     MW_ERR_NOT_FOUND);
    snprintf(expected, sizeof expected, "%s:2: x: unknown key, known here: plant, broker, model",
             path);
    assert_string_equal(error.text, expected);
    assert_int_equal(mw_file_write(path, "", 0, 0600, &error), MW_OK);
    assert_int_equal(mw_options_read_yaml(table, &values, path, NULL, NULL, NULL, &error), MW_OK);
    assert_string_equal(values.plant, "works");
    test_folder_remove(folder);
    assert_int_equal(mw_options_read_yaml(table, &values, path, NULL, NULL, NULL, &error),
                     MW_ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_teardown(name, take_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mappings_spell_the_keys),
        TEST(what_is_not_named_has_its_default),
        TEST(scalars_and_nothings_make_lists),
        TEST(free_keys_are_handed_over),
        TEST(mistakes_are_told_with_their_line),
        TEST(bytes_that_are_no_text_have_a_line),
        TEST(sizes_are_limited),
        TEST(files_are_read_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
