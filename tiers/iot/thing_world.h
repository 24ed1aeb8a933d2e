/* thing_world.h - the simulated world as plant.yaml describes it. */
#ifndef MW_IOT_THING_WORLD_H
#define MW_IOT_THING_WORLD_H

#include "lib/plant/plant.h"
#include "tiers/iot/world.h"

/* Makes the world of the section simulate, with the changes of its script (world_script.h) and the
 * gate: gate.feature may be current_rms with gate.minimum; empty leaves a simulated motor's own
 * gate. Errors carry the script's FILE:LINE; ARGUMENT for another feature. */
mw_err mw_thing_world_new(struct mw_world **world, const struct mw_plant *plant,
                          const struct mw_world_callbacks *callbacks, struct mw_error *error);

/* Whether that would find a script and a gate that make sense. Errors: as above. */
mw_err mw_thing_world_check(const struct mw_plant *plant, struct mw_error *error);

/* When every simulated plant's clock starts, microseconds UTC. */
int64_t mw_thing_world_start(void);

#endif
