/* watch_bundles.c - which bundle serves whom, from the orders that go to devices. */
#include "tiers/training/watch_internal.h"

#include "lib/base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool by_machine(const struct mw_watch_role *role)
{
    return role->plant->model.scope == MW_SCOPE_MACHINE;
}

/* --- the list --- */

static void forget(struct mw_watch_role *role, size_t at)
{
    struct mw_watched *watched = role->watched[at];
    mw_watch_free(watched->watch);
    mw_bundle_clear(&watched->bundle);
    mw_baseline_clear(&watched->baseline);
    free(watched);
    role->watched[at] = role->watched[--role->n_watched];
    role->last = 0;
}

void mw_watch_forget_all(struct mw_watch_role *role)
{
    while (role->n_watched > 0) {
        forget(role, role->n_watched - 1);
    }
    free(role->watched);
    role->watched = NULL;
}

/* Records of a machine come in runs, so the last one found is looked at first. */
struct mw_watched *mw_watch_find(struct mw_watch_role *role, struct mw_span machine)
{
    for (size_t i = 0; i < role->n_watched; i++) {
        size_t at = (role->last + i) % role->n_watched;
        const char *own = role->watched[at]->bundle.machine;
        if (own == NULL || mw_span_is(machine, own)) {
            role->last = at;
            return role->watched[at];
        }
    }
    return NULL;
}

/* Takes the bundle; it replaces what the device ran before, and what another one ran for the same
 * machine. */
static mw_err add(struct mw_watch_role *role, const char *device, struct mw_bundle *bundle,
                  struct mw_error *error)
{
    struct mw_watched *watched = calloc(1, sizeof *watched);
    void *grown = realloc(role->watched, (role->n_watched + 1) * sizeof *role->watched);
    role->watched = grown == NULL ? role->watched : grown;
    if (watched == NULL || grown == NULL) {
        free(watched);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    snprintf(watched->device, sizeof watched->device, "%s", device);
    watched->bundle = *bundle;
    *bundle = (struct mw_bundle){0};
    for (size_t i = role->n_watched; i-- > 0;) {
        const char *machine = role->watched[i]->bundle.machine;
        if (strcmp(role->watched[i]->device, device) == 0 ||
            (machine != NULL && strcmp(machine, watched->bundle.machine) == 0)) {
            forget(role, i);
        }
    }
    role->watched[role->n_watched++] = watched;
    return mw_watch_new(&watched->watch, role->plant, &watched->bundle, error);
}

/* --- baselines --- */

static void arrange(struct mw_watch_role *role)
{
    if (role->n_watched > 0) {
        const struct mw_bundle *bundle = &role->watched[0]->bundle;
        mw_baselines_arrange(role->baselines, bundle->features, bundle->n_features,
                             bundle->reference_mean, bundle->reference_std);
    }
}

static void set_baseline(struct mw_watched *watched, struct mw_span value)
{
    struct mw_error error = {0};
    mw_baseline_clear(&watched->baseline);
    if (mw_baseline_parse(&watched->baseline, &watched->bundle, value, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, watched->bundle.machine, "cannot read the baseline",
               MW_KS("reason", error.text));
    }
}

/* The baseline that the learner has told of already. */
static void find_baseline(struct mw_watch_role *role, struct mw_watched *watched)
{
    struct mw_span value;
    if (mw_stream_get(role->stream, "learn", "baseline", mw_span_of(watched->bundle.machine),
                      &value, NULL) == MW_OK) {
        set_baseline(watched, value);
    }
}

void mw_watch_take_baseline(struct mw_watch_role *role, struct mw_span value)
{
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *machine = json_string_value(json_object_get(root, "machine"));
    if (machine != NULL && by_machine(role)) {
        struct mw_watched *watched = mw_watch_find(role, mw_span_of(machine));
        if (watched != NULL) {
            set_baseline(watched, value);
        }
    } else if (machine != NULL) {
        mw_baselines_set(role->baselines, machine, root);
        arrange(role);
    }
    json_decref(root);
}

/* --- orders --- */

/* The digest that the device runs already, or "". */
static const char *runs(const struct mw_watch_role *role, const char *device)
{
    for (size_t i = 0; i < role->n_watched; i++) {
        if (strcmp(role->watched[i]->device, device) == 0) {
            return role->watched[i]->bundle.digest;
        }
    }
    return "";
}

static void stop(struct mw_watch_role *role, const char *device)
{
    for (size_t i = role->n_watched; i-- > 0;) {
        if (strcmp(role->watched[i]->device, device) == 0) {
            forget(role, i);
        }
    }
}

static mw_err load(struct mw_watch_role *role, const char *digest, struct mw_bundle *bundle,
                   struct mw_error *error)
{
    mw_err err = mw_bundle_get(role->store, digest, bundle, error);
    if (err == MW_OK && !by_machine(role)) { /* then it serves whoever has no other */
        free(bundle->machine);
        bundle->machine = NULL;
    }
    if (err == MW_OK && by_machine(role) && bundle->machine == NULL) {
        mw_bundle_clear(bundle);
        err = mw_error_set(error, MW_ERR_UNSUPPORTED, "it is not one machine's own");
    }
    if (err == MW_OK) { /* counts and bins are all that is compared */
        mw_buffer_free(&bundle->int8_model);
        mw_buffer_free(&bundle->float_model);
        mw_buffer_free(&bundle->golden);
    }
    return err;
}

/* True when the windows of this device begin anew. */
static bool follow(struct mw_watch_role *role, const char *device, const char *digest)
{
    struct mw_bundle bundle = {0};
    struct mw_error error = {0};
    if (strcmp(runs(role, device), digest) == 0) {
        return false;
    }
    if (digest[0] == '\0') {
        stop(role, device);
        return false;
    }
    mw_err err = load(role, digest, &bundle, &error);
    err = err == MW_OK ? add(role, device, &bundle, &error) : err;
    mw_bundle_clear(&bundle);
    if (err != MW_OK) {
        stop(role, device); /* the one before serves no more */
        mw_log(MW_LOG_ERROR, device[0] == '*' ? NULL : device, "cannot watch the bundle in use",
               MW_KS("bundle", digest), MW_KS("reason", error.text));
        return false;
    }
    mw_log(MW_LOG_INFO, role->watched[role->n_watched - 1]->bundle.machine,
           "watching against a new reference", MW_KS("bundle", digest));
    return true;
}

/* With model.scope plant the order that holds for all devices says which model is in use; a
 * canary's does not. With model.scope machine each device has an order of its own. */
static bool concerns(const struct mw_watch_role *role, struct mw_span device)
{
    return device.size <= MW_NAME_MAX && mw_span_is(device, "*") != by_machine(role);
}

static void take_order(struct mw_watch_role *role, struct mw_span device, const char *digest)
{
    char name[MW_NAME_MAX + 1];
    if (digest == NULL || !concerns(role, device)) {
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)device.size, device.data);
    if (!follow(role, name, digest)) {
        return;
    }
    if (by_machine(role)) {
        find_baseline(role, role->watched[role->n_watched - 1]);
    } else {
        arrange(role);
    }
}

void mw_watch_take_update(struct mw_watch_role *role, const struct mw_stream_record *record)
{
    json_error_t why;
    json_t *root = json_loadb(record->value.data, record->value.size, 0, &why);
    const json_t *desired = json_object_get(root, "desired");
    const json_t *bundle = json_object_get(desired, "bundle");
    take_order(role, record->key, json_is_null(bundle) ? "" : json_string_value(bundle));
    json_decref(root);
}

/* --- after a restart --- */

/* {device: digest} */
static bool collect(void *context, struct mw_span key, struct mw_span value)
{
    json_t *orders = context;
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    json_t *bundle = json_object_get(root, "bundle");
    if (json_is_string(bundle)) {
        json_object_setn(orders, key.data, key.size, bundle);
    }
    json_decref(root);
    return true;
}

/* The bridge keeps the newest order of each device, and of all, without its envelope. */
static mw_err restore_orders(struct mw_watch_role *role, struct mw_error *error)
{
    json_t *orders = json_object();
    const char *device;
    json_t *digest;
    mw_err err = mw_stream_visit(role->stream, "bridge", "desired", collect, orders, error);
    json_object_foreach(orders, device, digest)
    {
        take_order(role, mw_span_of(device), json_string_value(digest));
    }
    json_decref(orders);
    return err;
}

static bool restore_baseline(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_watch_role *role = context;
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *machine = json_string_value(json_object_get(root, "machine"));
    (void)key;
    if (machine != NULL) {
        mw_baselines_set(role->baselines, machine, root);
    }
    json_decref(root);
    return true;
}

/* An alarm counts while the bundle that it was about serves. */
static bool restore_alarm(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_watch_role *role = context;
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    struct mw_span name = {machine, machine == NULL ? 0 : strlen(machine)};
    struct mw_watched *watched = mw_watch_find(role, machine == NULL ? key : name);
    if (bundle != NULL && watched != NULL && strcmp(watched->bundle.digest, bundle) == 0) {
        (void)mw_watch_cool(watched->watch, name, NULL);
    }
    json_decref(root);
    return true;
}

static mw_err none_yet(mw_err err, struct mw_error *error)
{
    if (err != MW_ERR_NOT_FOUND) {
        return err;
    }
    *error = (struct mw_error){0};
    return MW_OK;
}

mw_err mw_watch_restore(struct mw_watch_role *role, struct mw_error *error)
{
    mw_err err = MW_OK;
    if (!by_machine(role)) {
        err = mw_stream_visit(role->stream, "learn", "baseline", restore_baseline, role, error);
        err = none_yet(err, error);
    }
    if (err == MW_OK) {
        err = none_yet(restore_orders(role, error), error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(role->stream, NULL, "drift", restore_alarm, role, error);
        err = none_yet(err, error);
    }
    return err;
}
