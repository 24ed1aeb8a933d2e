/* bridge_sketches.h - sketches that wait in the spool, added up (for bridge_condense.c).
 *
 * A sketch goes into the oldest one of its device and machine that has the same bundle and
 * features and no sketch of another bundle behind it. That one keeps its number and the time of its
 * receipt, its span of time and its counts grow, and "merged":N says how many it holds besides its
 * own. */
#ifndef MW_PLATFORM_BRIDGE_SKETCHES_H
#define MW_PLATFORM_BRIDGE_SKETCHES_H

#include "lib/stream/stream.h"

#include <stdbool.h>

struct mw_wire_parser;
struct mw_bridge_sketches;

/* Borrows both; the parser only during a call. */
mw_err mw_bridge_sketches_new(struct mw_bridge_sketches **sketches, struct mw_stream *spool,
                              struct mw_wire_parser *parser, struct mw_error *error);
void mw_bridge_sketches_free(struct mw_bridge_sketches *sketches); /* NULL allowed */

/* Takes the next item of the spool that is a sketch. *merged: it is in an older one now, which is
 * at `floor` or behind, and can go. Errors: those of the stream, MEMORY. */
mw_err mw_bridge_sketches_take(struct mw_bridge_sketches *sketches,
                               const struct mw_stream_record *record, int64_t floor, bool *merged,
                               struct mw_error *error);

/* Writes those that have grown into the open transaction, and takes what they have grown by off
 * *freed. */
mw_err mw_bridge_sketches_write(struct mw_bridge_sketches *sketches, int64_t *freed,
                                struct mw_error *error);
/* That was committed; that failed. */
void mw_bridge_sketches_settle(struct mw_bridge_sketches *sketches);
void mw_bridge_sketches_clear(struct mw_bridge_sketches *sketches);

#endif
