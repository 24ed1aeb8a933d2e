/* sketch.h - a mergeable histogram of constant size.
 *
 * The bins travel with the model: MW_SKETCH_EDGES inner edges cut the real line into MW_SKETCH_BINS
 * bins, bin i holding edge[i-1] <= x < edge[i]; one more bin counts values that are not finite. The
 * edges are quantiles of the reference data, so that each bin holds about the same share of it; a
 * value on which several quantiles fall gets a bin of its own. Two sketches merge only when their
 * edges are the same, which callers know from the bundle's digest.
 */
#ifndef MW_CORE_DRIFT_SKETCH_H
#define MW_CORE_DRIFT_SKETCH_H

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

#define MW_SKETCH_BINS 16
#define MW_SKETCH_EDGES (MW_SKETCH_BINS - 1)

struct mw_sketch_edges {
    float edge[MW_SKETCH_EDGES]; /* not descending, in the feature's unit */
};

struct mw_sketch {
    uint64_t count[MW_SKETCH_BINS];
    uint64_t not_finite;
};

/* Cuts n sorted finite values (ascending) into bins of about equal count. n >= 1.
 * Errors: ARGUMENT when n is 0, RANGE when the values are not sorted or not finite. */
mw_err mw_sketch_edges_from_sorted(struct mw_sketch_edges *edges, const float *sorted, size_t n);

/* Counts one value. */
void mw_sketch_add(struct mw_sketch *sketch, const struct mw_sketch_edges *edges, float value);

/* into += from. Saturates instead of wrapping. */
void mw_sketch_merge(struct mw_sketch *into, const struct mw_sketch *from);

/* The number of finite values counted. */
uint64_t mw_sketch_total(const struct mw_sketch *sketch);

#endif
