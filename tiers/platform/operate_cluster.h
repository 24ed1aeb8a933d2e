/* operate_cluster.h - what a Plant says beyond plant.yaml: its section `cluster`. */
#ifndef MW_PLATFORM_OPERATE_CLUSTER_H
#define MW_PLATFORM_OPERATE_CLUSTER_H

#include "lib/base/options.h"

enum mw_operate_access { MW_ACCESS_AUTO, MW_ACCESS_ONE_NODE, MW_ACCESS_MANY_NODES };

struct mw_operate_cluster {
    char *image; /* of all roles; empty: the operator's own */
    struct mw_list pull_secrets;
    struct mw_list accelerators; /* classes for the scorer, best first */
    int64_t scorers;             /* processes that share the stream */
    bool sidecar;
    struct mw_list tolerations; /* keys of taints */
    struct mw_list secrets, files;
    char *pipeline_account; /* service account of the pipeline's pods */
    char *models;           /* an image of models; empty: none */
    char *storage_class;
    int64_t storage_size;
    int storage_access; /* enum mw_operate_access */
    bool storage_retain;
};

/* Keys begin with "cluster."; ends with a NULL key. Beside them is the map cluster.node_selector.
 */
extern const struct mw_option mw_operate_cluster_options[];

#endif
