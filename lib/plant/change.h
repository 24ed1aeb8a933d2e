/* change.h - which part of plant.yaml changed, so that only the roles that read it restart. */
#ifndef MW_PLANT_CHANGE_H
#define MW_PLANT_CHANGE_H

#include "lib/plant/plant.h"

/* True when any key that is `section` or lies below it ("broker" covers broker.url) has another
 * value. */
bool mw_plant_differs(const struct mw_plant *a, const struct mw_plant *b, const char *section);

#endif
