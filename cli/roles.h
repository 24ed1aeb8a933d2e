/* roles.h - the roles of the design: what each runs and which sections of plant.yaml it reads. */
#ifndef MW_CLI_ROLES_H
#define MW_CLI_ROLES_H

#include "lib/plant/plant.h"

struct mw_role_entry {
    const char *name;
    const char *summary;
    mw_err (*run)(const struct mw_plant *plant, struct mw_error *error);
    const char *sections; /* separated by blanks: a change of one restarts the role */
};

/* In the order of starting: what receives before what sends, and the page last, since a port that
 * is taken must not hold back the things. Ends with a NULL name. */
extern const struct mw_role_entry mw_roles[];

#endif
