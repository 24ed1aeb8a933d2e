/* plant_internal.h - between the files of plant.h. */
#ifndef MW_PLANT_PLANT_INTERNAL_H
#define MW_PLANT_PLANT_INTERNAL_H

#include "lib/plant/plant.h"

/* Whether the keys make sense together. PARSE, with the file `path` and the key. */
mw_err mw_plant_check(const struct mw_plant *plant, const char *path, struct mw_error *error);

#endif
