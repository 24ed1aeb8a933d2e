/* options_internal.h - what the files of options share; see options.h. */
#ifndef MW_BASE_OPTIONS_INTERNAL_H
#define MW_BASE_OPTIONS_INTERNAL_H

#include "lib/base/options.h"

/* How a text reaches a LIST or INTS; other types are always replaced. */
enum mw_option_how {
    MW_OPTION_REPLACE, /* split at commas, in place of what is there */
    MW_OPTION_APPEND,  /* split at commas, behind what is there */
    MW_OPTION_ITEM     /* one item as it is, behind what is there */
};

/* Sets the value from text. On an error the value is as before, and the message says what the text
 * is not, without the key. Errors: PARSE, RANGE, MEMORY. */
mw_err mw_option_assign(const struct mw_option *option, void *values, const char *text,
                        enum mw_option_how how, struct mw_error *error);

/* Bytes of the value in the caller's struct. */
size_t mw_option_size(const struct mw_option *option);

/* Frees what the value owns and zeroes it. */
void mw_option_clear(const struct mw_option *option, void *values);

/* "a whole number from 0 to 65535", into text. */
void mw_option_expected(const struct mw_option *option, char *text, size_t capacity);

/* The message "2k is not a whole number from 0 to 100"; returns code. */
mw_err mw_option_refuse(const struct mw_option *option, mw_err code, const char *text,
                        struct mw_error *error);

/* One whole number in the option's range, without a message. Errors: PARSE, RANGE. */
mw_err mw_option_parse_integer(const struct mw_option *option, const char *text, int64_t *value);

/* The same as assign and clear for the value of a LIST or INTS. */
mw_err mw_option_list_set(const struct mw_option *option, void *value, const char *text,
                          enum mw_option_how how, struct mw_error *error);
void mw_option_list_clear(const struct mw_option *option, void *value);
bool mw_option_is_list(const struct mw_option *option);

/* The row of a key, NULL when there is none. */
const struct mw_option *mw_option_find(const struct mw_option *table, const char *key);

/* Is there a key below this one: is "broker" the start of "broker.url"? */
bool mw_option_is_section(const struct mw_option *table, const char *key);

/* Reports an unknown key with the nearest known one, or with those that its section has. */
mw_err mw_option_unknown(const struct mw_option *table, const char *key, struct mw_error *error);

/* Prints the option of the command line that a key has ("broker.url" gives "broker-url"). */
void mw_option_flag(const char *key, char *text, size_t capacity);

#endif
