/* command.h - one row a subcommand: main.c finds it, prints its help, and the manual page from it.
 */
#ifndef MW_CLI_COMMAND_H
#define MW_CLI_COMMAND_H

#include "lib/base/error.h"
#include "lib/base/options.h"

#include <stdbool.h>
#include <stddef.h>

#define MW_EXIT_ANSWER_NO 3 /* "yes, drifted" or "no, not verified" */

/* The row of -c plant.yaml in the options of a command whose values have `char *config`. */
#define MW_OPTION_CONFIG(values)                                                                \
    {                                                                                           \
        "config", MW_OPTION_STRING, NULL, 0, 0, "plant.yaml", NULL, "description of the plant", \
            offsetof(values, config)                                                            \
    }

struct mw_subcommand {
    const char *name;                /* "train"; two words for a second level: "model show" */
    const char *synopsis;            /* "--data FILE.csv --label COLUMN --out MODEL.tflite" */
    const char *summary;             /* one line without a full stop */
    const char *shorts;              /* "c=config", for mw_options_parse_args; may be NULL */
    const struct mw_option *options; /* NULL: none */
    size_t values_size;              /* of the struct that the options fill */
    /* values is zeroed, set to defaults and parsed; argv holds the n positional arguments. Returns
     * the exit status; with an error set, main prints it and exits with mw_error_exit_status. */
    int (*run)(void *values, int n, char **argv, struct mw_error *error);
    bool positional; /* takes arguments that are no options; else main refuses them */
};

#endif
