/* bridge_far.h - the bridge's rounds into Kafka, and into the spool while Kafka does not answer.
 *
 * A round goes to Kafka directly. When that has not committed it within a second the round goes
 * into the spool (bridge_spool.h), and so does all that comes, until Kafka answers again: what is
 * acknowledged is on one disk or the other. Then the spool is drained, in order; an item whose key
 * waits there waits behind it, others go directly.
 *
 * Whatever may wait for Kafka runs as an errand: transactions, polls and, when nobody knows what
 * became of a transaction, opening the stream again, after which the mark says so. While one is
 * under way the stream and its reader are the errand's. There is one transaction at a time, and the
 * next begins only when it is known what became of the one before. */
#ifndef MW_PLATFORM_BRIDGE_FAR_H
#define MW_PLATFORM_BRIDGE_FAR_H

#include "lib/base/errand.h"
#include "lib/base/loop.h"
#include "lib/plant/plant.h"
#include "lib/plant/share.h"
#include "tiers/platform/bridge_claim.h"
#include "tiers/platform/bridge_outgoing.h"
#include "tiers/platform/bridge_spool.h"

enum mw_bridge_flight { MW_BRIDGE_IDLE, MW_BRIDGE_WRITE, MW_BRIDGE_FETCH, MW_BRIDGE_OPEN };

struct mw_bridge_far {
    const struct mw_plant *plant;
    char uri[4096 + 16], writer[MW_SHARE_NAME];
    struct mw_bridge_outgoing *outgoing; /* its stream and reader are opened anew here */
    struct mw_loop *loop;
    mw_loop_fd_fn *on_stream; /* the reader has something; NULL before _start */
    void *context;
    mw_err (*remember)(void *context, struct mw_bridge_round *round);
    struct mw_stream *stream; /* Kafka; NULL while it has to be opened again */
    struct mw_bridge_spool spool;

    struct mw_errand *errand;
    struct mw_loop_watch *reader_watch, *errand_watch, *timer;
    enum mw_bridge_flight flight;

    /* What the errand works on. */
    struct mw_bridge_round direct, piece; /* what was given directly; what comes from the spool */
    struct mw_bridge_mark mark;           /* to be written, or as found */
    bool with_reader;
    const char *owner; /* to be written with the mark, when that becomes this spool's; else NULL */
    mw_err err;
    struct mw_error error;

    bool near;       /* the last transaction went well, so the next round is given directly */
    bool open;       /* `direct` is not in Kafka, as far as known */
    bool kept;       /* it is in the spool, as tried */
    bool unknown;    /* a transaction may be in Kafka or not: the stream has to be opened again */
    bool launched;   /* the round that is being stored has been given directly */
    bool blind;      /* opened without Kafka, and what it has has not been seen yet */
    bool stopped;    /* the loop is to end, and nothing more is written or kept */
    bool told;       /* that something is dropped */
    bool reader_due; /* the reader has moved, and its position is not committed */
    bool fetched;    /* a poll is over, and its records have not been taken */
    bool fetch_due;  /* the reader had something while an errand was under way */
    int64_t retry;   /* monotonic: not again before */
    int64_t remembered;
};

/* Whether a plant is to have a spool: its stream is in Kafka, and stream.spool is not off or an
 * earlier run has left something. */
bool mw_bridge_far_wanted(const struct mw_plant *plant);

/* For a bridge that starts while Kafka is away. What the run before has left is good enough when it
 * has seen that Kafka was away, or has ended in order: then the compacted values in the spool's
 * stream are to be read in place of Kafka's, and all goes into the spool until Kafka answers. Else
 * an error, and nothing is open. */
mw_err mw_bridge_far_open_away(struct mw_bridge_far *far, const struct mw_plant *plant,
                               struct mw_error *error);

/* Takes the stream and the spool's folder and writes to Kafka what an earlier run has left; `put`
 * sees each compacted value among that. Blocks. With stream.spool off the claim is given back then
 * (bridge_claim.h). What the spool knows of Kafka it knows until mw_bridge_far_start, so that the
 * next run can begin with mw_bridge_far_open_away when Kafka goes away meanwhile. Errors: those of
 * either stream and of mw_bridge_claim_settle. */
typedef mw_err mw_bridge_put_fn(void *context, const char *topic, struct mw_span key,
                                struct mw_span value);
mw_err mw_bridge_far_open(struct mw_bridge_far *far, const struct mw_plant *plant,
                          struct mw_stream *stream, mw_bridge_put_fn *put, void *context,
                          struct mw_error *error);
/* Gives all compacted values that the bridge knows to a round: what it would read from Kafka at its
 * start. MEMORY. */
typedef mw_err mw_bridge_remember_fn(void *context, struct mw_bridge_round *round);

/* Begins the errands; from here on the outgoing's reader and stream are looked after. on_stream is
 * called when the reader may have something, remember when Kafka is away. */
mw_err mw_bridge_far_start(struct mw_bridge_far *far, struct mw_bridge_outgoing *outgoing,
                           struct mw_loop *loop, mw_loop_fd_fn *on_stream,
                           mw_bridge_remember_fn *remember, void *context, struct mw_error *error);
/* Before a bridge ends in order: what it knows goes into the spool, unless a round is pending. */
void mw_bridge_far_remember(struct mw_bridge_far *far);
/* Ends the errands, waiting for the one under way. The stream stays open and is the caller's. */
void mw_bridge_far_close(struct mw_bridge_far *far);

/* Stores a sealed round; waits a second for Kafka, and for the disk. An error: it is stored
 * nowhere for sure, and this is called again with the same round, which may have grown. */
mw_err mw_bridge_far_store(struct mw_bridge_far *far, struct mw_bridge_round *round,
                           struct mw_error *error);

/* How long the next round had better gather, in microseconds, before Kafka takes it; 0 while
 * something is under way. */
int64_t mw_bridge_far_gap(const struct mw_bridge_far *far);

/* Polls the reader; true when there are records for mw_bridge_outgoing_take. Waits a second. */
bool mw_bridge_far_fetch(struct mw_bridge_far *far);

/* Whether the stream can be asked for compacted values just now. */
bool mw_bridge_far_free(const struct mw_bridge_far *far);

/* Behind each round of the loop: sees to what is over and begins what is due. */
void mw_bridge_far_tend(struct mw_bridge_far *far);

/* Of bridge_far.c, for bridge_far_open.c. */
mw_err mw_bridge_far_compose(struct mw_bridge_far *far, struct mw_error *error);
void mw_bridge_far_write(void *far); /* an errand; err and error say how it went */
void mw_bridge_far_settle(struct mw_bridge_far *far, bool stored);
bool mw_bridge_far_collect(struct mw_bridge_far *far, int64_t wait);
#define MW_BRIDGE_PIECE 2000 /* items of the spool in a transaction */

#endif
