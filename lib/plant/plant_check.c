/* plant_check.c - what no single row of the table of keys can say. */
#include "lib/plant/plant_internal.h"

#include <stdio.h>
#include <string.h>

/* An identifier of Sparkplug is one level of a topic. */
static bool is_level(const char *text, size_t size)
{
    return size > 0 && memchr(text, '/', size) == NULL && memchr(text, '+', size) == NULL &&
           memchr(text, '#', size) == NULL;
}

static mw_err check_sparkplug(const struct mw_plant *plant, const char *path,
                              struct mw_error *error)
{
    const struct mw_list *groups = &plant->sparkplug.groups;
    for (size_t i = 0; i < groups->n; i++) {
        const char *group = groups->item[i];
        if (strcmp(group, "+") == 0 ? groups->n > 1 : !is_level(group, strlen(group))) {
            return mw_error_set(error, MW_ERR_PARSE,
                                "%s: sparkplug.groups: %s: identifiers without /, + and #, or + "
                                "alone, were expected",
                                path, group);
        }
    }
    const char *host = plant->sparkplug.host, *publish = plant->sparkplug.publish;
    if (host[0] != '\0' && !is_level(host, strlen(host))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: sparkplug.host: %s: an identifier without /, + and # was expected",
                            path, host);
    }
    size_t group = strcspn(publish, "/");
    if (publish[0] != '\0' && (publish[group] == '\0' || !is_level(publish, group) ||
                               !is_level(publish + group + 1, strlen(publish + group + 1)))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: sparkplug.publish: %s: GROUP/NODE was expected", path, publish);
    }
    return MW_OK;
}

/* A topic by itself, and none that is Millwright's, Sparkplug's or of a map. */
static const char *fault_of_control(const struct mw_plant *plant)
{
    const char *control = plant->reference.control;
    struct mw_topic_match match;
    if (!is_level(control, strcspn(control, "/")) || strpbrk(control, "+#") != NULL ||
        strncmp(control, "mw/", 3) == 0 || strncmp(control, "spBv1.0/", 8) == 0 ||
        strlen(control) > MW_TOPIC_PATTERN_MAX) {
        return "a topic of its own, without + and #, was expected";
    }
    for (size_t i = 0; i < plant->topics.n; i++) {
        if (mw_topic_map_match(&plant->topics.map[i], mw_span_of(control), &match)) {
            return "a map of topics takes it already";
        }
    }
    return NULL;
}

static mw_err check_reference(const struct mw_plant *plant, const char *path,
                              struct mw_error *error)
{
    const char *fault = plant->reference.enabled ? fault_of_control(plant) : NULL;
    if (fault != NULL) {
        return mw_error_set(error, MW_ERR_PARSE, "%s: reference.control: %s: %s", path,
                            plant->reference.control, fault);
    }
    if (plant->reference.enabled && plant->model.scope == MW_SCOPE_MACHINE) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: reference.enabled with model.scope machine: its control topic "
                            "reaches all devices at once, so model.scope plant was expected",
                            path);
    }
    return MW_OK;
}

/* A column is one feature, or it says what the row is of. */
static mw_err check_columns(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    const struct mw_list *features = &plant->columns.features;
    const struct {
        const char *key, *column;
    } other[] = {{"device", plant->columns.device},
                 {"machine", plant->columns.machine},
                 {"label", plant->columns.label},
                 {"failure", plant->columns.failure},
                 {"finding", plant->columns.finding}};
    if (plant->columns.names.n != 0 && plant->columns.names.n != features->n) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: columns.names has %zu entries, columns.features %zu: "
                            "one name a feature was expected",
                            path, plant->columns.names.n, features->n);
    }
    for (size_t i = 0; i < features->n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(features->item[i], features->item[k]) == 0) {
                return mw_error_set(error, MW_ERR_PARSE,
                                    "%s: columns.features names %s twice: each column once was "
                                    "expected",
                                    path, features->item[i]);
            }
        }
        for (size_t k = 0; k < sizeof other / sizeof *other; k++) {
            if (other[k].column != NULL && other[k].column[0] != '\0' &&
                strcmp(features->item[i], other[k].column) == 0) {
                return mw_error_set(error, MW_ERR_PARSE,
                                    "%s: columns.features names %s, which is columns.%s", path,
                                    other[k].column, other[k].key);
            }
        }
    }
    return MW_OK;
}

static mw_err check_stream(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    const char *url = plant->stream.url;
    if (plant->score.shares > 1 && !mw_plant_in_kafka(plant)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: score.shares is %lld, so a stream.url of kafka://host:port was "
                            "expected: SQLite has one scorer",
                            path, (long long)plant->score.shares);
    }
    if (url == NULL || url[0] == '\0' || strncmp(url, "sqlite:", 7) == 0 ||
        mw_plant_in_kafka(plant)) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_PARSE,
                        "%s: stream.url: %.100s begins neither with kafka: nor with sqlite:", path,
                        url);
}

mw_err mw_plant_check(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    if (plant->data == NULL || plant->data[0] == '\0') {
        return mw_error_set(error, MW_ERR_PARSE, "%s: data: a folder was expected", path);
    }
    if (plant->gateway.devices.n > 0 && plant->simulate.machines > 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: gateway.devices and simulate.machines are both set: one was "
                            "expected, a simulated plant has a clock of its own",
                            path);
    }
    if (plant->watch.minimum > plant->watch.window) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: watch.minimum (%lld) is more than watch.window (%lld), "
                            "so no comparison could ever be made",
                            path, (long long)plant->watch.minimum, (long long)plant->watch.window);
    }
    mw_err err = check_columns(plant, path, error);
    err = err == MW_OK ? check_stream(plant, path, error) : err;
    if (err != MW_OK) {
        return err;
    }
    struct mw_error why = {0};
    err = mw_command_maps_check(&plant->commands, &plant->topics, &why);
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: %s", path, why.text);
    }
    err = check_reference(plant, path, error);
    return err == MW_OK ? check_sparkplug(plant, path, error) : err;
}
