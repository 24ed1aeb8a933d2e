/* level2.h - what a thing forwards, and how it counts the rest.
 *
 * With a model every record is scored on the thing. A record whose band is not normal is forwarded.
 * Of the normal ones a seeded random share is forwarded too and carries that share as p, its
 * probability, so that whoever learns or measures can weight by 1/p; the others are counted in
 * sketches with the bundle's bins, feature by feature as the model sees them, and so is their
 * score. Without a model everything is forwarded. */
#ifndef MW_IOT_LEVEL2_H
#define MW_IOT_LEVEL2_H

#include "core/wire/message.h"
#include "lib/artifact/bundle.h"

#include <stdbool.h>
#include <stdint.h>

/* Plain data, so that it can be kept as bytes between two processes. */
struct mw_level2 {
    char bundle[MW_DIGEST_TEXT]; /* whose bins the counts are in; empty: nothing counted */
    uint64_t count;              /* records in the sketches */
    int64_t from, to;            /* times of the first and the last of them */
    struct mw_sketch score;
    struct mw_sketch feature[MW_BUNDLE_FEATURES_MAX];
};

enum mw_level2_decision { MW_LEVEL2_FORWARD, MW_LEVEL2_SUPPRESS };

/* Decides about one record. `runner` NULL: no model. `draw` is a random number in [0,1). Sets
 * record->p and *score (-1 without a model, or when the record lacks a feature of it, which is
 * forwarded). A suppressed record has been counted; the caller sees by level2->count when to send
 * the sketch. When the runner's bundle is another than the counted one and counts are pending,
 * STATE is returned and nothing done: send and clear the sketch first, since a swap closes the
 * window. */
mw_err mw_level2_decide(struct mw_level2 *level2, struct mw_runner *runner,
                        const struct mw_baseline *baseline, double share, double draw,
                        struct mw_telemetry *record, enum mw_level2_decision *decision,
                        float *score);

/* Fills a sketch record from the counts (numbers excepted) for the runner's bundle, whose names it
 * borrows. ARGUMENT when nothing is counted or the counts are not of that bundle. */
mw_err mw_level2_sketch(const struct mw_level2 *level2, const struct mw_bundle *bundle,
                        const char *device, const char *machine, struct mw_sketch_record *out);
void mw_level2_clear(struct mw_level2 *level2);

/* Number `n` of a device's own sequence of random numbers in [0,1), the same for a seed and a name
 * on every machine (SplitMix64, Steele, Lea and Flood 2014). */
double mw_level2_draw(uint64_t seed, const char *device, uint64_t n);

#endif
