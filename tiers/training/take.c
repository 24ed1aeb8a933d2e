#include "tiers/training/take.h"

#include "core/wire/message.h"
#include "lib/artifact/image.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/training/in_use.h"
#include "tiers/training/publish.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE (10 * MW_SECOND)

/* What the folder's store has that was not taken from one before. */
struct fresh {
    const struct mw_plant *plant;
    json_t *digests; /* by tag */
    mw_err err;
    struct mw_error *error;
};

static mw_err mark_path(const struct mw_plant *plant, const char *tag, char *path, size_t capacity,
                        struct mw_error *error)
{
    return mw_plant_path(plant, "taken", tag, path, capacity, error);
}

static bool was_taken(const struct mw_plant *plant, const char *tag, const char *digest)
{
    char path[PATH_MAX];
    struct mw_buffer text = {0};
    bool was = mark_path(plant, tag, path, sizeof path, NULL) == MW_OK && mw_file_exists(path) &&
               mw_file_read(path, MW_DIGEST_TEXT, &text, NULL) == MW_OK && text.data != NULL &&
               strcmp(text.data, digest) == 0;
    mw_buffer_free(&text);
    return was;
}

static mw_err mark(const struct mw_plant *plant, const char *tag, const char *digest,
                   struct mw_error *error)
{
    char path[PATH_MAX];
    mw_err err = mark_path(plant, tag, path, sizeof path, error);
    return err == MW_OK ? mw_file_write(path, digest, strlen(digest), 0644, error) : err;
}

static bool note_fresh(void *context, const char *tag, const char *digest)
{
    struct fresh *fresh = context;
    if (strcmp(tag, MW_IMAGE_METADATA) == 0) {
        return true;
    }
    if (!mw_name_valid(mw_span_of(tag))) {
        fresh->err =
            mw_error_set(fresh->error, MW_ERR_PARSE, "tag %.80s: not the name of a machine", tag);
    } else if (!was_taken(fresh->plant, tag, digest) &&
               json_object_set_new(fresh->digests, tag, json_string(digest)) != 0) {
        fresh->err = mw_error_set(fresh->error, MW_ERR_MEMORY, "out of memory");
    }
    return fresh->err == MW_OK;
}

/* All are verified before the first is published. */
static mw_err bring(struct mw_store *from, struct mw_store *to, json_t *digests,
                    struct mw_error *error)
{
    const char *tag;
    json_t *digest;
    mw_err err = MW_OK;
    json_object_foreach(digests, tag, digest)
    {
        if (err == MW_OK &&
            (err = mw_image_take_bundle(from, to, json_string_value(digest), error)) != MW_OK) {
            err = mw_error_wrap(error, "%s", tag);
        }
    }
    return err;
}

/* Marked when it is told: a process that ends in between tells it twice, and never not at all. */
static mw_err publish(const struct mw_plant *plant, json_t *digests, bool *changed,
                      struct mw_error *error)
{
    const char *tag;
    json_t *value;
    mw_err err = MW_OK;
    json_object_foreach(digests, tag, value)
    {
        const char *digest = json_string_value(value);
        uint64_t version = 0;
        struct mw_publish_options options = {
            .digest = digest, .cause = "manual", .patience = PATIENCE};
        err = err == MW_OK ? mw_publish(plant, &options, &version, error) : err;
        err = err == MW_OK ? mark(plant, tag, digest, error) : err;
        if (err == MW_OK) {
            *changed = true;
            mw_log(MW_LOG_INFO, tag, "a model came with the machine", MW_KS("bundle", digest),
                   MW_KI("version", version));
        }
    }
    return err;
}

static mw_err take(const struct mw_plant *plant, struct mw_store *from, struct mw_store *to,
                   bool *changed, struct mw_error *error)
{
    struct fresh fresh = {.plant = plant, .digests = json_object(), .error = error};
    struct mw_error why = {0};
    mw_err err = mw_store_visit(from, note_fresh, &fresh, error);
    err = err == MW_OK ? fresh.err : err;
    if (err == MW_OK) {
        err = mw_image_take_metadata(from, to, &why);
        if (err == MW_ERR_SIGNATURE && json_object_size(fresh.digests) == 0) {
            err = MW_OK; /* the plant has signed since; nothing is asked of these */
        } else if (err != MW_OK) {
            err = mw_error_set(error, err, "%s", why.text);
        }
    }
    err = err == MW_OK ? bring(from, to, fresh.digests, error) : err;
    err = err == MW_OK ? publish(plant, fresh.digests, changed, error) : err;
    json_decref(fresh.digests);
    return err;
}

mw_err mw_take_models(const struct mw_plant *plant, const char *folder, bool *changed,
                      struct mw_error *error)
{
    char uri[PATH_MAX];
    struct mw_store *from = NULL, *to = NULL;
    int n = snprintf(uri, sizeof uri, "oci:%s", folder);
    *changed = false;
    if (n < 0 || (size_t)n >= sizeof uri) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%.80s...: path too long", folder);
    }
    mw_err err = mw_store_open(&from, uri, false, error);
    err = err == MW_OK ? mw_in_use_store(&to, plant, true, error) : err;
    err = err == MW_OK ? take(plant, from, to, changed, error) : err;
    mw_store_close(from);
    mw_store_close(to);
    return err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", folder);
}
