/* world_script.h - the text that says what happens to the simulated plant, and when.
 *
 *   # a comment
 *   at 30h season 15                        K above the normal ambient temperature
 *   at 36h load 1.25                        factor on every load's torque
 *   at 40h gain vibration 1.6 motor-3       a new sensor
 *   at 40h offset temperature 5 motor-3     in the sensor's unit
 *   at 50h bearings 1.8 motor-1 motor-2     factor on a healthy bearing's noise
 *   at 20h fault bearing 4h motor-2         bearing, imbalance, cooling or phase; to breakdown
 *   at 0s faults 24h                        mean time between a machine's faults from now on, or
 * off
 *
 * One change a line, words apart by blanks, in any order of time. Times count from the start, in s,
 * m, h or d. Machines that are named, up to 16, have the change alone; otherwise all have it. */
#ifndef MW_IOT_WORLD_SCRIPT_H
#define MW_IOT_WORLD_SCRIPT_H

#include "tiers/iot/world.h"

/* Reads text[size] (without a NUL) into changes[capacity]. `path` goes before messages, with the
 * line. config gives prefix and machines. Errors: PARSE, RANGE, NOT_FOUND (no such machine),
 * TOO_LARGE. */
mw_err mw_world_script_parse(const char *text, size_t size, const char *path,
                             const struct mw_world_config *config, struct mw_world_change *changes,
                             size_t capacity, size_t *n, struct mw_error *error);

#endif
