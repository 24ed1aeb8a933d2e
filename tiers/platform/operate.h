/* operate.h - the role `operate`: custom resources of Kubernetes become running plants.
 *
 *   reads   Plants, nodes (allocatable), and what it has made: config maps, volume claims,
 *           services, deployments, and the pods of scorers; the plants' pages
 *   writes  the objects of operate_plan.h by server-side apply as field manager "millwright", never
 *           with force: a field that another owner holds is reported and left to him; the status of
 *           Plants; an Event for every decision; the Jobs, or the Workflow, of a run of the
 *           pipeline that a plant's learner asks for
 *
 * Several may run; the holder of the Lease acts, the others watch. Nothing is kept outside of the
 * API, so a new start goes on from what is there. */
#ifndef MW_PLATFORM_OPERATE_H
#define MW_PLATFORM_OPERATE_H

#include "lib/base/error.h"
#include "tiers/platform/operate_plan.h"
#include "tiers/platform/operate_run.h"

struct mw_operate_options {
    const char *kubeconfig; /* empty: the pod's service account */
    const char *space;      /* namespace to look after; empty: all */
    const char *image;      /* for the roles of Plants that name none */
    const char *lease;      /* name of the Lease, in our own namespace; empty: no election */
    int64_t lease_duration; /* microseconds */
    const struct mw_operate_role *roles;
    mw_operate_export_fn *export; /* NULL: no pipelines are run */
};

/* Runs until SIGTERM or SIGINT. Blocks. Errors: what reading the configuration gave. */
mw_err mw_operate_run(const struct mw_operate_options *options, struct mw_error *error);

#endif
