/* progress.h - a progress bar on stderr for long work; silent where stderr is no terminal, except
 * one line at the end. */
#ifndef MW_BASE_PROGRESS_H
#define MW_BASE_PROGRESS_H

#include <stdint.h>

struct mw_progress {
    const char *label; /* borrowed */
    uint64_t total;    /* 0: unknown */
    int64_t started, drawn;
    int terminal;
};
void mw_progress_start(struct mw_progress *progress, const char *label, uint64_t total);
void mw_progress_update(struct mw_progress *progress,
                        uint64_t done); /* at most 10 draws a second */
void mw_progress_end(struct mw_progress *progress, uint64_t done);
/* Takes the bar away where one is drawn, so that something else can be printed in its place; the
 * next update draws it again. Also of one that was never started (all zero). */
void mw_progress_hide(struct mw_progress *progress);

#endif
