/* demo_story.h - the demo as a story on a terminal: what happened, when, and what it means; and its
 * report. */
#ifndef MW_CLI_DEMO_STORY_H
#define MW_CLI_DEMO_STORY_H

#include "cli/demo_watch.h"
#include "lib/base/file.h"
#include "lib/base/progress.h"

#include <stdint.h>

/* Figures of the run that the report adds to what the watch has seen. */
struct mw_demo_figures {
    int64_t started;              /* wall */
    struct mw_progress *progress; /* is drawn between two lines of the story */
    uint64_t published, stored, pending, dead, dropped, suppressed, scored, missing, doubled;
    const struct mw_demo_fault *fault; /* the one that is reported: predicted, acted upon, saved */
    int64_t fault_lead;     /* plant time from the command's record to the twin's breakdown */
    unsigned saved, broken; /* since the first model ran */
    double auc_before, auc_old, auc_new;
    size_t n_before, n_old, n_new;
    double int8_auc_loss;
    double loop_seconds;
    double latency_p50, latency_p99, latency_max; /* ms */
    uint64_t latency_n;
    double memory_total;       /* MB, the most at one moment */
    char memory_by_role[1024]; /* JSON object */
    char dataset[MW_DIGEST_TEXT], signature[MW_DIGEST_TEXT];
    bool closed;   /* the loop */
    char why[256]; /* when not */
};

/* A line of the story: seconds since the start, then text. */
void mw_demo_say(const struct mw_demo_figures *figures, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The report as JSON. Errors: MEMORY. */
mw_err mw_demo_print_report(const struct mw_demo_watch *watch,
                            const struct mw_demo_figures *figures, struct mw_buffer *json);
/* The end of the story as a table. */
void mw_demo_print_summary(const struct mw_demo_watch *watch,
                           const struct mw_demo_figures *figures);

#endif
