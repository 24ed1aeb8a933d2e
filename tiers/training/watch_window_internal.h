/* watch_window_internal.h - what the files of the watch's windows share. */
#ifndef MW_TRAINING_WATCH_WINDOW_INTERNAL_H
#define MW_TRAINING_WATCH_WINDOW_INTERNAL_H

#include "tiers/training/watch_window.h"

struct mw_watch_block {
    uint64_t records;
    int64_t from, to;
    struct mw_sketch *sketch; /* n_features, then the score */
};

struct mw_watch_machine {
    char *name;
    struct mw_watch_block block[MW_WATCH_BLOCKS];
    size_t newest;
    uint64_t records;     /* in all blocks */
    uint64_t since_alarm; /* records */
    bool alarmed;
    bool fresh;            /* a block is full and has not been compared */
    unsigned findings;     /* comparisons in a row that found it moved */
    struct mw_sketch *own; /* its first records under this bundle: n_features, then the score; NULL
                            * where the bundle's reference is its own */
    uint64_t own_records;
    int64_t fault;                    /* time of one that was not repaired yet; INT64_MAX: none */
    struct mw_comparison *comparison; /* n_features + 1, of the last one */
};

struct mw_watch {
    const struct mw_plant *plant;
    const struct mw_bundle *bundle;
    bool alone;        /* the bundle is one machine's */
    size_t n_features; /* without the score */
    struct mw_watch_machine *machine;
    size_t n, capacity, last;
    bool alarmed;
    uint64_t since_alarm;             /* records of all machines */
    unsigned findings;                /* comparisons of the plant in a row that found it moved */
    struct mw_comparison *comparison; /* n_features + 1, of the last one */
};

/* watch_window.c: whether the machine has told what it is like, in itself or through its bundle. */
bool mw_watch_knows(const struct mw_watch *watch, const struct mw_watch_machine *machine);
/* The newest block has been compared: the oldest makes room. */
void mw_watch_move_on(struct mw_watch *watch, struct mw_watch_machine *machine);

/* watch_compare.c: the windows against what they should be like, into `comparison` and `findings`.
 */
void mw_watch_compare_machine(struct mw_watch *watch, struct mw_watch_machine *machine);
void mw_watch_compare_plant(struct mw_watch *watch);
/* The reference counts of feature i (n_features: the score): the bundle's, and a machine's. */
const struct mw_sketch *mw_watch_reference(const struct mw_watch *watch, size_t i);
const struct mw_sketch *mw_watch_reference_of(const struct mw_watch *watch,
                                              const struct mw_watch_machine *machine, size_t i);
uint64_t mw_watch_records(const struct mw_watch *watch); /* of all machines */
/* The reference deviations that feature i's median moved by, from a shift in bins; for the score
 * bins. */
double mw_watch_moved_by(const struct mw_watch *watch, size_t i, double bins);
/* When the oldest block of the machine began that alone lies beyond the limit in feature i;
 * INT64_MAX: none does. */
int64_t mw_watch_find_onset(const struct mw_watch *watch, const struct mw_watch_machine *machine,
                            size_t i, const struct mw_sketch *against);

#endif
