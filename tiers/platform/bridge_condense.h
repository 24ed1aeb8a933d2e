/* bridge_condense.h - makes the spool smaller once it has reached its limit.
 *
 * From the oldest item on, and only until there is room again:
 *
 * 1. compacted values of which a newer one waits are removed: nobody misses them;
 * 2. sketches of one machine with the same bundle become one, in the place of the oldest;
 * 3. when that has been done with all that waits, the oldest records, dead letters and statuses are
 *    dropped. Events stay, and so do sketches and the newest compacted values.
 *
 * What had a number is counted in its device's position as `merged` or `dropped`, in the same
 * transaction. Kafka gets items in order, and whoever makes an account while the spool is being
 * drained has to find a count before the gap that it explains. A sketch tells by itself what it
 * holds; in the place of the first number that is dropped there is a position, "!position DEVICE",
 * that ends with this number and has the counts of now. By then 1. has left none between it and the
 * newest one. */
#ifndef MW_PLATFORM_BRIDGE_CONDENSE_H
#define MW_PLATFORM_BRIDGE_CONDENSE_H

#include "tiers/platform/bridge_spool.h"

struct mw_bridge_condense;

/* Makes room below the limit. `devices` (struct mw_bridge_device) have to be as they are stored,
 * with no round pending; their counts are moved. When nothing more may go the spool is `full`.
 * Waits for the disk. Errors: those of the stream, MEMORY; nothing is lost then. */
mw_err mw_bridge_spool_condense(struct mw_bridge_spool *spool, struct mw_table *devices,
                                struct mw_error *error);

/* How much was done since the opening: sketches merged; records, dead letters and statuses
 * dropped. */
struct mw_bridge_condensed {
    uint64_t merged, dropped;
};
struct mw_bridge_condensed mw_bridge_spool_condensed(const struct mw_bridge_spool *spool);

void mw_bridge_condense_free(struct mw_bridge_condense *condense); /* NULL allowed */

#endif
