/* own_models.h - with model.scope machine: which machines still wait for a model of their own.
 *
 * A machine waits from its baseline on until a model for it has been published. All of it follows
 * from the stream, so that a process that starts anew asks for what the one before did not get to,
 * and for nothing twice. Pure. */
#ifndef MW_TRAINING_OWN_MODELS_H
#define MW_TRAINING_OWN_MODELS_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdint.h>

struct mw_own_models;

mw_err mw_own_models_new(struct mw_own_models **models, struct mw_error *error);
void mw_own_models_free(struct mw_own_models *models);

/* Happenings, in any order. MEMORY. */
mw_err mw_own_models_commissioned(struct mw_own_models *models, struct mw_span machine,
                                  struct mw_error *error);
mw_err mw_own_models_published(struct mw_own_models *models, struct mw_span machine,
                               struct mw_error *error);
/* A candidate was refused, or taken back with nothing to go back to: the next one waits for so many
 * more records of the machine. */
mw_err mw_own_models_refused(struct mw_own_models *models, struct mw_span machine, uint64_t gap,
                             struct mw_error *error);
/* A record of the machine has come. */
void mw_own_models_record(struct mw_own_models *models, struct mw_span machine);

/* A machine to train for now, in the order of their names' first mention; NULL: none. Borrowed. */
const char *mw_own_models_next(const struct mw_own_models *models);

#endif
