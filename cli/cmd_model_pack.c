/* cmd_model_pack.c - models as an image in a file, for a cluster that reaches no registry. */
#include "cli/command.h"
#include "lib/artifact/image.h"
#include "tiers/training/in_use.h"

#include <stddef.h>
#include <stdio.h>

struct values {
    char *config, *reference, *out;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"reference", MW_OPTION_STRING, NULL, 0, 0, NULL, "host/name:tag", "the image's name",
     offsetof(struct values, reference)},
    {"out", MW_OPTION_STRING, NULL, 0, 0, NULL, "file.tar", "where to write the OCI archive",
     offsetof(struct values, out)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err pack(struct mw_store *store, const struct values *v, char **names, size_t n,
                   struct mw_error *error)
{
    struct mw_image image = {0};
    struct mw_buffer archive = {0};
    mw_err err = mw_image_pack(store, names, n, &image, error);
    err = err == MW_OK ? mw_image_archive(&image, v->reference, &archive, error) : err;
    err = err == MW_OK ? mw_file_write(v->out, archive.data, archive.size, 0644, error) : err;
    if (err == MW_OK) {
        printf("packed %s\n", image.digest);
    }
    mw_buffer_free(&archive);
    mw_image_clear(&image);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_store *store = NULL;
    if (n == 0 || v->reference == NULL || v->out == NULL) {
        return mw_error_exit_status(mw_error_set(
            error, MW_ERR_ARGUMENT, "--reference, --out and a tag or digest are needed"));
    }
    mw_err err = mw_plant_read(&plant, v->config, error);
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_in_use_store(&store, &plant, false, error);
    err = err == MW_OK ? pack(store, v, argv, (size_t)n, error) : err;
    mw_store_close(store);
    mw_plant_clear(&plant);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_model_pack = {
    .name = "model pack",
    .synopsis = "-c plant.yaml --reference HOST/NAME:TAG --out FILE.tar TAG|DIGEST ...",
    .summary = "write models and who signed them as an image, for Kubernetes to mount",
    .shorts = "c=config o=out",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
