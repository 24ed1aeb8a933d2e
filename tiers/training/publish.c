#include "tiers/training/publish.h"

#include "lib/artifact/bundle.h"
#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/stream/stream.h"
#include "tiers/training/assemble.h"
#include "tiers/training/in_use.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPORT_MAX (4U << 20)
#define UNUSED_FOR (24 * 3600 * MW_SECOND) /* before a blob that nothing names is removed */

/* --- targets, as signed last --- */

static mw_err read_targets(struct mw_store *store, json_t **targets, struct mw_error *error)
{
    struct mw_buffer text = {0};
    json_error_t why;
    mw_err err = mw_trust_targets(store, &text, error);
    if (err == MW_OK) {
        *targets = json_loadb(text.data, text.size, 0, &why);
        err = *targets == NULL ? mw_error_set(error, MW_ERR_PARSE, "targets metadata: %s", why.text)
                               : MW_OK;
    }
    mw_buffer_free(&text);
    return err;
}

/* The digest that targets list under a name; false when there is none. */
static bool listed(const json_t *targets, const char *name, char digest[MW_DIGEST_TEXT])
{
    const json_t *all = json_object_get(json_object_get(targets, "signed"), "targets");
    const json_t *hashes = json_object_get(json_object_get(all, name), "hashes");
    const char *hex = json_string_value(json_object_get(hashes, "sha256"));
    return hex != NULL && strlen(hex) == 64 &&
           snprintf(digest, MW_DIGEST_TEXT, "sha256:%s", hex) > 0;
}

/* --- which name --- */

/* When a bundle was made; INT64_MIN for one that cannot be read, which is the first to go. */
static int64_t made(struct mw_store *store, const char *digest)
{
    struct mw_bundle bundle = {0};
    int64_t created = INT64_MIN;
    if (mw_bundle_get(store, digest, &bundle, NULL) == MW_OK) {
        created = bundle.created;
    }
    mw_bundle_clear(&bundle);
    return created;
}

static mw_err choose_slot(const struct mw_plant *plant, struct mw_store *store, const char *tag,
                          struct mw_signed *out, struct mw_error *error)
{
    json_t *targets = NULL;
    int64_t oldest = INT64_MAX;
    int chosen = -1;
    mw_err err = read_targets(store, &targets, error);
    for (int i = 0; err == MW_OK && i < MW_PUBLISH_SLOTS && oldest != INT64_MIN; i++) {
        char name[sizeof out->name], digest[MW_DIGEST_TEXT];
        bool used = false;
        snprintf(name, sizeof name, "bundle/%s/%d", tag, i);
        int64_t age = INT64_MIN; /* a free one */
        if (listed(targets, name, digest)) {
            if (strcmp(digest, out->digest) == 0) {
                chosen = i;
                break;
            }
            err = mw_in_use_by_any(plant, digest, &used, error);
            age = err == MW_OK && !used ? made(store, digest) : INT64_MAX;
        }
        if (!used && age < oldest) {
            oldest = age;
            chosen = i;
        }
    }
    json_decref(targets);
    if (err == MW_OK && chosen < 0) {
        err = mw_error_set(error, MW_ERR_FULL, "all %d slots of bundle/%s are in use",
                           MW_PUBLISH_SLOTS, tag);
    }
    if (err == MW_OK) {
        snprintf(out->name, sizeof out->name, "bundle/%s/%d", tag, chosen);
    }
    return err;
}

/* --- signing --- */

static mw_err store_and_sign(const struct mw_plant *plant, struct mw_bundle *bundle,
                             const char *name, struct mw_signed *out, struct mw_error *error)
{
    struct mw_store *store = NULL;
    char keys[PATH_MAX];
    uint64_t length = 0;
    mw_err err = mw_plant_path(plant, "keys", NULL, keys, sizeof keys, error);
    err = err == MW_OK ? mw_in_use_store(&store, plant, true, error) : err;
    err = err == MW_OK ? mw_trust_init(store, keys, error) : err;
    err = err == MW_OK ? mw_bundle_put(store, bundle, &length, error) : err;
    if (err == MW_OK) {
        snprintf(out->digest, sizeof out->digest, "%s", bundle->digest);
        snprintf(out->name, sizeof out->name, "%s", name == NULL ? "" : name);
        err = name != NULL
                  ? MW_OK
                  : choose_slot(plant, store, bundle->machine == NULL ? "plant" : bundle->machine,
                                out, error);
    }
    if (err == MW_OK) {
        err = mw_trust_sign(store, keys, out->name, out->digest, length, &out->version, error);
    }
    mw_store_close(store);
    return err;
}

mw_err mw_publish_sign(const struct mw_plant *plant, const char *folder, const char *name,
                       struct mw_signed *out, struct mw_error *error)
{
    struct mw_bundle bundle = {0};
    struct mw_runner runner = {0};
    *out = (struct mw_signed){0};
    if (name != NULL && strlen(name) >= sizeof out->name) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%.40s...: name too long", name);
    }
    mw_err err = mw_assemble_read(&bundle, folder, error);
    if (err == MW_OK) {
        err = mw_runner_init(&runner, &bundle, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", folder);
    }
    if (err == MW_OK) {
        err = store_and_sign(plant, &runner.bundle, name, out, error);
    }
    mw_runner_clear(&runner);
    mw_bundle_clear(&bundle);
    return err;
}

/* --- telling the plant --- */

/* The metrics of a report.json, or the bundle's own; an empty object when neither has any. */
static mw_err read_metrics(const struct mw_publish_options *options, const struct mw_bundle *bundle,
                           json_t **metrics, struct mw_error *error)
{
    struct mw_buffer text = {0};
    json_error_t why;
    *metrics = NULL;
    if (options->metrics != NULL) {
        mw_err err = mw_file_read(options->metrics, REPORT_MAX, &text, error);
        json_t *root = err == MW_OK ? json_loadb(text.data, text.size, 0, &why) : NULL;
        *metrics = json_incref(json_object_get(root, "metrics"));
        json_decref(root);
        mw_buffer_free(&text);
        if (err != MW_OK) {
            return err;
        }
        if (!json_is_object(*metrics)) {
            json_decref(*metrics);
            *metrics = NULL;
            return mw_error_set(error, MW_ERR_PARSE, "%s: no metrics", options->metrics);
        }
    } else if (bundle->metrics_json != NULL) {
        *metrics = json_loads(bundle->metrics_json, 0, &why);
    }
    *metrics = *metrics == NULL ? json_object() : *metrics;
    return MW_OK;
}

static mw_err make_record(const struct mw_publish_options *options, const struct mw_bundle *bundle,
                          const char *machine, uint64_t version, char **text,
                          struct mw_error *error)
{
    json_t *metrics = NULL;
    mw_err err = read_metrics(options, bundle, &metrics, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *root = json_pack("{s:i,s:f,s:s,s:I,s:s,s:o}", "v", 1, "time",
                             (double)mw_clock_utc() / 1e6, "bundle", options->digest, "version",
                             (json_int_t)version, "cause", options->cause, "metrics", metrics);
    if (root != NULL && machine != NULL) {
        json_object_set_new(root, "machine", json_string(machine));
    }
    if (root != NULL && bundle->parent != NULL) {
        json_object_set_new(root, "replaces", json_string(bundle->parent));
    }
    *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    return *text == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
}

static mw_err append_once(const struct mw_stream_options *where,
                          const struct mw_publish_options *options, const char *text,
                          struct mw_error *error)
{
    struct mw_stream *stream = NULL;
    mw_err err = mw_stream_open(&stream, where, error);
    err = err == MW_OK ? mw_stream_begin(stream, error) : err;
    if (err == MW_OK) {
        err =
            mw_stream_append(stream, "model", mw_span_of(options->digest), mw_span_of(text), error);
    }
    err = err == MW_OK ? mw_stream_commit(stream, NULL, error) : err;
    mw_stream_close(stream);
    return err;
}

/* Another publisher holds the writer for moments only, or has taken it from us (Kafka), in which
 * case nothing of ours is stored: tries again every 50 ms. */
static mw_err append(const struct mw_plant *plant, const struct mw_publish_options *options,
                     const char *text, struct mw_error *error)
{
    static const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    char uri[PATH_MAX];
    struct mw_stream_options where = {.uri = uri, .plant = plant->plant, .writer = "publish"};
    int64_t until = mw_clock_monotonic() + options->patience;
    mw_err err = mw_plant_stream_uri(plant, uri, sizeof uri);
    if (err != MW_OK) {
        return mw_error_set(error, err, "stream.url: too long");
    }
    while ((err = append_once(&where, options, text, error)) == MW_ERR_BUSY &&
           mw_clock_monotonic() < until) {
        (void)nanosleep(&pause, NULL);
    }
    if (err == MW_OK && error != NULL) {
        *error = (struct mw_error){0}; /* what an attempt before said */
    }
    return err;
}

/* Bundles that neither run nor are signed or tagged any more have no use. That they could not be
 * removed is no failure of what was published: the next publication tries again. */
static void sweep(const struct mw_plant *plant, struct mw_store *store)
{
    char(*used)[MW_DIGEST_TEXT] = NULL;
    size_t n = 0;
    struct mw_swept swept = {0};
    struct mw_error error = {0};
    mw_err err = mw_in_use_all(plant, &used, &n, &error);
    if (err == MW_OK) {
        err = mw_trust_sweep(store, (const char(*)[MW_DIGEST_TEXT])used, n,
                             mw_clock_utc() - UNUSED_FOR, &swept, &error);
    }
    free(used);
    if (err != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "old bundles cannot be removed", MW_KS("reason", error.text));
    } else if (swept.blobs > 0) {
        mw_log(MW_LOG_INFO, NULL, "old bundles removed", MW_KI("blobs", swept.blobs),
               MW_KI("bytes", swept.bytes));
    }
}

mw_err mw_publish(const struct mw_plant *plant, const struct mw_publish_options *options,
                  uint64_t *version, struct mw_error *error)
{
    struct mw_store *store = NULL;
    struct mw_bundle bundle = {0};
    json_t *targets = NULL;
    char *text = NULL;
    *version = 0;
    mw_err err = mw_in_use_store(&store, plant, false, error);
    err = err == MW_OK ? mw_trust_verify(store, options->digest, error) : err;
    err = err == MW_OK ? mw_bundle_get(store, options->digest, &bundle, error) : err;
    err = err == MW_OK ? read_targets(store, &targets, error) : err;
    const char *machine = options->machine != NULL ? options->machine : bundle.machine;
    if (err == MW_OK) {
        const json_t *part = json_object_get(targets, "signed");
        *version = (uint64_t)json_integer_value(json_object_get(part, "version"));
        err = make_record(options, &bundle, machine, *version, &text, error);
    }
    if (err == MW_OK) {
        err = mw_store_tag(store, machine == NULL ? "plant" : machine, options->digest, error);
    }
    err = err == MW_OK ? append(plant, options, text, error) : err;
    if (err == MW_OK) {
        sweep(plant, store);
    }
    free(text);
    json_decref(targets);
    mw_bundle_clear(&bundle);
    mw_store_close(store);
    return err;
}
