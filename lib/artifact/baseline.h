/* baseline.h - a machine's own mean and deviation per feature, and the map onto the reference
 * machine.
 *
 * A machine is commissioned once, and the plant's stream holds that baseline. When the plant has
 * moved away from its model, the next model is trained on baselines taken anew, from the healthy
 * records since the move; a bundle carries those, so that a model and the baselines that it was
 * trained on are swapped, signed and rolled back as one. They are a list in time: records from
 * before a move are still mapped by what held then. */
#ifndef MW_ARTIFACT_BASELINE_H
#define MW_ARTIFACT_BASELINE_H

#include "lib/base/error.h"
#include "lib/base/file.h"

#include <stddef.h>
#include <stdint.h>

/* A machine's own mean and deviation per feature of a bundle. */
struct mw_baseline {
    int64_t since;     /* time of the first record that it was made of; INT64_MIN: not known */
    uint64_t count;    /* healthy records that it was made of */
    float *mean, *std; /* one a feature, std >= 0 */
};

void mw_baseline_clear(struct mw_baseline *baseline);

/* x' = (x - mean_m) * std_ref / std_m + mean_ref, feature by feature; `mapped` may be x. Identity
 * when baseline is NULL. Where std_m is 0 the machine's value never moved: x' = x - mean_m +
 * mean_ref. */
void mw_baseline_map(const struct mw_baseline *baseline, const float *reference_mean,
                     const float *reference_std, size_t n, const float *x, float *mapped);

/* Baselines by machine and time, each of the same features. {0} is empty. */
struct mw_baseline_list {
    struct mw_baseline_entry {
        char *machine;
        struct mw_baseline baseline;
    } * entry; /* by machine, and then by since */
    size_t n;
};

/* Adds one of n features in its place; `machine`, `mean` and `std` are copied. One of the same
 * machine and since is replaced. MEMORY. */
mw_err mw_baseline_list_add(struct mw_baseline_list *list, const char *machine, int64_t since,
                            uint64_t count, const float *mean, const float *std, size_t n);
/* The machine's newest with since <= time, or NULL. INT64_MAX gives the newest of all. */
const struct mw_baseline *mw_baseline_list_find(const struct mw_baseline_list *list,
                                                const char *machine, int64_t time);
/* What holds for a machine at a time: the newer of the list's and the plant's own (may be NULL). */
const struct mw_baseline *mw_baseline_list_choose(const struct mw_baseline_list *list,
                                                  const char *machine, int64_t time,
                                                  const struct mw_baseline *plant);
void mw_baseline_list_clear(struct mw_baseline_list *list);

/* Appends [{"machine","since":seconds,"count","mean":[..],"std":[..]},..], n numbers each; the same
 * list gives the same bytes. ARGUMENT when a value is not finite, MEMORY. */
mw_err mw_baseline_list_print(const struct mw_baseline_list *list, size_t n,
                              struct mw_buffer *json);

#endif
