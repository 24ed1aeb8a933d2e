/* score_host.h - a share of the plant in this process: its scorer on the role's loop. */
#ifndef MW_INFERENCE_SCORE_HOST_H
#define MW_INFERENCE_SCORE_HOST_H

#include "lib/base/loop.h"
#include "tiers/inference/scorer.h"

struct mw_score_host {
    struct mw_loop *loop;         /* borrowed */
    const struct mw_plant *plant; /* borrowed */
    size_t share;
    struct mw_scorer *scorer; /* NULL: another process has the share, or it could not be opened */
    struct mw_loop_watch *poll, *retain, *tidy, *wake;
    void (*ended)(struct mw_score_host *host); /* its writer can commit no more; may close it */
    void *context;                             /* for `ended` */
    struct mw_score_counts told;
    bool has_told;
    bool failing; /* said so once; only the poll tries again */
    int64_t due;  /* monotonic time before which it is not opened again */
};

/* Opens the share's scorer and sets it to work. After an error it is closed. */
mw_err mw_score_host_open(struct mw_score_host *host, struct mw_error *error);
/* Tells a last time and closes; nothing when it is closed. Not committed is what the next one
 * does again. */
void mw_score_host_close(struct mw_score_host *host);

/* What run/score.json says: the counts, and the bundles of the scorer (NULL: none). `shares`: more
 * members, each with its comma before it. MEMORY. */
mw_err mw_score_print_counts(struct mw_buffer *json, const struct mw_scorer *scorer,
                             const struct mw_score_counts *counts, const char *shares);
/* Replaces run/<writer>.json when something has changed. */
void mw_score_host_tell(struct mw_score_host *host);

#endif
