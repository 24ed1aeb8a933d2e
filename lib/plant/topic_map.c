#include "lib/plant/topic_map.h"

#include <stdlib.h>
#include <string.h>

/* The next level of a topic: *at moves behind the slash; false when there is none left. */
static bool next_level(struct mw_span topic, size_t *at, struct mw_span *level)
{
    if (*at > topic.size || topic.size == 0) {
        return false;
    }
    const char *from = topic.data + *at;
    const char *slash = memchr(from, '/', topic.size - *at);
    size_t size = slash == NULL ? topic.size - *at : (size_t)(slash - from);
    *level = (struct mw_span){from, size};
    *at += size + 1;
    return true;
}

/* ---- reading a pattern ---- */

static enum mw_topic_part part_of(struct mw_span name)
{
    return mw_span_is(name, "device")       ? MW_TOPIC_DEVICE
           : mw_span_is(name, "machine")    ? MW_TOPIC_MACHINE
           : mw_span_is(name, "feature")    ? MW_TOPIC_FEATURE
           : mw_span_is(name, "feature...") ? MW_TOPIC_FEATURE
                                            : MW_TOPIC_ANY;
}

/* What is wrong with a level; NULL: nothing. */
static const char *read_level(struct mw_topic_map *map, struct mw_span text)
{
    if (text.size == 0) {
        return "a level is empty";
    }
    bool opens = text.data[0] == '{', closes = text.data[text.size - 1] == '}';
    map->level[map->n].word = text;
    if (!opens && !closes) {
        bool plain = memchr(text.data, '+', text.size) == NULL &&
                     memchr(text.data, '#', text.size) == NULL &&
                     memchr(text.data, '{', text.size) == NULL &&
                     memchr(text.data, '}', text.size) == NULL;
        map->n++;
        return plain ? NULL : "a level is a word or one {name}; + and # are not written";
    }
    struct mw_span name = {text.data + 1, text.size - 2};
    if (!opens || !closes || text.size < 3 || memchr(name.data, '{', name.size) != NULL ||
        memchr(name.data, '}', name.size) != NULL) {
        return "a {name} stands for a whole level";
    }
    map->level[map->n].part = part_of(name);
    map->rest = mw_span_is(name, "feature...");
    map->n++;
    return NULL;
}

static bool has(const struct mw_topic_map *map, enum mw_topic_part part)
{
    for (size_t i = 0; i < map->n; i++) {
        if (map->level[i].part == part) {
            return true;
        }
    }
    return false;
}

static const char *fault_of(const struct mw_topic_map *map)
{
    struct mw_span first = map->level[0].word;
    if (map->level[0].part != MW_TOPIC_WORD) {
        return "the first level has to be a word";
    }
    if (mw_span_is(first, "mw") || mw_span_is(first, "spBv1.0") || first.data[0] == '$') {
        return "the first level is taken: mw is Millwright's, spBv1.0 Sparkplug's, $ the broker's";
    }
    for (size_t i = 0; i + 1 < map->n; i++) {
        if (map->level[i].part == MW_TOPIC_FEATURE) {
            return "{feature} has to be the last level";
        }
    }
    return has(map, MW_TOPIC_FEATURE) && !has(map, MW_TOPIC_DEVICE) && !has(map, MW_TOPIC_MACHINE)
               ? "{feature} without {device} or {machine}: nobody could know whose it is"
               : NULL;
}

static const char *read_pattern(struct mw_topic_map *map)
{
    struct mw_span text = mw_span_of(map->pattern), level;
    const char *fault = NULL;
    if (text.size == 0 || text.size > MW_TOPIC_PATTERN_MAX) {
        return "a pattern has 1 to 255 bytes";
    }
    for (size_t at = 0; fault == NULL && next_level(text, &at, &level);) {
        fault =
            map->n == MW_TOPIC_LEVELS ? "a pattern has at most 16 levels" : read_level(map, level);
    }
    return fault == NULL ? fault_of(map) : fault;
}

/* Could one topic be of both? Its number of levels has to suit them, and their words to agree. */
static bool overlap(const struct mw_topic_map *a, const struct mw_topic_map *b)
{
    size_t a_least = a->n - a->rest, b_least = b->n - b->rest;
    if ((!a->rest && b_least > a->n) || (!b->rest && a_least > b->n)) {
        return false;
    }
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (a->level[i].part == MW_TOPIC_WORD && b->level[i].part == MW_TOPIC_WORD &&
            !mw_span_equal(a->level[i].word, b->level[i].word)) {
            return false;
        }
    }
    return true;
}

static void map_free(struct mw_topic_map *map)
{
    free(map->name);
    free(map->pattern);
}

mw_err mw_topic_maps_add(struct mw_topic_maps *maps, const char *name, const char *pattern,
                         struct mw_error *error)
{
    struct mw_topic_map map = {.name = strdup(name), .pattern = strdup(pattern)};
    struct mw_topic_map *more = realloc(maps->map, (maps->n + 1) * sizeof *more);
    maps->map = more == NULL ? maps->map : more;
    if (map.name == NULL || map.pattern == NULL || more == NULL) {
        map_free(&map);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    const char *fault = read_pattern(&map);
    if (fault != NULL) {
        map_free(&map);
        return mw_error_set(error, MW_ERR_PARSE, "topics.%s: %s: %s", name, pattern, fault);
    }
    for (size_t i = 0; i < maps->n; i++) {
        if (overlap(&maps->map[i], &map)) {
            map_free(&map);
            return mw_error_set(error, MW_ERR_PARSE,
                                "topics.%s: %s: topics.%s takes some of the same topics", name,
                                pattern, maps->map[i].name);
        }
    }
    maps->map[maps->n++] = map;
    return MW_OK;
}

void mw_topic_maps_clear(struct mw_topic_maps *maps)
{
    for (size_t i = 0; i < maps->n; i++) {
        map_free(&maps->map[i]);
    }
    free(maps->map);
    *maps = (struct mw_topic_maps){0};
}

bool mw_topic_maps_equal(const struct mw_topic_maps *a, const struct mw_topic_maps *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        same = strcmp(a->map[i].name, b->map[i].name) == 0 &&
               strcmp(a->map[i].pattern, b->map[i].pattern) == 0;
    }
    return same;
}

/* ---- using it ---- */

void mw_topic_map_filter(const struct mw_topic_map *map, char filter[MW_TOPIC_PATTERN_MAX + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < map->n; i++) {
        if (i > 0) {
            filter[size++] = '/';
        }
        struct mw_span word = map->level[i].word;
        if (map->level[i].part != MW_TOPIC_WORD) {
            word = mw_span_of(map->rest && i + 1 == map->n ? "#" : "+");
        }
        memcpy(filter + size, word.data, word.size);
        size += word.size;
    }
    filter[size] = '\0';
}

bool mw_topic_map_match(const struct mw_topic_map *map, struct mw_span topic,
                        struct mw_topic_match *match)
{
    struct mw_span level;
    size_t at = 0;
    *match = (struct mw_topic_match){.origin = topic};
    for (size_t i = 0; i < map->n; i++) {
        size_t from = at;
        enum mw_topic_part part = map->level[i].part;
        if (!next_level(topic, &at, &level)) {
            return map->rest && i + 1 == map->n; /* {feature...} of no level */
        }
        if (part == MW_TOPIC_WORD && !mw_span_equal(level, map->level[i].word)) {
            return false;
        }
        if (part == MW_TOPIC_DEVICE) {
            match->device[match->n_devices++] = level;
        } else if (part == MW_TOPIC_MACHINE) {
            match->machine[match->n_machines++] = level;
        } else if (part == MW_TOPIC_FEATURE) {
            match->origin.size = from == 0 ? 0 : from - 1;
            match->feature = level;
            if (map->rest) {
                match->feature.size = topic.size - from;
                return true;
            }
        }
    }
    return at > topic.size;
}
