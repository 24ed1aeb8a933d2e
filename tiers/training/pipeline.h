/* pipeline.h - the way from records to a published model: steps, each a subcommand on files.
 *
 *   steps:
 *     - name: train                    [a-z0-9-]{1,63}
 *       needs: [extract]               steps that come before; a cycle is refused
 *       when: parent                   left out when this variable is empty
 *       accelerator: cpu               what the step needs; the local runner has only the cpu
 *       accept: [0, 3]                 exit codes with which the pipeline goes on; [0]
 *       run: [train, --data, "${work}/dataset.csv", "--since=${since}"]
 *
 * ${variable} is replaced; an argument that names an empty variable is left out whole. A step's
 * standard output goes to ${work}/<name>.json, its standard error to ${work}/<name>.log. A step
 * that ends with another code than it may ends the pipeline: 3 means that the candidate was
 * refused. */
#ifndef MW_TRAINING_PIPELINE_H
#define MW_TRAINING_PIPELINE_H

#include "lib/artifact/store.h"
#include "lib/plant/plant.h"

#define MW_PIPELINE_STEPS_MAX 64
#define MW_PIPELINE_ARGUMENTS_MAX 64
#define MW_PIPELINE_TEXT_MAX 65536 /* bytes of YAML */

/* What a run knows. The table in pipeline_variables.c says what each is. */
enum mw_pipeline_variable {
    MW_PIPELINE_PLANT,
    MW_PIPELINE_WORK,
    MW_PIPELINE_SINCE,
    MW_PIPELINE_HEALTHY_SINCE,
    MW_PIPELINE_MACHINE,
    MW_PIPELINE_CAUSE,
    MW_PIPELINE_PARENT,
    MW_PIPELINE_PARENT_DIGEST,
    MW_PIPELINE_HEALTHY,
    MW_PIPELINE_KIND,
    MW_PIPELINE_HIDDEN,
    MW_PIPELINE_SEED,
    MW_PIPELINE_QUANTILE,
    MW_PIPELINE_INT8_AUC_LOSS,
    MW_PIPELINE_VARIABLES
};

struct mw_pipeline_step {
    char *name, *when; /* when: NULL for always */
    char *accelerator; /* NULL: cpu; a class (edgetpu), or a resource (nvidia.com/gpu) */
    struct mw_list run, needs;
    bool accept[256];
    unsigned line; /* of its name */
};

/* Owned by the caller; {0} is empty. Steps stand in an order in which they can run. */
struct mw_pipeline {
    struct mw_pipeline_step *step;
    size_t n;
};

/* The pipeline that runs when no other is given, as YAML with comments. */
extern const char mw_pipeline_default[];

/* `path` is only for messages, which start with "FILE:LINE: ". Refused: unknown keys and variables,
 * names given twice, needs that are no step, cycles, aliases, tags, several documents. Errors:
 * PARSE, TOO_LARGE, MEMORY. On an error *pipeline is empty. */
mw_err mw_pipeline_parse(struct mw_pipeline *pipeline, const char *text, size_t size,
                         const char *path, struct mw_error *error);
/* NULL reads the default. */
mw_err mw_pipeline_read(struct mw_pipeline *pipeline, const char *path, struct mw_error *error);
void mw_pipeline_clear(struct mw_pipeline *pipeline);

/* The variable of that name, or -1. */
int mw_pipeline_find_variable(struct mw_span name);
const char *mw_pipeline_variable_name(enum mw_pipeline_variable variable);

/* Replaces the variables of one argument. *text is NULL when one that it names is empty; free it.
 * Errors: NOT_FOUND (no such variable), PARSE (no closing brace), MEMORY. */
mw_err mw_pipeline_expand(const char *argument, char *const values[MW_PIPELINE_VARIABLES],
                          char **text, struct mw_error *error);

enum mw_pipeline_state { MW_PIPELINE_DONE, MW_PIPELINE_REFUSED, MW_PIPELINE_FAILED };

struct mw_pipeline_ran {
    const char *name; /* borrowed */
    bool ran;
    int status;
    double seconds;
};

struct mw_pipeline_report {
    enum mw_pipeline_state state;
    const char *step; /* that ended it; borrowed from the pipeline, NULL when done */
    char reason[512];
    char bundle[MW_DIGEST_TEXT]; /* what the last step that names one did; else empty */
    uint64_t version;            /* of targets */
    double seconds;
    size_t n; /* steps that ran or were left out */
    struct mw_pipeline_ran ran[MW_PIPELINE_STEPS_MAX];
};

struct mw_pipeline_run_options {
    const struct mw_plant *plant; /* read from a file */
    const char *work;             /* folder, there already */
    const char *cause;
    const char *since, *machine; /* may be NULL */
    /* Called before each step runs (with its number) and after it; may be NULL. */
    void (*on_step)(void *context, const struct mw_pipeline *pipeline, size_t step, bool ended);
    void *context;
};

/* Finds and exports the model in use, then runs the steps one after the other as children of this
 * program. Blocks. A step that refuses or fails is no error here: the report says so. Errors: what
 * keeps a step from being started; UNSUPPORTED (an accelerator other than the cpu). */
mw_err mw_pipeline_run(const struct mw_pipeline *pipeline,
                       const struct mw_pipeline_run_options *options,
                       struct mw_pipeline_report *report, struct mw_error *error);
/* One step by itself, where another program keeps the order: a pod for each. The steps of a run
 * have the same work folder; the first one finds and exports the model in use for all. *ran says
 * what came of it; a step that its `when` leaves out has not run and has the status 0. An accepted
 * exit code is given as it was. Blocks. */
mw_err mw_pipeline_run_one(const struct mw_pipeline_step *step,
                           const struct mw_pipeline_run_options *options,
                           struct mw_pipeline_ran *ran, struct mw_error *error);
/* Removes the folders of runs in data/learn but for the newest `keep`. Best effort. */
void mw_pipeline_tidy(const struct mw_plant *plant, size_t keep);
/* Appends the report as one JSON object. Errors: MEMORY. */
mw_err mw_pipeline_print_json(const struct mw_pipeline_report *report, struct mw_buffer *json);

#endif
