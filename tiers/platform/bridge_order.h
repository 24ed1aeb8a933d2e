/* bridge_order.h - commands for devices of other layouts, as `commands` in plant.yaml says.
 *
 * A mapped device gets a message on its own topic (QoS 1), one of Sparkplug B a DCMD, or an NCMD if
 * it is a node, with one metric of the datatype of its birth (QoS 0, as the standard asks). Such
 * devices do not answer with the command's id: what has been given to the broker counts as done,
 * and a bridge that is killed right then sends it once more. */
#ifndef MW_PLATFORM_BRIDGE_ORDER_H
#define MW_PLATFORM_BRIDGE_ORDER_H

#include "tiers/platform/bridge_foreign.h"

/* Sends a command; json is its text. Errors: NOT_FOUND (a device of Millwright's own layout, or
 * nobody has said how this one is told), NET and AGAIN (not now: the connection or the device is
 * away), others: it cannot be told, *fault says why. */
mw_err mw_bridge_order_send(const struct mw_bridge_foreign *foreign,
                            const struct mw_bridge_device *device, const struct mw_command *command,
                            struct mw_span json, const char **fault);

/* Of several bridges only share 0 knows such a device, while the device's own bridge takes the
 * command for one to a thing and sends it until it is answered. So share 0 listens to what the
 * others send, and answers in the device's place that it sees to it: a status to that share. Of
 * other devices, and of this share's own, nothing is said. */
void mw_bridge_order_overhear(const struct mw_bridge_foreign *foreign, struct mw_span device,
                              struct mw_span command);

/* "mw/<plant>/command/+" for such a bridge; empty: it need not listen. */
#define MW_BRIDGE_OVERHEARD (MW_NAME_MAX + 32)
void mw_bridge_order_overheard(const struct mw_plant *plant,
                               char filter[static MW_BRIDGE_OVERHEARD]);

#endif
