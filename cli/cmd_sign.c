#include "cli/command.h"
#include "cli/open_plant.h"
#include "lib/plant/plant.h"
#include "tiers/training/publish.h"

#include <inttypes.h>
#include <stdio.h>

struct values {
    char *config, *bundle, *name;
    bool json;
};

#define ROW(key, type, fallback, unit, help, field)                                             \
    {                                                                                           \
        key, MW_OPTION_##type, NULL, 0, 0, fallback, unit, help, offsetof(struct values, field) \
    }

static const struct mw_option options[] = {
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("bundle", STRING, NULL, "folder", "what validate wrote", bundle),
    ROW("name", STRING, NULL, "name", "in the signed metadata; default a slot of its tag", name),
    ROW("json", BOOL, NULL, NULL, "print digest and version as JSON", json),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_signed done;
    (void)n;
    (void)argv;
    if (v->bundle == NULL) {
        return mw_error_exit_status(mw_error_set(error, MW_ERR_ARGUMENT, "--bundle is needed"));
    }
    mw_err err = mw_open_plant(&plant, v->config, error);
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_publish_sign(&plant, v->bundle, v->name, &done, error);
    if (err == MW_OK && v->json) {
        printf("{\"bundle\":\"%s\",\"name\":\"%s\",\"version\":%" PRIu64 "}\n", done.digest,
               done.name, done.version);
    } else if (err == MW_OK) {
        printf("%s\nsigned as %s, targets version %" PRIu64 "\n", done.digest, done.name,
               done.version);
    }
    mw_plant_clear(&plant);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_sign = {
    .name = "sign",
    .synopsis = "-c plant.yaml --bundle FOLDER [--name bundle/plant] [--json]",
    .summary = "store a validated bundle as an artifact and sign it",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
