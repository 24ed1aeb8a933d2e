/* The command line of a subcommand. "--broker-url" is the key broker.url: a dot or an underscore of
 * a key is a dash on the command line. */
#include "lib/base/nearest.h"
#include "lib/base/options.h"
#include "lib/base/options_internal.h"

#include <stdlib.h>
#include <string.h>

struct arguments {
    const struct mw_option *table;
    void *values;
    const char *shorts;
    int argc;
    char **argv;
    int next;   /* in argv */
    bool *seen; /* by row: a list given again is added to */
    struct mw_error *error;
};

void mw_option_flag(const char *key, char *text, size_t capacity)
{
    size_t n = 0;
    for (; key[n] != 0 && n + 1 < capacity; n++) {
        text[n] = key[n] == '.' || key[n] == '_' ? '-' : key[n];
    }
    text[n] = 0;
}

static bool flag_is(const char *key, struct mw_span typed)
{
    size_t i = 0;
    for (; i < typed.size && key[i] != 0; i++) {
        char c = key[i] == '.' || key[i] == '_' ? '-' : key[i];
        if (c != typed.data[i]) {
            return false;
        }
    }
    return i == typed.size && key[i] == 0;
}

static const struct mw_option *find_flag(const struct mw_option *table, struct mw_span typed)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        if (flag_is(option->key, typed)) {
            return option;
        }
    }
    return NULL;
}

/* The option of a letter: shorts is "c=config" or "c=config n=name", parted by blanks or commas. */
static const struct mw_option *find_short(const struct arguments *arguments, char letter)
{
    const char *at = arguments->shorts;
    while (at != NULL && *at != 0) {
        size_t size = strcspn(at, " ,");
        if (size > 2 && at[0] == letter && at[1] == '=') {
            for (const struct mw_option *o = arguments->table; o->key != NULL; o++) {
                if (strlen(o->key) == size - 2 && memcmp(o->key, at + 2, size - 2) == 0) {
                    return o;
                }
            }
        }
        at += size;
        at += strspn(at, " ,");
    }
    return NULL;
}

static struct mw_span nearest_flag(const struct mw_option *table, struct mw_span typed)
{
    struct mw_span nearest = {0};
    size_t best = mw_nearest_limit(typed) + 1;
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        char flag[128];
        mw_option_flag(option->key, flag, sizeof flag);
        size_t far = mw_nearest_distance(typed, mw_span_of(flag));
        if (far < best) {
            best = far;
            nearest = mw_span_of(option->key);
        }
    }
    return nearest;
}

static mw_err unknown(const struct arguments *arguments, struct mw_span typed)
{
    struct mw_error *error = arguments->error;
    struct mw_span nearest = nearest_flag(arguments->table, typed);
    if (nearest.size > 0) {
        char flag[128];
        mw_option_flag(nearest.data, flag, sizeof flag);
        return mw_error_set(error, MW_ERR_NOT_FOUND, "--%.*s: unknown option, did you mean --%s?",
                            (int)typed.size, typed.data, flag);
    }
    return mw_error_set(error, MW_ERR_NOT_FOUND, "--%.*s: unknown option", (int)typed.size,
                        typed.data);
}

/* Sets an option; `shown` is how the person wrote it, `value` NULL when it has to be the next word.
 */
static mw_err set(struct arguments *arguments, const struct mw_option *option, struct mw_span shown,
                  const char *value)
{
    struct mw_error *error = arguments->error;
    bool *seen = &arguments->seen[option - arguments->table];
    if (value == NULL && option->type == MW_OPTION_BOOL) {
        value = "true";
    }
    if (value == NULL) {
        bool more = arguments->next < arguments->argc;
        if (!more || strncmp(arguments->argv[arguments->next], "--", 2) == 0) {
            char expected[256];
            mw_option_expected(option, expected, sizeof expected);
            return mw_error_set(error, MW_ERR_ARGUMENT, "%.*s: expected %s", (int)shown.size,
                                shown.data, expected);
        }
        value = arguments->argv[arguments->next++];
    }
    mw_err err = mw_option_assign(option, arguments->values, value,
                                  *seen ? MW_OPTION_APPEND : MW_OPTION_REPLACE, error);
    *seen = true;
    if (err != MW_OK) {
        mw_error_wrap(error, "%.*s", (int)shown.size, shown.data);
    }
    return err;
}

static mw_err set_long(struct arguments *arguments, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t size = equals == NULL ? strlen(word) : (size_t)(equals - word);
    struct mw_span shown = {word, size}, typed = {word + 2, size - 2};
    const char *value = equals == NULL ? NULL : equals + 1;
    const struct mw_option *option = find_flag(arguments->table, typed);
    if (option != NULL) {
        return set(arguments, option, shown, value);
    }
    if (typed.size > 3 && memcmp(typed.data, "no-", 3) == 0) {
        option = find_flag(arguments->table, (struct mw_span){typed.data + 3, typed.size - 3});
        if (option != NULL && option->type == MW_OPTION_BOOL && value == NULL) {
            return set(arguments, option, shown, "false");
        }
    }
    return unknown(arguments, typed);
}

static mw_err set_short(struct arguments *arguments, const char *word)
{
    const struct mw_option *option = find_short(arguments, word[1]);
    const char *value = word[2] == 0 ? NULL : word[2] == '=' ? word + 3 : word + 2;
    if (option == NULL || (option->type == MW_OPTION_BOOL && value != NULL)) {
        return mw_error_set(arguments->error, MW_ERR_NOT_FOUND, "%s: unknown option", word);
    }
    return set(arguments, option, (struct mw_span){word, 2}, value);
}

mw_err mw_options_parse_args(const struct mw_option *table, void *values, const char *shorts,
                             int argc, char **argv, int *rest, struct mw_error *error)
{
    size_t n = 0;
    while (table[n].key != NULL) {
        n++;
    }
    struct arguments arguments = {.table = table,
                                  .values = values,
                                  .shorts = shorts,
                                  .argc = argc,
                                  .argv = argv,
                                  .next = 1,
                                  .error = error};
    arguments.seen = calloc(n + 1, sizeof *arguments.seen);
    *rest = 0;
    if (arguments.seen == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = MW_OK;
    bool ended = false;
    while (err == MW_OK && arguments.next < argc) {
        char *word = argv[arguments.next++];
        if (ended || word[0] != '-' || word[1] == 0) { /* "-" is stdin */
            argv[(*rest)++] = word;
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else if (word[1] == '-') {
            err = set_long(&arguments, word);
        } else {
            err = set_short(&arguments, word);
        }
    }
    free(arguments.seen);
    return err;
}
