/* bridge_claim.h - whose spool may hold what Kafka lacks.
 *
 * What a bridge has acknowledged from its spool is there and nowhere else, and Kafka cannot tell
 * whether there is any: a spool fills while Kafka does not answer. So the bridge of a share that
 * has a spool claims the share for it, and no other takes its place, until the spool is given back
 * (the bridge is started with stream.spool: off and has written all) or given up
 * (stream.spool_lost). In the compacted topic `spool` of the share's writer:
 *
 *   mark              its `spool` names the one that has the claim (bridge_spool.h); no mark: none
 *   owner             where that is, for people: "host:folder"
 *   lost <identity>   it was given up, and never writes again, should it turn up */
#ifndef MW_PLATFORM_BRIDGE_CLAIM_H
#define MW_PLATFORM_BRIDGE_CLAIM_H

#include "lib/plant/plant.h"
#include "tiers/platform/bridge_spool.h"

#define MW_BRIDGE_OWNER 256

/* Reads the mark; zeros when there is none. CORRUPT, and those of the stream. */
mw_err mw_bridge_claim_read(struct mw_stream *stream, struct mw_bridge_mark *mark,
                            struct mw_error *error);

/* Whether the bridge with the spool `own` (NULL: it has none) may write, the mark being as read.
 * Gives up the spool that plant.yaml calls lost, and then clears *mark. BUSY: another spool has the
 * claim; STATE: this one was given up; those of the stream. */
mw_err mw_bridge_claim_settle(struct mw_stream *stream, const struct mw_plant *plant,
                              const char *own, struct mw_bridge_mark *mark, struct mw_error *error);

/* Gives the claim back. The caller's spool has to be empty, on the disk too. */
mw_err mw_bridge_claim_release(struct mw_stream *stream, struct mw_error *error);

/* "host:folder" of this bridge's spool. */
void mw_bridge_claim_owner(const struct mw_plant *plant, char owner[static MW_BRIDGE_OWNER]);

/* The identity of the spool in the data folder, which another process may have open; empty: there
 * is none (yet). Errors: those of mw_stream_open. */
mw_err mw_bridge_claim_identify(const struct mw_plant *plant,
                                char identity[static MW_BRIDGE_IDENTITY], struct mw_error *error);

#endif
