/* nearest.h - how far two names are apart, for "did you mean". */
#ifndef MW_BASE_NEAREST_H
#define MW_BASE_NEAREST_H

#include "core/span.h"

#include <stddef.h>

#define MW_NEAREST_NEVER SIZE_MAX

/* The least number of bytes inserted, removed, replaced or swapped with their neighbour that turn a
 * into b (optimal string alignment: Damerau 1964, no byte edited twice). MW_NEAREST_NEVER when
 * either is longer than 128 bytes. */
size_t mw_nearest_distance(struct mw_span a, struct mw_span b);

/* Up to which distance a person may have meant another name: one slip, and one more each three
 * bytes. */
size_t mw_nearest_limit(struct mw_span typed);

#endif
