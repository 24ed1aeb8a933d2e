/* thing_report.h - what the simulated plant tells people and reports, never a model: the twins'
 * truth, the changes of the world, and the process's figures. */
#ifndef MW_IOT_THING_REPORT_H
#define MW_IOT_THING_REPORT_H

#include "lib/base/role.h"
#include "lib/plant/plant.h"
#include "tiers/iot/thing_device.h"
#include "tiers/iot/world.h"

struct mw_thing_report;

/* With a simulated plant, appends to data/things/truth.jsonl (64 MiB, then it is moved to
 * truth.jsonl.1, over the one there):
 *   {"truth":{"machine","fault","started","breakdown","saved","stopped","told"}}
 *   {"change":{"time","kind","machine","value"}}
 *   {"paced":{"time","wall"}} when the simulation has caught up and speed holds
 * and, with simulate.twins, to data/things/twins.jsonl, likewise, what the twins of stopped
 * machines measure:
 *   {"machine","time","features":{name:value}}
 * Times are seconds; `told` and `wall` are the wall clock's. */
mw_err mw_thing_report_new(struct mw_thing_report **report, const struct mw_plant *plant,
                           struct mw_error *error);
void mw_thing_report_free(struct mw_thing_report *report);

void mw_thing_report_truth(struct mw_thing_report *report, const struct mw_world_truth *truth);
void mw_thing_report_change(struct mw_thing_report *report, int64_t time,
                            const struct mw_world_change *change);
void mw_thing_report_twin(struct mw_thing_report *report, const struct mw_world_record *record);
/* `fast`: the simulation runs as fast as acknowledged. Latency counts only when it does not. */
void mw_thing_report_pace(struct mw_thing_report *report, bool fast);

/* Rewrites data/run/thing.json, and tells the role. */
void mw_thing_report_write(struct mw_thing_report *report, struct mw_role *role,
                           struct mw_thing_device *const *device, unsigned n, int64_t plant_time,
                           struct mw_latency *latency);

#endif
