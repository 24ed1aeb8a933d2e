#include "tiers/iot/model_slot.h"

#include "core/wire/message.h"
#include "lib/artifact/baselines.h"
#include "lib/artifact/trust.h"
#include "lib/base/log.h"
#include "tiers/iot/model_fetch.h"
#include "tiers/iot/model_load.h"
#include "tiers/iot/model_slot_saved.h"

#include <stdlib.h>
#include <string.h>

struct mw_model_slot {
    struct mw_model_slot_options options;
    struct mw_runner *active; /* what runs: during a trial still what ran before */
    struct mw_slots slots;
    struct mw_model_fetch fetch;
    char rollout[MW_NAME_MAX + 1]; /* of the newest order; may be empty */
    char refused[MW_DIGEST_TEXT];
    char reason[256];
    struct mw_baselines *baselines;
};

static const char went_down[] = "the device went down each time it was tried";

static void note_refusal(struct mw_model_slot *slot, const char *digest, const char *reason)
{
    snprintf(slot->refused, sizeof slot->refused, "%s", digest);
    snprintf(slot->reason, sizeof slot->reason, "%s", reason);
    mw_log(MW_LOG_ERROR, slot->options.device, "model refused, the old one runs on",
           MW_KS("bundle", digest), MW_KS("reason", reason));
}

static void refuse(struct mw_model_slot *slot, const char *digest, const char *reason)
{
    char bundle[MW_DIGEST_TEXT]; /* digest may be the fetch's own, or the running one's */
    snprintf(bundle, sizeof bundle, "%s", digest);
    mw_model_fetch_stop(&slot->fetch);
    note_refusal(slot, bundle, reason);
    slot->options.changed(slot->options.context);
}

/* --- what runs --- */

static void arrange(struct mw_model_slot *slot)
{
    if (slot->active != NULL) {
        const struct mw_bundle *bundle = &slot->active->bundle;
        mw_baselines_arrange(slot->baselines, bundle->features, bundle->n_features,
                             bundle->reference_mean, bundle->reference_std);
    }
}

static const char *active_digest(const struct mw_model_slot *slot)
{
    return slot->active == NULL ? "" : slot->active->bundle.digest;
}

/* --- trials --- */

static mw_err save(struct mw_model_slot *slot, struct mw_error *error)
{
    return mw_model_slots_save(slot->options.outbox, slot->options.device, &slot->slots, error);
}

/* Notes that this bundle is about to be tried, before anything of it runs. */
static mw_err begin_trial(struct mw_model_slot *slot, const char *digest, uint64_t version,
                          struct mw_error *error)
{
    struct mw_slots before = slot->slots;
    uint8_t bytes[MW_SLOTS_DIGEST], spare;
    mw_model_slots_bytes(digest, bytes);
    if (mw_slots_in_trial(&slot->slots)) {
        (void)mw_slots_roll_back(&slot->slots); /* of another one, which is not wished any more */
    }
    mw_err err = mw_slots_clear_spare(&slot->slots, &spare);
    err = err == MW_OK ? mw_slots_stage(&slot->slots, version, bytes) : err;
    err = err == MW_OK ? mw_slots_begin_trial(&slot->slots, MW_MODEL_STARTS) : err;
    err = err == MW_OK ? save(slot, error) : mw_error_set(error, err, "%s", mw_err_text(err));
    if (err != MW_OK) {
        slot->slots = before;
    }
    return err;
}

/* The trial has been seen through. Should that not be noted, the next process tries once more. */
static void give_up(struct mw_model_slot *slot)
{
    (void)mw_slots_roll_back(&slot->slots);
    (void)save(slot, NULL);
}

/* --- swapping --- */

/* Puts `runner` (taken; NULL: none) in the place of the active one, in one transaction with what
 * the thing has to say about that. */
static mw_err swap(struct mw_model_slot *slot, struct mw_runner *runner, struct mw_error *error)
{
    const struct mw_bundle *leaving = slot->active == NULL ? NULL : &slot->active->bundle;
    struct mw_slots before = slot->slots;
    (void)(runner == NULL ? mw_slots_rest(&slot->slots) : mw_slots_confirm(&slot->slots));
    mw_err err =
        mw_model_slots_note(slot->options.outbox, slot->options.device, &slot->slots, error);
    if (err == MW_OK) {
        err = slot->options.commit(slot->options.context, leaving, error);
    }
    if (err != MW_OK) {
        mw_outbox_rollback(slot->options.outbox);
        slot->slots = before;
        mw_model_unload(runner);
        return err;
    }
    mw_model_unload(slot->active);
    slot->active = runner;
    slot->refused[0] = '\0';
    arrange(slot);
    mw_log(MW_LOG_INFO, slot->options.device, "model swapped in",
           MW_KS("bundle", active_digest(slot)), MW_KI("version", slot->slots.floor));
    slot->options.changed(slot->options.context);
    return MW_OK;
}

/* The bundle on trial: check it, and run it from the next record on. */
static void go_through_trial(struct mw_model_slot *slot)
{
    struct mw_error error = {0};
    struct mw_runner *runner = NULL;
    char digest[MW_DIGEST_TEXT];
    mw_model_slots_digest(&slot->slots, slot->slots.active, digest);
    mw_err err = mw_model_load(slot->options.store, digest, &runner, &error);
    if (err == MW_OK) {
        err = swap(slot, runner, &error);
    }
    if (err != MW_OK) {
        give_up(slot);
        refuse(slot, digest, error.text);
    }
}

/* Everything of the bundle is here. */
static void try_bundle(struct mw_model_slot *slot, const char *bundle)
{
    struct mw_error error = {0};
    if (begin_trial(slot, bundle, slot->fetch.version, &error) == MW_OK) {
        go_through_trial(slot);
    } else {
        refuse(slot, bundle, error.text);
    }
}

void mw_model_slot_resume(struct mw_model_slot *slot)
{
    if (mw_slots_in_trial(&slot->slots)) {
        go_through_trial(slot);
    }
}

/* --- messages --- */

/* Goes on with what a start or a piece of the fetch came to. */
static void go_on(struct mw_model_slot *slot, mw_err err, const struct mw_error *error)
{
    if (err == MW_OK) {
        try_bundle(slot, slot->fetch.bundle);
    } else if (err != MW_ERR_AGAIN) {
        refuse(slot, slot->fetch.bundle, error->text);
    }
}

static bool is_bad(const struct mw_model_slot *slot, const char *bundle)
{
    uint8_t bytes[MW_SLOTS_DIGEST];
    mw_model_slots_bytes(bundle, bytes);
    uint8_t found = mw_slots_find(&slot->slots, bytes);
    return found != MW_SLOT_NONE && slot->slots.slot[found].state == MW_SLOT_BAD;
}

static mw_err verify(struct mw_model_slot *slot, const char *bundle, const char *targets,
                     uint64_t *version, struct mw_error *error)
{
    struct mw_buffer bytes = {0};
    mw_err err;
    if (is_bad(slot, bundle)) {
        return mw_error_set(error, MW_ERR_DENIED, "%s", went_down);
    }
    if (targets == NULL || !mw_base64_decode(targets, &bytes)) {
        err =
            mw_error_set(error, MW_ERR_SIGNATURE, "the update carries no signed targets in base64");
    } else {
        err = mw_trust_verify_targets(slot->options.root, (struct mw_span){bytes.data, bytes.size},
                                      bundle, version, error);
    }
    mw_buffer_free(&bytes);
    if (err == MW_OK && *version < slot->slots.floor) {
        err = mw_error_set(error, MW_ERR_DENIED,
                           "the signed targets are of version %llu, older than %llu, which was "
                           "accepted before",
                           (unsigned long long)*version, (unsigned long long)slot->slots.floor);
    }
    return err;
}

static void start_fetch(struct mw_model_slot *slot, const char *bundle, const char *targets)
{
    struct mw_error error = {0};
    uint64_t version = 0;
    slot->refused[0] = '\0'; /* an order before this one was about something else */
    mw_err err = verify(slot, bundle, targets, &version, &error);
    if (err != MW_OK) {
        refuse(slot, bundle, error.text);
        return;
    }
    mw_model_fetch_stop(&slot->fetch);
    slot->fetch.version = version;
    go_on(slot, mw_model_fetch_start(&slot->fetch, bundle, &error), &error);
}

static void run_none(struct mw_model_slot *slot)
{
    struct mw_error error = {0};
    mw_model_fetch_stop(&slot->fetch);
    slot->refused[0] = '\0';
    if (slot->slots.active != MW_SLOT_NONE && swap(slot, NULL, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, slot->options.device, "the model cannot be put aside",
               MW_KS("reason", error.text));
    }
}

/* Baselines come only when they change, so they have to survive a restart. */
static void take_baselines(struct mw_model_slot *slot, const json_t *baselines)
{
    struct mw_error error = {0};
    struct mw_span known = {NULL, 0};
    if (!json_is_object(baselines) || json_object_size(baselines) == 0) {
        return;
    }
    mw_baselines_update(slot->baselines, baselines);
    arrange(slot);
    char *text = json_dumps(baselines, JSON_COMPACT | JSON_SORT_KEYS);
    mw_err err = text == NULL ? mw_error_set(&error, MW_ERR_MEMORY, "out of memory") : MW_OK;
    if (err == MW_OK && (mw_outbox_get(slot->options.outbox, "baseline", slot->options.device,
                                       &known, NULL) != MW_OK ||
                         !mw_span_is(known, text))) {
        err = mw_outbox_begin(slot->options.outbox, &error);
        if (err == MW_OK) {
            err = mw_outbox_put(slot->options.outbox, "baseline", slot->options.device,
                                mw_span_of(text), &error);
        }
        if (err == MW_OK) {
            err = mw_outbox_commit(slot->options.outbox, &error);
        }
    }
    free(text);
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, slot->options.device, "a baseline cannot be kept",
               MW_KS("reason", error.text));
    }
}

static void on_desired(struct mw_model_slot *slot, const json_t *desired)
{
    const json_t *wish = json_object_get(desired, "bundle");
    const char *bundle = json_string_value(wish);
    const char *rollout = json_string_value(json_object_get(desired, "rollout"));
    bool named = rollout != NULL && mw_name_valid(mw_span_of(rollout));
    snprintf(slot->rollout, sizeof slot->rollout, "%s", named ? rollout : "");
    take_baselines(slot, json_object_get(desired, "baseline"));
    if (json_is_null(wish) || (bundle != NULL && bundle[0] == '\0')) {
        run_none(slot);
    } else if (bundle == NULL || !mw_digest_valid(mw_span_of(bundle))) {
        if (wish != NULL) {
            mw_log(MW_LOG_WARN, slot->options.device, "an update names no bundle",
                   MW_KS("bundle", bundle == NULL ? "" : bundle));
        }
    } else if (strcmp(active_digest(slot), bundle) == 0) {
        mw_model_fetch_stop(&slot->fetch);
        slot->refused[0] = '\0';
    } else if (!slot->fetch.running || strcmp(slot->fetch.bundle, bundle) != 0) {
        start_fetch(slot, bundle, json_string_value(json_object_get(desired, "targets")));
    }
}

void mw_model_slot_update(struct mw_model_slot *slot, struct mw_span json)
{
    json_error_t why;
    json_t *root = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, &why);
    const json_t *desired = json_object_get(root, "desired");
    const json_t *blob = json_object_get(root, "blob");
    if (json_integer_value(json_object_get(root, "v")) != 1) {
        mw_log(MW_LOG_WARN, slot->options.device, "an update that cannot be read",
               MW_KS("reason", root == NULL ? why.text : "its v is not 1"));
    } else if (desired != NULL) {
        on_desired(slot, desired);
    } else if (blob != NULL) {
        struct mw_error error = {0};
        go_on(slot, mw_model_fetch_piece(&slot->fetch, blob, &error), &error);
    }
    json_decref(root);
}

void mw_model_slot_tick(struct mw_model_slot *slot, int64_t now_monotonic)
{
    mw_model_fetch_tick(&slot->fetch, now_monotonic);
}

/* --- making, asking, ending --- */

/* Loads what ran: the active bundle, or, when a trial is to be gone on with or that one is damaged,
 * the one before it. */
static void restore_bundle(struct mw_model_slot *slot)
{
    bool trial = mw_slots_in_trial(&slot->slots);
    for (;;) {
        struct mw_error error = {0};
        char digest[MW_DIGEST_TEXT];
        uint8_t place = trial ? slot->slots.previous : slot->slots.active;
        if (place == MW_SLOT_NONE) {
            return; /* none ran, or nothing came before */
        }
        mw_model_slots_digest(&slot->slots, place, digest);
        if (mw_model_load(slot->options.store, digest, &slot->active, &error) == MW_OK) {
            return;
        }
        note_refusal(slot, digest, error.text);
        if (trial) {
            return;
        }
        (void)mw_slots_roll_back(&slot->slots);
    }
}

/* Counts the start of this process against a trial, before anything of it runs, and gives up what
 * too many have died of. */
static mw_err count_start(struct mw_model_slot *slot, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    uint8_t tried = slot->slots.active, now;
    if (!mw_slots_in_trial(&slot->slots)) {
        return MW_OK;
    }
    (void)mw_slots_start(&slot->slots, &now);
    if (now != tried) {
        mw_model_slots_digest(&slot->slots, tried, digest);
        note_refusal(slot, digest, went_down);
    }
    return save(slot, error);
}

static mw_err restore(struct mw_model_slot *slot, struct mw_error *error)
{
    struct mw_span text;
    json_error_t why;
    if (mw_outbox_get(slot->options.outbox, "baseline", slot->options.device, &text, NULL) ==
        MW_OK) {
        json_t *baselines = json_loadb(text.data, text.size, 0, &why);
        mw_baselines_update(slot->baselines, baselines);
        json_decref(baselines);
    }
    mw_model_slots_read(slot->options.outbox, slot->options.device, &slot->slots);
    mw_err err = count_start(slot, error);
    if (err == MW_OK) {
        restore_bundle(slot);
        arrange(slot);
    }
    return err;
}

mw_err mw_model_slot_new(struct mw_model_slot **out, const struct mw_model_slot_options *options,
                         struct mw_error *error)
{
    *out = NULL;
    struct mw_model_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    slot->options = *options;
    slot->fetch = (struct mw_model_fetch){
        .store = options->store, .context = options->context, .want = options->want};
    mw_err err = mw_baselines_new(&slot->baselines, error);
    if (err == MW_OK) {
        err = restore(slot, error);
    }
    if (err != MW_OK) {
        mw_model_slot_free(slot);
        return err;
    }
    *out = slot;
    return MW_OK;
}

void mw_model_slot_free(struct mw_model_slot *slot)
{
    if (slot == NULL) {
        return;
    }
    mw_model_unload(slot->active);
    mw_baselines_free(slot->baselines);
    mw_model_fetch_stop(&slot->fetch);
    free(slot);
}

struct mw_runner *mw_model_slot_runner(struct mw_model_slot *slot)
{
    return slot->active;
}

const struct mw_baseline *mw_model_slot_baseline(const struct mw_model_slot *slot,
                                                 const char *machine)
{
    const struct mw_baseline *plant = mw_baselines_find(slot->baselines, machine);
    return slot->active == NULL ? plant
                                : mw_baseline_list_choose(&slot->active->bundle.baselines, machine,
                                                          INT64_MAX, plant);
}

void mw_model_slot_status(const struct mw_model_slot *slot, struct mw_buffer *json)
{
    if (slot->refused[0] == '\0') {
        mw_buffer_printf(json, ",\"reported\":{\"bundle\":\"%s\",\"version\":%llu}",
                         active_digest(slot), (unsigned long long)slot->slots.floor);
        return;
    }
    json_t *reason = json_string(slot->reason);
    char *text = reason == NULL ? NULL : json_dumps(reason, JSON_ENCODE_ANY);
    mw_buffer_printf(json,
                     ",\"reported\":{\"bundle\":\"%s\",\"version\":%llu,\"refused\":\"%s\","
                     "\"rollout\":\"%s\",\"reason\":%s}",
                     active_digest(slot), (unsigned long long)slot->slots.floor, slot->refused,
                     slot->rollout, text == NULL ? "\"\"" : text);
    free(text);
    json_decref(reason);
}

size_t mw_model_slot_bundles(const struct mw_model_slot *slot,
                             char digest[MW_MODEL_SLOT_BUNDLES][MW_DIGEST_TEXT])
{
    char held[MW_SLOTS][MW_DIGEST_TEXT];
    for (uint8_t i = 0; i < MW_SLOTS; i++) {
        bool empty = slot->slots.slot[i].state == MW_SLOT_EMPTY;
        mw_model_slots_digest(&slot->slots, empty ? MW_SLOT_NONE : i, held[i]);
    }
    const char *const wanted[MW_MODEL_SLOT_BUNDLES] = {active_digest(slot), held[0], held[1],
                                                       slot->fetch.bundle};
    size_t n = 0;
    for (size_t i = 0; i < MW_MODEL_SLOT_BUNDLES; i++) {
        if (mw_digest_valid(mw_span_of(wanted[i]))) {
            memcpy(digest[n++], wanted[i], MW_DIGEST_TEXT);
        }
    }
    return n;
}
