#include "tiers/platform/operate_cluster.h"

#define AT(field) offsetof(struct mw_operate_cluster, field)

const struct mw_option mw_operate_cluster_options[] = {
    {"cluster.image", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "image of all roles; empty: the operator's own", AT(image)},
    {"cluster.pull_secrets", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "secrets to pull the image with", AT(pull_secrets)},
    {"cluster.accelerators", MW_OPTION_LIST, NULL, 0, 0, "edgetpu, nvidia, gpu, cpu", NULL,
     "where the scorer may run, best first; the next one when a class has no free device",
     AT(accelerators)},
    {"cluster.scorers", MW_OPTION_INT, NULL, 1, 64, "1", NULL,
     "pods that score, at most score.shares; each has a device of its own", AT(scorers)},
    {"cluster.sidecar", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "give each scorer a streaming sidecar, which does the talking to Kafka", AT(sidecar)},
    {"cluster.tolerations", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "keys of taints of nodes on which the roles may run all the same", AT(tolerations)},
    {"cluster.secrets", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "secrets whose files every role sees in /secrets/<name>", AT(secrets)},
    {"cluster.files", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "config maps whose files every role sees in /files/<name>", AT(files)},
    {"cluster.pipeline_account", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "service account of the pods of the pipeline, which Argo's executor needs; empty: the "
     "namespace's default",
     AT(pipeline_account)},
    {"cluster.models", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "image of models (model push --image) that a new plant begins with; empty: none", AT(models)},
    {"cluster.storage_class", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "class of the volume with the data folder; empty: the cluster's default", AT(storage_class)},
    {"cluster.storage_size", MW_OPTION_SIZE, NULL, 1048576, 1e15, "8GiB", NULL,
     "size of that volume", AT(storage_size)},
    {"cluster.storage_access", MW_OPTION_ENUM, "auto|one-node|many-nodes", 0, 0, "auto", NULL,
     "one-node: ReadWriteOnce, and all roles on one node; many-nodes: ReadWriteMany; auto: "
     "many-nodes with a stream in Kafka",
     AT(storage_access)},
    {"cluster.storage_retain", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL,
     "keep the volume when the plant is deleted", AT(storage_retain)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};
