#include "tiers/platform/bridge_map.h"

#include "core/wire/sparkplug.h"

#include <float.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 4 }; /* of objects whose numbers are features */

#define MILLISECONDS_FROM \
    1e11 /* a time from here on is in milliseconds: as seconds, the year 5138 */

struct message {
    struct mw_bridge_holder *holder;
    struct mw_span topic, payload;
    struct mw_topic_match match;
    char device[MW_NAME_MAX + 1]; /* who speaks, once that is known */
    struct mw_bridge_held *held;
    int64_t time;
    size_t found, fresh; /* features in it, and those of them that had no value yet */
    const char *fault;
};

static mw_err bury(const struct message *message, const char *reason)
{
    return mw_bridge_bury(message->holder->intake,
                          &(struct mw_bridge_dead){.topic = message->topic,
                                                   .device = mw_span_of(message->device),
                                                   .payload = message->payload,
                                                   .reason = reason});
}

/* ---- who speaks ---- */

/* said: what the message says of itself, which counts where the topic says nothing. */
static mw_err name_device(struct message *message, struct mw_span said)
{
    const struct mw_topic_match *match = &message->match;
    bool devices = match->n_devices > 0, machines = match->n_machines > 0;
    const struct mw_span *parts = devices ? match->device : machines ? match->machine : &said;
    size_t n = devices ? match->n_devices : machines ? match->n_machines : 1;
    mw_err err = mw_bridge_make_name(parts, n, message->device);
    message->device[0] = err == MW_OK ? message->device[0] : '\0';
    return err;
}

static struct mw_span said_device(const json_t *object)
{
    const char *said = json_string_value(json_object_get(object, "device"));
    said = said == NULL ? json_string_value(json_object_get(object, "deviceID")) : said;
    return mw_span_of(said == NULL ? "" : said);
}

/* The origin is the topic without the feature, and what the message itself says of the device. */
static mw_err find_held(struct message *message, const json_t *object)
{
    const struct mw_topic_match *match = &message->match;
    char origin[1024], machine[MW_NAME_MAX + 1];
    struct mw_span said = said_device(object);
    bool named = match->n_devices + match->n_machines > 0;
    int size = snprintf(origin, sizeof origin, "%.*s%s%s", (int)match->origin.size,
                        match->origin.data, named ? "" : "/", named ? "" : said.data);
    if (size < 0 || (size_t)size >= sizeof origin) {
        return MW_ERR_TOO_LARGE;
    }
    mw_err err = name_device(message, said);
    if (err == MW_OK && match->n_machines > 0) {
        err = mw_bridge_make_name(match->machine, match->n_machines, machine);
    }
    if (err != MW_OK) {
        return err;
    }
    err =
        mw_bridge_held_get(message->holder, (struct mw_span){origin, (size_t)size}, message->device,
                           match->n_machines > 0 ? machine : NULL, &message->held);
    message->device[0] = err == MW_ERR_EXISTS ? '\0' : message->device[0]; /* it is another's */
    return err;
}

static const char *fault_of(mw_err err)
{
    return err == MW_ERR_EXISTS     ? "another device has that name already"
           : err == MW_ERR_ARGUMENT ? "neither the topic nor the message says who speaks"
                                    : "the name is too long";
}

/* ---- what it says ---- */

static mw_err take_number(struct message *message, struct mw_span name, double value)
{
    struct mw_bridge_held *held = message->held;
    struct mw_bridge_metric *metric = mw_bridge_held_find(held, name);
    if (!mw_feature_name_valid(name)) {
        message->fault = "a feature's name is empty, too long or escaped";
        return MW_OK;
    }
    if (!(value >= -(double)FLT_MAX && value <= (double)FLT_MAX)) {
        message->fault = "a value is beyond the range of float32";
        return MW_OK;
    }
    if (metric == NULL) {
        mw_err err = held->n_metrics == MW_FEATURES_MAX ? MW_ERR_TOO_LARGE
                                                        : mw_bridge_held_add(held, name, &metric);
        if (err != MW_OK) {
            message->fault = "the device has too many features";
            return err == MW_ERR_MEMORY ? err : MW_OK;
        }
        mw_bridge_metric_type(metric, MW_SPARKPLUG_DOUBLE);
        metric->feature = true; /* whatever it is called */
    }
    message->found++;
    message->fresh += metric->has_value ? 0 : 1;
    metric->value = (float)value;
    metric->has_value = true;
    return MW_OK;
}

static bool is_time(const char *key)
{
    return strcmp(key, "time") == 0 || strcmp(key, "timestamp") == 0;
}

static void take_time(struct message *message, const json_t *value)
{
    if (json_is_number(value)) {
        double seconds = json_number_value(value);
        seconds = seconds >= MILLISECONDS_FROM ? seconds / 1e3 : seconds;
        message->time = seconds > 0 && seconds < 9e12 ? (int64_t)(seconds * 1e6 + 0.5) : 0;
    } else if (json_is_string(value)) {
        struct mw_span text = {json_string_value(value), json_string_length(value)};
        (void)mw_clock_parse(text, &message->time);
    }
}

/* path[size]: the keys that lead here; there is room for MW_FEATURE_NAME_MAX + 1 bytes. */
static mw_err take_object(struct message *message, const json_t *object, char *path, size_t size,
                          unsigned depth)
{
    const char *key;
    json_t *value;
    mw_err err = MW_OK;
    /* jansson's walk takes no const; nothing is changed. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool top = depth == 0;
        size_t more = strlen(key);
        size_t at = size;
        if (top && is_time(key)) {
            take_time(message, value);
            continue;
        }
        if (!json_is_number(value) && !json_is_boolean(value) && !json_is_object(value)) {
            continue;
        }
        if (!(top && size > 0 && strcmp(key, "value") == 0)) {
            if (size + 1 + more > MW_FEATURE_NAME_MAX) {
                message->fault = "a feature's name is empty, too long or escaped";
                continue;
            }
            if (size > 0) {
                path[at++] = '/';
            }
            memcpy(path + at, key, more);
            at += more;
        }
        if (json_is_object(value)) {
            err = depth + 1 < DEPTH ? take_object(message, value, path, at, depth + 1) : MW_OK;
        } else {
            double number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
            err = take_number(message, (struct mw_span){path, at}, number);
        }
        if (err != MW_OK) {
            return err;
        }
    }
    return MW_OK;
}

static mw_err take_values(struct message *message, const json_t *payload)
{
    char path[MW_FEATURE_NAME_MAX + 2] = "";
    struct mw_span feature = message->match.feature;
    mw_err err = find_held(message, payload);
    if (err != MW_OK) {
        return err == MW_ERR_MEMORY ? err : bury(message, fault_of(err));
    }
    if (feature.size > MW_FEATURE_NAME_MAX) {
        return bury(message, "a feature's name is empty, too long or escaped");
    }
    memcpy(path, feature.data == NULL ? "" : feature.data, feature.size);
    if (json_is_object(payload)) {
        err = take_object(message, payload, path, feature.size, 0);
    } else if (feature.size == 0) {
        return bury(message, "a number by itself needs a {feature} in the topic");
    } else {
        double value =
            json_is_boolean(payload) ? json_is_true(payload) : json_number_value(payload);
        err = take_number(message, feature, value);
    }
    if (err == MW_OK && message->fault == NULL && message->found == 0) {
        message->fault = "there is no number in it";
    }
    if (err == MW_OK && message->fault != NULL) {
        err = bury(message, message->fault);
    }
    if (err != MW_OK || message->found == 0) {
        return err;
    }
    mw_bridge_held_touch(message->holder, message->held);
    message->held->whole |= message->found > 1 || message->fresh == 0;
    if (!message->held->whole) {
        return MW_OK;
    }
    mw_bridge_held_begin(message->held);
    return mw_bridge_held_record(message->holder, message->held, message->time);
}

static bool is_own(const json_t *payload)
{
    const json_t *first = json_is_array(payload) ? json_array_get(payload, 0) : payload;
    return json_object_get(first, "v") != NULL;
}

static mw_err take(struct message *message)
{
    struct mw_span text = message->payload;
    json_error_t why;
    json_t *payload =
        text.size > MW_MESSAGE_MAX
            ? NULL
            : json_loadb(text.data, text.size,
                         JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
    mw_err err;
    if (payload == NULL) {
        (void)name_device(message, (struct mw_span){NULL, 0});
        err = bury(message, text.size > MW_MESSAGE_MAX ? "the message is too long"
                                                       : "neither a number nor JSON");
    } else if (is_own(payload)) {
        err = mw_bridge_take_records(message->holder->intake, message->topic, text);
    } else if (json_is_object(payload) || json_is_number(payload) || json_is_boolean(payload)) {
        err = take_values(message, payload);
    } else {
        err = bury(message, "neither an object nor a number");
    }
    json_decref(payload);
    return err;
}

const struct mw_topic_map *mw_bridge_map_of(const struct mw_topic_maps *maps, const char *origin)
{
    char topic[1100];
    struct mw_topic_match match;
    for (size_t i = 0; i < maps->n; i++) {
        const struct mw_topic_map *map = &maps->map[i];
        bool feature = map->level[map->n - 1].part == MW_TOPIC_FEATURE;
        bool named = false; /* by the topic, and not by the message itself */
        for (size_t j = 0; j < map->n; j++) {
            named |=
                map->level[j].part == MW_TOPIC_DEVICE || map->level[j].part == MW_TOPIC_MACHINE;
        }
        (void)snprintf(topic, sizeof topic, "%s%s", origin, feature ? "/x" : "");
        size_t size = strlen(topic);
        if (!named) { /* a level more than the topic has */
            const char *last = topic;
            for (size_t j = 0; last != NULL && j < map->n; j++) {
                last = strchr(last + (j > 0), '/');
            }
            size = last == NULL ? 0 : (size_t)(last - topic);
        }
        if (size > 0 && mw_topic_map_match(map, (struct mw_span){topic, size}, &match)) {
            return map;
        }
    }
    return NULL;
}

mw_err mw_bridge_map_take(struct mw_bridge_holder *holder, const struct mw_topic_maps *maps,
                          struct mw_span topic, struct mw_span payload)
{
    struct message message = {.holder = holder, .topic = topic, .payload = payload};
    for (size_t i = 0; i < maps->n; i++) {
        if (mw_topic_map_match(&maps->map[i], topic, &message.match)) {
            return take(&message);
        }
    }
    return MW_ERR_NOT_FOUND;
}
