/* bridge_foreign.h - all that the bridge takes in which is not in Millwright's own layout: mapped
 * topics (bridge_map.h), Sparkplug B (bridge_sparkplug.h), and the control topic of the reference
 * implementation (bridge_control.h). */
#ifndef MW_PLATFORM_BRIDGE_FOREIGN_H
#define MW_PLATFORM_BRIDGE_FOREIGN_H

#include "lib/mqtt/client.h"
#include "lib/plant/plant.h"
#include "tiers/platform/bridge_control.h"
#include "tiers/platform/bridge_held.h"
#include "tiers/platform/bridge_sparkplug.h"

struct mw_bridge_foreign {
    const struct mw_plant *plant; /* borrowed */
    struct mw_bridge_holder holder;
    struct mw_bridge_sparkplug sparkplug;
    struct mw_bridge_control control;
    bool complained; /* about messages that nobody asks for any more */
    char state_topic[128], online[64], offline[64]; /* of a Sparkplug host; empty: is none */
};

/* Makes the intake give it the messages that are not its own; borrows everything. ARGUMENT: the
 * host's identifier is too long. */
mw_err mw_bridge_foreign_init(struct mw_bridge_foreign *foreign, const struct mw_plant *plant,
                              struct mw_bridge_intake *intake, struct mw_bridge_sender sender,
                              struct mw_error *error);
/* Reads back what an earlier run knew. */
mw_err mw_bridge_foreign_load(struct mw_bridge_foreign *foreign, struct mw_stream *stream,
                              struct mw_error *error);
void mw_bridge_foreign_clear(struct mw_bridge_foreign *foreign);

/* The will, before the client is made; the filters, after. */
void mw_bridge_foreign_will(const struct mw_bridge_foreign *foreign,
                            struct mw_mqtt_options *options);
mw_err mw_bridge_foreign_subscribe(const struct mw_bridge_foreign *foreign, struct mw_mqtt *mqtt,
                                   struct mw_error *error);

/* Says in STATE that the host is there, or goes. */
void mw_bridge_foreign_state(const struct mw_bridge_foreign *foreign, bool online);

#endif
