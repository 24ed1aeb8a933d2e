/* replay.h - recordings as things: publishes the rows of CSV files as if their devices sent them
 * now.
 *
 * A row's place among its device's rows is its number, so a replay that was interrupted goes on
 * where the bridge stands, and a second replay of the same files sends no record again (events go
 * out again: their ids make the repetition harmless). The file is the outbox.
 *
 * At a speed, the first row that is not stored yet goes out at once and the others at their times
 * after it; a row whose time lies before that of the row before (the next device's first, usually)
 * starts that anew. */
#ifndef MW_IOT_REPLAY_H
#define MW_IOT_REPLAY_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_replay_options {
    char *const *path; /* CSV files, in order */
    size_t n;
    double speed; /* times faster than the rows' own times; 0: as fast as acknowledged */
    bool quiet;   /* no progress bar */
};

struct mw_replay_result {
    uint64_t rows;    /* read */
    uint64_t sent;    /* acknowledged now */
    uint64_t present; /* stored by an earlier replay already */
    uint64_t events;
    unsigned devices;
    int64_t duration; /* microseconds */
};

/* Runs until every record and event is acknowledged, or SIGTERM/SIGINT (then STATE). Blocks. A row
 * that cannot be read ends it with FILE:LINE and column; what was sent before stays. */
mw_err mw_replay_run(const struct mw_plant *plant, const struct mw_replay_options *options,
                     struct mw_replay_result *result, struct mw_error *error);

#endif
