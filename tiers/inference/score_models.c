/* score_models.c - bundles in memory: loaded once, verified, proved, shared by the devices they
 * serve. */
#include "tiers/inference/scorer.h"

#include <stdlib.h>

static void drop(struct mw_score_model *model)
{
    mw_runner_clear(&model->runner);
    free(model);
}

static mw_err build(struct mw_scorer *scorer, const char *digest, struct mw_score_model *model,
                    struct mw_error *error)
{
    struct mw_bundle bundle;
    mw_err err = mw_trust_verify(scorer->store, digest, error);
    err = err == MW_OK ? mw_bundle_get(scorer->store, digest, &bundle, error) : err;
    err = err == MW_OK ? mw_runner_init(&model->runner, &bundle, error) : err;
    if (err == MW_OK) {
        /* Proved; what is left of use is the int8 model and the names. */
        mw_buffer_free(&model->runner.bundle.float_model);
        mw_buffer_free(&model->runner.bundle.golden);
        for (size_t i = 0; i < model->runner.bundle.n_features; i++) {
            model->place[i] = i;
        }
    }
    return err;
}

mw_err mw_score_model_load(struct mw_scorer *scorer, const char *digest,
                           struct mw_score_model **model, struct mw_error *error)
{
    for (size_t i = 0; i < scorer->n_models; i++) {
        if (strcmp(scorer->models[i]->runner.bundle.digest, digest) == 0) {
            *model = scorer->models[i];
            return MW_OK;
        }
    }
    void *models = realloc(scorer->models, (scorer->n_models + 1) * sizeof *scorer->models);
    if (models == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", digest);
    }
    scorer->models = models;
    struct mw_score_model *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", digest);
    }
    mw_err err = build(scorer, digest, made, error);
    if (err != MW_OK) {
        free(made);
        return err;
    }
    made->serial = ++scorer->serials;
    scorer->models[scorer->n_models++] = made;
    scorer->counts.loads++;
    *model = made;
    return MW_OK;
}

static bool in_use(const struct mw_scorer *scorer, const struct mw_score_model *model)
{
    const struct mw_score_device *device;
    size_t at = 0;
    while ((device = mw_score_index_next(&scorer->devices, &at)) != NULL) {
        if (device->model == model) {
            return true;
        }
    }
    return scorer->fallback.model == model;
}

void mw_score_models_drop_unused(struct mw_scorer *scorer)
{
    size_t kept = 0;
    for (size_t i = 0; i < scorer->n_models; i++) {
        struct mw_score_model *model = scorer->models[i];
        if (in_use(scorer, model)) {
            scorer->models[kept++] = model;
        } else {
            drop(model);
        }
    }
    scorer->n_models = kept;
    scorer->reassigned = false;
}

void mw_score_models_clear(struct mw_scorer *scorer)
{
    for (size_t i = 0; i < scorer->n_models; i++) {
        drop(scorer->models[i]);
    }
    free(scorer->models);
    scorer->models = NULL;
    scorer->n_models = 0;
}

struct mw_score_model *mw_score_model_of(const struct mw_scorer *scorer, struct mw_span device)
{
    const struct mw_score_device *entry = mw_score_index_get(&scorer->devices, device);
    return entry != NULL && entry->model != NULL ? entry->model : scorer->fallback.model;
}
