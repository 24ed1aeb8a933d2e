/* sketch.c - histograms in bins that travel with the model. */
#include "core/drift/sketch.h"

#include <stdbool.h>
#include <string.h>

static bool is_finite(float x)
{
    return x - x == 0;
}

/* The next float32 above a finite one; the largest stays. (libm's nextafterf is not in core.) */
static float next_up(float x)
{
    uint32_t bits;
    if (x == 0) {
        bits = 1;
    } else {
        memcpy(&bits, &x, sizeof bits);
        bits = bits >> 31 != 0 ? bits - 1 : bits + 1;
    }
    float next;
    memcpy(&next, &bits, sizeof next);
    return is_finite(next) ? next : x;
}

mw_err mw_sketch_edges_from_sorted(struct mw_sketch_edges *edges, const float *sorted, size_t n)
{
    if (n == 0) {
        return MW_ERR_ARGUMENT;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_finite(sorted[i]) || (i > 0 && sorted[i] < sorted[i - 1])) {
            return MW_ERR_RANGE;
        }
    }
    for (size_t j = 1; j <= MW_SKETCH_EDGES; j++) {
        /* j * n / BINS without overflow: below this edge lie that many values. */
        size_t at = n / MW_SKETCH_BINS * j + n % MW_SKETCH_BINS * j / MW_SKETCH_BINS;
        edges->edge[j - 1] = sorted[at];
    }
    /* A value so frequent that several edges fall on it gets a bin of its own: the last of those
     * edges moves right behind it. Otherwise a constant feature's bin would be open upwards, and
     * its growth would never be seen. */
    for (size_t j = 1; j < MW_SKETCH_EDGES; j++) {
        bool last = j + 1 == MW_SKETCH_EDGES || edges->edge[j + 1] > edges->edge[j];
        if (last && edges->edge[j] == edges->edge[j - 1]) {
            edges->edge[j] = next_up(edges->edge[j]);
        }
    }
    return MW_OK;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void mw_sketch_add(struct mw_sketch *sketch, const struct mw_sketch_edges *edges, float value)
{
    if (!is_finite(value)) {
        sketch->not_finite = add_saturating(sketch->not_finite, 1);
        return;
    }
    /* The edges do not descend, so the bin is the number of edges at or below the value; counting
     * them all takes no branch that could be predicted wrongly. */
    size_t bin = 0;
    for (size_t j = 0; j < MW_SKETCH_EDGES; j++) {
        bin += edges->edge[j] <= value ? 1 : 0;
    }
    sketch->count[bin] = add_saturating(sketch->count[bin], 1);
}

void mw_sketch_merge(struct mw_sketch *into, const struct mw_sketch *from)
{
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        into->count[i] = add_saturating(into->count[i], from->count[i]);
    }
    into->not_finite = add_saturating(into->not_finite, from->not_finite);
}

uint64_t mw_sketch_total(const struct mw_sketch *sketch)
{
    uint64_t total = 0;
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        total = add_saturating(total, sketch->count[i]);
    }
    return total;
}
