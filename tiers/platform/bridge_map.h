/* bridge_map.h - messages of a mapped topic (lib/plant/topic_map.h).
 *
 * The payload is one of
 *   a number, true or false    the value of the feature that the topic names
 *   an object with "v"         Millwright's own telemetry, one record or, in an array, several
 *   any other object           each number, true and false in it is a feature, called by the keys
 *                              that lead to it, joined by /, behind the topic's {feature}/. "value"
 *                              by itself is the topic's feature. "time" or "timestamp" is the time:
 *                              seconds, milliseconds from 100,000,000,000 on, or an ISO date.
 *                              "device" or "deviceID", a text, says who speaks where the topic does
 *                              not: such as the reference firmware's
 *                              {"deviceID":..,"current":..,"temperature":..,"vibration":..,"sound":..}
 *
 * Texts, nulls and lists are passed over. The device is called by the topic's {device} levels, else
 * its {machine} levels, as mw_bridge_make_name does; what it said in earlier messages is held, see
 * bridge_held.h. A device that sends one feature a message begins to make records when one of them
 * comes a second time, so that the first record - which says to the learner what features there are
 * - is not of one alone. */
#ifndef MW_PLATFORM_BRIDGE_MAP_H
#define MW_PLATFORM_BRIDGE_MAP_H

#include "lib/plant/topic_map.h"
#include "tiers/platform/bridge_held.h"

/* Takes a message of a map's topic. NOT_FOUND: it is of no map. MEMORY. */
mw_err mw_bridge_map_take(struct mw_bridge_holder *holder, const struct mw_topic_maps *maps,
                          struct mw_span topic, struct mw_span payload);

/* The map whose topics the origin of a held device is one of (bridge_held.h); NULL. */
const struct mw_topic_map *mw_bridge_map_of(const struct mw_topic_maps *maps, const char *origin);

#endif
