#include "lib/base/options.h"

#include "lib/base/test.h"

#include <math.h>
#include <stddef.h>

struct values {
    char *plant;
    struct {
        char *url;
        int64_t port;
    } broker;
    struct {
        int kind;
        struct mw_list features;
        struct mw_ints hidden;
        int64_t horizon;
        double share;
    } model;
    bool enabled;
    int64_t limit;
};
#define AT(field) offsetof(struct values, field)

static const struct mw_option table[] = {
    {"plant", MW_OPTION_NAME, NULL, 0, 0, "plant", NULL, "name of the site", AT(plant)},
    {"broker.url", MW_OPTION_STRING, NULL, 0, 0, NULL, NULL, "broker", AT(broker.url)},
    {"broker.port", MW_OPTION_INT, NULL, 1, 65535, "1883", NULL, "port", AT(broker.port)},
    {"model.kind", MW_OPTION_ENUM, "logistic|mlp|autoencoder", 0, 0, "mlp", NULL, "kind",
     AT(model.kind)},
    {"model.features", MW_OPTION_LIST, NULL, 0, 0, "rms, peak", NULL, "features",
     AT(model.features)},
    {"model.hidden", MW_OPTION_INTS, NULL, 1, 1024, "50, 40", NULL, "layers", AT(model.hidden)},
    {"model.horizon", MW_OPTION_DURATION, NULL, 1e6, 30 * 86400e6, "1h", NULL, "horizon",
     AT(model.horizon)},
    {"model.share", MW_OPTION_FLOAT, NULL, 0, 0.5, "0.05", NULL, "share", AT(model.share)},
    {"enabled", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL, "on", AT(enabled)},
    {"limit", MW_OPTION_SIZE, NULL, 0, 0, "64KiB", NULL, "size", AT(limit)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};

static struct values values;
static struct mw_error error;

static int make(void **state)
{
    (void)state;
    memset(&values, 0xA5, sizeof values); /* defaults may not rely on what was there */
    memset(&error, 0, sizeof error);
    assert_int_equal(mw_options_defaults(table, &values, &error), MW_OK);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    mw_options_clear(table, &values);
    assert_null(values.plant);
    assert_int_equal(values.model.features.n, 0);
    return 0;
}

static mw_err set(const char *key, const char *text)
{
    return mw_options_set(table, &values, key, text, NULL, &error);
}

static void defaults_are_set(void **state)
{
    (void)state;
    assert_string_equal(values.plant, "plant");
    assert_null(values.broker.url);
    assert_int_equal(values.broker.port, 1883);
    assert_int_equal(values.model.kind, 1);
    assert_int_equal(values.model.features.n, 2);
    assert_string_equal(values.model.features.item[1], "peak");
    assert_int_equal(values.model.hidden.n, 2);
    assert_int_equal(values.model.hidden.item[1], 40);
    assert_int_equal(values.model.horizon, INT64_C(3600000000));
    assert_true(values.model.share == 0.05);
    assert_true(values.enabled);
    assert_int_equal(values.limit, 65536);
}

static void durations_and_sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
        int64_t value;
    } rows[] = {{"model.horizon", "1500ms", 1500000},
                {"model.horizon", "1.5 h", INT64_C(5400000000)},
                {"model.horizon", "2min", 120000000},
                {"model.horizon", "2m", 120000000},
                {"model.horizon", "7d", INT64_C(604800000000)},
                {"model.horizon", "30 cycles", INT64_C(1800000000)},
                {"model.horizon", "1 cycle", 60000000},
                {"model.horizon", "off", -1},
                {"model.horizon", "1000000us", 1000000},
                {"limit", "512", 512},
                {"limit", "1GiB", 1073741824},
                {"limit", "1.5kB", 1500},
                {"limit", "0", 0},
                {"limit", "off", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(set(rows[i].key, rows[i].text), MW_OK);
        assert_int_equal(rows[i].key[0] == 'l' ? values.limit : values.model.horizon,
                         rows[i].value);
    }
}

static void bad_values_say_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
        mw_err code;
        const char *message;
    } rows[] = {
        {"broker.port", "2k", MW_ERR_PARSE,
         "broker.port: 2k is not a whole number from 1 to 65535"},
        {"broker.port", "70000", MW_ERR_RANGE,
         "broker.port: 70000 is not a whole number from 1 to 65535"},
        {"broker.port", "1.5", MW_ERR_PARSE,
         "broker.port: 1.5 is not a whole number from 1 to 65535"},
        {"broker.port", "", MW_ERR_PARSE,
         "broker.port: nothing is given, expected a whole number from 1 to 65535"},
        {"model.share", "0.6", MW_ERR_RANGE, "model.share: 0.6 is not a number from 0 to 0.5"},
        {"model.share", "nan", MW_ERR_PARSE, "model.share: nan is not a number from 0 to 0.5"},
        {"model.horizon", "30", MW_ERR_PARSE,
         "model.horizon: 30 is not a duration such as 250ms, 30s, 10m, 2h, 7d or off, from 1s to "
         "30d"},
        {"model.horizon", "31d", MW_ERR_RANGE,
         "model.horizon: 31d is not a duration such as 250ms, 30s, 10m, 2h, 7d or off, from 1s to "
         "30d"},
        {"model.horizon", "-5s", MW_ERR_PARSE, NULL},
        {"limit", "5 apples", MW_ERR_PARSE,
         "limit: 5 apples is not a size such as 512, 64KiB, 1GiB or off"},
        {"limit", "99999999999TiB", MW_ERR_RANGE, NULL},
        {"enabled", "maybe", MW_ERR_PARSE, "enabled: maybe is not true or false"},
        {"model.kind", "logistik", MW_ERR_PARSE,
         "model.kind: logistik is not one of logistic, mlp, autoencoder, did you mean logistic?"},
        {"model.kind", "forest", MW_ERR_PARSE,
         "model.kind: forest is not one of logistic, mlp, autoencoder"},
        {"model.hidden", "50,x", MW_ERR_PARSE, NULL},
        {"model.hidden", "50,2000", MW_ERR_RANGE, NULL},
        {"model.features", "a,,b", MW_ERR_PARSE, "model.features: an item of the list is empty"},
        {"plant", "My Plant\n", MW_ERR_PARSE,
         "plant: My Plant? is not a name of 1 to 63 of the characters a-z, 0-9 and -"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(set(rows[i].key, rows[i].text), rows[i].code);
        if (rows[i].message != NULL) {
            assert_string_equal(error.text, rows[i].message);
        }
    }
    /* And each value is what it was. */
    defaults_are_set(NULL);
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *key, *message;
    } rows[] = {
        {"broker.prot", "broker.prot: unknown key, did you mean broker.port?"},
        {"brokr.url", "brokr.url: unknown key, did you mean broker.url?"},
        {"horizon", "horizon: unknown key, did you mean model.horizon?"},
        {"broker.xyzzyx", "broker.xyzzyx: unknown key, known here: url, port"},
        {"zzzzzz", "zzzzzz: unknown key, known here: plant, broker, model, enabled, limit"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(set(rows[i].key, "1"), MW_ERR_NOT_FOUND);
        assert_string_equal(error.text, rows[i].message);
    }
    assert_int_equal(mw_options_set(table, &values, "brker", "1", "plant.yaml:3", &error),
                     MW_ERR_NOT_FOUND);
    assert_string_equal(error.text, "plant.yaml:3: brker: unknown key, did you mean broker?");
}

static void lists_are_replaced(void **state)
{
    (void)state;
    assert_int_equal(set("model.features", " a , b c ,d"), MW_OK);
    assert_int_equal(values.model.features.n, 3);
    assert_string_equal(values.model.features.item[1], "b c");
    assert_int_equal(set("model.features", ""), MW_OK);
    assert_int_equal(values.model.features.n, 0);
    assert_int_equal(set("model.hidden", "8"), MW_OK);
    assert_int_equal(values.model.hidden.n, 1);
    assert_int_equal(values.model.hidden.item[0], 8);
}

static void a_wrong_default_is_told(void **state)
{
    (void)state;
    static const struct mw_option wrong[] = {
        {"plant", MW_OPTION_STRING, NULL, 0, 0, "x", NULL, "", AT(plant)},
        {"enabled", MW_OPTION_BOOL, NULL, 0, 0, "2", NULL, "", AT(enabled)},
        {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};
    struct values other;
    assert_int_equal(mw_options_defaults(wrong, &other, &error), MW_ERR_PARSE);
    assert_string_equal(error.text, "default of enabled: 2 is not true or false");
    assert_null(other.plant);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_set),
        TEST(durations_and_sizes_have_units),
        TEST(bad_values_say_what_was_expected),
        TEST(unknown_keys_name_the_nearest),
        TEST(lists_are_replaced),
        TEST(a_wrong_default_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
