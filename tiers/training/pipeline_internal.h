/* pipeline_internal.h - what the local runner shares with a step that runs by itself. */
#ifndef MW_TRAINING_PIPELINE_INTERNAL_H
#define MW_TRAINING_PIPELINE_INTERNAL_H

#include "tiers/training/pipeline.h"

#include <limits.h>

struct mw_pipeline_context {
    const struct mw_pipeline *pipeline;
    const struct mw_pipeline_run_options *options;
    struct mw_pipeline_report *report;  /* of the local runner */
    char *value[MW_PIPELINE_VARIABLES]; /* owned; NULL: empty */
};

/* All but the model in use. Errors: TOO_LARGE, MEMORY. */
mw_err mw_pipeline_set_values(struct mw_pipeline_context *run, struct mw_error *error);
/* Finds the model in use, writes it as a folder and sets its variables; they stay empty when there
 * is none. Errors: those of in_use.h. */
mw_err mw_pipeline_export_parent(struct mw_pipeline_context *run, struct mw_error *error);
/* The same for steps that are processes of their own, maybe on several machines: whichever comes
 * first decides for all of the work folder, and notes it there in in_use.digest. Blocks while
 * another one decides. */
mw_err mw_pipeline_share_parent(struct mw_pipeline_context *run, struct mw_error *error);
void mw_pipeline_free_values(struct mw_pipeline_context *run);

/* False when the variable of its `when` is empty. */
bool mw_pipeline_is_wanted(const struct mw_pipeline_context *run,
                           const struct mw_pipeline_step *step);
/* <work>/<name>.<ending> */
mw_err mw_pipeline_step_path(const struct mw_pipeline_context *run,
                             const struct mw_pipeline_step *step, const char *ending,
                             char path[PATH_MAX], struct mw_error *error);
/* Runs it as a child to its end; *status is 128 + the signal when one ended it. */
mw_err mw_pipeline_run_step(struct mw_pipeline_context *run, const struct mw_pipeline_step *step,
                            int *status, struct mw_error *error);

#endif
