/* The YAML door of the option tables: any bytes, against a table with every type and two free maps.
 * A refusal has to name the file; what was accepted has to be within its limits. */
#include "lib/base/options.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    bool flag;
    int64_t integer, duration, bytes;
    double number;
    char *text, *name;
    int choice;
    struct mw_list list;
    struct mw_ints ints;
};
#define AT(field) offsetof(struct values, field)

static const struct mw_option table[] = {
    {"flag", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL, "", AT(flag)},
    {"a.integer", MW_OPTION_INT, NULL, -5, 70000, "3", NULL, "", AT(integer)},
    {"a.duration", MW_OPTION_DURATION, NULL, 0, 9e15, "30s", NULL, "", AT(duration)},
    {"a.size", MW_OPTION_SIZE, NULL, 0, 1e15, "1KiB", NULL, "", AT(bytes)},
    {"a.b.number", MW_OPTION_FLOAT, NULL, 0, 1, "0.5", NULL, "", AT(number)},
    {"a.b.text", MW_OPTION_STRING, NULL, 0, 0, NULL, NULL, "", AT(text)},
    {"a.b.name", MW_OPTION_NAME, NULL, 0, 0, "n-1", NULL, "", AT(name)},
    {"choice", MW_OPTION_ENUM, "one|two|three", 0, 0, "two", NULL, "", AT(choice)},
    {"list", MW_OPTION_LIST, NULL, 0, 0, "x, y", NULL, "", AT(list)},
    {"ints", MW_OPTION_INTS, NULL, 1, 1024, "50, 40", NULL, "", AT(ints)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static mw_err on_free(void *context, const char *key, const char *text, unsigned line,
                      struct mw_error *error)
{
    (void)context;
    require(strncmp(key, "free.", 5) == 0 || strncmp(key, "a.free.", 7) == 0);
    require(line > 0);
    return strcmp(text, "bad") == 0 ? mw_error_set(error, MW_ERR_PARSE, "%s: bad", key) : MW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = {"free", "a.free", NULL};
    struct values values = {0};
    struct mw_error error = {0};
    mw_err err = mw_options_parse_yaml(table, &values, (const char *)data, size, "f.yaml", prefixes,
                                       on_free, NULL, &error);
    if (err != MW_OK) {
        require(error.code == err && strncmp(error.text, "f.yaml:", 7) == 0);
    } else {
        require(values.integer >= -5 && values.integer <= 70000);
        require(values.number >= 0 && values.number <= 1);
        require(values.choice >= 0 && values.choice <= 2);
        require(values.duration >= -1 && values.bytes >= -1);
        require(values.name != NULL && strlen(values.name) <= 63);
        for (size_t i = 0; i < values.ints.n; i++) {
            require(values.ints.item[i] >= 1 && values.ints.item[i] <= 1024);
        }
    }
    mw_options_clear(table, &values);
    return 0;
}
