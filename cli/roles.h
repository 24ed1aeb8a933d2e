/* roles.h - the roles of the design: what each runs and which sections of plant.yaml it reads. */
#ifndef MW_CLI_ROLES_H
#define MW_CLI_ROLES_H

#include "lib/plant/plant.h"

/* Niceness, added to that of `up`. From a record to its command four processes follow one another,
 * and each may have to wait for a processor that others keep busy; those who only follow what
 * happened can wait. Only root, or who has RLIMIT_NICE or CAP_SYS_NICE, may go below 0. */
enum { MW_NICE_ACTS = -10, MW_NICE_FOLLOWS = 5 };

struct mw_role_entry {
    const char *name;
    const char *summary;
    mw_err (*run)(const struct mw_plant *plant, struct mw_error *error);
    const char *sections; /* separated by blanks: a change of one restarts the role */
    int nice;
    bool apart; /* needs nothing but the stream, for which it may have to wait: nobody waits for it
                 */
};

/* In the order of starting: what receives before what sends, and the page last, since a port that
 * is taken must not hold back the things. Ends with a NULL name. */
extern const struct mw_role_entry mw_roles[];

#endif
