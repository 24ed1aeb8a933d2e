/* operate_run.h - a run of the pipeline that a plant's learner asks for (retrain.where: pipeline):
 * no input, no output.
 *
 * What is asked for stands on the plant's page, in `learn`, until a model was published or the page
 * was told that nothing came of it. The run's name is of the Plant and of the learner's own name
 * for it, so that whoever asks twice gets one run. It is an Argo Workflow where the cluster has
 * that resource, else a Job a step, of which each is freed when those that it needs have completed.
 */
#ifndef MW_PLATFORM_OPERATE_RUN_H
#define MW_PLATFORM_OPERATE_RUN_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <jansson.h>
#include <stdbool.h>

#define MW_OPERATE_RUN_LABEL "millwright.dev/run"
#define MW_OPERATE_STEP_LABEL "millwright.dev/step"
#define MW_OPERATE_NEEDS "millwright.dev/needs"

enum { MW_OPERATE_RUNS_KEPT = 3 }; /* of a plant, to be looked at */

/* What is asked for. Strings are borrowed but for the name. */
struct mw_operate_run {
    char name[64];       /* of the Workflow, and what the Jobs' begin with */
    const char *id;      /* the learner's own name */
    const char *cause;   /* "first", "drift", "schedule", "asked" */
    char since[32];      /* seconds UTC; "": not given */
    const char *machine; /* "": of the whole plant */
};

/* What the page asks for; false: nothing, or what no learner would ask for. */
bool mw_operate_run_wanted(const json_t *plant, const json_t *page, struct mw_operate_run *run);

/* How the cluster writes the steps down: the training tier's, which the operator does not know.
 * *text is the caller's (free): a Workflow, or a List of Jobs. */
struct mw_operate_export {
    const struct mw_plant *plant;
    const char *name, *image, *service_account;
    const struct mw_operate_run *run;
    bool argo;
};
typedef mw_err mw_operate_export_fn(const struct mw_operate_export *with, char **text,
                                    struct mw_error *error);

/* The objects to make, as an array, the caller's: what `export` wrote, owned by the Plant, with
 * what its section cluster gives all pods. Errors: those of the Plant as plant.yaml; of export. */
mw_err mw_operate_run_objects(const json_t *plant, const struct mw_operate_run *run,
                              const char *image, bool argo, mw_operate_export_fn *export,
                              json_t **objects, struct mw_error *error);

enum mw_operate_run_state {
    MW_OPERATE_RUNNING,
    MW_OPERATE_SUCCEEDED,
    MW_OPERATE_REFUSED, /* the candidate is no better */
    MW_OPERATE_FAILED
};

struct mw_operate_run_look {
    enum mw_operate_run_state state;
    char steps[256];   /* RUNNING: those that do, or wait for a place; else the one that ended it */
    char message[512]; /* of a Workflow: what its controller says of that step */
    json_t *free;      /* names of Jobs to let run; the caller's */
};

/* The Jobs of one run, as the API lists them. None at all: FAILED, somebody has deleted them. */
void mw_operate_run_look_at_jobs(const json_t *jobs, struct mw_operate_run_look *look);
void mw_operate_run_look_at_workflow(const json_t *workflow, struct mw_operate_run_look *look);

/* Why the step ended as it did: of the run's pods, the last line of the newest one's log. *refused:
 * its exit code was 3. otherwise: when no pod says anything; "": nothing is known. */
void mw_operate_run_reason(const json_t *pods, const char *step, const char *otherwise,
                           char *reason, size_t size, bool *refused);

/* Of all Jobs or Workflows of one plant: the names of those that belong to none of the newest
 * MW_OPERATE_RUNS_KEPT runs. An array, the caller's. */
json_t *mw_operate_run_old(const json_t *objects);

#endif
