/* learn.h - the role `learn`: commissions machines and decides when a model is trained.
 *
 * It follows records and events, writes baselines, counts what is labelled, and runs the pipeline
 * as a child of low priority when a first model can be made, when enough has been labelled since a
 * drift began, or when it is due (policy.h); with model.scope machine for each machine by itself
 * (own_models.h). One pipeline runs at a time. Its state is derived from the stream at every start.
 */
#ifndef MW_TRAINING_LEARN_H
#define MW_TRAINING_LEARN_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Runs until SIGTERM or SIGINT; stream writer "learn". */
mw_err mw_learn_run(const struct mw_plant *plant, struct mw_error *error);

#endif
