/* role.h - what every role process has: its plant, its loop, its signals and its READY.
 *
 * A role is one process with one epoll loop. SIGTERM and SIGINT stop the loop; a role's run
 * function then returns MW_OK after committing what it holds. */
#ifndef MW_BASE_ROLE_H
#define MW_BASE_ROLE_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/loop.h"

struct mw_health;

struct mw_role {
    const char *name; /* "bridge"; borrowed, constant */
    struct mw_loop *loop;
    struct mw_health *health; /* probes of a pod (lib/base/health.h); NULL: nobody asks */
    struct mw_buffer said;    /* what it last said of itself, in JSON; empty when nobody asks */
};

/* Makes the loop, blocks and watches SIGTERM and SIGINT (stop) and ignores SIGPIPE. With
 * MILLWRIGHT_HEALTH in the environment it answers probes, and tells metrics, on that port. The role
 * has to stay where it is. */
mw_err mw_role_init(struct mw_role *role, const char *name, struct mw_error *error);
/* Says READY, then runs until stopped. */
mw_err mw_role_run(struct mw_role *role, struct mw_error *error);
/* What the role says of itself, run/<role>.json, also becomes its metrics (lib/base/metrics.h). A
 * copy is kept when somebody may ask for them. Call it after mw_role_init, about every second. */
void mw_role_tell(struct mw_role *role, struct mw_span json);
void mw_role_clear(struct mw_role *role);

#endif
