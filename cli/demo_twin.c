#include "cli/demo_twin.h"

#include "lib/artifact/baselines.h"
#include "lib/artifact/bundle.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define NO_MODEL UINT32_MAX

struct judge {
    struct mw_demo_watch *watch;
    struct mw_store *store;
    struct mw_baselines *baselines;
    struct mw_runner runner; /* of model number `model` */
    uint32_t model;          /* NO_MODEL: none */
};

/* --- the model that had the machine stopped --- */

/* The one that gave the machine's last score before. */
static uint32_t model_at(const struct mw_demo_watch *watch, uint32_t machine, int64_t time)
{
    uint32_t model = NO_MODEL;
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < watch->scores; i++) {
        const struct mw_demo_score *score = &watch->score[i];
        if (!score->twin && score->machine == machine && score->time <= time &&
            score->time >= newest) {
            newest = score->time;
            model = score->model;
        }
    }
    return model;
}

static void unload(struct judge *judge)
{
    if (judge->model != NO_MODEL) {
        mw_runner_clear(&judge->runner);
        judge->model = NO_MODEL;
    }
}

/* Twins come in order of time, so models are loaded about once each. */
static mw_err load(struct judge *judge, uint32_t model, struct mw_error *error)
{
    struct mw_bundle bundle = {0};
    if (judge->model == model) {
        return MW_OK;
    }
    unload(judge);
    mw_err err = mw_bundle_get(judge->store, judge->watch->model[model].digest, &bundle, error);
    if (err == MW_OK) {
        err = mw_runner_init(&judge->runner, &bundle, error);
    }
    if (err == MW_OK) {
        const struct mw_bundle *own = &judge->runner.bundle;
        judge->model = model;
        mw_baselines_arrange(judge->baselines, own->features, own->n_features, own->reference_mean,
                             own->reference_std);
    }
    return err;
}

/* --- one record --- */

static mw_err score(struct judge *judge, uint32_t machine, int64_t time, const json_t *features,
                    struct mw_error *error)
{
    const struct mw_bundle *bundle = &judge->runner.bundle;
    const char *name = judge->watch->machine[machine];
    float x[MW_BUNDLE_FEATURES_MAX];
    for (size_t i = 0; i < bundle->n_features; i++) {
        const json_t *value = json_object_get(features, bundle->features[i]);
        if (!json_is_number(value)) {
            return mw_error_set(error, MW_ERR_PARSE, "feature %s is missing", bundle->features[i]);
        }
        x[i] = (float)json_number_value(value);
    }
    mw_runner_map(&judge->runner,
                  mw_baseline_list_choose(&bundle->baselines, name, INT64_MAX,
                                          mw_baselines_find(judge->baselines, name)),
                  x, x);
    const struct mw_demo_score one = {.machine = machine,
                                      .model = judge->model,
                                      .time = time,
                                      .score = mw_runner_score(&judge->runner, x),
                                      .weight = 1,
                                      .twin = true};
    return mw_demo_watch_add_score(judge->watch, &one) == MW_OK
               ? MW_OK
               : mw_error_set(error, MW_ERR_MEMORY, "out of memory");
}

static mw_err take_line(struct judge *judge, const char *line, struct mw_error *error)
{
    json_error_t why;
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, &why);
    const char *name = json_string_value(json_object_get(root, "machine"));
    const json_t *features = json_object_get(root, "features");
    int64_t time = (int64_t)(json_number_value(json_object_get(root, "time")) * 1e6);
    uint32_t machine = 0;
    mw_err err = MW_OK;
    if (name == NULL || !json_is_object(features)) {
        json_decref(root);
        return mw_error_set(error, MW_ERR_PARSE, "not a twin's record");
    }
    while (machine < judge->watch->machines && strcmp(judge->watch->machine[machine], name) != 0) {
        machine++;
    }
    uint32_t model =
        machine < judge->watch->machines ? model_at(judge->watch, machine, time) : NO_MODEL;
    if (model != NO_MODEL) {
        err = load(judge, model, error);
        err = err == MW_OK ? score(judge, machine, time, features, error) : err;
    }
    json_decref(root);
    return err;
}

/* --- all --- */

static mw_err read_lines(struct judge *judge, const char *path, struct mw_error *error)
{
    char line[LINE_MAX_BYTES];
    unsigned number = 0;
    mw_err err = MW_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    while (err == MW_OK && fgets(line, sizeof line, file) != NULL) {
        number++;
        if (strchr(line, '\n') == NULL) {
            break; /* being written */
        }
        err = take_line(judge, line, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s:%u", path, number);
    }
    fclose(file);
    return err;
}

static bool take_baseline(void *context, struct mw_span key, struct mw_span value)
{
    struct judge *judge = context;
    char name[MW_NAME_MAX + 1];
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    snprintf(name, sizeof name, "%.*s", (int)key.size, key.data);
    mw_baselines_set(judge->baselines, name, root);
    json_decref(root);
    return true;
}

mw_err mw_demo_twin_score(struct mw_demo_watch *watch, struct mw_error *error)
{
    struct judge judge = {.watch = watch, .model = NO_MODEL};
    char path[PATH_MAX], uri[PATH_MAX + 8];
    mw_err err = mw_plant_path(watch->plant, "artifacts", NULL, path, sizeof path, error);
    snprintf(uri, sizeof uri, "oci:%s", path);
    if (watch->models == 0) {
        return err;
    }
    err = err == MW_OK ? mw_store_open(&judge.store, uri, false, error) : err;
    err = err == MW_OK ? mw_baselines_new(&judge.baselines, error) : err;
    if (err == MW_OK) {
        err = mw_stream_visit(watch->stream, "learn", "baseline", take_baseline, &judge, error);
    }
    if (err == MW_OK) {
        err = mw_plant_path(watch->plant, "things", "twins.jsonl", path, sizeof path, error);
    }
    err = err == MW_OK ? read_lines(&judge, path, error) : err;
    unload(&judge);
    mw_baselines_free(judge.baselines);
    mw_store_close(judge.store);
    return err;
}
