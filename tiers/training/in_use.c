#include "tiers/training/in_use.h"

#include "core/wire/message.h"
#include "lib/artifact/bundle.h"
#include "lib/base/file.h"
#include "lib/plant/share.h"
#include "lib/stream/stream.h"
#include "tiers/training/assemble.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mw_err mw_in_use_store(struct mw_store **store, const struct mw_plant *plant, bool create,
                       struct mw_error *error)
{
    char path[PATH_MAX], uri[PATH_MAX + 8];
    mw_err err = mw_plant_path(plant, "artifacts", NULL, path, sizeof path, error);
    if (err == MW_OK) {
        snprintf(uri, sizeof uri, "oci:%s", path);
        err = mw_store_open(store, uri, create, error);
    }
    return err;
}

static mw_err open_stream(struct mw_stream **stream, const struct mw_plant *plant,
                          struct mw_error *error)
{
    char uri[PATH_MAX];
    struct mw_stream_options options = {.uri = uri, .plant = plant->plant};
    mw_err err = mw_plant_stream_uri(plant, uri, sizeof uri);
    return err == MW_OK ? mw_stream_open(stream, &options, error)
                        : mw_error_set(error, err, "stream.url: too long");
}

/* The bundle of a desired state; false when it names none. */
static bool read_digest(struct mw_span value, char digest[MW_DIGEST_TEXT])
{
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    bool found = bundle != NULL && mw_digest_valid(mw_span_of(bundle));
    if (found) {
        memcpy(digest, bundle, strlen(bundle) + 1);
    }
    json_decref(root);
    return found;
}

struct device {
    const char *machine;
    char name[MW_NAME_MAX + 1]; /* that speaks for it; empty: none so far */
};

/* A position lists the machines of a device that speaks for others than itself. */
static bool speaks_for(void *context, struct mw_span key, struct mw_span value)
{
    struct device *device = context;
    json_error_t why;
    size_t i;
    json_t *machine, *root = json_loadb(value.data, value.size, 0, &why);
    json_array_foreach(json_object_get(root, "machines"), i, machine)
    {
        const char *name = json_string_value(machine);
        if (name != NULL && strcmp(name, device->machine) == 0 && mw_name_valid(key)) {
            snprintf(device->name, sizeof device->name, "%.*s", (int)key.size, key.data);
        }
    }
    json_decref(root);
    return device->name[0] == '\0';
}

/* The order of a machine's own device, which is named as the machine is unless another one speaks
 * for it. */
static mw_err find_own(struct mw_stream *stream, size_t shares, const char *machine,
                       struct mw_span *value, struct mw_error *error)
{
    struct device device = {.machine = machine};
    mw_err err = MW_OK;
    for (size_t i = 0; i < shares && err == MW_OK && device.name[0] == '\0'; i++) {
        char writer[MW_SHARE_NAME];
        mw_share_name(i, writer);
        err = mw_stream_visit(stream, writer, "position", speaks_for, &device, error);
    }
    return err == MW_OK ? mw_stream_get(stream, "bridge", "desired",
                                        mw_span_of(device.name[0] == '\0' ? machine : device.name),
                                        value, error)
                        : err;
}

mw_err mw_in_use_find(const struct mw_plant *plant, const char *machine,
                      char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    struct mw_stream *stream = NULL;
    struct mw_span value;
    digest[0] = '\0';
    mw_err err = open_stream(&stream, plant, error);
    if (err == MW_OK && machine != NULL && plant->model.scope == MW_SCOPE_MACHINE) {
        err = find_own(stream, (size_t)plant->bridge.shares, machine, &value, error);
    } else if (err == MW_OK) {
        err = mw_stream_get(stream, "bridge", "desired", mw_span_of("*"), &value, error);
    }
    if (err == MW_OK) {
        (void)read_digest(value, digest);
    }
    mw_stream_close(stream);
    if (err == MW_ERR_NOT_FOUND) {
        if (error != NULL) {
            *error = (struct mw_error){0};
        }
        return MW_OK;
    }
    return err;
}

struct search {
    const char *digest;
    bool found;
};

static bool compare(void *context, struct mw_span key, struct mw_span value)
{
    struct search *search = context;
    char digest[MW_DIGEST_TEXT];
    (void)key;
    search->found = read_digest(value, digest) && strcmp(digest, search->digest) == 0;
    return !search->found;
}

mw_err mw_in_use_by_any(const struct mw_plant *plant, const char *digest, bool *used,
                        struct mw_error *error)
{
    struct mw_stream *stream = NULL;
    struct search search = {digest, false};
    mw_err err = open_stream(&stream, plant, error);
    if (err == MW_OK) {
        err = mw_stream_visit(stream, "bridge", "desired", compare, &search, error);
    }
    mw_stream_close(stream);
    if (err == MW_ERR_NOT_FOUND) { /* no bridge has run here yet */
        err = MW_OK;
        if (error != NULL) {
            *error = (struct mw_error){0};
        }
    }
    *used = search.found;
    return err;
}

struct list {
    char (*digest)[MW_DIGEST_TEXT];
    size_t n, capacity;
    mw_err err;
};

static bool add_digest(void *context, struct mw_span key, struct mw_span value)
{
    struct list *list = context;
    char digest[MW_DIGEST_TEXT];
    (void)key;
    if (!read_digest(value, digest) ||
        (list->n > 0 && strcmp(list->digest[list->n - 1], digest) == 0)) {
        return true;
    }
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        void *grown = realloc(list->digest, capacity * sizeof *list->digest);
        if (grown == NULL) {
            list->err = MW_ERR_MEMORY;
            return false;
        }
        list->digest = grown;
        list->capacity = capacity;
    }
    memcpy(list->digest[list->n++], digest, sizeof digest);
    return true;
}

mw_err mw_in_use_all(const struct mw_plant *plant, char (**digests)[MW_DIGEST_TEXT], size_t *n,
                     struct mw_error *error)
{
    struct mw_stream *stream = NULL;
    struct list list = {0};
    *digests = NULL;
    *n = 0;
    mw_err err = open_stream(&stream, plant, error);
    if (err == MW_OK) {
        err = mw_stream_visit(stream, "bridge", "desired", add_digest, &list, error);
    }
    if (err == MW_OK && list.err != MW_OK) {
        err = mw_error_set(error, list.err, "out of memory");
    }
    mw_stream_close(stream);
    if (err != MW_OK) {
        free(list.digest);
        return err;
    }
    *digests = list.digest;
    *n = list.n;
    return MW_OK;
}

mw_err mw_in_use_export(const struct mw_plant *plant, const char *digest, const char *folder,
                        struct mw_error *error)
{
    struct mw_store *store = NULL;
    struct mw_bundle bundle = {0};
    mw_err err = mw_in_use_store(&store, plant, false, error);
    if (err == MW_OK) {
        err = mw_bundle_get(store, digest, &bundle, error);
    }
    if (err == MW_OK) {
        err = mw_assemble_write(&bundle, folder, error);
    }
    mw_bundle_clear(&bundle);
    mw_store_close(store);
    return err;
}
