/* demo_truth.h - what really happens to the simulated machines, for the demo's report only: a model
 * never sees it. The twin of a machine that a command saved tells when it would have broken. */
#ifndef MW_CLI_DEMO_TRUTH_H
#define MW_CLI_DEMO_TRUTH_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_demo_fault {
    char machine[64], kind[24];
    int64_t started, breakdown, stopped; /* plant time, microseconds; stopped only when saved */
    bool saved;
};

struct mw_demo_truth {
    struct mw_demo_fault *fault;
    size_t n, capacity;
    int64_t change_time, change_wall; /* first change of the world; 0: none yet */
    unsigned changes;
    int64_t paced_wall; /* when the history had been caught up with; 0: not yet */
    int64_t read;       /* bytes of the file taken so far */
};

/* Takes in what has been added to truth.jsonl. A file that is not there yet is no error. */
mw_err mw_demo_truth_read(struct mw_demo_truth *truth, const char *path, struct mw_error *error);
void mw_demo_truth_clear(struct mw_demo_truth *truth);

/* True when the machine broke, or would have, within the horizon after this record of it, or of its
 * twin. */
bool mw_demo_truth_label(const struct mw_demo_truth *truth, const char *machine, int64_t time,
                         int64_t horizon, bool twin);

#endif
