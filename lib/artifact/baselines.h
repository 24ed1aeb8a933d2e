/* baselines.h - the baselines of machines, as a message brought them, and the same in the order of
 * a model's features. */
#ifndef MW_ARTIFACT_BASELINES_H
#define MW_ARTIFACT_BASELINES_H

#include "lib/artifact/bundle.h"

#include <jansson.h>

struct mw_baselines;

mw_err mw_baselines_new(struct mw_baselines **baselines, struct mw_error *error);
void mw_baselines_free(struct mw_baselines *baselines);

/* Takes {"motor-1":{"count":200,"features":{"current_rms":[mean,std]}}}, replacing what it names.
 * NULL and anything malformed change nothing. */
void mw_baselines_update(struct mw_baselines *baselines, const json_t *by_machine);

/* One machine's {"count","since"?,"features":{name:[mean,std]}}, replacing what was there.
 * Malformed: no change. */
void mw_baselines_set(struct mw_baselines *baselines, const char *machine, const json_t *record);

/* The same, but what was there stays for records from before: see mw_baselines_find_at. A record
 * that is not newer than the newest changes nothing. */
void mw_baselines_add(struct mw_baselines *baselines, const char *machine, const json_t *record);

/* Orders all of them by these n features, as mw_baseline_parse does: a machine that lacks one of
 * them, or has no finite mean and deviation there, has identity (the reference itself). */
void mw_baselines_arrange(struct mw_baselines *baselines, char *const *features, size_t n,
                          const float *reference_mean, const float *reference_std);

/* The mean over all machines of their means and deviations of each of the n features: the reference
 * machine of a first model. Where a value never moved at a machine it does not count. False, and
 * nothing written, when there is no baseline at all. */
bool mw_baselines_reference(const struct mw_baselines *baselines, char *const *features, size_t n,
                            float *mean, float *std);

/* The arranged baseline of a machine, or NULL; in constant time. Valid until the next update or
 * arrange. */
const struct mw_baseline *mw_baselines_find(const struct mw_baselines *baselines,
                                            const char *machine);

/* The one that held at a time (microseconds): the newest with since <= time, else the oldest. */
const struct mw_baseline *mw_baselines_find_at(const struct mw_baselines *baselines,
                                               const char *machine, int64_t time);

#endif
