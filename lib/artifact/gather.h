/* gather.h - a record's features in a model's order. */
#ifndef MW_ARTIFACT_GATHER_H
#define MW_ARTIFACT_GATHER_H

#include "core/wire/message.h"

#include <stdbool.h>

/* Fills x[n] with the record's values of these features; false when one of them is not there.
 * Records list features in one order, mostly the model's own, so each search goes on where the last
 * one ended. */
bool mw_gather(char *const *features, size_t n, const struct mw_telemetry *record, float *x);

#endif
