#include "cli/demo_run.h"
#include "lib/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOLD_SAVES 3 /* saves that are told one by one */
#define LOOKS 5      /* ticks of the demo between two drawings: half a second */

static double hours(int64_t microseconds)
{
    return (double)microseconds / (3600.0 * 1e6);
}

/* The watch's own words, in lines as long as the rest of the story's. */
static void tell_drift(struct mw_demo *demo)
{
    enum { WIDTH = 78 };
    char text[2 * sizeof demo->watch.drift_text];
    size_t used = 0, column = strlen("Drift: ");
    const char *word = demo->watch.drift_text;
    while (*word != '\0' && used + 64 < sizeof text) {
        size_t size = strcspn(word, " ");
        bool fits = column + size < WIDTH;
        column = (fits ? column : 0) + size + 1;
        const char *gap = word == demo->watch.drift_text ? "" : fits ? " " : "\n         ";
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", gap, (int)size, word);
        word += size + (word[size] == ' ');
    }
    text[used < sizeof text ? used : sizeof text - 1] = '\0';
    mw_demo_say(&demo->figures, "Drift: %s.", text);
}

static void tell_saves(struct mw_demo *demo)
{
    const struct mw_demo_truth *truth = &demo->watch.truth;
    while (demo->told_saves < TOLD_SAVES) {
        unsigned seen = 0;
        const struct mw_demo_fault *save = NULL;
        for (size_t i = 0; i < truth->n && save == NULL; i++) {
            if (truth->fault[i].saved && seen++ == demo->told_saves) {
                save = &truth->fault[i];
            }
        }
        if (save == NULL) {
            return;
        }
        mw_demo_say(&demo->figures,
                    "%s was stopped with a failing %s; its twin, which nobody stopped, broke\n"
                    "         %.1f hours later. Inspected, repaired, running again.",
                    save->machine, save->kind, hours(save->breakdown - save->stopped));
        demo->told_saves++;
    }
}

static void tell_models(struct mw_demo *demo)
{
    struct mw_demo_watch *watch = &demo->watch;
    while (demo->told_models < watch->models) {
        const struct mw_demo_model *model = &watch->model[demo->told_models++];
        mw_demo_say(&demo->figures,
                    "A %s model is trained on %llu labelled records (%llu before a failure),\n"
                    "         quantized to int8, proved and signed: %.19s...",
                    model->drift ? "new" : "first", (unsigned long long)model->records,
                    (unsigned long long)model->positives, model->digest);
    }
    while (demo->told_everywhere < watch->models &&
           watch->model[demo->told_everywhere].everywhere != 0) {
        const struct mw_demo_model *model = &watch->model[demo->told_everywhere++];
        mw_demo_say(&demo->figures,
                    "It runs everywhere: first on one thing as a trial, then on all, %.1f s after\n"
                    "         its publication.",
                    (double)(model->everywhere - model->published) / 1e6);
        if (model->drift && demo->second_everywhere == 0) {
            demo->second_everywhere = mw_clock_utc();
        }
    }
}

/* ---- what moves between the lines ---- */

void mw_demo_draw_begin(struct mw_demo *demo)
{
    demo->figures.progress = &demo->progress;
    snprintf(demo->moving, sizeof demo->moving, "         a plant begins; records");
    if (isatty(STDOUT_FILENO) != 0) {
        mw_progress_start(&demo->progress, demo->moving, 0);
    }
}

void mw_demo_draw_end(struct mw_demo *demo)
{
    mw_progress_hide(&demo->progress);
    demo->progress = (struct mw_progress){0};
}

void mw_demo_draw(struct mw_demo *demo)
{
    const struct mw_demo_watch *watch = &demo->watch;
    unsigned band[] = {[MW_BAND_NORMAL] = 0, [MW_BAND_IMPENDING] = 0, [MW_BAND_IMMEDIATE] = 0};
    if (demo->looks++ % LOOKS != 0) {
        return;
    }
    for (size_t i = 0; i < watch->machines; i++) {
        band[watch->band[i]] += watch->scored[i];
    }
    if (watch->models > 0) {
        snprintf(demo->moving, sizeof demo->moving,
                 "         %zu motors: %u normal, %u impending, %u immediate; records",
                 watch->machines, band[MW_BAND_NORMAL], band[MW_BAND_IMPENDING],
                 band[MW_BAND_IMMEDIATE]);
    } else if (watch->machines > 0) {
        snprintf(demo->moving, sizeof demo->moving, "         %zu motors, no model yet; records",
                 watch->machines);
    }
    mw_progress_update(&demo->progress, watch->telemetry_seen);
}

/* ---- the story ---- */

void mw_demo_tell(struct mw_demo *demo)
{
    struct mw_demo_watch *watch = &demo->watch;
    if (!demo->told_history && watch->truth.paced_wall != 0) {
        demo->told_history = true;
        mw_demo_say(&demo->figures,
                    "Two weeks of history have passed: %llu records, %llu breakdowns that nobody\n"
                    "         foresaw. From here a day passes in 7 seconds.",
                    (unsigned long long)watch->telemetry_seen, (unsigned long long)watch->failures);
    }
    tell_models(demo);
    tell_saves(demo);
    if (!demo->told_change && watch->truth.change_wall != 0) {
        demo->told_change = true;
        mw_demo_say(
            &demo->figures,
            "The world changes, and it is no fault: half of the motors get other vibration\n"
            "         sensors, and the load on all of them rises by a quarter.");
    }
    if (!demo->told_drift && watch->drift_wall != 0) {
        demo->told_drift = true;
        tell_drift(demo);
    }
    if (!demo->told_training && watch->drift_wall != 0 &&
        watch->training_started > watch->drift_wall) {
        demo->told_training = true;
        mw_demo_say(
            &demo->figures,
            "Enough of what came after the change is labelled: %lld records, %lld of them\n"
            "         before a failure. Training again, at low priority, beside the scoring.",
            (long long)watch->training_records, (long long)watch->training_positives);
    }
}
