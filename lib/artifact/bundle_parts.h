/* bundle_parts.h - what the files about bundles share and nobody else includes. */
#ifndef MW_ARTIFACT_BUNDLE_PARTS_H
#define MW_ARTIFACT_BUNDLE_PARTS_H

#include "lib/artifact/bundle.h"

/* golden.bin, opened: vector i is `features` float32 inputs and one float32 score. */
struct mw_golden {
    uint32_t count, features;
    const unsigned char *vectors; /* borrows the bytes */
};

/* Checks the whole layout. PARSE, RANGE (no vector, or too many). */
mw_err mw_golden_open(struct mw_span bytes, size_t n_features, struct mw_golden *golden,
                      struct mw_error *error);
/* Vector i's inputs (n_features of them) and score. */
float mw_golden_vector(const struct mw_golden *golden, uint32_t i, float *inputs);

#endif
