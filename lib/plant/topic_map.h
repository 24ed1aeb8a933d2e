/* topic_map.h - which MQTT topics of another layout the bridge takes in, and what their levels say.
 *
 *   topics:
 *     press-hall: acme/plant1/{area}/{line}/{machine}/{feature...}
 *     esp32: sensors/data
 *
 * A pattern is a topic in which {name} stands for one whole level. {device} and {machine} name who
 * speaks; given more than once, or both, see mw_topic_map_match. {feature} as the last level names
 * the feature; {feature...} stands for any number of last levels, also none. Any other name stands
 * for a level that does not matter. Without {device} and {machine} the message itself has to say
 * who speaks. The first level is a word, so that no map can take what is Millwright's ("mw") or
 * Sparkplug's ("spBv1.0"). */
#ifndef MW_PLANT_TOPIC_MAP_H
#define MW_PLANT_TOPIC_MAP_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define MW_TOPIC_LEVELS 16
#define MW_TOPIC_PATTERN_MAX 255 /* bytes */

enum mw_topic_part {
    MW_TOPIC_WORD,
    MW_TOPIC_ANY,
    MW_TOPIC_DEVICE,
    MW_TOPIC_MACHINE,
    MW_TOPIC_FEATURE
};

struct mw_topic_map {
    char *name, *pattern;
    struct {
        enum mw_topic_part part;
        struct mw_span word; /* in pattern */
    } level[MW_TOPIC_LEVELS];
    size_t n;
    bool rest; /* the last level is {feature...} */
};

struct mw_topic_maps {
    struct mw_topic_map *map;
    size_t n;
};

/* Reads a pattern and adds it; both texts are copied. Errors: PARSE (a pattern that cannot work, or
 * that takes topics which another map takes as well), TOO_LARGE, MEMORY. */
mw_err mw_topic_maps_add(struct mw_topic_maps *maps, const char *name, const char *pattern,
                         struct mw_error *error);
void mw_topic_maps_clear(struct mw_topic_maps *maps);
bool mw_topic_maps_equal(const struct mw_topic_maps *a, const struct mw_topic_maps *b);

/* The filter to subscribe to: + for each {name}, # for {feature...}. */
void mw_topic_map_filter(const struct mw_topic_map *map, char filter[MW_TOPIC_PATTERN_MAX + 1]);

/* What a topic says; everything borrows the topic. */
struct mw_topic_match {
    struct mw_span device[MW_TOPIC_LEVELS], machine[MW_TOPIC_LEVELS];
    size_t n_devices, n_machines;
    struct mw_span feature; /* empty when the topic names none */
    struct mw_span origin;  /* the topic without the feature */
};

/* False: not a topic of this map. */
bool mw_topic_map_match(const struct mw_topic_map *map, struct mw_span topic,
                        struct mw_topic_match *match);

#endif
