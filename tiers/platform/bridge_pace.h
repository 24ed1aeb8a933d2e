/* bridge_pace.h - how long messages may gather before they become a round.
 *
 * A transaction costs Kafka and its client some milliseconds of CPU, whatever is in it, and each
 * round costs every device in it a position and an ack. As long as few messages come a round begins
 * as soon as the one before is stored; from MW_BRIDGE_BUSY a second on the bridge rests between
 * rounds, for longer the more there are, until a round has about MW_BRIDGE_ENOUGH. (Who lags behind
 * does not rest: mw_mqtt_rest.) */
#ifndef MW_PLATFORM_BRIDGE_PACE_H
#define MW_PLATFORM_BRIDGE_PACE_H

#include <stddef.h>
#include <stdint.h>

#define MW_BRIDGE_BUSY 40000
#define MW_BRIDGE_ENOUGH 1200
#define MW_BRIDGE_REST_MAX 25000 /* microseconds */

struct mw_bridge_pace {
    int64_t since; /* monotonic; when the counting began */
    size_t messages;
    double rate; /* messages a second, over the last tenth of a second */
};

/* A round of so many messages was stored, from `began` to `now` (monotonic microseconds). Returns
 * how long to rest before the next one, 0 to MW_BRIDGE_REST_MAX. */
int64_t mw_bridge_pace_rest(struct mw_bridge_pace *pace, size_t messages, int64_t began,
                            int64_t now);

#endif
