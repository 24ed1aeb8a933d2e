#include "lib/plant/plant_internal.h"

#include "lib/base/file.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Puts the folder before *path unless that is absolute or empty. */
static mw_err resolve(char **path, const char *folder)
{
    if (*path == NULL || **path == '\0' || **path == '/') {
        return MW_OK;
    }
    char *joined = NULL;
    if (asprintf(&joined, "%s/%s", folder, *path) < 0) {
        return MW_ERR_MEMORY;
    }
    free(*path);
    *path = joined;
    return MW_OK;
}

static mw_err resolve_all(struct mw_plant *plant, const char *path, struct mw_error *error)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    char *folder =
        slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (folder == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    char **const paths[] = {&plant->data,
                            &plant->broker.password_file,
                            &plant->broker.ca_file,
                            &plant->broker.certificate_file,
                            &plant->broker.key_file,
                            &plant->artifacts.ca_file,
                            &plant->artifacts.password_file,
                            &plant->reference.certificate_file,
                            &plant->reference.key_file,
                            &plant->stream.config,
                            &plant->simulate.script};
    mw_err err = MW_OK;
    for (size_t i = 0; i < sizeof paths / sizeof *paths && err == MW_OK; i++) {
        err = resolve(paths[i], folder);
    }
    for (size_t i = 0; i < plant->gateway.devices.n && err == MW_OK; i++) {
        err = resolve(&plant->gateway.devices.item[i], folder);
    }
    free(folder);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

/* Keys below these are the user's own names. */
static const char *const free_prefixes[] = {"topics", "commands", NULL};

static mw_err take_free(void *context, const char *key, const char *text, unsigned line,
                        struct mw_error *error)
{
    (void)line;
    struct mw_plant *plant = context;
    return strncmp(key, "topics.", strlen("topics.")) == 0
               ? mw_topic_maps_add(&plant->topics, key + strlen("topics."), text, error)
               : mw_command_maps_add(&plant->commands, key + strlen("commands."), text, error);
}

/* Its records are a map of topics like any other. */
static mw_err map_reference(struct mw_plant *plant, const char *path, struct mw_error *error)
{
    struct mw_error why = {0};
    if (!plant->reference.enabled) {
        return MW_OK;
    }
    mw_err err = mw_topic_maps_add(&plant->topics, MW_PLANT_REFERENCE, plant->reference.data, &why);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err, "%s: reference.data: %s", path, why.text);
}

/* Of what has been read from `path`; NULL: the defaults. */
static mw_err finish(struct mw_plant *plant, mw_err err, const char *path, struct mw_error *error)
{
    const char *name = path == NULL ? "plant" : path;
    err = err == MW_OK ? resolve_all(plant, path, error) : err;
    err = err == MW_OK ? map_reference(plant, name, error) : err;
    err = err == MW_OK ? mw_plant_check(plant, name, error) : err;
    if (err != MW_OK) {
        mw_plant_clear(plant);
    }
    return err;
}

mw_err mw_plant_read(struct mw_plant *plant, const char *path, struct mw_error *error)
{
    *plant = (struct mw_plant){0};
    mw_err err = path == NULL ? mw_options_defaults(mw_plant_options, plant, error)
                              : mw_options_read_yaml(mw_plant_options, plant, path, free_prefixes,
                                                     take_free, plant, error);
    if (err == MW_OK && path != NULL) {
        plant->file = realpath(path, NULL);
        err = plant->file == NULL ? mw_error_errno(error, MW_ERR_IO, "%s", path) : MW_OK;
    }
    return finish(plant, err, path, error);
}

mw_err mw_plant_parse(struct mw_plant *plant, const char *text, size_t size, const char *path,
                      struct mw_error *error)
{
    *plant = (struct mw_plant){0};
    mw_err err = mw_options_parse_yaml(mw_plant_options, plant, text, size, path, free_prefixes,
                                       take_free, plant, error);
    return finish(plant, err, path, error);
}

void mw_plant_clear(struct mw_plant *plant)
{
    free(plant->file);
    plant->file = NULL;
    mw_topic_maps_clear(&plant->topics);
    mw_command_maps_clear(&plant->commands);
    mw_options_clear(mw_plant_options, plant);
}

mw_err mw_plant_path(const struct mw_plant *plant, const char *folder, const char *name, char *path,
                     size_t capacity, struct mw_error *error)
{
    int n = snprintf(path, capacity, "%s/%s", plant->data, folder);
    if (n < 0 || (size_t)n >= capacity) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s/%s: path too long", plant->data, folder);
    }
    mw_err err = mw_file_make_folder(path, error);
    if (err != MW_OK || name == NULL) {
        return err;
    }
    size_t at = (size_t)n;
    n = snprintf(path + at, capacity - at, "/%s", name);
    if (n < 0 || (size_t)n >= capacity - at) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s/%s: path too long", plant->data, folder);
    }
    return MW_OK;
}

static void add_text(char *uri, size_t capacity, size_t *size, const char *text, size_t length)
{
    if (*size + length < capacity) {
        memcpy(uri + *size, text, length);
        uri[*size + length] = '\0';
    }
    *size += length;
}

/* A path as the value of a query: what means something in a URI as %XX. */
static void add_escaped(char *uri, size_t capacity, size_t *size, const char *text)
{
    char escaped[4];
    for (; *text != '\0'; text++) {
        bool plain = strchr("%&?#+=", *text) == NULL && *text > ' ' && *text < 127;
        (void)snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*text);
        add_text(uri, capacity, size, plain ? text : escaped, plain ? 1 : 3);
    }
}

static mw_err kafka_uri(const struct mw_plant *plant, char *uri, size_t capacity)
{
    const char *url = plant->stream.url;
    const char *config = plant->stream.config;
    char keys[256];
    size_t hosts = strcspn(url, "?");
    size_t size = 0;
    int64_t age = plant->stream.retention_age;
    int n = snprintf(keys, sizeof keys,
                     "?create=%s&partitions=%lld&replication=%lld&retention_age=%lld"
                     "&retention_size=%lld",
                     plant->stream.create ? "true" : "false", (long long)plant->stream.partitions,
                     (long long)plant->stream.replication, (long long)(age < 0 ? -1 : age / 1000),
                     (long long)plant->stream.retention_size);
    add_text(uri, capacity, &size, url, hosts);
    add_text(uri, capacity, &size, keys, (size_t)n);
    if (config != NULL && config[0] != '\0') {
        add_text(uri, capacity, &size, "&config=", 8);
        add_escaped(uri, capacity, &size, config);
    }
    if (url[hosts] == '?') {
        add_text(uri, capacity, &size, "&", 1);
        add_text(uri, capacity, &size, url + hosts + 1, strlen(url + hosts + 1));
    }
    return size < capacity ? MW_OK : MW_ERR_TOO_LARGE;
}

bool mw_plant_in_kafka(const struct mw_plant *plant)
{
    return plant->stream.url != NULL && strncmp(plant->stream.url, "kafka:", 6) == 0;
}

mw_err mw_plant_stream_uri(const struct mw_plant *plant, char *uri, size_t capacity)
{
    const char *url = plant->stream.url;
    if (mw_plant_in_kafka(plant)) {
        return kafka_uri(plant, uri, capacity);
    }
    int n = url == NULL || url[0] == '\0' ? snprintf(uri, capacity, "sqlite:%s/stream", plant->data)
                                          : snprintf(uri, capacity, "%s", url);
    return n < 0 || (size_t)n >= capacity ? MW_ERR_TOO_LARGE : MW_OK;
}
