/* policy.h - when to train: a first model, after a drift, or after so many records. Pure. */
#ifndef MW_TRAINING_POLICY_H
#define MW_TRAINING_POLICY_H

#include "lib/plant/plant.h"

#include <stdint.h>

struct mw_policy {
    bool have_model;     /* one was published */
    bool drifted;        /* and the plant has moved since */
    int64_t onset;       /* of the drift, microseconds UTC */
    uint64_t at_publish; /* labelled records when the last one was published; UINT64_MAX: not
                            counted yet */
    uint64_t
        next_attempt; /* labelled records before which a refused candidate is not tried again */
};

/* What has been counted, over all records or since the drift's onset as mw_policy_since asked. */
struct mw_policy_counts {
    uint64_t labelled, positives;
};

enum mw_policy_cause { MW_POLICY_NOTHING, MW_POLICY_FIRST, MW_POLICY_DRIFT, MW_POLICY_SCHEDULE };

/* Is there a reason to count at all? And from which time on (INT64_MIN: all)? */
bool mw_policy_wants(const struct mw_policy *policy, const struct mw_plant *plant);
int64_t mw_policy_since(const struct mw_policy *policy);

/* What the counts call for. */
enum mw_policy_cause mw_policy_decide(const struct mw_policy *policy, const struct mw_plant *plant,
                                      struct mw_policy_counts counts);

/* Happenings. */
void mw_policy_drift(struct mw_policy *policy, int64_t onset);
void mw_policy_published(struct mw_policy *policy);
void mw_policy_refused(struct mw_policy *policy, const struct mw_plant *plant,
                       struct mw_policy_counts counts);

const char *mw_policy_cause_name(enum mw_policy_cause cause);

#endif
