/* The pipeline on a cluster: what makes its pods, and what each of them runs. */
#include "cli/command.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "tiers/training/pipeline_export.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP 8 /* folders of runs that stay to be looked at */

static const char *const causes[] = {"first", "drift", "schedule", "asked", "manual"};

struct values {
    char *config, *file, *since, *machine, *run;
    int cause;
    /* export */
    bool argo, jobs;
    char *image, *claim, *config_map, *service_account;
    /* step */
    char *name, *when;
    struct mw_ints accept;
};

#define ROW(key, type, fallback, unit, help, field)                                             \
    {                                                                                           \
        key, MW_OPTION_##type, NULL, 0, 0, fallback, unit, help, offsetof(struct values, field) \
    }
#define CAUSE                                                                               \
    {                                                                                       \
        "cause", MW_OPTION_ENUM, "first|drift|schedule|asked|manual", 0, 0, "manual", NULL, \
            "why a model is trained", offsetof(struct values, cause)                        \
    }
#define END                                                   \
    {                                                         \
        NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0 \
    }

static const struct mw_option export_options[] = {
    ROW("argo", BOOL, NULL, NULL, "an Argo Workflow; its parameters are cause, since and machine",
        argo),
    ROW("jobs", BOOL, NULL, NULL,
        "a List of Jobs; those that need others are suspended and name them in the annotation "
        "millwright.dev/needs",
        jobs),
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("file", STRING, NULL, "pipeline.yaml", "steps instead of the built-in ones", file),
    ROW("image", STRING, "millwright", NULL, "image of the steps", image),
    ROW("claim", STRING, NULL, "name",
        "volume claim with the plant's data; default the plant's name and -data", claim),
    ROW("config-map", STRING, NULL, "name",
        "config map with the plant's plant.yaml; default the plant's name", config_map),
    ROW("service-account", STRING, NULL, "name", "of the pods; default the namespace's",
        service_account),
    ROW("run", STRING, NULL, "name",
        "of the run; default from plant, cause and time, or made by Argo", run),
    CAUSE,
    ROW("since", STRING, NULL, "time", "when the drift began", since),
    ROW("machine", STRING, NULL, "name", "only this machine's records", machine),
    END,
};

static const struct mw_option step_options[] = {
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("run", NAME, NULL, "name", "of the run: its files are in data/learn/NAME", run),
    ROW("name", NAME, NULL, "name", "of the step", name),
    ROW("when", STRING, NULL, "variable", "leave the step out when this variable is empty", when),
    ROW("accept", INTS, "0", NULL, "exit codes with which the pipeline goes on", accept),
    CAUSE,
    ROW("since", STRING, NULL, "time", "when the drift began", since),
    ROW("machine", STRING, NULL, "name", "only this machine's records", machine),
    END,
};

/* --- export --- */

static mw_err export_plant(const struct values *v, const struct mw_pipeline *pipeline,
                           const struct mw_plant *plant, struct mw_error *error)
{
    char run[128], *text = NULL;
    const struct mw_pipeline_export_options with = {.plant = plant,
                                                    .image = v->image,
                                                    .claim = v->claim,
                                                    .config = v->config_map,
                                                    .service_account = v->service_account,
                                                    .cause = causes[v->cause],
                                                    .since = v->since,
                                                    .machine = v->machine,
                                                    .run =
                                                        v->run == NULL && v->jobs ? run : v->run};
    snprintf(run, sizeof run, "%s-%s-%lld", plant->plant, causes[v->cause],
             (long long)(mw_clock_utc() / MW_SECOND));
    mw_err err = (v->argo ? mw_pipeline_export_argo : mw_pipeline_export_jobs)(pipeline, &with,
                                                                               &text, error);
    if (err == MW_OK) {
        puts(text);
    }
    free(text);
    return err;
}

static int export(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_pipeline pipeline = {0};
    struct mw_plant plant;
    (void)n;
    (void)argv;
    if (v->argo == v->jobs) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "either --argo or --jobs is needed"));
    }
    mw_err err = mw_pipeline_read(&pipeline, v->file, error);
    if (err == MW_OK && (err = mw_plant_read(&plant, v->config, error)) == MW_OK) {
        err = export_plant(v, &pipeline, &plant, error);
        mw_plant_clear(&plant);
    }
    mw_pipeline_clear(&pipeline);
    return mw_error_exit_status(err);
}

/* --- step --- */

/* The first process of a container gets no signal that it does not handle; its child ends with it.
 */
static void end_at_once(int number)
{
    _exit(128 + number);
}

static mw_err read_step(const struct values *v, int n, char **argv, struct mw_pipeline_step *step,
                        struct mw_error *error)
{
    if (v->run == NULL || v->name == NULL || n == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "--run, --name and the step's own arguments "
                            "after -- are needed");
    }
    if (n > MW_PIPELINE_ARGUMENTS_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "more than %d arguments",
                            MW_PIPELINE_ARGUMENTS_MAX);
    }
    *step = (struct mw_pipeline_step){
        .name = v->name, .when = v->when, .run = {.item = argv, .n = (size_t)n}};
    if (v->when != NULL && mw_pipeline_find_variable(mw_span_of(v->when)) < 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "--when: %s is no variable", v->when);
    }
    for (size_t i = 0; i < v->accept.n; i++) {
        if (v->accept.item[i] < 0 || v->accept.item[i] > 255) {
            return mw_error_set(error, MW_ERR_ARGUMENT, "--accept: %lld is no exit code (0 to 255)",
                                (long long)v->accept.item[i]);
        }
        step->accept[v->accept.item[i]] = true;
    }
    return MW_OK;
}

/* What the step wrote, for whoever reads the pod's log. */
static void show(const char *work, const char *name, const char *ending, FILE *out)
{
    char path[PATH_MAX];
    struct mw_buffer text = {0};
    snprintf(path, sizeof path, "%s/%s.%s", work, name, ending);
    if (mw_file_read(path, 4U << 20, &text, NULL) == MW_OK && text.size > 0) {
        fwrite(text.data, 1, text.size, out);
    }
    fflush(out);
    mw_buffer_free(&text);
}

static int run_step(const struct values *v, const struct mw_plant *plant,
                    const struct mw_pipeline_step *step, struct mw_error *error)
{
    char work[PATH_MAX];
    struct mw_pipeline_ran ran;
    const struct mw_pipeline_run_options with = {
        .plant = plant,
        .work = work,
        .cause = causes[v->cause],
        .since = v->since,
        .machine = v->machine == NULL || v->machine[0] == '\0' ? NULL : v->machine};
    mw_err err = mw_plant_path(plant, "learn", v->run, work, sizeof work, error);
    err = err == MW_OK ? mw_file_make_folder(work, error) : err;
    err = err == MW_OK ? mw_pipeline_run_one(step, &with, &ran, error) : err;
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    if (!ran.ran) {
        fprintf(stderr, "%s: left out, there is no %s\n", step->name, step->when);
        return 0;
    }
    show(work, step->name, "log", stderr);
    show(work, step->name, "json", stdout);
    mw_pipeline_tidy(plant, KEEP);
    return step->accept[ran.status & 255] ? 0 : ran.status;
}

static int step(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_pipeline_step one;
    struct mw_plant plant;
    signal(SIGTERM, end_at_once);
    signal(SIGINT, end_at_once);
    mw_err err = read_step(v, n, argv, &one, error);
    err = err == MW_OK ? mw_plant_read(&plant, v->config, error) : err;
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    int status = run_step(v, &plant, &one, error);
    mw_plant_clear(&plant);
    return status;
}

const struct mw_subcommand mw_command_pipeline_export = {
    .name = "pipeline export",
    .synopsis = "--argo|--jobs [-c plant.yaml] [--image REFERENCE] [--file pipeline.yaml] ...",
    .summary = "print the pipeline for a cluster: an Argo Workflow, or a Job a step",
    .shorts = "c=config",
    .options = export_options,
    .values_size = sizeof(struct values),
    .run = export,
};

const struct mw_subcommand mw_command_pipeline_step = {
    .name = "pipeline step",
    .synopsis = "-c plant.yaml --run NAME --name STEP [--when VARIABLE] [--accept CODES] -- "
                "ARGUMENTS",
    .summary = "run one step of a pipeline by itself, as the pods of an exported one do",
    .shorts = "c=config",
    .options = step_options,
    .values_size = sizeof(struct values),
    .run = step,
    .positional = true,
};
