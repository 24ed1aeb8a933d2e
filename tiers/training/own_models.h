/* own_models.h - with model.scope machine: the policy of each machine, and whose turn it is.
 *
 * A machine waits from its baseline on until a model for it has been published; from then on its
 * drift, or the schedule, asks for another. An autoencoder's first model needs nothing but the
 * baseline's records; all others wait until enough records of that machine have been counted
 * (policy.h). All of it follows from the stream, so that a process that starts anew asks for what
 * the one before did not get to, and for nothing twice. Pure. */
#ifndef MW_TRAINING_OWN_MODELS_H
#define MW_TRAINING_OWN_MODELS_H

#include "core/span.h"
#include "lib/base/error.h"
#include "tiers/training/facts.h"
#include "tiers/training/policy.h"

#include <stdint.h>

struct mw_own_models;

/* Borrows both. */
mw_err mw_own_models_new(struct mw_own_models **models, const struct mw_plant *plant,
                         const struct mw_facts *facts, struct mw_error *error);
void mw_own_models_free(struct mw_own_models *models);

/* Happenings, in the order of the stream. MEMORY. */
mw_err mw_own_models_commissioned(struct mw_own_models *models, struct mw_span machine,
                                  struct mw_error *error);
/* A training began, with so much counted. */
mw_err mw_own_models_started(struct mw_own_models *models, struct mw_span machine,
                             struct mw_policy_counts counts, struct mw_error *error);
mw_err mw_own_models_published(struct mw_own_models *models, struct mw_span machine,
                               struct mw_error *error);
/* A candidate was refused, or nothing came of the training: the next one waits for
 * retrain.attempts_gap more records. */
mw_err mw_own_models_refused(struct mw_own_models *models, struct mw_span machine,
                             struct mw_policy_counts counts, struct mw_error *error);
/* The newest model was taken back, with nothing to go back to. */
mw_err mw_own_models_taken_back(struct mw_own_models *models, struct mw_span machine,
                                struct mw_error *error);
mw_err mw_own_models_drift(struct mw_own_models *models, struct mw_span machine, int64_t onset,
                           struct mw_error *error);
/* A record of the machine has come; an event of it is among the facts. */
void mw_own_models_record(struct mw_own_models *models, struct mw_span machine, int64_t time);
void mw_own_models_event(struct mw_own_models *models, struct mw_span machine);

/* A machine to train a first model for without counting, in the order of their names' first
 * mention; NULL: none. Borrowed. */
const char *mw_own_models_next(const struct mw_own_models *models);
/* A machine whose records from *since on should be counted, since something came that may have
 * made them enough: one after the other. NULL: none. Borrowed. */
const char *mw_own_models_to_count(struct mw_own_models *models, int64_t *since);
/* The policy of a machine, or NULL. Borrowed. */
const struct mw_policy *mw_own_models_policy(const struct mw_own_models *models,
                                             struct mw_span machine);

/* For those who ask how it is going. */
struct mw_own_models_summary {
    size_t models;  /* machines that have one */
    size_t drifted; /* since it was published */
    size_t waiting; /* of these: for somebody to say that the machine is well */
};
struct mw_own_models_summary mw_own_models_sum_up(const struct mw_own_models *models);

#endif
