/* command_map.h - how commands are told to devices of other layouts than Millwright's own.
 *
 *   commands:
 *     esp32:                                   # a map of `topics`
 *       topic: plant/{device}/control          # where its devices listen
 *       stop: '{"command":"stop","ref":"{id}"}'
 *     sparkplug:                               # all devices of Sparkplug B
 *       stop: Outputs/Run=false                # the metric of a DCMD or NCMD
 *
 * {name} in a topic is the level that the map's pattern has under that name; {device}, where the
 * pattern names none, is what the message says of itself. {id} and {action} in a text are the
 * command's. An action without a text is sent as Millwright's own JSON; Sparkplug needs one. */
#ifndef MW_PLANT_COMMAND_MAP_H
#define MW_PLANT_COMMAND_MAP_H

#include "lib/plant/topic_map.h"

#define MW_COMMAND_SPARKPLUG "sparkplug"
#define MW_COMMAND_TOPIC "topic"

struct mw_command_map {
    char *layout, *key, *text;
};

struct mw_command_maps {
    struct mw_command_map *map;
    size_t n;
};

/* Adds "<layout>.<key>"; texts are copied. Errors: PARSE (no such two parts), MEMORY. */
mw_err mw_command_maps_add(struct mw_command_maps *maps, const char *key, const char *text,
                           struct mw_error *error);
void mw_command_maps_clear(struct mw_command_maps *maps);
bool mw_command_maps_equal(const struct mw_command_maps *a, const struct mw_command_maps *b);

/* What is said under that key, an action or MW_COMMAND_TOPIC; NULL. */
const char *mw_command_maps_find(const struct mw_command_maps *maps, const char *layout,
                                 struct mw_span key);

/* Whether all of it can work with these topics. PARSE. */
mw_err mw_command_maps_check(const struct mw_command_maps *maps, const struct mw_topic_maps *topics,
                             struct mw_error *error);

/* Fills a pattern with the levels of an origin: a topic of the map without its feature, behind
 * which comes a level more when the device has named itself. Errors: NOT_FOUND (a {name} that the
 * map has not), TOO_LARGE, ARGUMENT (a level that cannot be one of a topic to publish to). */
mw_err mw_command_topic(const struct mw_topic_map *map, const char *pattern, struct mw_span origin,
                        char topic[MW_TOPIC_PATTERN_MAX + 1]);

/* "METRIC=VALUE" into its parts, which borrow the text. PARSE. */
mw_err mw_command_metric(const char *text, struct mw_span *metric, struct mw_span *value);

#endif
