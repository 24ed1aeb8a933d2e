/* The values of LIST and INTS: their texts are split at commas, unless they come as the items of a
 * sequence. Items are added behind the old ones first, so that a bad text leaves the list as it
 * was. */
#include "lib/base/options_internal.h"

#include <stdlib.h>
#include <string.h>

bool mw_option_is_list(const struct mw_option *option)
{
    return option->type == MW_OPTION_LIST || option->type == MW_OPTION_INTS;
}

/* One element that both kinds of list have room for. */
static mw_err add_item(const struct mw_option *option, void *value, const char *text,
                       struct mw_error *error)
{
    if (option->type == MW_OPTION_LIST) {
        struct mw_list *list = value;
        char **item = realloc(list->item, (list->n + 1) * sizeof *item);
        if (item != NULL) {
            list->item = item;
            item[list->n] = strdup(text);
        }
        if (item == NULL || item[list->n] == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        list->n++;
        return MW_OK;
    }
    struct mw_ints *ints = value;
    int64_t number;
    mw_err err = mw_option_parse_integer(option, text, &number);
    if (err != MW_OK) {
        struct mw_option one = *option; /* the item is to blame, not the list */
        one.type = MW_OPTION_INT;
        return mw_option_refuse(&one, err, text, error);
    }
    int64_t *item = realloc(ints->item, (ints->n + 1) * sizeof *item);
    if (item == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    ints->item = item;
    item[ints->n++] = number;
    return MW_OK;
}

static size_t list_size(const struct mw_option *option, const void *value)
{
    return option->type == MW_OPTION_LIST ? ((const struct mw_list *)value)->n
                                          : ((const struct mw_ints *)value)->n;
}

/* Takes items behind place n away again. */
static void cut_list(const struct mw_option *option, void *value, size_t n)
{
    if (option->type == MW_OPTION_INTS) {
        ((struct mw_ints *)value)->n = n;
        return;
    }
    struct mw_list *list = value;
    while (list->n > n) {
        free(list->item[--list->n]);
    }
}

/* Drops the first n items. */
static void drop_items(const struct mw_option *option, void *value, size_t n)
{
    if (n == 0) {
        return;
    }
    if (option->type == MW_OPTION_INTS) {
        struct mw_ints *ints = value;
        ints->n -= n;
        memmove(ints->item, ints->item + n, ints->n * sizeof *ints->item);
        return;
    }
    struct mw_list *list = value;
    for (size_t i = 0; i < n; i++) {
        free(list->item[i]);
    }
    list->n -= n;
    memmove(list->item, list->item + n, list->n * sizeof *list->item);
}

static mw_err split(const struct mw_option *option, void *value, char *text, struct mw_error *error)
{
    if (text[strspn(text, " \t")] == 0) {
        return MW_OK;
    }
    for (;;) {
        char *comma = strchr(text, ',');
        char *end = comma == NULL ? text + strlen(text) : comma;
        bool last = comma == NULL;
        text += strspn(text, " \t");
        while (end > text && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }
        *end = 0;
        if (*text == 0) {
            return mw_error_set(error, MW_ERR_PARSE, "an item of the list is empty");
        }
        mw_err err = add_item(option, value, text, error);
        if (err != MW_OK || last) {
            return err;
        }
        text = comma + 1;
    }
}

mw_err mw_option_list_set(const struct mw_option *option, void *value, const char *text,
                          enum mw_option_how how, struct mw_error *error)
{
    size_t before = list_size(option, value);
    mw_err err;
    if (how == MW_OPTION_ITEM) {
        err = add_item(option, value, text, error);
    } else {
        char *copy = strdup(text);
        if (copy == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        err = split(option, value, copy, error);
        free(copy);
    }
    if (err != MW_OK) {
        cut_list(option, value, before);
    } else if (how == MW_OPTION_REPLACE) {
        drop_items(option, value, before);
    }
    return err;
}

void mw_option_list_clear(const struct mw_option *option, void *value)
{
    cut_list(option, value, 0);
    if (option->type == MW_OPTION_LIST) {
        struct mw_list *list = value;
        free(list->item);
        *list = (struct mw_list){0};
    } else {
        struct mw_ints *ints = value;
        free(ints->item);
        *ints = (struct mw_ints){0};
    }
}
