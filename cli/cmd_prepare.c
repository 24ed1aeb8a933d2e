/* What `up` does before its roles start, for a pod whose roles start by themselves. */
#include "cli/command.h"
#include "cli/up.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/file.h>
#include <unistd.h>

struct values {
    char *config;
};

static const struct mw_option options[] = {
    {"config", MW_OPTION_STRING, NULL, 0, 0, "plant.yaml", NULL, "description of the plant",
     offsetof(struct values, config)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* The pods of a plant start together, and each of them prepares: one after the other. */
static mw_err prepare_alone(const struct mw_plant *plant, struct mw_error *error)
{
    char path[PATH_MAX];
    mw_err err = mw_plant_path(plant, "run", "prepare.lock", path, sizeof path, error);
    if (err != MW_OK) {
        return err;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    err = err == MW_OK ? mw_up_prepare(plant, error) : err;
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    (void)n;
    (void)argv;
    if (mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 1;
    }
    mw_err err = prepare_alone(&plant, error);
    mw_plant_clear(&plant);
    return err == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_prepare = {
    .name = "prepare",
    .synopsis = "-c plant.yaml",
    .summary = "make the keys and the store of a data folder, once, before roles run alone",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
