/* demo_run.h - one run of the demo: what demo.c drives, demo_tell.c tells and demo_judge.c judges.
 */
#ifndef MW_CLI_DEMO_RUN_H
#define MW_CLI_DEMO_RUN_H

#include "cli/demo_story.h"
#include "cli/demo_watch.h"
#include "lib/base/loop.h"

#include <limits.h>
#include <sys/types.h>

struct mw_demo_values {
    bool once, keep;
    int64_t seed, port;
    char *report;
};

struct mw_demo {
    const struct mw_demo_values *values;
    char folder[PATH_MAX], config[PATH_MAX + 16], log[PATH_MAX + 16];
    struct mw_plant plant;
    struct mw_loop *loop;
    struct mw_loop_watch *tick, *ready;
    struct mw_demo_watch watch;
    struct mw_demo_figures figures;
    struct mw_progress progress; /* on a terminal; else all zero */
    char moving[96];             /* its label */
    pid_t up;
    int ready_fd, reservation, page; /* reservation: of the port; page: its port */
    bool is_ready, stopping, watching, finished, interrupted;
    size_t told_models, told_everywhere;
    unsigned told_saves, ticks, looks;
    bool told_history, told_change, told_drift, told_training;
    int64_t second_everywhere;
    mw_err err;
    struct mw_error *error;
};

/* Says what is new in the story. */
void mw_demo_tell(struct mw_demo *demo);

/* Says what moves between the lines of the story, twice a second, where both outputs are a
 * terminal: records so far, and how the machines are. */
void mw_demo_draw_begin(struct mw_demo *demo);
void mw_demo_draw(struct mw_demo *demo);
void mw_demo_draw_end(struct mw_demo *demo);

/* Figures that only a running plant has. */
void mw_demo_read_latency(struct mw_demo *demo);
void mw_demo_sample_memory(struct mw_demo *demo);

/* Judges the run, prints the summary and writes the report. */
mw_err mw_demo_finish(struct mw_demo *demo);

#endif
