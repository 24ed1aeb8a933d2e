/* script.h - a CSV file of what happens to the simulated plant besides its own faults.
 *
 *   at,kind,machine,signal,fault,value
 *   36h,season,all,,,15            ambient temperature 15 K up
 *   36h,load,all,,,1.2             torque of the load times 1.2
 *   36h,gain,all,vibration,,1.5    another sensor
 *   36h,bearings,motor-2,,,1.4     a new batch of bearings, rougher when healthy
 *   40h,fault,motor-3,,bearing,4   a bearing fault that breaks the machine in 4 hours
 *   50h,faults,all,,,12            from now on a fault a machine every 12 hours
 */
#ifndef MW_IOT_SCRIPT_H
#define MW_IOT_SCRIPT_H

#include "tiers/iot/world.h"

/* When every simulated plant's clock starts, microseconds UTC: a midnight. */
int64_t mw_script_epoch(void);

/* Reads the file; *changes is the caller's to free. Errors: PARSE with file, line and column. */
mw_err mw_script_read(const char *path, unsigned machines, struct mw_world_change **changes,
                      size_t *n, struct mw_error *error);

#endif
