/* bridge_node.h - Millwright as a Sparkplug B edge node of its own, so that any Sparkplug host sees
 * its scores.
 *
 * With `sparkplug.publish: GROUP/NODE` each machine that is scored is a device of that node, with
 * the metrics Score (Float), Band (String), Model (String, the bundle's digest) and Level (Int32).
 * A DBIRTH comes before a machine's first score, NBIRTH and all DBIRTHs after each connection and
 * whenever a host asks with Node Control/Rebirth. The node has a connection to the broker of its
 * own, because its will is an NDEATH; each connection has the next bdSeq, which the compacted topic
 * `sparkplug` (key bd_seq) remembers. What is scored while there is no connection is not sent
 * later: the births tell the newest of it. */
#ifndef MW_PLATFORM_BRIDGE_NODE_H
#define MW_PLATFORM_BRIDGE_NODE_H

#include "lib/base/loop.h"
#include "lib/plant/broker.h"
#include "tiers/platform/bridge_intake.h"

struct mw_stream;
struct mw_bridge_node;

/* Connects in the background and follows the scores from now on, on a thread of its own, so that
 * nothing waits for the stream. Borrows all; bdSeq is read from `stream`, only here, and goes into
 * the intake's round. */
mw_err mw_bridge_node_new(struct mw_bridge_node **node, const struct mw_plant *plant,
                          struct mw_loop *loop, const struct mw_broker_address *address,
                          struct mw_bridge_intake *intake, struct mw_stream *stream,
                          struct mw_error *error);
/* Adds bdSeq to a round, as it is in the stream. MEMORY. */
mw_err mw_bridge_node_remember(const struct mw_bridge_node *node, struct mw_bridge_round *round);
/* Says NDEATH and disconnects. NULL allowed. */
void mw_bridge_node_free(struct mw_bridge_node *node);

#endif
