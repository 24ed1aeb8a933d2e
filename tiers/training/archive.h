/* archive.h - a plant's stream as the trainer reads it: its history, its baselines, and its records
 * one after the other. */
#ifndef MW_TRAINING_ARCHIVE_H
#define MW_TRAINING_ARCHIVE_H

#include "core/wire/message.h"
#include "lib/artifact/baselines.h"
#include "lib/base/error.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"
#include "tiers/training/history.h"

struct mw_archive;

/* Opens the stream for reading and takes in all events, commands, baselines and the newest time of
 * each machine. */
mw_err mw_archive_open(struct mw_archive **archive, const struct mw_plant *plant,
                       struct mw_error *error);
void mw_archive_close(struct mw_archive *archive);

struct mw_history *mw_archive_history(struct mw_archive *archive);
struct mw_baselines *mw_archive_baselines(struct mw_archive *archive);

/* Calls fn for every telemetry record in order of arrival; `record` and `suspect` (its time is not
 * to be believed) are for the call. fn's error ends the visit and is returned. May be called again.
 */
typedef mw_err mw_archive_visit_fn(void *context, const struct mw_telemetry *record, bool suspect,
                                   struct mw_error *error);
mw_err mw_archive_visit(struct mw_archive *archive, mw_archive_visit_fn *fn, void *context,
                        struct mw_error *error);

#endif
