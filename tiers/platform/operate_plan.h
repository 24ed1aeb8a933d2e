/* operate_plan.h - from a Plant to the objects that Kubernetes shall have for it: no input, no
 * output.
 *
 *   ConfigMap NAME              plant.yaml, as the roles read it
 *   PersistentVolumeClaim NAME-data
 *   Deployment NAME-bridge, -watch, -learn, -serve, and -thing for simulated things and gateways
 *   Deployment NAME-score-CLASS for each class in cluster.accelerators: one of them has replicas,
 *                               cluster.scorers; with cluster.sidecar each has a relay beside it
 *   Service NAME                the page and the API, and with reference.certificate_file the port
 *                               of the reference implementation's firmware
 *
 * A pod restarts when a section of plant.yaml changes that its role reads. All objects are in the
 * form that is applied (server-side apply): what is not in it belongs to others. */
#ifndef MW_PLATFORM_OPERATE_PLAN_H
#define MW_PLATFORM_OPERATE_PLAN_H

#include "lib/base/error.h"
#include "tiers/platform/operate_place.h"

#include <jansson.h>
#include <stdbool.h>

#define MW_OPERATE_MANAGER "millwright" /* of fields, and app.kubernetes.io/managed-by */
#define MW_OPERATE_ACCELERATOR "millwright.dev/accelerator"
#define MW_OPERATE_CONFIG "millwright.dev/config"

#define MW_OPERATE_STREAM_FOLDER "/run/millwright" /* the sidecar's socket */

/* of the page; of the probes, and of those of the sidecar; of the reference's firmware, by HTTPS */
enum {
    MW_OPERATE_PORT = 8080,
    MW_OPERATE_HEALTH_PORT = 8086,
    MW_OPERATE_RELAY_PORT = 8087,
    MW_OPERATE_REFERENCE_PORT = 8443
};

struct mw_operate_role {
    const char *name;
    const char *sections; /* of plant.yaml that it reads, or options of them (reference.enabled),
                             separated by blanks */
};

struct mw_operate_plan {
    const json_t *plant;                 /* the custom resource */
    const struct mw_operate_role *roles; /* ends with a NULL name */
    const char *image;                   /* when the Plant names none */
    int class;                           /* whose scorers have replicas; -1: none have */
};

/* The array of the objects, the caller's. NULL: as mw_operate_plan_config. */
json_t *mw_operate_plan_objects(const struct mw_operate_plan *plan, struct mw_error *error);

/* plant.yaml as text, checked as the roles would check it. *text is the caller's (free). Errors:
 * what no schema can say, with its key; MEMORY. */
mw_err mw_operate_plan_config(const json_t *plant, char **text, struct mw_error *error);

/* The classes that a Plant would take, best first; returns how many. */
size_t mw_operate_plan_preference(const json_t *plant, int classes[MW_OPERATE_CLASSES]);

/* How many pods score. */
int mw_operate_plan_scorers(const json_t *plant);

/* What the section cluster says for all pods: volumes and node selector, tolerations, pull secrets
 * into the spec of a pod (which has an array `volumes`), and mounts into the array. */
void mw_operate_plan_dress(const json_t *plant, json_t *spec, json_t *mounts);

/* The ownerReferences of what goes with the Plant. The caller's. */
json_t *mw_operate_plan_owners(const json_t *plant);

/* A value of the section cluster, NULL when it is not given. Borrowed. */
const json_t *mw_operate_plan_cluster(const json_t *plant, const char *key);

#endif
