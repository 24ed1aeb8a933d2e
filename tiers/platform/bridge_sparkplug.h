/* bridge_sparkplug.h - the bridge as a Sparkplug B host application (Eclipse Sparkplug 3.0.0).
 *
 * The edge node <node> becomes the device `<node>`, its device <device> the device
 * `<node>-<device>` (see mw_bridge_make_name); a metric with a number or a boolean is a feature of
 * that name. A BIRTH says which metrics there are and what their aliases stand for, which is kept
 * over a restart. Each DATA is a record of all the device's metrics; where a metric comes twice in
 * one payload, a new record begins. A BIRTH is one when it says anything new, so that asking for it
 * again doubles nothing. What is marked historical makes records, and leaves the newest values
 * alone.
 *
 * seq (0 to 255, one count for a node and its devices) finds losses but is no number that a record
 * could be known by: it comes round, and a node that restarts begins it anew. Records are therefore
 * unnumbered. The last seq and its payload's time are committed with the records, so that what a
 * broker delivers again is seen to be old. After a gap a BIRTH may have been lost, so that aliases
 * may stand for something else: until the node is born again - which it is asked for - a metric
 * that comes by its alias is a dead letter, one that comes by name is taken. */
#ifndef MW_PLATFORM_BRIDGE_SPARKPLUG_H
#define MW_PLATFORM_BRIDGE_SPARKPLUG_H

#include "core/wire/sparkplug.h"
#include "tiers/platform/bridge_held.h"
#include "tiers/platform/bridge_outgoing.h"

struct mw_bridge_sparkplug {
    struct mw_bridge_holder *holder; /* borrowed */
    struct mw_bridge_sender sender;
    struct mw_clock monotonic;
    struct mw_span group, node; /* our own edge node, whose messages come back; may be empty */
};

/* Makes nodes and their devices know each other again after mw_bridge_holder_load. */
void mw_bridge_sparkplug_link(struct mw_bridge_sparkplug *host);

/* Takes a message of any topic that begins with "spBv1.0/". MEMORY. */
mw_err mw_bridge_sparkplug_take(struct mw_bridge_sparkplug *host, struct mw_span topic,
                                struct mw_span payload);

#endif
