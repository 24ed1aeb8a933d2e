/* bridge.h - role `bridge`: MQTT messages into the stream, commands and updates back to the things.
 *
 * Each round of the loop is one transaction of the stream, with all records, dead letters, events,
 * statuses and positions that came in it. Only behind the commit does the broker get its PUBACKs
 * and each device one cumulative ack. When the stream cannot be written nothing is acknowledged:
 * the round is kept and tried again with growing delays, what comes meanwhile is let go, and
 * afterwards the connection is made anew, so that the broker sends again what has no PUBACK. With
 * Kafka there is a spool before it comes to that (bridge_far.h). */
#ifndef MW_PLATFORM_BRIDGE_H
#define MW_PLATFORM_BRIDGE_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Runs until SIGTERM or SIGINT. Errors: NOT_FOUND (no broker known), BUSY (another bridge has the
 * stream), those of opening it. */
mw_err mw_bridge_run(const struct mw_plant *plant, struct mw_error *error);

#endif
