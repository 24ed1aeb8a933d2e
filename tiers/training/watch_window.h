/* watch_window.h - the newest records of each machine in the bins of a bundle, and what they say.
 *
 * A machine's window is a ring of blocks; when the newest block is full the windows are compared
 * and the oldest block is dropped. Two questions: Has the plant moved? All machines' windows
 * together against the bundle's reference; and still, when the machine that moved most is left out,
 * so that one of them does not speak for all. A plant of one machine speaks for itself. Has one
 * machine moved? Its window against its own first records under this bundle, since machines differ.
 * A population stability index is never 0, and neighbouring records are alike: the limit is
 * watch.psi plus what chance gives for these counts (B. Yurdakul, "Statistical properties of
 * population stability index", 2018), four times over for the likeness. A finding has to hold for a
 * whole round of blocks, so that a change of the whole plant has shown in the other machines too
 * before one of them is accused.
 * A bundle of one machine (model.scope machine) knows what this machine is like: its window is held
 * against the bundle's reference, and no other machine has a say. Pure: no files, no clock. */
#ifndef MW_TRAINING_WATCH_WINDOW_H
#define MW_TRAINING_WATCH_WINDOW_H

#include "lib/artifact/bundle.h"
#include "lib/base/error.h"
#include "lib/plant/plant.h"
#include "tiers/training/compare.h"

#define MW_WATCH_BLOCKS 4

struct mw_watch;

/* Borrows the bundle; one whose `machine` is set is fed with that machine's records alone. */
mw_err mw_watch_new(struct mw_watch **watch, const struct mw_plant *plant,
                    const struct mw_bundle *bundle, struct mw_error *error);
void mw_watch_free(struct mw_watch *watch);

/* One forwarded record: mapped features in the bundle's order. */
mw_err mw_watch_add(struct mw_watch *watch, struct mw_span machine, int64_t time,
                    const float *mapped, struct mw_error *error);
/* Its score, whenever it comes. */
mw_err mw_watch_add_score(struct mw_watch *watch, struct mw_span machine, float score,
                          struct mw_error *error);
/* A sketch of suppressed records, with this bundle's digest. */
mw_err mw_watch_add_sketch(struct mw_watch *watch, struct mw_span machine, int64_t from, int64_t to,
                           uint64_t count, const struct mw_sketch *features,
                           const struct mw_sketch *score, struct mw_error *error);
/* The machine had a fault at that time (it broke, or a finding said so): its newest records tell of
 * that, not of the world. Judged alone, it loses all that lies less than model.horizon before, as
 * no other machine would speak against it. */
void mw_watch_fault(struct mw_watch *watch, struct mw_span machine, int64_t time);
/* It was repaired: what came since its fault, and less than a horizon before, tells of another
 * machine. Only where it is judged alone. */
void mw_watch_repair(struct mw_watch *watch, struct mw_span machine, int64_t time);

struct mw_watch_feature {
    const char *name; /* "score" for the score; borrowed from the bundle */
    double psi, p,
        moved; /* moved: shift of the median in reference deviations (bins for the score) */
};

struct mw_watch_alarm {
    bool plant;          /* else one machine */
    const char *machine; /* NULL for the plant; borrowed */
    int64_t onset, time; /* of the records: when the first block that moved began, and now */
    uint64_t records;    /* evidence */
    size_t n;
    struct mw_watch_feature feature[MW_BUNDLE_FEATURES_MAX + 1]; /* strongest first */
};

/* True when there is an alarm to give; call after each add until false. */
bool mw_watch_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm);

/* There was an alarm under this bundle before the windows began, of this machine or, with an empty
 * name, of the plant: the next one has the whole cool-down to wait. MEMORY. */
mw_err mw_watch_cool(struct mw_watch *watch, struct mw_span machine, struct mw_error *error);

size_t mw_watch_machines(const struct mw_watch *watch);
/* Those of them that an alarm under this bundle was about. */
size_t mw_watch_drifted(const struct mw_watch *watch);

#endif
