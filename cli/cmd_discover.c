#include "cli/command.h"
#include "lib/base/file.h"
#include "tiers/iot/iio_discover.h"

#include <stdbool.h>
#include <stdio.h>

struct values {
    bool json;
};

static const struct mw_option options[] = {
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print a JSON object for each channel",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_buffer text = {0};
    if (n != 1) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "one address was expected, e.g. iio:local"));
    }
    mw_err err = mw_iio_discover(argv[0], v->json, &text, error);
    if (err == MW_OK) {
        fputs(text.data, stdout);
    }
    mw_buffer_free(&text);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_discover = {
    .name = "discover",
    .synopsis = "iio:local|iio:xml:FILE [--json]",
    .summary = "list the channels of Linux IIO devices as a file for gateway.devices",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
