/* What `up` does before its roles start, for a pod whose roles start by themselves. */
#include "cli/command.h"
#include "cli/up.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "tiers/training/take.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

struct values {
    char *config, *models, *refused;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"models", MW_OPTION_STRING, NULL, 0, 0, NULL, "folder",
     "an image of `model pack` that is mounted there: its models are taken over",
     offsetof(struct values, models)},
    {"refused", MW_OPTION_STRING, NULL, 0, 0, NULL, "file",
     "where to write why they were not, when the plant goes on with its own",
     offsetof(struct values, refused)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* In place, since Kubernetes mounts the file by itself (/dev/termination-log). */
static mw_err tell(const char *path, const char *reason, struct mw_error *error)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    bool written = fputs(reason, file) >= 0;
    return fclose(file) == 0 && written ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s", path);
}

/* Before keys are made: a plant that has none yet believes the models' first root. One that has
 * goes on with what it has when they are refused. */
static mw_err take_models(const struct mw_plant *plant, const struct values *v,
                          struct mw_error *error)
{
    char root[PATH_MAX];
    bool changed;
    struct mw_error why = {0};
    mw_err err =
        mw_plant_path(plant, "artifacts/metadata", "1.root.json", root, sizeof root, error);
    if (err != MW_OK) {
        return err;
    }
    bool known = mw_file_exists(root);
    err = mw_take_models(plant, v->models, &changed, &why);
    if (err == MW_OK) {
        return MW_OK;
    }
    if (!known) {
        return mw_error_set(error, err, "models: %s", why.text);
    }
    mw_log(MW_LOG_WARN, plant->plant, "the models were refused, and the plant keeps its own",
           MW_KS("reason", why.text));
    return v->refused == NULL ? MW_OK : tell(v->refused, why.text, error);
}

static mw_err prepare(const struct mw_plant *plant, const struct values *v, struct mw_error *error)
{
    mw_err err = v->models == NULL ? MW_OK : take_models(plant, v, error);
    return err == MW_OK ? mw_up_prepare(plant, error) : err;
}

/* The pods of a plant start together, and each of them prepares: one after the other. */
static mw_err prepare_alone(const struct mw_plant *plant, const struct values *v,
                            struct mw_error *error)
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
    err = err == MW_OK ? prepare(plant, v, error) : err;
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
    mw_err err = prepare_alone(&plant, v, error);
    mw_plant_clear(&plant);
    return err == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_prepare = {
    .name = "prepare",
    .synopsis = "-c plant.yaml [--models FOLDER [--refused FILE]]",
    .summary = "make the keys and the store of a data folder, once, before roles run alone",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
