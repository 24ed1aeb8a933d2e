/* thing.h - the role `thing`: the plant's machines, a thing each, behind one connection. They are
 * simulated ones, or devices behind gateways (gateway_file.h).
 *
 * Each tick of the simulated world gives a record a machine, each reading of a device one; level 2
 * decides what is forwarded; records go to the outbox in one transaction with the source's state,
 * and from there to the bridge.
 * Commands stop machines, updates swap models. What the twins show is written to
 * data/things/truth.jsonl, one object a line, for reports only. Figures of the process go to
 * data/run/thing.json every second. */
#ifndef MW_IOT_THING_H
#define MW_IOT_THING_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* What plant.yaml names for the things can be read and makes sense: the files of gateway.devices,
 * the script of simulate. *hash is another one when the texts of the devices are. Errors carry
 * FILE:LINE. */
mw_err mw_thing_check(const struct mw_plant *plant, uint64_t *hash, struct mw_error *error);

/* Runs until SIGTERM or SIGINT. Needs a broker, and data/artifacts/metadata/root.json (or
 * data/things/root.json) for the signatures of models. */
mw_err mw_thing_run(const struct mw_plant *plant, struct mw_error *error);

#endif
