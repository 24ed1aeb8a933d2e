/* open_plant.h - plant.yaml for a command that touches models: with its registry behind them. */
#ifndef MW_CLI_OPEN_PLANT_H
#define MW_CLI_OPEN_PLANT_H

#include "lib/plant/plant.h"
#include "lib/registry/registry.h"

/* mw_plant_read, and artifacts.registry attached to every store of this process. */
mw_err mw_open_plant(struct mw_plant *plant, const char *config, struct mw_error *error);

/* The registry of artifacts.registry; ARGUMENT when the plant names none. */
mw_err mw_open_registry(struct mw_registry **registry, const struct mw_plant *plant,
                        struct mw_error *error);

#endif
