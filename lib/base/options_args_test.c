#include "lib/base/options.h"

#include "lib/base/test.h"

#include <stddef.h>

struct values {
    char *config, *label;
    bool once, verify;
    double loss;
    struct mw_list set;
};
#define AT(field) offsetof(struct values, field)

static const struct mw_option table[] = {
    {"config", MW_OPTION_STRING, NULL, 0, 0, "plant.yaml", NULL, "what to read", AT(config)},
    {"label", MW_OPTION_STRING, NULL, 0, 0, NULL, NULL, "column with 0 and 1", AT(label)},
    {"once", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "end by itself", AT(once)},
    {"verify", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL, "check signatures", AT(verify)},
    {"model.int8_auc_loss", MW_OPTION_FLOAT, NULL, 0, 0.5, "0.005", "AUC",
     "most that int8 may lose against float32 before the candidate is refused by the gate of the "
     "pipeline",
     AT(loss)},
    {"set", MW_OPTION_LIST, NULL, 0, 0, "x=1", NULL, "param=value", AT(set)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};

static struct values values;
static struct mw_error error;
static char *argv[16];
static int rest;

static int make(void **state)
{
    (void)state;
    return mw_options_defaults(table, &values, &error) == MW_OK ? 0 : -1;
}

static int take_away(void **state)
{
    (void)state;
    mw_options_clear(table, &values);
    return 0;
}

/* Parses the words of a line. */
static mw_err parse(const char *line)
{
    static char words[512];
    int argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return mw_options_parse_args(table, &values, "c=config, o=once", argc, argv, &rest, &error);
}

static void options_and_words_may_mix(void **state)
{
    (void)state;
    assert_int_equal(parse("train a.csv --label y --once b.csv --model-int8-auc-loss=0.25 - -- -c"),
                     MW_OK);
    assert_string_equal(values.label, "y");
    assert_true(values.once);
    assert_true(values.loss == 0.25);
    assert_int_equal(rest, 4);
    assert_string_equal(argv[0], "a.csv");
    assert_string_equal(argv[1], "b.csv");
    assert_string_equal(argv[2], "-");
    assert_string_equal(argv[3], "-c");
    assert_string_equal(values.config, "plant.yaml");
}

static void letters_and_negations(void **state)
{
    (void)state;
    assert_int_equal(parse("up -c p.yaml -o --no-verify"), MW_OK);
    assert_string_equal(values.config, "p.yaml");
    assert_true(values.once);
    assert_false(values.verify);
    assert_int_equal(rest, 0);
    assert_int_equal(parse("up -cq.yaml --once=false --verify"), MW_OK);
    assert_string_equal(values.config, "q.yaml");
    assert_false(values.once);
    assert_true(values.verify);
}

static void a_list_given_again_grows(void **state)
{
    (void)state;
    assert_int_equal(parse("drift --set a=1 --set b=2,c=3 --label x --label y"), MW_OK);
    assert_int_equal(values.set.n, 3);
    assert_string_equal(values.set.item[0], "a=1");
    assert_string_equal(values.set.item[2], "c=3");
    assert_string_equal(values.label, "y");
}

static void mistakes_are_told_as_they_were_written(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        mw_err code;
        const char *message;
    } rows[] = {{"x --lable y", MW_ERR_NOT_FOUND, "--lable: unknown option, did you mean --label?"},
                {"x --lable=y", MW_ERR_NOT_FOUND, "--lable: unknown option, did you mean --label?"},
                {"x --zzzzzzzz", MW_ERR_NOT_FOUND, "--zzzzzzzz: unknown option"},
                {"x -z", MW_ERR_NOT_FOUND, "-z: unknown option"},
                {"x -ox", MW_ERR_NOT_FOUND, "-ox: unknown option"},
                {"x --no-label", MW_ERR_NOT_FOUND, NULL},
                {"x --label", MW_ERR_ARGUMENT, "--label: expected a text"},
                {"x --label --once", MW_ERR_ARGUMENT, "--label: expected a text"},
                {"x -c", MW_ERR_ARGUMENT, "-c: expected a text"},
                {"x --once=2", MW_ERR_PARSE, "--once: 2 is not true or false"},
                {"x --model-int8-auc-loss 2", MW_ERR_RANGE,
                 "--model-int8-auc-loss: 2 is not a number from 0 to 0.5"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(parse(rows[i].line), rows[i].code);
        if (rows[i].message != NULL) {
            assert_string_equal(error.text, rows[i].message);
        }
    }
}

/* What a print function writes, as one text. */
static char *printed(void (*print)(const struct mw_option *, FILE *))
{
    static char *text;
    size_t size;
    free(text);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(table, out);
    fclose(out);
    return text;
}

static void help_fits_the_screen(void **state)
{
    (void)state;
    char *text = printed(mw_options_print_help);
    assert_memory_equal(text, "  --config TEXT               what to read (default: plant.yaml)\n",
                        65);
    assert_non_null(strstr(text, "\n  --once                      end by itself\n"));
    assert_non_null(strstr(text, "\n  --no-verify                 check signatures"));
    assert_non_null(strstr(text, "\n  --model-int8-auc-loss X     most that int8"));
    assert_non_null(strstr(text, " [AUC] (from 0 to 0.5;"));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 100);
    }
}

static void man_is_escaped(void **state)
{
    (void)state;
    const char *text = printed(mw_options_print_man);
    assert_memory_equal(
        text, ".TP\n\\fB\\-\\-config\\fR \\fITEXT\\fR\nwhat to read (default: plant.yaml)\n", 67);
    text = printed(mw_options_print_man_keys);
    assert_non_null(strstr(text, ".TP\n\\fBmodel.int8_auc_loss\\fR \\fIX\\fR\nmost that"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(options_and_words_may_mix), TEST(letters_and_negations),
        TEST(a_list_given_again_grows),  TEST(mistakes_are_told_as_they_were_written),
        TEST(help_fits_the_screen),      TEST(man_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
