/* The script of the simulated plant: whatever the text, the parser ends, stays inside its arrays,
 * and what it lets through is a configuration that the world takes. */
#include "tiers/iot/world_script.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_world_config config;
    struct mw_world_change changes[32];
    struct mw_error error = {0};
    mw_world_config_default(&config);
    mw_err err = mw_world_script_parse((const char *)data, size, "script", &config, changes, 32,
                                       &config.n_changes, &error);
    if (config.n_changes > 32 || (err != MW_OK && error.text[0] == '\0')) {
        abort();
    }
    if (err == MW_OK) {
        const struct mw_world_callbacks callbacks = {0};
        struct mw_world *world;
        config.changes = changes;
        if (mw_world_new(&config, &callbacks, &world, &error) == MW_ERR_ARGUMENT) {
            abort();
        }
        mw_world_free(world);
    }
    return 0;
}
