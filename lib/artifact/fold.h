/* fold.h - puts a machine's baseline, and another order of the inputs, into a model's own graph.
 *
 * Millwright maps a machine's features onto the reference machine before the graph (baseline.h). A
 * firmware that knows nothing of baselines and has an order of its own needs both inside it. The
 * folded file begins with what the caller would have done, in the same float32 operations and so
 * with the same bits:
 *
 *   FULLY_CONNECTED by a permutation    where the order differs
 *   SUB mean, MUL reference deviation, DIV deviation, ADD reference mean    with a baseline
 *
 * A FlatBuffer (core/model/flatbuffer.h) refers forward only, so the new root, lists, tensors and
 * operators are written in front of the old file, which stays as it is behind them but for the
 * operators that read the input: they read the last new tensor. */
#ifndef MW_ARTIFACT_FOLD_H
#define MW_ARTIFACT_FOLD_H

#include "lib/artifact/baseline.h"

#include "core/span.h"

struct mw_fold {
    size_t n; /* features of the model, 1 to 128 */
    /* n texts: the model's features; order[i] is which of them the folded file's input i is. NULL:
     * the model's own order. */
    char *const *features;
    const size_t *order;
    const struct mw_baseline *baseline; /* in the model's order; NULL: none */
    const float *reference_mean, *reference_std;
};

/* Appends the folded file to `out`. `file` has one graph with one float32 input of n values. What
 * the folded file does is for the caller to prove (mw_model_size and on). Errors: PARSE and
 * UNSUPPORTED (no such file), ARGUMENT (an order that is none), MEMORY. */
mw_err mw_fold_model(struct mw_span file, const struct mw_fold *fold, struct mw_buffer *out,
                     struct mw_error *error);

#endif
