/* role.h - what every role process has: its plant, its loop, its signals and its READY.
 *
 * A role is one process with one epoll loop. SIGTERM and SIGINT stop the loop; a role's run
 * function then returns MW_OK after committing what it holds. */
#ifndef MW_BASE_ROLE_H
#define MW_BASE_ROLE_H

#include "lib/base/error.h"
#include "lib/base/loop.h"

struct mw_health;

struct mw_role {
    const char *name; /* "bridge"; borrowed, constant */
    struct mw_loop *loop;
    struct mw_health *health; /* probes of a pod (lib/base/health.h); NULL: nobody asks */
};

/* Makes the loop, blocks and watches SIGTERM and SIGINT (stop) and ignores SIGPIPE. With
 * MILLWRIGHT_HEALTH in the environment it answers probes on that port. */
mw_err mw_role_init(struct mw_role *role, const char *name, struct mw_error *error);
/* Says READY, then runs until stopped. */
mw_err mw_role_run(struct mw_role *role, struct mw_error *error);
void mw_role_clear(struct mw_role *role);

#endif
