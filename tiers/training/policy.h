/* policy.h - when to train: a first model, after a drift, after so many records, or when somebody
 * asks for it; for the plant, or with model.scope machine for one machine.
 *
 * A model that replaces another is trained on what came since the drift began, or since the other
 * was published. An autoencoder takes all of it for healthy, so it is trained anew only once
 * maintenance has said that this is so (facts.h), and on the records that this was said of. Pure.
 */
#ifndef MW_TRAINING_POLICY_H
#define MW_TRAINING_POLICY_H

#include "lib/plant/plant.h"

#include <stdint.h>

struct mw_policy {
    bool have_model;   /* one was published */
    bool drifted;      /* and the plant has moved since */
    int64_t onset;     /* of the drift, microseconds UTC */
    int64_t published; /* the newest record's time when the last model was published */
    uint64_t
        next_attempt;   /* labelled records before which a refused candidate is not tried again */
    int64_t asked;      /* when somebody last asked for a training; 0: nobody did */
    int64_t answered;   /* when the last training began that has come to an end; 0: none has */
    bool well;          /* an autoencoder's: known to be well since the drift, or the last model, */
    int64_t well_since; /* and from then on */
};

/* What has been counted, over all records or since the drift's onset as mw_policy_since asked. */
struct mw_policy_counts {
    uint64_t labelled, positives;
};

enum mw_policy_cause {
    MW_POLICY_NOTHING,
    MW_POLICY_FIRST,
    MW_POLICY_DRIFT,
    MW_POLICY_SCHEDULE,
    MW_POLICY_ASKED
};

/* Is there a reason to count at all? */
bool mw_policy_wants(const struct mw_policy *policy, const struct mw_plant *plant);
/* Would there be one, were it known that what drifted is well? */
bool mw_policy_waits(const struct mw_policy *policy, const struct mw_plant *plant);
/* From which time on what maintenance said counts (INT64_MIN: all): since the drift began, or since
 * the last model was published. */
int64_t mw_policy_origin(const struct mw_policy *policy);
/* And from which time on the records do: the same, or later for an autoencoder. A count of all
 * records would stand still once retention removes as many as come. */
int64_t mw_policy_since(const struct mw_policy *policy);

/* Has somebody asked for a training, and none begun since that came to an end? */
bool mw_policy_is_asked(const struct mw_policy *policy);

/* What the counts call for. However often a training is asked for, it takes retrain.attempts_gap
 * labelled records since the last one, and without a model or after a drift as many as without
 * being asked. */
enum mw_policy_cause mw_policy_decide(const struct mw_policy *policy, const struct mw_plant *plant,
                                      struct mw_policy_counts counts);

/* Happenings. */
/* What is known now (mw_facts_well, from mw_policy_origin on); to be told after every event, drift
 * and model. */
void mw_policy_known(struct mw_policy *policy, const struct mw_plant *plant, bool well,
                     int64_t since);
/* At a time, microseconds UTC, a training was asked for; one that began at a time is over. */
void mw_policy_ask(struct mw_policy *policy, int64_t time);
void mw_policy_answered(struct mw_policy *policy, int64_t began);
void mw_policy_drift(struct mw_policy *policy, int64_t onset);
void mw_policy_published(struct mw_policy *policy, int64_t newest);
/* The last model was taken back and nothing served before it: the plant is without one again. The
 * next attempt waits as after a refusal; counts: those that the model was begun with. */
void mw_policy_taken_back(struct mw_policy *policy, const struct mw_plant *plant,
                          struct mw_policy_counts counts);
void mw_policy_refused(struct mw_policy *policy, const struct mw_plant *plant,
                       struct mw_policy_counts counts);

const char *mw_policy_cause_name(enum mw_policy_cause cause);

#endif
