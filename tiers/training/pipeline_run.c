/* pipeline_run.c - the local runner: one step after the other, each a child of this program. */
#include "tiers/training/pipeline_internal.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_REFUSED 3
#define OUTPUT_MAX (4U << 20) /* bytes of a step's output that are looked at */

/* --- one step --- */

mw_err mw_pipeline_step_path(const struct mw_pipeline_context *run,
                             const struct mw_pipeline_step *step, const char *ending,
                             char path[PATH_MAX], struct mw_error *error)
{
    int n = snprintf(path, PATH_MAX, "%s/%s.%s", run->options->work, step->name, ending);
    return n > 0 && n < PATH_MAX
               ? MW_OK
               : mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", run->options->work);
}

/* Makes stdout or stderr the file until restored; -1 when that failed. */
static int redirect(int stream, const char *path)
{
    int kept = fcntl(stream, F_DUPFD_CLOEXEC, 3);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (kept >= 0 && (file < 0 || dup2(file, stream) < 0)) {
        close(kept);
        kept = -1;
    }
    if (file >= 0) {
        close(file);
    }
    return kept;
}

static void restore(int stream, int kept)
{
    if (kept >= 0) {
        (void)dup2(kept, stream);
        close(kept);
    }
}

/* The child inherits both streams as they are set at the moment of its start. */
static mw_err start(const struct mw_pipeline_context *run, const struct mw_pipeline_step *step,
                    char **argv, pid_t *pid, struct mw_error *error)
{
    char output[PATH_MAX], log[PATH_MAX];
    struct mw_process_spec spec = {.argv = argv};
    mw_err err = mw_pipeline_step_path(run, step, "json", output, error);
    err = err == MW_OK ? mw_pipeline_step_path(run, step, "log", log, error) : err;
    if (err != MW_OK) {
        return err;
    }
    fflush(stdout);
    fflush(stderr);
    int out = redirect(STDOUT_FILENO, output);
    int second = out < 0 ? -1 : redirect(STDERR_FILENO, log);
    err = out < 0 || second < 0 ? mw_error_errno(error, MW_ERR_IO, "%s", out < 0 ? output : log)
                                : mw_process_start(&spec, pid, NULL, error);
    restore(STDERR_FILENO, second);
    restore(STDOUT_FILENO, out);
    return err;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

mw_err mw_pipeline_run_step(struct mw_pipeline_context *run, const struct mw_pipeline_step *step,
                            int *status, struct mw_error *error)
{
    char *argv[MW_PIPELINE_ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)mw_process_self()};
    size_t n = 1;
    pid_t pid = -1;
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < step->run.n; i++) {
        err = mw_pipeline_expand(step->run.item[i], run->value, &argv[n], error);
        n += argv[n] != NULL;
    }
    if (err == MW_OK) {
        err = start(run, step, argv, &pid, error);
    }
    if (err == MW_OK) {
        *status = wait_for(pid);
    }
    for (size_t i = 1; i < n; i++) {
        free(argv[i]);
    }
    return err == MW_OK ? MW_OK : mw_error_wrap(error, "step %s", step->name);
}

/* --- what a step said --- */

/* The last line of its log, without the program's name. */
static void read_reason(const struct mw_pipeline_context *run, const struct mw_pipeline_step *step,
                        int status)
{
    struct mw_buffer text = {0};
    char path[PATH_MAX], *reason = run->report->reason;
    size_t size = sizeof run->report->reason;
    if (status > 128) {
        snprintf(reason, size, "ended by signal %d", status - 128);
    } else {
        snprintf(reason, size, "exit status %d", status);
    }
    if (mw_pipeline_step_path(run, step, "log", path, NULL) == MW_OK &&
        mw_file_read(path, OUTPUT_MAX, &text, NULL) == MW_OK && text.size > 0) {
        while (text.size > 0 && text.data[text.size - 1] == '\n') {
            text.data[--text.size] = '\0';
        }
        const char *line = strrchr(text.data, '\n');
        const char *after;
        line = line == NULL ? text.data : line + 1;
        if (strncmp(line, "millwright ", 11) == 0 && (after = strstr(line, ": ")) != NULL) {
            line = after + 2;
        }
        if (*line != '\0') {
            snprintf(reason, size, "%s", line);
        }
    }
    mw_buffer_free(&text);
}

static void read_bundle(const struct mw_pipeline_context *run, const struct mw_pipeline_step *step)
{
    char path[PATH_MAX];
    json_error_t why;
    struct mw_pipeline_report *report = run->report;
    if (mw_pipeline_step_path(run, step, "json", path, NULL) != MW_OK) {
        return;
    }
    json_t *root = json_load_file(path, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    if (bundle != NULL && mw_digest_valid(mw_span_of(bundle))) {
        memcpy(report->bundle, bundle, strlen(bundle) + 1);
        report->version = (uint64_t)json_integer_value(json_object_get(root, "version"));
    }
    json_decref(root);
}

/* --- all steps --- */

static void tell(const struct mw_pipeline_context *run, size_t i, bool ended)
{
    if (run->options->on_step != NULL) {
        run->options->on_step(run->options->context, run->pipeline, i, ended);
    }
}

static double seconds_since(int64_t before)
{
    return (double)(mw_clock_monotonic() - before) / (double)MW_SECOND;
}

static mw_err take_step(struct mw_pipeline_context *run, size_t i, struct mw_error *error)
{
    const struct mw_pipeline_step *step = &run->pipeline->step[i];
    struct mw_pipeline_report *report = run->report;
    struct mw_pipeline_ran *ran = &report->ran[report->n++];
    *ran = (struct mw_pipeline_ran){.name = step->name};
    if (!mw_pipeline_is_wanted(run, step)) {
        return MW_OK;
    }
    int64_t before = mw_clock_monotonic();
    tell(run, i, false);
    mw_err err = mw_pipeline_run_step(run, step, &ran->status, error);
    if (err != MW_OK) {
        return err;
    }
    ran->ran = true;
    ran->seconds = seconds_since(before);
    if (!step->accept[ran->status & 255]) {
        report->state = ran->status == EXIT_REFUSED ? MW_PIPELINE_REFUSED : MW_PIPELINE_FAILED;
        report->step = step->name;
        read_reason(run, step, ran->status);
    } else {
        read_bundle(run, step);
    }
    tell(run, i, true);
    return MW_OK;
}

/* Before anything runs. */
static mw_err check_accelerators(const struct mw_pipeline *pipeline, struct mw_error *error)
{
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct mw_pipeline_step *step = &pipeline->step[i];
        if (step->accelerator != NULL) {
            return mw_error_set(error, MW_ERR_UNSUPPORTED,
                                "line %u: %s needs accelerator %s; only cpu is always here",
                                step->line, step->name, step->accelerator);
        }
    }
    return MW_OK;
}

mw_err mw_pipeline_run(const struct mw_pipeline *pipeline,
                       const struct mw_pipeline_run_options *options,
                       struct mw_pipeline_report *report, struct mw_error *error)
{
    struct mw_pipeline_context run = {.pipeline = pipeline, .options = options, .report = report};
    int64_t before = mw_clock_monotonic();
    *report = (struct mw_pipeline_report){0};
    mw_err err = options->plant->file == NULL
                     ? mw_error_set(error, MW_ERR_ARGUMENT, "a plant that came from no file")
                     : check_accelerators(pipeline, error);
    err = err == MW_OK ? mw_pipeline_set_values(&run, error) : err;
    err = err == MW_OK ? mw_pipeline_export_parent(&run, error) : err;
    for (size_t i = 0; err == MW_OK && i < pipeline->n && report->state == MW_PIPELINE_DONE; i++) {
        err = take_step(&run, i, error);
    }
    report->seconds = seconds_since(before);
    mw_pipeline_free_values(&run);
    return err;
}

mw_err mw_pipeline_print_json(const struct mw_pipeline_report *report, struct mw_buffer *json)
{
    static const char *const states[] = {"published", "refused", "failed"};
    json_t *steps = json_array();
    for (size_t i = 0; i < report->n; i++) {
        const struct mw_pipeline_ran *ran = &report->ran[i];
        json_array_append_new(steps, json_pack("{s:s,s:b,s:i,s:f}", "name", ran->name, "ran",
                                               (int)ran->ran, "status", ran->status, "seconds",
                                               ran->seconds));
    }
    json_t *root = json_pack("{s:s,s:f,s:o}", "result", states[report->state], "seconds",
                             report->seconds, "steps", steps);
    if (root != NULL && report->bundle[0] != '\0') {
        json_object_set_new(root, "bundle", json_string(report->bundle));
        json_object_set_new(root, "version", json_integer((json_int_t)report->version));
    }
    if (root != NULL && report->step != NULL) {
        json_object_set_new(root, "step", json_string(report->step));
        json_object_set_new(root, "reason", json_string(report->reason));
    }
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6));
    mw_err err = text == NULL ? MW_ERR_MEMORY : mw_buffer_add(json, text, strlen(text));
    free(text);
    json_decref(root);
    return err;
}
