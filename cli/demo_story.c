#include "cli/demo_story.h"

#include "lib/base/clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mw_demo_say(const struct mw_demo_figures *figures, const char *format, ...)
{
    va_list arguments;
    mw_progress_hide(figures->progress);
    printf("%5.1f s  ", (double)(mw_clock_utc() - figures->started) / 1e6);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
}

/* JSON has no NaN. */
static const char *number(char text[32], double value)
{
    if (isfinite(value)) {
        snprintf(text, 32, "%.6g", value);
    } else {
        snprintf(text, 32, "null");
    }
    return text;
}

static double seconds(int64_t microseconds)
{
    return (double)microseconds / 1e6;
}

static mw_err print_loop(const struct mw_demo_watch *watch, const struct mw_demo_figures *f,
                         struct mw_buffer *json)
{
    char a[32], b[32], c[32];
    const struct mw_demo_model *model =
        watch->models == 0 ? NULL : &watch->model[watch->models - 1];
    mw_err err = mw_buffer_printf(
        json,
        "\"fault\":{\"machine\":\"%s\",\"kind\":\"%s\",\"predicted_before_breakdown_s\":%.3f,"
        "\"actuated\":%s,\"saved\":%u,\"broken\":%u},\n",
        f->fault == NULL ? "" : f->fault->machine, f->fault == NULL ? "" : f->fault->kind,
        seconds(f->fault_lead), f->fault == NULL ? "false" : "true", f->saved, f->broken);
    if (err == MW_OK) {
        err = mw_buffer_printf(
            json,
            "\"drift\":{\"onset_time\":%.3f,\"alarm_time\":%.3f,\"enough_labels_time\":%.3f,"
            "\"change_plant_time\":%.3f,\"onset_plant_time\":%.3f,\"alarm_plant_time\":%.3f,"
            "\"features\":%s},\n",
            seconds(watch->truth.change_wall), seconds(watch->drift_wall),
            seconds(model != NULL && model->drift ? model->started : 0),
            seconds(watch->truth.change_time), seconds(watch->drift_onset),
            seconds(watch->drift_time), watch->drift_features[0] ? watch->drift_features : "[]");
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(json,
                               "\"auc\":{\"before_drift\":%s,\"after_drift_old_model\":%s,"
                               "\"after_new_model\":%s,\"records\":[%zu,%zu,%zu]},\n",
                               number(a, f->auc_before), number(b, f->auc_old),
                               number(c, f->auc_new), f->n_before, f->n_old, f->n_new);
    }
    return err;
}

mw_err mw_demo_print_report(const struct mw_demo_watch *watch, const struct mw_demo_figures *f,
                            struct mw_buffer *json)
{
    char a[32], b[32];
    const struct mw_demo_model *model =
        watch->models == 0 ? NULL : &watch->model[watch->models - 1];
    mw_err err = mw_buffer_printf(
        json,
        "{\"v\":1,\"closed\":%s,\"why\":\"%s\",\"duration_s\":%.1f,\n"
        "\"records\":{\"published\":%llu,\"stored\":%llu,\"pending\":%llu,\"dead\":%llu,"
        "\"dropped\":%llu,\"suppressed\":%llu,\"scored\":%llu,\"missing\":%llu,\"doubled\":%llu},"
        "\n",
        f->closed ? "true" : "false", f->why, seconds(mw_clock_utc() - f->started),
        (unsigned long long)f->published, (unsigned long long)f->stored,
        (unsigned long long)f->pending, (unsigned long long)f->dead, (unsigned long long)f->dropped,
        (unsigned long long)f->suppressed, (unsigned long long)f->scored,
        (unsigned long long)f->missing, (unsigned long long)f->doubled);
    if (err == MW_OK) {
        err = print_loop(watch, f, json);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(
            json,
            "\"int8_auc_loss\":%s,\"loop_seconds\":%s,\n"
            "\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"n\":%llu},\n"
            "\"memory_mb\":{\"total\":%.1f,\"by_role\":%s},\n"
            "\"model\":{\"digest\":\"%s\",\"dataset_digest\":\"%s\",\"signature\":\"%s\"}}\n",
            number(a, f->int8_auc_loss), number(b, f->loop_seconds), f->latency_p50, f->latency_p99,
            f->latency_max, (unsigned long long)f->latency_n, f->memory_total,
            f->memory_by_role[0] ? f->memory_by_role : "{}", model == NULL ? "" : model->digest,
            f->dataset, f->signature);
    }
    return err;
}

/* A figure that there is not, in a run that somebody ended early, is a dash. */
static const char *figure(char text[32], int decimals, double value)
{
    if (isfinite(value)) {
        snprintf(text, 32, "%.*f", decimals, value);
    } else {
        snprintf(text, 32, "-");
    }
    return text;
}

void mw_demo_print_summary(const struct mw_demo_watch *watch, const struct mw_demo_figures *f)
{
    printf("\n");
    printf("  records      %llu published, %llu stored, %llu held back by the things' own models,\n"
           "               %llu missing, %llu doubled\n",
           (unsigned long long)f->published, (unsigned long long)f->stored,
           (unsigned long long)f->suppressed, (unsigned long long)f->missing,
           (unsigned long long)f->doubled);
    printf("  faults       %u machines stopped in time, %u broke, since a model has been running\n",
           f->saved, f->broken);
    char a[32], b[32], c[32];
    printf("  ROC AUC      %s before the change, %s of the old model after it, %s of the new\n",
           figure(a, 3, f->auc_before), figure(b, 3, f->auc_old), figure(c, 3, f->auc_new));
    if (watch->models > 0) {
        printf("  int8         loses %s of AUC against float32\n",
               f->int8_auc_loss < 0.000005 ? "nothing" : figure(a, 5, f->int8_auc_loss));
    }
    printf("  loop         %s s from alarm and enough labels to the last thing on the new model\n",
           figure(a, 1, f->loop_seconds));
    printf("  latency      p50 %s ms, p99 %s ms, from a record's publication to its command "
           "(%llu commands)\n",
           figure(a, 2, f->latency_n == 0 ? NAN : f->latency_p50),
           figure(b, 2, f->latency_n == 0 ? NAN : f->latency_p99),
           (unsigned long long)f->latency_n);
    printf("  memory       %.1f MB at most, all processes together, mosquitto apart\n",
           f->memory_total);
    if (watch->models > 0) {
        printf("  model        %.19s..., signed by %.12s...\n",
               watch->model[watch->models - 1].digest, f->signature);
    }
    printf("\n  %s%s\n\n",
           f->closed ? "The loop closed." : "The loop did not close: ", f->closed ? "" : f->why);
}
