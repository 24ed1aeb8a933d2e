/* watch.h - the role `watch`: follows records, sketches and scores, and raises an alarm when they
 * have moved away from what the model in use was trained on. */
#ifndef MW_TRAINING_WATCH_H
#define MW_TRAINING_WATCH_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Runs until SIGTERM or SIGINT; stream writer and group "watch". Alarms go to the topic `drift`
 * together with the position, so none is lost or given twice. Windows live in memory: a restart
 * starts new ones, which costs evidence, never a record. */
mw_err mw_watch_run(const struct mw_plant *plant, struct mw_error *error);

#endif
