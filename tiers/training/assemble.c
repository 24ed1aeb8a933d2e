#include "tiers/training/assemble.h"

#include "lib/base/clock.h"
#include "tiers/training/drift_check.h"

#include <stdlib.h>
#include <string.h>

#ifndef MW_VERSION
#define MW_VERSION "unknown"
#endif

static mw_err no_memory(struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_MEMORY, "bundle: out of memory");
}

/* --- golden vectors --- */

struct ranked {
    double score;
    size_t row;
};

static int by_score(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    int order = (a->score > b->score) - (a->score < b->score);
    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

static mw_err add_u32(struct mw_buffer *buffer, uint32_t value)
{
    const unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                                    (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    return mw_buffer_add(buffer, bytes, sizeof bytes);
}

static mw_err add_f32(struct mw_buffer *buffer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return add_u32(buffer, bits);
}

/* Rows at even places of the order by score, the least and the largest included. */
static mw_err add_golden(struct mw_bundle *bundle, const struct mw_assemble *from)
{
    const struct mw_dataset *set = from->dataset;
    size_t n = set->rows < MW_ASSEMBLE_GOLDEN ? set->rows : MW_ASSEMBLE_GOLDEN;
    struct ranked *ranked = calloc(set->rows + 1, sizeof *ranked);
    if (ranked == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < set->rows; i++) {
        ranked[i] = (struct ranked){from->score[i], i};
    }
    qsort(ranked, set->rows, sizeof *ranked, by_score);
    mw_err err = mw_buffer_add(&bundle->golden, "MWG1", 4);
    err = err == MW_OK ? add_u32(&bundle->golden, (uint32_t)n) : err;
    err = err == MW_OK ? add_u32(&bundle->golden, (uint32_t)set->columns) : err;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        const struct ranked *one = &ranked[n < 2 ? 0 : i * (set->rows - 1) / (n - 1)];
        for (size_t k = 0; err == MW_OK && k < set->columns; k++) {
            err = add_f32(&bundle->golden, set->x[one->row * set->columns + k]);
        }
        err = err == MW_OK ? add_f32(&bundle->golden, (float)one->score) : err;
    }
    free(ranked);
    return err;
}

/* --- reference --- */

/* What the plant looks like now, its faults seen to in time: after a drift the records before it
 * are left out, and always those before a failure, since a model that prevents failures would by
 * that move the plant away from a reference that had them. */
static void count_reference(const struct mw_assemble *from, struct mw_sketch *sketch,
                            const struct mw_sketch_edges *edges, const float *value, size_t stride)
{
    const struct mw_dataset *set = from->dataset;
    for (size_t i = 0; i < set->rows; i++) {
        bool healthy = set->label == NULL || set->label[i] == 0;
        if (healthy && (set->time == NULL || set->time[i] >= from->fresh)) {
            mw_drift_add(sketch, edges, value[i * stride], mw_dataset_weight(set, i));
        }
    }
}

static mw_err add_features(struct mw_bundle *bundle, const struct mw_assemble *from)
{
    const struct mw_dataset *set = from->dataset;
    bundle->features = calloc(set->columns, sizeof *bundle->features);
    bundle->reference_mean = calloc(set->columns, sizeof(float));
    bundle->reference_std = calloc(set->columns, sizeof(float));
    bundle->edges = calloc(set->columns, sizeof *bundle->edges);
    bundle->sketch = calloc(set->columns, sizeof *bundle->sketch);
    if (bundle->features == NULL || bundle->reference_mean == NULL ||
        bundle->reference_std == NULL || bundle->edges == NULL || bundle->sketch == NULL) {
        return MW_ERR_MEMORY;
    }
    bundle->n_features = set->columns;
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < set->columns; i++) {
        bundle->features[i] = strdup(set->names[i]);
        bundle->reference_mean[i] = from->reference_mean[i];
        bundle->reference_std[i] = from->reference_std[i];
        err = bundle->features[i] == NULL
                  ? MW_ERR_MEMORY
                  : mw_drift_edges(&bundle->edges[i], set->x + i, set->rows, set->columns);
        if (err == MW_OK) {
            count_reference(from, &bundle->sketch[i], &bundle->edges[i], set->x + i, set->columns);
        }
    }
    return err;
}

static mw_err add_baselines(struct mw_bundle *bundle, const struct mw_assemble *from)
{
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && from->baselines != NULL && i < from->baselines->n; i++) {
        const struct mw_baseline_entry *entry = &from->baselines->entry[i];
        err = mw_baseline_list_add(&bundle->baselines, entry->machine, entry->baseline.since,
                                   entry->baseline.count, entry->baseline.mean, entry->baseline.std,
                                   from->dataset->columns);
    }
    return err;
}

static mw_err add_scores(struct mw_bundle *bundle, const struct mw_assemble *from)
{
    size_t rows = from->dataset->rows;
    float *score = calloc(rows + 1, sizeof *score);
    if (score == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < rows; i++) {
        score[i] = (float)from->score[i];
    }
    mw_err err = mw_drift_edges(&bundle->score_edges, score, rows, 1);
    if (err == MW_OK) {
        count_reference(from, &bundle->score_sketch, &bundle->score_edges, score, 1);
    }
    free(score);
    return err;
}

static mw_err add_lineage(struct mw_bundle *bundle, const struct mw_assemble *from)
{
    const struct mw_plant *plant = from->plant;
    bool encoder = plant->model.kind == MW_MODEL_AUTOENCODER;
    bundle->kind = strdup(from->kind);
    bundle->dataset = strdup(from->digest);
    bundle->code = strdup(MW_VERSION);
    bundle->parent = from->parent == NULL ? NULL : strdup(from->parent);
    bundle->machine = from->machine == NULL ? NULL : strdup(from->machine);
    bundle->base_rate = from->base_rate;
    bundle->horizon = encoder ? 0 : plant->model.horizon;
    bundle->seed = plant->model.seed;
    bundle->created = mw_clock_utc();
    bundle->int8_auc_loss = from->int8_auc_loss;
    bool whole = bundle->kind != NULL && bundle->dataset != NULL && bundle->code != NULL &&
                 (from->parent == NULL || bundle->parent != NULL) &&
                 (from->machine == NULL || bundle->machine != NULL);
    return whole ? MW_OK : MW_ERR_MEMORY;
}

mw_err mw_assemble_bundle(struct mw_bundle *bundle, const struct mw_assemble *from,
                          struct mw_error *error)
{
    *bundle = (struct mw_bundle){0};
    if (from->dataset->columns > MW_BUNDLE_FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_RANGE, "%zu features, a bundle has %d at most",
                            from->dataset->columns, MW_BUNDLE_FEATURES_MAX);
    }
    mw_err err = add_lineage(bundle, from);
    err = err == MW_OK ? add_features(bundle, from) : err;
    err = err == MW_OK ? add_baselines(bundle, from) : err;
    err = err == MW_OK ? add_scores(bundle, from) : err;
    err = err == MW_OK ? add_golden(bundle, from) : err;
    if (err == MW_OK) {
        err = mw_buffer_add(&bundle->int8_model, from->int8_model->data, from->int8_model->size);
    }
    if (err == MW_OK) {
        err = mw_buffer_add(&bundle->float_model, from->float_model->data, from->float_model->size);
    }
    if (err != MW_OK) {
        mw_bundle_clear(bundle);
        return err == MW_ERR_MEMORY ? no_memory(error)
                                    : mw_error_set(error, err, "bundle: a value is not finite");
    }
    return MW_OK;
}
