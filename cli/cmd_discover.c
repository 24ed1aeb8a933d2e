#include "cli/command.h"
#include "lib/base/file.h"
#include "tiers/iot/iio_discover.h"

#include <stdio.h>

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    struct mw_buffer yaml = {0};
    (void)values;
    if (n != 1) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "one address was expected, e.g. iio:local"));
    }
    mw_err err = mw_iio_discover(argv[0], &yaml, error);
    if (err == MW_OK) {
        fputs(yaml.data, stdout);
    }
    mw_buffer_free(&yaml);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_discover = {
    .name = "discover",
    .synopsis = "iio:local|iio:xml:FILE",
    .summary = "list the channels of Linux IIO devices as a file for gateway.devices",
    .run = run,
    .positional = true,
};
