#include "tiers/iot/thing_world.h"

#include "lib/base/file.h"
#include "tiers/iot/world_script.h"

#include <stdlib.h>
#include <string.h>

#define HOUR (3600.0 * 1e6)
#define SCRIPT_MAX (1U << 20)

int64_t mw_thing_world_start(void)
{
    struct mw_world_config config;
    mw_world_config_default(&config);
    return config.start;
}

static mw_err configure(struct mw_world_config *config, const struct mw_plant *plant,
                        struct mw_error *error)
{
    const char *feature = plant->gate.feature;
    mw_world_config_default(config);
    config->seed = (uint64_t)plant->simulate.seed;
    config->machines = (unsigned)plant->simulate.machines;
    config->interval = plant->simulate.interval;
    config->fault_hours =
        plant->simulate.fault_every < 0 ? 0 : (double)plant->simulate.fault_every / HOUR;
    config->growth_hours[0] = 0.6 * (double)plant->simulate.growth / HOUR;
    config->growth_hours[1] = 1.4 * (double)plant->simulate.growth / HOUR;
    if (feature == NULL || feature[0] == '\0') {
        return MW_OK;
    }
    if (strcmp(feature, "current_rms") != 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "%s: gate.feature: %s: simulated motors have their gate on current_rms",
                            plant->file == NULL ? "plant" : plant->file, feature);
    }
    config->gate.minimum = (float)plant->gate.minimum;
    return MW_OK;
}

static mw_err read_script(struct mw_world_config *config, const char *path,
                          struct mw_world_change *changes, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, SCRIPT_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_world_script_parse(text.data, text.size, path, config, changes,
                                    MW_WORLD_CHANGES_MAX, &config->n_changes, error);
    }
    mw_buffer_free(&text);
    return err;
}

/* *changes is what config->changes points to; the caller frees it, after an error too. */
static mw_err describe(struct mw_world_config *config, struct mw_world_change **changes,
                       const struct mw_plant *plant, struct mw_error *error)
{
    const char *script = plant->simulate.script;
    *changes = NULL;
    mw_err err = configure(config, plant, error);
    if (err != MW_OK) {
        return err;
    }
    *changes = calloc(MW_WORLD_CHANGES_MAX, sizeof **changes);
    if (*changes == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    config->changes = *changes;
    return script == NULL || script[0] == '\0' ? MW_OK
                                               : read_script(config, script, *changes, error);
}

mw_err mw_thing_world_check(const struct mw_plant *plant, struct mw_error *error)
{
    struct mw_world_config config;
    struct mw_world_change *changes;
    mw_err err = describe(&config, &changes, plant, error);
    free(changes);
    return err;
}

mw_err mw_thing_world_new(struct mw_world **world, const struct mw_plant *plant,
                          const struct mw_world_callbacks *callbacks, struct mw_error *error)
{
    struct mw_world_config config;
    struct mw_world_change *changes;
    *world = NULL;
    mw_err err = describe(&config, &changes, plant, error);
    if (err == MW_OK) {
        err = mw_world_new(&config, callbacks, world, error);
    }
    free(changes);
    return err;
}
