/* thing.h - the role `thing`: the plant's simulated machines, a thing each, behind one connection.
 *
 * Each tick of the simulated world gives a record a machine; level 2 decides what is forwarded;
 * records go to the outbox in one transaction with the world's state, and from there to the bridge.
 * Commands stop machines, updates swap models. What the twins show is written to
 * data/things/truth.jsonl, one object a line, for reports only. Figures of the process go to
 * data/run/thing.json every second. */
#ifndef MW_IOT_THING_H
#define MW_IOT_THING_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Runs until SIGTERM or SIGINT. Needs a broker, and data/artifacts/metadata/root.json (or
 * data/things/root.json) for the signatures of models. */
mw_err mw_thing_run(const struct mw_plant *plant, struct mw_error *error);

#endif
