#include "tiers/iot/model_slot.h"

#include "lib/artifact/baselines.h"
#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define RETRY (2 * MW_SECOND)
#define BLOB_MAX (16U << 20)
#define PARTS_MAX 8

/* A bundle on its way in. */
struct fetch {
    bool running;
    char bundle[MW_DIGEST_TEXT]; /* its manifest's digest */
    uint64_t version;            /* of the targets that list it */
    char blob[MW_DIGEST_TEXT];   /* the blob being received */
    struct mw_buffer bytes;      /* what has come of it */
    int64_t asked;               /* monotonic */
};

struct mw_model_slot {
    struct mw_model_slot_options options;
    struct mw_runner *active;
    uint64_t version; /* newest targets version ever accepted */
    struct fetch fetch;
    char refused[MW_DIGEST_TEXT];
    char reason[256];
    struct mw_baselines *baselines;
};

static void refuse(struct mw_model_slot *slot, const char *digest, const char *reason)
{
    snprintf(slot->refused, sizeof slot->refused, "%s", digest);
    snprintf(slot->reason, sizeof slot->reason, "%s", reason);
    slot->fetch.running = false;
    mw_buffer_free(&slot->fetch.bytes);
    mw_log(MW_LOG_ERROR, slot->options.device, "model refused, the old one runs on",
           MW_KS("bundle", digest), MW_KS("reason", reason));
    slot->options.changed(slot->options.context);
}

/* --- loading --- */

/* mw_bundle_read borrows bytes until it returns, so each part gets a buffer of its own. */
struct parts {
    struct mw_store *store;
    struct mw_buffer part[PARTS_MAX];
    size_t n;
    struct mw_error *error;
};

static mw_err give_part(void *context, const char *digest, struct mw_span *bytes)
{
    struct parts *parts = context;
    if (parts->n == PARTS_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    struct mw_error unused = {0};
    struct mw_buffer *part = &parts->part[parts->n];
    mw_err err = mw_store_get(parts->store, digest, part, &unused);
    if (err == MW_OK) {
        parts->n++;
        *bytes = (struct mw_span){part->data, part->size};
    }
    return err;
}

static mw_err load(struct mw_store *store, const char *digest, struct mw_runner **out,
                   struct mw_error *error)
{
    struct parts parts = {.store = store, .error = error};
    struct mw_buffer manifest = {0};
    struct mw_bundle bundle = {0};
    struct mw_runner *runner = calloc(1, sizeof *runner);
    mw_err err = runner == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                : mw_store_get(store, digest, &manifest, error);
    if (err == MW_OK) {
        err = mw_bundle_read((struct mw_span){manifest.data, manifest.size}, give_part, &parts,
                             &bundle, error);
    }
    if (err == MW_OK) {
        snprintf(bundle.digest, sizeof bundle.digest, "%s", digest);
        err = mw_runner_init(runner, &bundle, error);
    }
    for (size_t i = 0; i < parts.n; i++) {
        mw_buffer_free(&parts.part[i]);
    }
    mw_buffer_free(&manifest);
    if (err != MW_OK) {
        free(runner);
        return err;
    }
    *out = runner;
    return MW_OK;
}

static void arrange(struct mw_model_slot *slot)
{
    const struct mw_bundle *bundle = &slot->active->bundle;
    mw_baselines_arrange(slot->baselines, bundle->features, bundle->n_features,
                         bundle->reference_mean, bundle->reference_std);
}

static void swap_in(struct mw_model_slot *slot, struct mw_runner *runner)
{
    if (slot->active != NULL) {
        slot->options.leaving(slot->options.context, &slot->active->bundle);
        mw_runner_clear(slot->active);
        free(slot->active);
    }
    slot->active = runner;
    arrange(slot);
}

static mw_err remember(struct mw_model_slot *slot, const char *active, const char *previous,
                       struct mw_error *error)
{
    json_t *root = json_pack("{s:s,s:s,s:I}", "active", active, "previous", previous, "version",
                             (json_int_t)slot->version);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_outbox_begin(slot->options.outbox, error);
    if (err == MW_OK) {
        err = mw_outbox_put(slot->options.outbox, "slot", slot->options.device, mw_span_of(text),
                            error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(slot->options.outbox, error);
    }
    free(text);
    return err;
}

/* Everything of the bundle is here: check it, and run it from the next record on. */
static void activate(struct mw_model_slot *slot)
{
    struct mw_error error = {0};
    struct mw_runner *runner = NULL;
    char digest[MW_DIGEST_TEXT];
    memcpy(digest, slot->fetch.bundle, sizeof digest);
    mw_err err = load(slot->options.store, digest, &runner, &error);
    if (err != MW_OK) {
        refuse(slot, digest, error.text);
        return;
    }
    if (slot->fetch.version > slot->version) {
        slot->version = slot->fetch.version;
    }
    err = remember(slot, digest, slot->active == NULL ? "" : slot->active->bundle.digest, &error);
    if (err != MW_OK) {
        mw_runner_clear(runner);
        free(runner);
        refuse(slot, digest, error.text);
        return;
    }
    slot->fetch.running = false;
    slot->refused[0] = '\0';
    swap_in(slot, runner);
    mw_log(MW_LOG_INFO, slot->options.device, "model swapped in", MW_KS("bundle", digest),
           MW_KI("version", slot->version));
    slot->options.changed(slot->options.context);
}

/* --- fetching --- */

static void ask(struct mw_model_slot *slot)
{
    slot->fetch.asked = mw_clock_monotonic();
    slot->options.want(slot->options.context, slot->fetch.blob, slot->fetch.bytes.size);
}

static bool in_store(struct mw_model_slot *slot, const char *digest)
{
    struct mw_buffer bytes = {0};
    struct mw_error unused = {0};
    mw_err err = mw_store_get(slot->options.store, digest, &bytes, &unused);
    mw_buffer_free(&bytes);
    return err == MW_OK;
}

/* A thing runs int8 only; the float32 variant and the report stay in the registry. */
static bool needed(const json_t *layer)
{
    const char *title = json_string_value(
        json_object_get(json_object_get(layer, "annotations"), "org.opencontainers.image.title"));
    return title == NULL ||
           (strcmp(title, "model.float32.tflite") != 0 && strcmp(title, "report.json") != 0);
}

/* Chooses the next part that is not here yet; false when all are. */
static bool next_part(struct mw_model_slot *slot, const json_t *manifest, const char **reason)
{
    const char *digest =
        json_string_value(json_object_get(json_object_get(manifest, "config"), "digest"));
    const json_t *layers = json_object_get(manifest, "layers");
    for (size_t i = 0; i <= json_array_size(layers); i++) {
        if (i > 0) {
            const json_t *layer = json_array_get(layers, i - 1);
            if (!needed(layer)) {
                continue;
            }
            digest = json_string_value(json_object_get(layer, "digest"));
        }
        if (digest == NULL || !mw_digest_valid(mw_span_of(digest))) {
            *reason = "the manifest names a part without a valid digest";
            return false;
        }
        if (!in_store(slot, digest)) {
            snprintf(slot->fetch.blob, sizeof slot->fetch.blob, "%s", digest);
            return true;
        }
    }
    return false;
}

static void advance(struct mw_model_slot *slot)
{
    mw_buffer_clear(&slot->fetch.bytes);
    if (!in_store(slot, slot->fetch.bundle)) {
        memcpy(slot->fetch.blob, slot->fetch.bundle, sizeof slot->fetch.blob);
        ask(slot);
        return;
    }
    struct mw_buffer text = {0};
    struct mw_error error = {0};
    mw_err err = mw_store_get(slot->options.store, slot->fetch.bundle, &text, &error);
    json_error_t why;
    json_t *manifest = err == MW_OK ? json_loadb(text.data, text.size, 0, &why) : NULL;
    mw_buffer_free(&text);
    const char *reason = manifest == NULL ? "the bundle's manifest is not JSON" : NULL;
    bool more = manifest != NULL && next_part(slot, manifest, &reason);
    json_decref(manifest);
    if (more) {
        ask(slot);
    } else if (reason != NULL) {
        refuse(slot, slot->fetch.bundle, reason);
    } else {
        mw_buffer_free(&slot->fetch.bytes);
        activate(slot);
    }
}

static void start_fetch(struct mw_model_slot *slot, const char *bundle, struct mw_span targets)
{
    struct mw_error error = {0};
    uint64_t version = 0;
    mw_err err = mw_trust_verify_targets(slot->options.root, targets, bundle, &version, &error);
    if (err != MW_OK) {
        refuse(slot, bundle, error.text);
    } else if (version < slot->version) {
        refuse(slot, bundle, "the signed targets are older than what was accepted before");
    } else {
        slot->fetch.running = true;
        slot->fetch.version = version;
        snprintf(slot->fetch.bundle, sizeof slot->fetch.bundle, "%s", bundle);
        advance(slot);
    }
}

/* --- messages --- */

/* Decodes base64 into bytes; false when it is none. */
static bool decode(const char *text, struct mw_buffer *bytes)
{
    size_t length = strlen(text);
    if (length % 4 != 0 || mw_buffer_reserve(bytes, length / 4 * 3 + 1) != MW_OK) {
        return false;
    }
    int n = EVP_DecodeBlock((unsigned char *)bytes->data + bytes->size, (const unsigned char *)text,
                            (int)length);
    if (n < 0) {
        return false;
    }
    size_t padding = length == 0               ? 0
                     : text[length - 2] == '=' ? 2
                     : text[length - 1] == '=' ? 1
                                               : 0;
    bytes->size += (size_t)n - padding;
    return true;
}

static void on_desired(struct mw_model_slot *slot, const json_t *desired)
{
    mw_baselines_update(slot->baselines, json_object_get(desired, "baseline"));
    if (slot->active != NULL) {
        arrange(slot);
    }
    const char *bundle = json_string_value(json_object_get(desired, "bundle"));
    const char *targets = json_string_value(json_object_get(desired, "targets"));
    if (bundle == NULL || !mw_digest_valid(mw_span_of(bundle))) {
        return; /* baselines only */
    }
    bool here = slot->active != NULL && strcmp(slot->active->bundle.digest, bundle) == 0;
    bool coming = slot->fetch.running && strcmp(slot->fetch.bundle, bundle) == 0;
    if (here) {
        slot->fetch.running = false;
        slot->refused[0] = '\0';
    } else if (!coming) {
        struct mw_buffer bytes = {0};
        if (targets == NULL || !decode(targets, &bytes)) {
            refuse(slot, bundle, "the update carries no signed targets in base64");
        } else {
            start_fetch(slot, bundle, (struct mw_span){bytes.data, bytes.size});
        }
        mw_buffer_free(&bytes);
    }
}

static void on_blob(struct mw_model_slot *slot, const json_t *blob)
{
    const char *digest = json_string_value(json_object_get(blob, "digest"));
    const char *data = json_string_value(json_object_get(blob, "data"));
    json_int_t offset = json_integer_value(json_object_get(blob, "offset"));
    json_int_t size = json_integer_value(json_object_get(blob, "size"));
    struct fetch *fetch = &slot->fetch;
    if (!fetch->running || digest == NULL || strcmp(digest, fetch->blob) != 0 || data == NULL ||
        offset != (json_int_t)fetch->bytes.size) {
        return; /* late, or asked for by an earlier process */
    }
    if (size < 0 || size > (json_int_t)BLOB_MAX || !decode(data, &fetch->bytes) ||
        (json_int_t)fetch->bytes.size > size) {
        refuse(slot, fetch->bundle, "a part came with a wrong size or broken base64");
        return;
    }
    if ((json_int_t)fetch->bytes.size < size) {
        ask(slot);
        return;
    }
    char real[MW_DIGEST_TEXT];
    struct mw_error error = {0};
    mw_digest(fetch->bytes.data, fetch->bytes.size, real);
    if (strcmp(real, fetch->blob) != 0) {
        refuse(slot, fetch->bundle, "a part does not have the hash it was asked for by");
    } else if (mw_store_put(slot->options.store, fetch->bytes.data, fetch->bytes.size, real,
                            &error) != MW_OK) {
        refuse(slot, fetch->bundle, error.text);
    } else {
        advance(slot);
    }
}

void mw_model_slot_update(struct mw_model_slot *slot, struct mw_span json)
{
    json_error_t why;
    json_t *root = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, &why);
    if (json_integer_value(json_object_get(root, "v")) != 1) {
        mw_log(MW_LOG_WARN, slot->options.device, "an update that cannot be read",
               MW_KS("reason", root == NULL ? why.text : "its v is not 1"));
    } else {
        const json_t *desired = json_object_get(root, "desired");
        const json_t *blob = json_object_get(root, "blob");
        if (desired != NULL) {
            on_desired(slot, desired);
        } else if (blob != NULL) {
            on_blob(slot, blob);
        }
    }
    json_decref(root);
}

void mw_model_slot_tick(struct mw_model_slot *slot, int64_t now_monotonic)
{
    if (slot->fetch.running && now_monotonic - slot->fetch.asked > RETRY) {
        ask(slot);
    }
}

/* --- making, asking, ending --- */

static void restore(struct mw_model_slot *slot)
{
    struct mw_error error = {0};
    struct mw_span text;
    if (mw_outbox_get(slot->options.outbox, "slot", slot->options.device, &text, &error) != MW_OK) {
        return;
    }
    json_error_t why;
    json_t *root = json_loadb(text.data, text.size, 0, &why);
    slot->version = (uint64_t)json_integer_value(json_object_get(root, "version"));
    const char *names[] = {"active", "previous"};
    for (size_t i = 0; i < 2 && slot->active == NULL; i++) {
        const char *digest = json_string_value(json_object_get(root, names[i]));
        struct mw_runner *runner = NULL;
        if (digest == NULL || digest[0] == '\0') {
            continue;
        }
        if (load(slot->options.store, digest, &runner, &error) == MW_OK) {
            swap_in(slot, runner);
        } else {
            mw_log(MW_LOG_ERROR, slot->options.device, "a stored model cannot be run",
                   MW_KS("bundle", digest), MW_KS("reason", error.text));
        }
    }
    json_decref(root);
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
    mw_err err = mw_baselines_new(&slot->baselines, error);
    if (err != MW_OK) {
        free(slot);
        return err;
    }
    restore(slot);
    *out = slot;
    return MW_OK;
}

void mw_model_slot_free(struct mw_model_slot *slot)
{
    if (slot == NULL) {
        return;
    }
    if (slot->active != NULL) {
        mw_runner_clear(slot->active);
        free(slot->active);
    }
    mw_baselines_free(slot->baselines);
    mw_buffer_free(&slot->fetch.bytes);
    free(slot);
}

struct mw_runner *mw_model_slot_runner(struct mw_model_slot *slot)
{
    return slot->active;
}

const struct mw_baseline *mw_model_slot_baseline(const struct mw_model_slot *slot,
                                                 const char *machine)
{
    return mw_baselines_find(slot->baselines, machine);
}

void mw_model_slot_status(const struct mw_model_slot *slot, struct mw_buffer *json)
{
    const char *bundle = slot->active == NULL ? "" : slot->active->bundle.digest;
    if (slot->refused[0] == '\0') {
        mw_buffer_printf(json, ",\"reported\":{\"bundle\":\"%s\",\"version\":%llu}", bundle,
                         (unsigned long long)slot->version);
        return;
    }
    json_t *reason = json_string(slot->reason);
    char *text = reason == NULL ? NULL : json_dumps(reason, JSON_ENCODE_ANY);
    mw_buffer_printf(json,
                     ",\"reported\":{\"bundle\":\"%s\",\"version\":%llu,\"refused\":\"%s\","
                     "\"reason\":%s}",
                     bundle, (unsigned long long)slot->version, slot->refused,
                     text == NULL ? "\"\"" : text);
    free(text);
    json_decref(reason);
}
