/* facts.h - what maintenance has said of the machines: which of them are known to be well.
 *
 * Records alone cannot tell a world that has changed from a machine that is about to break: both
 * look unlike what the model knows. Where there are labels they tell; an autoencoder has none, so
 * before it may take the new records for healthy ones somebody has to have had the machine in his
 * hands: an inspection that found no fault says that all since the change was well, a repair that
 * all since the repair is. A failure or a found fault takes that back until the next repair or
 * inspection. Times are the events' own, so it does not matter in which order they are heard of.
 * Pure. */
#ifndef MW_TRAINING_FACTS_H
#define MW_TRAINING_FACTS_H

#include "core/wire/message.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Of each machine the newest so many are kept. */
#define MW_FACTS_KEPT 32

struct mw_facts;

mw_err mw_facts_new(struct mw_facts **facts, struct mw_error *error);
void mw_facts_free(struct mw_facts *facts);

/* Notes an event. MEMORY. */
mw_err mw_facts_add(struct mw_facts *facts, const struct mw_event *event, struct mw_error *error);

/* Is the machine known to be well, by what was said of it from `from` (microseconds) on? Then its
 * records from *since on are healthy. An empty name asks for any machine: the first of which it is
 * known. */
bool mw_facts_well(const struct mw_facts *facts, struct mw_span machine, int64_t from,
                   int64_t *since);

#endif
