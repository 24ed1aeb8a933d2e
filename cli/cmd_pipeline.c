#include "cli/command.h"
#include "lib/base/clock.h"
#include "lib/plant/plant.h"
#include "tiers/training/pipeline.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define KEEP 8 /* folders of runs that stay to be looked at */

static const char *const causes[] = {"first", "drift", "schedule", "asked", "manual"};

struct values {
    char *config, *file, *work, *since, *machine;
    int cause;
    bool json;
};

#define ROW(key, type, fallback, unit, help, field)                                             \
    {                                                                                           \
        key, MW_OPTION_##type, NULL, 0, 0, fallback, unit, help, offsetof(struct values, field) \
    }

static const struct mw_option run_options[] = {
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("file", STRING, NULL, "pipeline.yaml", "steps to run instead of the built-in ones", file),
    ROW("work", STRING, NULL, "folder",
        "where the steps leave their files; default a new one in "
        "data/learn",
        work),
    ROW("since", STRING, NULL, "time",
        "when the drift began: judge by the records from then on; an autoencoder learns from them "
        "alone",
        since),
    ROW("machine", STRING, NULL, "name", "only this machine's records, a model for it alone",
        machine),
    {"cause", MW_OPTION_ENUM, "first|drift|schedule|asked|manual", 0, 0, "manual", NULL,
     "why a model is trained", offsetof(struct values, cause)},
    ROW("json", BOOL, NULL, NULL, "print what came of it as JSON", json),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static const struct mw_option show_options[] = {
    ROW("file", STRING, NULL, "pipeline.yaml", "check this one instead and print its order", file),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

struct story {
    int64_t started;
    int terminal;
};

/* On a terminal the line of a step is there while it runs, and completed when it has ended. */
static void show_step(void *context, const struct mw_pipeline *pipeline, size_t step, bool ended)
{
    struct story *story = context;
    if (!ended) {
        story->started = mw_clock_monotonic();
    }
    if (!ended && story->terminal) {
        fprintf(stderr, "[%zu/%zu] %s ...", step + 1, pipeline->n, pipeline->step[step].name);
    } else if (ended) {
        fprintf(stderr, "%s[%zu/%zu] %-10s %.2f s\n", story->terminal ? "\r\033[K" : "", step + 1,
                pipeline->n, pipeline->step[step].name,
                (double)(mw_clock_monotonic() - story->started) / (double)MW_SECOND);
    }
    fflush(stderr);
}

static void print_outcome(const struct mw_pipeline_report *report, const char *work)
{
    switch (report->state) {
    case MW_PIPELINE_DONE:
        printf("published %s in %.2f s\n", report->bundle, report->seconds);
        break;
    case MW_PIPELINE_REFUSED:
        printf("%s refused the candidate: %s\n", report->step, report->reason);
        break;
    case MW_PIPELINE_FAILED:
        printf("%s failed: %s\n", report->step, report->reason);
        break;
    }
    printf("files in %s\n", work);
}

static mw_err report_json(const struct mw_pipeline_report *report, struct mw_error *error)
{
    struct mw_buffer json = {0};
    mw_err err = mw_pipeline_print_json(report, &json);
    if (err == MW_OK) {
        puts(json.data);
    } else {
        (void)mw_error_set(error, err, "out of memory");
    }
    mw_buffer_free(&json);
    return err;
}

static mw_err make_work(const struct values *v, const struct mw_plant *plant, char work[PATH_MAX],
                        struct mw_error *error)
{
    if (v->work != NULL) {
        int n = snprintf(work, PATH_MAX, "%s", v->work);
        if (n >= PATH_MAX) {
            return mw_error_set(error, MW_ERR_TOO_LARGE, "--work: path too long");
        }
        return mw_file_make_folder(work, error);
    }
    char name[128];
    snprintf(name, sizeof name, "%s-%lld", causes[v->cause], (long long)(mw_clock_utc() / 1000));
    mw_err err = mw_plant_path(plant, "learn", name, work, PATH_MAX, error);
    return err == MW_OK ? mw_file_make_folder(work, error) : err;
}

static int run_plant(const struct values *v, const struct mw_pipeline *pipeline,
                     const struct mw_plant *plant, struct mw_error *error)
{
    static const int status[] = {[MW_PIPELINE_DONE] = 0,
                                 [MW_PIPELINE_REFUSED] = MW_EXIT_ANSWER_NO,
                                 [MW_PIPELINE_FAILED] = 1};
    static struct mw_pipeline_report report; /* large */
    char work[PATH_MAX];
    struct story story = {.terminal = isatty(STDERR_FILENO)};
    struct mw_pipeline_run_options with = {.plant = plant,
                                           .work = work,
                                           .cause = causes[v->cause],
                                           .since = v->since,
                                           .machine = v->machine,
                                           .on_step = show_step,
                                           .context = &story};
    mw_err err = make_work(v, plant, work, error);
    err = err == MW_OK ? mw_pipeline_run(pipeline, &with, &report, error) : err;
    if (err == MW_OK && v->json) {
        err = report_json(&report, error);
    } else if (err == MW_OK) {
        print_outcome(&report, work);
    }
    mw_pipeline_tidy(plant, KEEP);
    return err == MW_OK ? status[report.state] : mw_error_exit_status(err);
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_pipeline pipeline = {0};
    (void)n;
    (void)argv;
    mw_err err = mw_pipeline_read(&pipeline, v->file, error);
    err = err == MW_OK ? mw_plant_read(&plant, v->config, error) : err;
    if (err != MW_OK) {
        mw_pipeline_clear(&pipeline);
        return mw_error_exit_status(err);
    }
    int status = run_plant(v, &pipeline, &plant, error);
    mw_plant_clear(&plant);
    mw_pipeline_clear(&pipeline);
    return status;
}

static int show(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_pipeline pipeline = {0};
    (void)n;
    (void)argv;
    if (v->file == NULL) {
        fputs(mw_pipeline_default, stdout);
        return 0;
    }
    mw_err err = mw_pipeline_read(&pipeline, v->file, error);
    for (size_t i = 0; err == MW_OK && i < pipeline.n; i++) {
        printf("%zu. %s:", i + 1, pipeline.step[i].name);
        for (size_t k = 0; k < pipeline.step[i].run.n; k++) {
            printf(" %s", pipeline.step[i].run.item[k]);
        }
        printf("\n");
    }
    mw_pipeline_clear(&pipeline);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_pipeline_run = {
    .name = "pipeline run",
    .synopsis = "-c plant.yaml [--cause first|drift|schedule|asked|manual] [--since TIME] "
                "[--machine NAME] [--work FOLDER] [--file pipeline.yaml] [--json]",
    .summary = "from records to a published model: exit 0 published, 3 refused",
    .shorts = "c=config",
    .options = run_options,
    .values_size = sizeof(struct values),
    .run = run,
};

const struct mw_subcommand mw_command_pipeline_show = {
    .name = "pipeline show",
    .synopsis = "[--file pipeline.yaml]",
    .summary = "print the built-in pipeline as YAML, or check another one",
    .options = show_options,
    .values_size = sizeof(struct values),
    .run = show,
};
