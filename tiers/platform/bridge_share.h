/* bridge_share.h - a bridge takes its place among those that share a plant.
 *
 * What makes a device safe to take in is that no other bridge can commit anything of it any more.
 * Among bridges that divide the plant by the same number that follows from the writers of the
 * stream, since a device belongs to one share and a share to one writer. When the number changes,
 * devices change hands. Each writer therefore says in the compacted topic `shares`
 *
 *   count   the number by which it divides the plant; whoever opens the writer may set it
 *   joined  the number by which it has taken over the devices that became its own
 *
 * and a bridge whose two are not the plant's number first opens the writer of each other share that
 * says otherwise, which only succeeds once its process has ended (SQLite) or ends what it can do
 * (Kafka), and sets its count. Then it reads the others' positions and pending commands and commits
 * those of its devices as its own, with `joined`. */
#ifndef MW_PLATFORM_BRIDGE_SHARE_H
#define MW_PLATFORM_BRIDGE_SHARE_H

#include "lib/plant/plant.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge_intake.h"

/* Before positions are loaded. `stream` has the writer of plant->bridge.share, `uri` leads to it.
 * Waits up to 5 s for bridges that are just starting. Errors: BUSY (one that divides the plant
 * otherwise still runs), and those of the stream. */
mw_err mw_bridge_share_join(struct mw_stream *stream, const char *uri, const struct mw_plant *plant,
                            struct mw_bridge_intake *intake, struct mw_error *error);

#endif
