#include "cli/open_plant.h"

mw_err mw_open_registry(struct mw_registry **registry, const struct mw_plant *plant,
                        struct mw_error *error)
{
    struct mw_registry_options options = {.url = plant->artifacts.registry,
                                          .ca_file = plant->artifacts.ca_file,
                                          .username = plant->artifacts.username,
                                          .password_file = plant->artifacts.password_file};
    if (options.url == NULL || options.url[0] == '\0') {
        *registry = NULL;
        return mw_error_set(error, MW_ERR_ARGUMENT, "%s: artifacts.registry is not set",
                            plant->file == NULL ? "the plant" : plant->file);
    }
    mw_err err = mw_registry_open(registry, &options, error);
    return err == MW_OK ? MW_OK
                        : mw_error_wrap(error, "%s: artifacts",
                                        plant->file == NULL ? "the plant" : plant->file);
}

mw_err mw_open_plant(struct mw_plant *plant, const char *config, struct mw_error *error)
{
    static struct mw_registry *attached; /* as long as the process */
    mw_err err = mw_plant_read(plant, config, error);
    if (err != MW_OK || plant->artifacts.registry == NULL || plant->artifacts.registry[0] == '\0') {
        return err;
    }
    struct mw_registry *registry;
    err = mw_open_registry(&registry, plant, error);
    if (err != MW_OK) {
        mw_plant_clear(plant);
        return err;
    }
    mw_registry_attach(registry);
    mw_registry_close(attached);
    attached = registry;
    return MW_OK;
}
