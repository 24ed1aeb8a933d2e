/* pipeline_export.h - the same steps for a cluster: an Argo Workflow, or one Job of Kubernetes a
 * step.
 *
 * Each step is a pod of the Millwright image that runs `millwright pipeline step` with the step's
 * own arguments. The pods of a run share a folder of the plant's volume: data/learn/<run>. They
 * need the claim with the plant's data at /var/lib/millwright and the config map with its
 * plant.yaml at /etc/millwright, and run under the pod security standard "restricted".
 *
 * Argo keeps the order by itself. A Job knows no other: one that needs steps is made suspended,
 * with their names in the annotation millwright.dev/needs, and whoever runs the pipeline sets
 * suspend to false when the Jobs of those have completed. */
#ifndef MW_TRAINING_PIPELINE_EXPORT_H
#define MW_TRAINING_PIPELINE_EXPORT_H

#include "tiers/training/pipeline.h"

#define MW_PIPELINE_NEEDS \
    "millwright.dev/needs"                     /* names, separated by commas; none: no annotation */
#define MW_PIPELINE_STEP "millwright.dev/step" /* label: the step's name */
#define MW_PIPELINE_RUN "millwright.dev/run"   /* label: the run's name */

/* All borrowed. */
struct mw_pipeline_export_options {
    const struct mw_plant *plant;
    const char *image;
    const char *name;            /* of the Plant, when it is not the plant's; may be NULL */
    const char *claim, *config;  /* names; NULL or empty: <plant>-data and <plant> */
    const char *service_account; /* of the pods; NULL or empty: the namespace's default */
    const char *cause;           /* these three: Argo's parameters start with them */
    const char *since, *machine; /* may be NULL */
    const char *run; /* the run's name, and what those of Jobs start with; NULL: Argo makes one */
};

/* The Workflow as JSON, which is YAML too. *text is the caller's (free). Errors: ARGUMENT (a name
 * that Kubernetes does not take, text with "{{", which Argo would replace), TOO_LARGE (a name),
 * MEMORY. */
mw_err mw_pipeline_export_argo(const struct mw_pipeline *pipeline,
                               const struct mw_pipeline_export_options *options, char **text,
                               struct mw_error *error);
/* A List of Jobs, in the pipeline's order; the same. */
mw_err mw_pipeline_export_jobs(const struct mw_pipeline *pipeline,
                               const struct mw_pipeline_export_options *options, char **text,
                               struct mw_error *error);

#endif
