#include "tiers/training/drift_check.h"

#include "core/wire/number.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- counting --- */

static int by_value(const void *left, const void *right)
{
    const float *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* A sorted copy of every stride-th value; NULL without memory. */
static float *sorted_copy(const float *values, size_t n, size_t stride)
{
    float *sorted = calloc(n + 1, sizeof *sorted);
    for (size_t i = 0; sorted != NULL && i < n; i++) {
        sorted[i] = values[i * stride];
    }
    if (sorted != NULL) {
        qsort(sorted, n, sizeof *sorted, by_value);
    }
    return sorted;
}

mw_err mw_drift_edges(struct mw_sketch_edges *edges, const float *values, size_t n, size_t stride)
{
    float *sorted = sorted_copy(values, n, stride);
    mw_err err = sorted == NULL ? MW_ERR_MEMORY : mw_sketch_edges_from_sorted(edges, sorted, n);
    free(sorted);
    return err;
}

void mw_drift_add(struct mw_sketch *sketch, const struct mw_sketch_edges *edges, float value,
                  double weight)
{
    struct mw_sketch one = {0};
    uint64_t times = weight < 1.5 ? 1 : weight > 1e9 ? 1000000000 : (uint64_t)(weight + 0.5);
    mw_sketch_add(&one, edges, value);
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        one.count[i] *= times;
    }
    one.not_finite *= times;
    mw_sketch_merge(sketch, &one);
}

void mw_drift_count(struct mw_sketch *sketch, const struct mw_sketch_edges *edges,
                    const struct mw_dataset *set, size_t column)
{
    for (size_t i = 0; i < set->rows; i++) {
        mw_drift_add(sketch, edges, set->x[i * set->columns + column], mw_dataset_weight(set, i));
    }
}

/* --- the comparison --- */

static mw_err no_memory(struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
}

static bool counts_up(const struct mw_dataset *set, size_t column)
{
    for (size_t i = 1; i < set->rows; i++) {
        if (!(set->x[i * set->columns + column] > set->x[(i - 1) * set->columns + column])) {
            return false;
        }
    }
    return set->rows > 2;
}

static mw_err start(struct mw_drift_check *check, size_t n, double psi, double alpha,
                    struct mw_error *error)
{
    *check = (struct mw_drift_check){.psi = psi, .alpha = alpha};
    check->feature = calloc(n + 1, sizeof *check->feature);
    check->left_out = calloc(n + 1, sizeof *check->left_out);
    return check->feature == NULL || check->left_out == NULL ? no_memory(error) : MW_OK;
}

static mw_err add(struct mw_drift_check *check, const char *name, struct mw_comparison compared,
                  double moved, struct mw_error *error)
{
    struct mw_drift_feature *feature = &check->feature[check->n];
    *feature = (struct mw_drift_feature){strdup(name), compared, moved};
    if (feature->name == NULL) {
        return no_memory(error);
    }
    check->n++;
    return MW_OK;
}

static int by_psi(const void *left, const void *right)
{
    const struct mw_drift_feature *a = left, *b = right;
    return (a->compared.psi < b->compared.psi) - (a->compared.psi > b->compared.psi);
}

/* Corrects for the number of tests, and sorts. */
static mw_err conclude(struct mw_drift_check *check, struct mw_error *error)
{
    struct mw_comparison *compared = calloc(check->n + 1, sizeof *compared);
    if (compared == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < check->n; i++) {
        compared[i] = check->feature[i].compared;
    }
    check->moved = mw_compare_correct(compared, check->n, check->psi, check->alpha);
    for (size_t i = 0; i < check->n; i++) {
        check->feature[i].compared = compared[i];
    }
    free(compared);
    qsort(check->feature, check->n, sizeof *check->feature, by_psi);
    return MW_OK;
}

/* The shift of the median over the reference's deviation; 0 when that is 0. */
static mw_err median_shift(const struct mw_dataset *reference, const struct mw_dataset *current,
                           size_t column, double *moved)
{
    float *a = sorted_copy(reference->x + column, reference->rows, reference->columns);
    float *b = sorted_copy(current->x + column, current->rows, current->columns);
    double mean = 0, squares = 0;
    if (a != NULL && b != NULL) {
        for (size_t i = 0; i < reference->rows; i++) {
            double delta = (double)a[i] - mean;
            mean += delta / (double)(i + 1);
            squares += delta * ((double)a[i] - mean);
        }
        double deviation = sqrt(squares / (double)reference->rows);
        double shift = (double)b[current->rows / 2] - (double)a[reference->rows / 2];
        *moved = deviation > 0 ? shift / deviation : 0;
    }
    bool made = a != NULL && b != NULL;
    free(a);
    free(b);
    return made ? MW_OK : MW_ERR_MEMORY;
}

static mw_err compare_column(struct mw_drift_check *check, const struct mw_dataset *reference,
                             const struct mw_dataset *current, size_t column,
                             struct mw_error *error)
{
    struct mw_sketch_edges edges;
    struct mw_sketch a = {0}, b = {0};
    double moved = 0;
    if (counts_up(reference, column) && counts_up(current, column)) {
        check->left_out[check->n_left_out] = strdup(reference->names[column]);
        return check->left_out[check->n_left_out++] == NULL ? no_memory(error) : MW_OK;
    }
    mw_err err = mw_drift_edges(&edges, reference->x + column, reference->rows, reference->columns);
    if (err == MW_OK) {
        err = median_shift(reference, current, column, &moved);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "column %s", reference->names[column]);
    }
    mw_drift_count(&a, &edges, reference, column);
    mw_drift_count(&b, &edges, current, column);
    check->reference_records = mw_sketch_total(&a);
    check->current_records = mw_sketch_total(&b);
    return add(check, reference->names[column], mw_compare(&a, &b), moved, error);
}

mw_err mw_drift_check_data(struct mw_drift_check *check, const struct mw_dataset *reference,
                           const struct mw_dataset *current, double psi, double alpha,
                           struct mw_error *error)
{
    mw_err err = start(check, reference->columns, psi, alpha, error);
    if (err == MW_OK && reference->columns != current->columns) {
        err = mw_error_set(error, MW_ERR_ARGUMENT, "%zu columns against %zu", reference->columns,
                           current->columns);
    }
    for (size_t i = 0; err == MW_OK && i < reference->columns; i++) {
        err = compare_column(check, reference, current, i, error);
    }
    if (err == MW_OK) {
        err = conclude(check, error);
    }
    if (err != MW_OK) {
        mw_drift_check_clear(check);
    }
    return err;
}

/* The median of counts, by the bins' edges; the outer bins count as ending at their one edge. */
static double median_of(const struct mw_sketch *sketch, const struct mw_sketch_edges *edges)
{
    double half = (double)mw_sketch_total(sketch) / 2, below = 0;
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        double count = (double)sketch->count[i];
        if (count > 0 && below + count >= half) {
            double low = (double)edges->edge[i == 0 ? 0 : i - 1];
            double high = (double)edges->edge[i == MW_SKETCH_EDGES ? i - 1 : i];
            return low + (high - low) * (half - below) / count;
        }
        below += count;
    }
    return 0;
}

mw_err mw_drift_check_bundle(struct mw_drift_check *check, const struct mw_bundle *bundle,
                             const struct mw_dataset *current, double psi, double alpha,
                             struct mw_error *error)
{
    mw_err err = start(check, bundle->n_features, psi, alpha, error);
    if (err == MW_OK && bundle->n_features != current->columns) {
        err = mw_error_set(error, MW_ERR_ARGUMENT, "%zu features against %zu columns",
                           bundle->n_features, current->columns);
    }
    for (size_t i = 0; err == MW_OK && i < bundle->n_features; i++) {
        struct mw_sketch counted = {0};
        double deviation = (double)bundle->reference_std[i];
        mw_drift_count(&counted, &bundle->edges[i], current, i);
        double shift = median_of(&counted, &bundle->edges[i]) -
                       median_of(&bundle->sketch[i], &bundle->edges[i]);
        check->reference_records = mw_sketch_total(&bundle->sketch[i]);
        check->current_records = mw_sketch_total(&counted);
        err = add(check, bundle->features[i], mw_compare(&bundle->sketch[i], &counted),
                  deviation > 0 ? shift / deviation : 0, error);
    }
    if (err == MW_OK) {
        err = conclude(check, error);
    }
    if (err != MW_OK) {
        mw_drift_check_clear(check);
    }
    return err;
}

void mw_drift_check_clear(struct mw_drift_check *check)
{
    for (size_t i = 0; i < check->n; i++) {
        free(check->feature[i].name);
    }
    for (size_t i = 0; i < check->n_left_out; i++) {
        free(check->left_out[i]);
    }
    free(check->feature);
    free(check->left_out);
    *check = (struct mw_drift_check){0};
}

mw_err mw_drift_check_print_json(const struct mw_drift_check *check, struct mw_buffer *json)
{
    json_t *features = json_array(), *left_out = json_array();
    for (size_t i = 0; i < check->n; i++) {
        const struct mw_drift_feature *f = &check->feature[i];
        json_array_append_new(features,
                              json_pack("{s:s,s:f,s:f,s:f,s:b}", "name", f->name, "psi",
                                        f->compared.psi, "p", f->compared.adjusted, "shift",
                                        f->moved, "moved", (int)f->compared.moved));
    }
    for (size_t i = 0; i < check->n_left_out; i++) {
        json_array_append_new(left_out, json_string(check->left_out[i]));
    }
    json_t *root =
        json_pack("{s:b,s:I,s:f,s:f,s:I,s:I,s:o,s:o}", "drifted", check->moved > 0, "moved",
                  (json_int_t)check->moved, "psi_limit", check->psi, "alpha", check->alpha,
                  "reference_records", (json_int_t)check->reference_records, "current_records",
                  (json_int_t)check->current_records, "features", features, "left_out", left_out);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    mw_err err = text == NULL ? MW_ERR_MEMORY : mw_buffer_add(json, text, strlen(text));
    free(text);
    json_decref(root);
    return err;
}
