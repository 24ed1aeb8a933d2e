/* options.h - one table of options drives parsing, --help, the manual page and plant.yaml.
 *
 * A row says: dotted key ("broker.url"), type, unit, range or choices, default, one line of help
 * and where the value lies in the caller's struct. On the command line the same key is
 * --broker-url; in YAML it is url: below broker:. */
#ifndef MW_BASE_OPTIONS_H
#define MW_BASE_OPTIONS_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum mw_option_type {
    MW_OPTION_BOOL,     /* bool */
    MW_OPTION_INT,      /* int64_t */
    MW_OPTION_FLOAT,    /* double */
    MW_OPTION_STRING,   /* char * (owned by the struct; freed by mw_options_clear) */
    MW_OPTION_NAME,     /* char *, [a-z0-9-]{1,63} */
    MW_OPTION_DURATION, /* int64_t microseconds; text like 250ms, 30s, 10m, 2h, 7d; a cycle
                           is a minute: "30 cycles"; "off" gives -1 */
    MW_OPTION_SIZE,     /* int64_t bytes; text like 512, 64KiB, 1GiB; "off" gives -1 */
    MW_OPTION_ENUM,     /* int; choices is "logistic|mlp|autoencoder", the value its place from 0 */
    MW_OPTION_LIST,     /* struct mw_list of strings */
    MW_OPTION_INTS      /* struct mw_ints */
};

struct mw_list {
    char **item;
    size_t n;
};
struct mw_ints {
    int64_t *item;
    size_t n;
};

struct mw_option {
    const char *key; /* dotted, unique in the table; NULL ends the table */
    enum mw_option_type type;
    const char *choices;  /* ENUM only */
    double min, max;      /* INT, FLOAT, DURATION (microseconds), SIZE; both 0: no limit */
    const char *fallback; /* default as text; NULL: none (zero, NULL, empty) */
    const char *unit;     /* for people; may be NULL */
    const char *help;     /* one line without a full stop */
    size_t offset;        /* offsetof the value in the struct */
};

/* The units of a DURATION (in microseconds) or a SIZE (in bytes), ended by a NULL name; NULL for
 * other types. */
struct mw_option_unit {
    const char *name;
    double size;
};
const struct mw_option_unit *mw_options_units(enum mw_option_type type);

/* What a value has to be, "a whole number from 0 to 65535", into text. */
void mw_options_expected(const struct mw_option *option, char *text, size_t capacity);

/* Sets every option of the table to its default. What the values owned is not freed: they may be
 * uninitialised memory. On an error (a mistake in the table) they are cleared. */
mw_err mw_options_defaults(const struct mw_option *table, void *values, struct mw_error *error);

/* Frees what strings and lists own and zeroes the values. */
void mw_options_clear(const struct mw_option *table, void *values);

/* Sets one option from text, a LIST or INTS at its commas. "off" is taken whatever the range is.
 * `where` ("plant.yaml:14", may be NULL) goes before the message. An unknown key names the nearest
 * known one. Errors: NOT_FOUND, PARSE, RANGE, MEMORY. */
mw_err mw_options_set(const struct mw_option *table, void *values, const char *key,
                      const char *text, const char *where, struct mw_error *error);

/* Reads a YAML file whose mappings spell the dotted keys. `values` has to be zeroed or set before:
 * what it owns is freed, and what the file does not name gets its default. Values of LIST and INTS
 * are sequences, whose items are taken as they are, or one scalar, which is split at its commas.
 * Keys given twice, aliases, tags and several documents are refused. On an error the message starts
 * with "FILE:LINE: ". The file is at most 1 MiB. Keys below a `free` prefix (NULL-terminated list,
 * may be NULL) are handed to on_free(key, text, line) instead, each item of a sequence by itself:
 * they are maps whose keys the user chooses; "FILE:LINE: " is put before the error of on_free.
 * After an error the values are good only for mw_options_clear. */
typedef mw_err mw_options_free_fn(void *context, const char *key, const char *text, unsigned line,
                                  struct mw_error *error);
mw_err mw_options_read_yaml(const struct mw_option *table, void *values, const char *path,
                            const char *const *free_prefixes, mw_options_free_fn *on_free,
                            void *context, struct mw_error *error);
/* The same from memory; `path` is only for messages. */
mw_err mw_options_parse_yaml(const struct mw_option *table, void *values, const char *text,
                             size_t size, const char *path, const char *const *free_prefixes,
                             mw_options_free_fn *on_free, void *context, struct mw_error *error);

/* Parses argv[1..] of a subcommand: --key value, --key=value, --flag for BOOL (--no-flag too), and
 * one-letter forms -c for a key named in `shorts` ("c=config"). A LIST or INTS given again is
 * added to, anything else replaced. What is not an option is moved to argv[0] to argv[*rest - 1];
 * "--" ends options, "-" is none. Errors: as mw_options_set; ARGUMENT when a value is missing. */
mw_err mw_options_parse_args(const struct mw_option *table, void *values, const char *shorts,
                             int argc, char **argv, int *rest, struct mw_error *error);

/* Prints the options as --help lists them, and as a man page section (groff man macros). */
void mw_options_print_help(const struct mw_option *table, FILE *out);
void mw_options_print_man(const struct mw_option *table, FILE *out);
/* The same section for a table that is read from YAML: entries are dotted keys. */
void mw_options_print_man_keys(const struct mw_option *table, FILE *out);

#endif
