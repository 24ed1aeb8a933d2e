/* drift_check.h - has one data set moved away from another, or from a bundle's reference?
 *
 * The question of `millwright drift`, and of the pipeline before it trains: each feature is counted
 * in bins of equal reference share and compared (compare.h). A column that counts up from row to
 * row in both files is a clock or a number, says nothing of the world, and is left out. */
#ifndef MW_TRAINING_DRIFT_CHECK_H
#define MW_TRAINING_DRIFT_CHECK_H

#include "lib/artifact/bundle.h"
#include "lib/base/file.h"
#include "tiers/training/compare.h"
#include "tiers/training/dataset.h"

struct mw_drift_feature {
    char *name;
    struct mw_comparison compared;
    double moved; /* what the median moved by, in reference deviations */
};

/* Owned by the caller; {0} is empty. */
struct mw_drift_check {
    size_t n;                         /* features */
    struct mw_drift_feature *feature; /* by PSI, largest first */
    char **left_out;                  /* names of columns that count up */
    size_t n_left_out, moved;
    uint64_t reference_records, current_records; /* weighted, rounded */
    double psi, alpha;                           /* the limits */
};

/* Both data sets have the same columns in the same order, else ARGUMENT. Also MEMORY. */
mw_err mw_drift_check_data(struct mw_drift_check *check, const struct mw_dataset *reference,
                           const struct mw_dataset *current, double psi, double alpha,
                           struct mw_error *error);
/* The columns of `current` are the bundle's features, in its order. */
mw_err mw_drift_check_bundle(struct mw_drift_check *check, const struct mw_bundle *bundle,
                             const struct mw_dataset *current, double psi, double alpha,
                             struct mw_error *error);
void mw_drift_check_clear(struct mw_drift_check *check);

/* Appends the answer as one JSON object. Errors: MEMORY. */
mw_err mw_drift_check_print_json(const struct mw_drift_check *check, struct mw_buffer *json);

/* Counts a column's values, each `weight` times (rounded, at least once). */
void mw_drift_count(struct mw_sketch *sketch, const struct mw_sketch_edges *edges,
                    const struct mw_dataset *set, size_t column);
/* Adds a value that many times. */
void mw_drift_add(struct mw_sketch *sketch, const struct mw_sketch_edges *edges, float value,
                  double weight);
/* Edges of n values that lie `stride` apart. Errors: MEMORY, RANGE. */
mw_err mw_drift_edges(struct mw_sketch_edges *edges, const float *values, size_t n, size_t stride);

#endif
