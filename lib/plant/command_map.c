#include "lib/plant/command_map.h"

#include <stdlib.h>
#include <string.h>

static void map_free(struct mw_command_map *map)
{
    free(map->layout);
    free(map->key);
    free(map->text);
}

mw_err mw_command_maps_add(struct mw_command_maps *maps, const char *key, const char *text,
                           struct mw_error *error)
{
    size_t layout = strcspn(key, ".");
    if (layout == 0 || key[layout] == '\0' || key[layout + 1] == '\0' ||
        strchr(key + layout + 1, '.') != NULL) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "commands.%s: a map of topics (or sparkplug) and in it an action were "
                            "expected",
                            key);
    }
    struct mw_command_map *more = realloc(maps->map, (maps->n + 1) * sizeof *more);
    maps->map = more == NULL ? maps->map : more;
    struct mw_command_map map = {strndup(key, layout), strdup(key + layout + 1), strdup(text)};
    if (more == NULL || map.layout == NULL || map.key == NULL || map.text == NULL) {
        map_free(&map);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    maps->map[maps->n++] = map;
    return MW_OK;
}

void mw_command_maps_clear(struct mw_command_maps *maps)
{
    for (size_t i = 0; i < maps->n; i++) {
        map_free(&maps->map[i]);
    }
    free(maps->map);
    *maps = (struct mw_command_maps){0};
}

bool mw_command_maps_equal(const struct mw_command_maps *a, const struct mw_command_maps *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++) {
        const char *text = mw_command_maps_find(b, a->map[i].layout, mw_span_of(a->map[i].key));
        equal = text != NULL && strcmp(text, a->map[i].text) == 0;
    }
    return equal;
}

const char *mw_command_maps_find(const struct mw_command_maps *maps, const char *layout,
                                 struct mw_span key)
{
    for (size_t i = 0; i < maps->n; i++) {
        if (strcmp(maps->map[i].layout, layout) == 0 && mw_span_is(key, maps->map[i].key)) {
            return maps->map[i].text;
        }
    }
    return NULL;
}

/* ---- topics ---- */

/* Level i of a topic. */
static bool level_of(struct mw_span topic, size_t i, struct mw_span *level)
{
    const char *at = topic.data, *end = topic.data + topic.size;
    for (; i > 0; i--) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        if (slash == NULL) {
            return false;
        }
        at = slash + 1;
    }
    const char *slash = memchr(at, '/', (size_t)(end - at));
    *level = (struct mw_span){at, (size_t)((slash == NULL ? end : slash) - at)};
    return true;
}

/* Whether the topic names who speaks; *at is the level with that name. */
static bool find_level(const struct mw_topic_map *map, struct mw_span name, size_t *at)
{
    bool speaks = false, found = false;
    for (size_t i = 0; i < map->n; i++) {
        enum mw_topic_part part = map->level[i].part;
        speaks |= part == MW_TOPIC_DEVICE || part == MW_TOPIC_MACHINE;
        if (!found && part != MW_TOPIC_WORD && part != MW_TOPIC_FEATURE &&
            mw_span_equal(map->level[i].word, name)) {
            *at = i;
            found = true;
        }
    }
    if (!found && !speaks && mw_span_is(name, "{device}")) {
        *at = map->n; /* what the message said of itself */
        found = true;
    }
    return found;
}

static bool is_plain(struct mw_span level)
{
    return level.size > 0 && memchr(level.data, '+', level.size) == NULL &&
           memchr(level.data, '#', level.size) == NULL &&
           memchr(level.data, '\0', level.size) == NULL;
}

mw_err mw_command_topic(const struct mw_topic_map *map, const char *pattern, struct mw_span origin,
                        char topic[MW_TOPIC_PATTERN_MAX + 1])
{
    struct mw_span level;
    size_t used = 0, at = 0;
    for (size_t i = 0; level_of(mw_span_of(pattern), i, &level); i++) {
        if (level.size > 0 && level.data[0] == '{') {
            if (!find_level(map, level, &at)) {
                return MW_ERR_NOT_FOUND;
            }
            bool itself = at == map->n; /* which is then the last level */
            if (!level_of(origin, at, &level) ||
                (itself && level.data + level.size != origin.data + origin.size)) {
                return MW_ERR_ARGUMENT;
            }
        }
        if (!is_plain(level)) {
            return MW_ERR_ARGUMENT;
        }
        if (used + level.size + 1 > MW_TOPIC_PATTERN_MAX) {
            return MW_ERR_TOO_LARGE;
        }
        if (i > 0) {
            topic[used++] = '/';
        }
        memcpy(topic + used, level.data, level.size);
        used += level.size;
    }
    topic[used] = '\0';
    return MW_OK;
}

mw_err mw_command_metric(const char *text, struct mw_span *metric, struct mw_span *value)
{
    const char *equals = strrchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0') {
        return MW_ERR_PARSE;
    }
    *metric = (struct mw_span){text, (size_t)(equals - text)};
    *value = mw_span_of(equals + 1);
    return MW_OK;
}

/* ---- checking ---- */

static const struct mw_topic_map *map_named(const struct mw_topic_maps *topics, const char *name)
{
    for (size_t i = 0; i < topics->n; i++) {
        if (strcmp(topics->map[i].name, name) == 0) {
            return &topics->map[i];
        }
    }
    return NULL;
}

/* The pattern is tried on itself, so that whatever level it takes is there. */
static mw_err check_topic(const struct mw_command_map *map, const struct mw_topic_map *topics,
                          struct mw_error *error)
{
    char origin[2 * MW_TOPIC_PATTERN_MAX], topic[MW_TOPIC_PATTERN_MAX + 1];
    size_t used = 0;
    for (size_t i = 0; i <= topics->n; i++) { /* and one that names itself */
        origin[used++] = 'x';
        origin[used++] = '/';
    }
    mw_err err = mw_command_topic(topics, map->text, (struct mw_span){origin, used - 1}, topic);
    if (err == MW_OK) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_PARSE, "commands.%s.topic: %s: %s", map->layout, map->text,
                        err == MW_ERR_NOT_FOUND  ? "a {name} is not one of the map's topics"
                        : err == MW_ERR_ARGUMENT ? "levels that can be published to were expected, "
                                                   "without + and #"
                                                 : "a topic has at most 255 bytes here");
}

static mw_err check_one(const struct mw_command_maps *maps, const struct mw_command_map *map,
                        const struct mw_topic_maps *topics, struct mw_error *error)
{
    struct mw_span metric, value;
    if (strcmp(map->layout, MW_COMMAND_SPARKPLUG) == 0) {
        return mw_command_metric(map->text, &metric, &value) == MW_OK
                   ? MW_OK
                   : mw_error_set(error, MW_ERR_PARSE,
                                  "commands.sparkplug.%s: %s: METRIC=VALUE was expected", map->key,
                                  map->text);
    }
    const struct mw_topic_map *named = map_named(topics, map->layout);
    if (named == NULL) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "commands.%s: no map of topics has that name, and it is not sparkplug",
                            map->layout);
    }
    if (strcmp(map->key, MW_COMMAND_TOPIC) == 0) {
        return check_topic(map, named, error);
    }
    return mw_command_maps_find(maps, map->layout, mw_span_of(MW_COMMAND_TOPIC)) != NULL
               ? MW_OK
               : mw_error_set(error, MW_ERR_PARSE,
                              "commands.%s: topic is missing: where do its devices listen?",
                              map->layout);
}

mw_err mw_command_maps_check(const struct mw_command_maps *maps, const struct mw_topic_maps *topics,
                             struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < maps->n; i++) {
        err = check_one(maps, &maps->map[i], topics, error);
    }
    return err;
}
