#include "lib/base/progress.h"

#include "lib/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 30, DRAW_GAP = 100000 };

void mw_progress_start(struct mw_progress *progress, const char *label, uint64_t total)
{
    *progress = (struct mw_progress){.label = label,
                                     .total = total,
                                     .started = mw_clock_monotonic(),
                                     .terminal = isatty(STDERR_FILENO)};
    mw_progress_update(progress, 0);
}

/* One line without its end: "train [#####-----] 42%  1,234 of 2,900  3.1 s". */
static void print(const struct mw_progress *progress, uint64_t done, int64_t now)
{
    double seconds = (double)(now - progress->started) / MW_SECOND;
    if (progress->total == 0) {
        fprintf(stderr, "%s %" PRIu64 "  %.1f s", progress->label, done, seconds);
        return;
    }
    double share = done >= progress->total ? 1 : (double)done / (double)progress->total;
    char bar[BAR + 1];
    size_t filled = (size_t)(share * BAR);
    memset(bar, '#', filled);
    memset(bar + filled, '-', BAR - filled);
    bar[BAR] = 0;
    fprintf(stderr, "%s [%s] %3.0f%%  %" PRIu64 " of %" PRIu64 "  %.1f s", progress->label, bar,
            share * 100, done, progress->total, seconds);
    if (done > 0 && done < progress->total) {
        fprintf(stderr, ", %.0f s left", seconds * (1 / share - 1));
    }
}

void mw_progress_update(struct mw_progress *progress, uint64_t done)
{
    int64_t now = mw_clock_monotonic();
    if (!progress->terminal || (progress->drawn != 0 && now - progress->drawn < DRAW_GAP)) {
        return;
    }
    progress->drawn = now;
    fputc('\r', stderr);
    print(progress, done, now);
    fputs("\033[K", stderr); /* the last drawing may have been longer */
    fflush(stderr);
}

void mw_progress_hide(struct mw_progress *progress)
{
    if (progress->terminal && progress->drawn != 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->drawn = 0;
    }
}

void mw_progress_end(struct mw_progress *progress, uint64_t done)
{
    int64_t now = mw_clock_monotonic();
    if (progress->terminal) {
        fputc('\r', stderr);
    }
    print(progress, done, now);
    fputs(progress->terminal ? "\033[K\n" : "\n", stderr);
    fflush(stderr);
}
