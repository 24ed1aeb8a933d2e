/* The value of an option from its text, by type. */
#include "core/wire/number.h"
#include "lib/base/decimal.h"
#include "lib/base/nearest.h"
#include "lib/base/options_internal.h"

#include <stdlib.h>
#include <string.h>

/* The one that is printed for a size stands first among equals; ascending. A cycle of a recording
 * that counts cycles is a minute of the plant's time (columns.time_unit). */
static const struct mw_option_unit durations[] = {
    {"us", 1},       {"ms", 1e3},      {"s", 1e6},    {"m", 60e6},    {"min", 60e6},
    {"cycle", 60e6}, {"cycles", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {NULL, 0}};
static const struct mw_option_unit sizes[] = {
    {"B", 1},         {"kB", 1e3}, {"KB", 1e3},         {"KiB", 1024}, {"MB", 1e6},
    {"MiB", 1048576}, {"GB", 1e9}, {"GiB", 1073741824}, {"TB", 1e12},  {"TiB", 1099511627776},
    {NULL, 0}};

const struct mw_option_unit *mw_options_units(enum mw_option_type type)
{
    return type == MW_OPTION_DURATION ? durations : type == MW_OPTION_SIZE ? sizes : NULL;
}

static void *at(const struct mw_option *option, void *values)
{
    return (char *)values + option->offset;
}

size_t mw_option_size(const struct mw_option *option)
{
    switch (option->type) {
    case MW_OPTION_BOOL:
        return sizeof(bool);
    case MW_OPTION_INT:
    case MW_OPTION_DURATION:
    case MW_OPTION_SIZE:
        return sizeof(int64_t);
    case MW_OPTION_FLOAT:
        return sizeof(double);
    case MW_OPTION_ENUM:
        return sizeof(int);
    case MW_OPTION_STRING:
    case MW_OPTION_NAME:
        return sizeof(char *);
    case MW_OPTION_LIST:
        return sizeof(struct mw_list);
    case MW_OPTION_INTS:
        return sizeof(struct mw_ints);
    }
    return 0;
}

void mw_option_clear(const struct mw_option *option, void *values)
{
    void *value = at(option, values);
    switch (option->type) {
    case MW_OPTION_BOOL:
        *(bool *)value = false;
        break;
    case MW_OPTION_INT:
    case MW_OPTION_DURATION:
    case MW_OPTION_SIZE:
        *(int64_t *)value = 0;
        break;
    case MW_OPTION_FLOAT:
        *(double *)value = 0;
        break;
    case MW_OPTION_ENUM:
        *(int *)value = 0;
        break;
    case MW_OPTION_STRING:
    case MW_OPTION_NAME:
        free(*(char **)value);
        *(char **)value = NULL;
        break;
    case MW_OPTION_LIST:
    case MW_OPTION_INTS:
        mw_option_list_clear(option, value);
        break;
    }
}

/* ---- what was expected ---- */

static void print_limit(const struct mw_option *option, double limit, char text[48])
{
    const struct mw_option_unit *units = option->type == MW_OPTION_DURATION ? durations
                                         : option->type == MW_OPTION_SIZE   ? sizes
                                                                            : NULL;
    const struct mw_option_unit *best = NULL;
    for (const struct mw_option_unit *unit = units; unit != NULL && unit->name != NULL; unit++) {
        if (limit != 0 && limit >= unit->size && (best == NULL || unit->size > best->size) &&
            (best == NULL || limit / unit->size == (double)(int64_t)(limit / unit->size) ||
             units == sizes)) {
            best = unit;
        }
    }
    if (best == NULL) {
        snprintf(text, 48, "%.15g", limit);
    } else {
        snprintf(text, 48, "%.6g%s", limit / best->size, best->name);
    }
}

static void print_choices(const char *choices, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "one of ");
    for (const char *c = choices; *c != 0 && used + 3 < capacity; c++) {
        text[used++] = *c == '|' ? ',' : *c;
        if (*c == '|') {
            text[used++] = ' ';
        }
    }
    text[used] = 0;
}

void mw_option_expected(const struct mw_option *option, char *text, size_t capacity)
{
    static const char *const kinds[] = {
        [MW_OPTION_BOOL] = "true or false",
        [MW_OPTION_INT] = "a whole number",
        [MW_OPTION_FLOAT] = "a number",
        [MW_OPTION_STRING] = "a text",
        [MW_OPTION_NAME] = "a name of 1 to 63 of the characters a-z, 0-9 and -",
        [MW_OPTION_DURATION] = "a duration such as 250ms, 30s, 10m, 2h, 7d or off",
        [MW_OPTION_SIZE] = "a size such as 512, 64KiB, 1GiB or off",
        [MW_OPTION_ENUM] = "",
        [MW_OPTION_LIST] = "a list of texts",
        [MW_OPTION_INTS] = "a list of whole numbers"};
    if (option->type == MW_OPTION_ENUM) {
        print_choices(option->choices, text, capacity);
        return;
    }
    bool limited = option->min != 0 || option->max != 0;
    if (!limited || option->type == MW_OPTION_BOOL || option->type == MW_OPTION_STRING ||
        option->type == MW_OPTION_NAME || option->type == MW_OPTION_LIST) {
        snprintf(text, capacity, "%s", kinds[option->type]);
        return;
    }
    char min[48], max[48];
    print_limit(option, option->min, min);
    print_limit(option, option->max, max);
    snprintf(text, capacity, "%s%s from %s to %s", kinds[option->type],
             option->type == MW_OPTION_DURATION || option->type == MW_OPTION_SIZE ? "," : "", min,
             max);
}

void mw_options_expected(const struct mw_option *option, char *text, size_t capacity)
{
    mw_option_expected(option, text, capacity);
}

mw_err mw_option_refuse(const struct mw_option *option, mw_err code, const char *text,
                        struct mw_error *error)
{
    char expected[256], shown[81];
    size_t n = 0;
    mw_option_expected(option, expected, sizeof expected);
    for (; n < sizeof shown - 1 && text[n] != 0; n++) {
        shown[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7F ? '?' : text[n];
    }
    shown[n] = 0;
    if (n == 0) {
        return mw_error_set(error, code, "nothing is given, expected %s", expected);
    }
    return mw_error_set(error, code, "%s is not %s", shown, expected);
}

static bool in_range(const struct mw_option *option, double value)
{
    return (option->min == 0 && option->max == 0) || (value >= option->min && value <= option->max);
}

/* ---- scalars ---- */

/* A number and a unit, as an integer count of the smallest unit. */
static mw_err parse_quantity(const char *text, const struct mw_option_unit *units, bool bare,
                             int64_t *value)
{
    if (strcmp(text, "off") == 0) {
        *value = -1;
        return MW_OK;
    }
    size_t digits = strspn(text, "0123456789.");
    const char *name = text + digits + strspn(text + digits, " ");
    double number, size = 0;
    if (digits == 0 || mw_decimal_parse((struct mw_span){text, digits}, '.', &number) != MW_OK) {
        return MW_ERR_PARSE;
    }
    for (const struct mw_option_unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(unit->name, name) == 0) {
            size = unit->size;
        }
    }
    if (*name == 0 && (bare || number == 0)) {
        size = 1;
    }
    if (size == 0) {
        return MW_ERR_PARSE;
    }
    if (number * size >= 9.2e18) {
        return MW_ERR_RANGE;
    }
    *value = (int64_t)(number * size + 0.5);
    return MW_OK;
}

mw_err mw_option_parse_integer(const struct mw_option *option, const char *text, int64_t *value)
{
    mw_err err = mw_number_parse_i64(mw_span_of(text[0] == '+' ? text + 1 : text), value);
    if (err != MW_OK) {
        return err;
    }
    return in_range(option, (double)*value) ? MW_OK : MW_ERR_RANGE;
}

static mw_err parse_bool(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return MW_OK;
        }
    }
    return MW_ERR_PARSE;
}

static mw_err set_enum(const struct mw_option *option, const char *text, int *value,
                       struct mw_error *error)
{
    struct mw_span typed = mw_span_of(text), nearest = {0};
    size_t best = mw_nearest_limit(typed) + 1;
    int place = 0;
    for (const char *at_choice = option->choices;; place++) {
        struct mw_span choice = {at_choice, strcspn(at_choice, "|")};
        size_t distance = mw_nearest_distance(typed, choice);
        if (distance == 0) {
            *value = place;
            return MW_OK;
        }
        if (distance < best) {
            best = distance;
            nearest = choice;
        }
        if (choice.data[choice.size] == 0) {
            break;
        }
        at_choice += choice.size + 1;
    }
    mw_err err = mw_option_refuse(option, MW_ERR_PARSE, text, error);
    if (nearest.size > 0 && error != NULL) {
        size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used, ", did you mean %.*s?",
                 (int)nearest.size, nearest.data);
    }
    return err;
}

static bool is_name(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n >= 1 && n <= 63 && text[n] == 0;
}

static mw_err set_text(char **value, const char *text, struct mw_error *error)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    free(*value);
    *value = copy;
    return MW_OK;
}

/* ---- all types ---- */

static mw_err set_quantity(const struct mw_option *option, int64_t *value, const char *text)
{
    bool size = option->type == MW_OPTION_SIZE;
    int64_t parsed;
    mw_err err = parse_quantity(text, size ? sizes : durations, size, &parsed);
    /* "off" is no quantity, so no range is asked of it. */
    if (err == MW_OK && parsed >= 0 && !in_range(option, (double)parsed)) {
        err = MW_ERR_RANGE;
    }
    if (err == MW_OK) {
        *value = parsed;
    }
    return err;
}

mw_err mw_option_assign(const struct mw_option *option, void *values, const char *text,
                        enum mw_option_how how, struct mw_error *error)
{
    void *value = at(option, values);
    int64_t integer;
    double number;
    mw_err err = MW_ERR_PARSE;
    switch (option->type) {
    case MW_OPTION_BOOL:
        err = parse_bool(text, value);
        break;
    case MW_OPTION_INT:
        err = mw_option_parse_integer(option, text, &integer);
        if (err == MW_OK) {
            *(int64_t *)value = integer;
        }
        break;
    case MW_OPTION_FLOAT:
        err = mw_decimal_parse(mw_span_of(text), '.', &number);
        if (err == MW_OK && !in_range(option, number)) {
            err = MW_ERR_RANGE;
        }
        if (err == MW_OK) {
            *(double *)value = number;
        }
        break;
    case MW_OPTION_DURATION:
    case MW_OPTION_SIZE:
        err = set_quantity(option, value, text);
        break;
    case MW_OPTION_NAME:
        return is_name(text) ? set_text(value, text, error)
                             : mw_option_refuse(option, MW_ERR_PARSE, text, error);
    case MW_OPTION_STRING:
        return set_text(value, text, error);
    case MW_OPTION_ENUM:
        return set_enum(option, text, value, error);
    case MW_OPTION_LIST:
    case MW_OPTION_INTS:
        return mw_option_list_set(option, value, text, how, error);
    }
    return err == MW_OK ? MW_OK : mw_option_refuse(option, err, text, error);
}
