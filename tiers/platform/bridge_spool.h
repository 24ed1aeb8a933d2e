/* bridge_spool.h - what the bridge has acknowledged and Kafka does not have yet.
 *
 * A stream in SQLite, data/spool, with the writer `bridge`:
 *
 *   item              what is to be written, in order. Key: "+" for a record, "=" for a compacted
 *                     value, "!" for one that has to stay where it is (bridge_condense.h); its
 *                     topic, a space, its key. The value is its own
 *   tried             the same, of the one transaction of which nobody knows what became; its place
 *                     is before all of `item`
 *   spool (compacted) `identity`, drawn when the file was made; `tried`, that transaction's number
 *   position, held .. (compacted) all that the bridge would read from Kafka, while it is known
 *
 * The file <writer>.known beside it is there while that is so, and has the mark that was known. Its
 * removal needs no room on a full disk.
 *
 * Kafka's side of it is the compacted topic `spool`, key `mark`, in each transaction of the bridge:
 *
 *   {"spool":identity,"round":N,"drained":D}
 *
 * N numbers the transactions that were committed, D is the offset in `item` before which Kafka has
 * everything. So nothing here needs to be in step with Kafka: what a kill has left is compared with
 * the mark, and what Kafka has is passed over. */
#ifndef MW_PLATFORM_BRIDGE_SPOOL_H
#define MW_PLATFORM_BRIDGE_SPOOL_H

#include "lib/stream/stream.h"
#include "tiers/platform/bridge_round.h"
#include "tiers/platform/table.h"

#define MW_BRIDGE_IDENTITY 17 /* 16 hexadecimal digits and a NUL */

struct mw_bridge_mark {
    char spool[MW_BRIDGE_IDENTITY];
    uint64_t round;
    int64_t drained;
};

struct mw_bridge_spool {
    struct mw_stream *stream;
    char known_path[4096 + 8];
    struct mw_stream_reader *reader; /* of `item` */
    struct mw_bridge_mark mark;      /* what Kafka has, as far as known; spool is our identity */
    int64_t limit, bytes;            /* most that may wait, what waits: keys and values */
    bool full;                       /* at the limit, and there is nothing that may go */
    struct mw_bridge_condense *condense; /* owned; NULL before the limit was reached */
    uint64_t spooled, drained;           /* items, counted from the opening; drained: or given up */
    struct mw_table keys;                /* struct waiting (bridge_spool.c), owned */
    bool known;                          /* the compacted values here are the newest there are */
    bool held;       /* nothing is written to Kafka but what comes from here, so it stays known */
    bool tried_over; /* the topic `tried` can be emptied */
    int64_t trim;    /* the offset before which `item` can be; 0: nothing */

    /* The piece that was fetched last and is on its way to Kafka; end 0: none. It lies in `piece`
     * from item `piece_at` on. */
    const struct mw_bridge_round *piece;
    size_t piece_at;
    int64_t piece_end, piece_bytes;
    uint64_t piece_items;
};

/* Opens the file in `folder`, made when it is missing and named as the bridge that writes it; a
 * `limit` below 0 is none. `tried` gets what may be in Kafka or not, *number its transaction, 0
 * when there is none. A spool that is `known` has the mark that was known. Errors: those of
 * mw_stream_open, CORRUPT. */
mw_err mw_bridge_spool_open(struct mw_bridge_spool *spool, const char *folder, const char *plant,
                            const char *writer, int64_t limit, struct mw_bridge_round *tried,
                            uint64_t *number, struct mw_error *error);
void mw_bridge_spool_close(struct mw_bridge_spool *spool);

/* The mark as JSON and back; CORRUPT. */
void mw_bridge_mark_print(const struct mw_bridge_mark *mark, char text[96]);
mw_err mw_bridge_mark_read(struct mw_bridge_mark *mark, struct mw_span text);

/* Passes over what Kafka has according to its mark, and counts what waits. Before anything else. */
mw_err mw_bridge_spool_recover(struct mw_bridge_spool *spool, const struct mw_bridge_mark *mark,
                               struct mw_error *error);

/* Whether something with the item's key waits, so that the item has to wait behind it. */
bool mw_bridge_spool_behind(const struct mw_bridge_spool *spool,
                            const struct mw_bridge_round *round, size_t i);
static inline uint64_t mw_bridge_spool_waiting(const struct mw_bridge_spool *spool)
{
    return spool->spooled - spool->drained;
}

/* Stores the items of a round in one transaction: the direct ones as transaction `tried` of which
 * nobody knows, or not at all when that is 0. The limit may be passed by one round, and is to be
 * seen to afterwards (mw_bridge_spool_condense). FULL when that was in vain, or the disk is. */
mw_err mw_bridge_spool_keep(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                            uint64_t tried, struct mw_error *error);

/* Adds the next piece of what waits to a round, at most `max` items. The one before must be
 * settled; the round is borrowed until this one is. */
mw_err mw_bridge_spool_fetch(struct mw_bridge_spool *spool, struct mw_bridge_round *round,
                             size_t max, struct mw_error *error);
/* Says what became of the piece. Not stored: it will be fetched again. */
mw_err mw_bridge_spool_settle(struct mw_bridge_spool *spool, bool stored, struct mw_error *error);
/* Removes what Kafka has. Left undone it is done with the next keeping. */
mw_err mw_bridge_spool_trim(struct mw_bridge_spool *spool, struct mw_error *error);

/* Puts the compacted values of a round, which has to be all that there are, beside the items; each
 * keeping adds its own. So a bridge that starts without Kafka can go on from here, until _disown is
 * called: before each transaction in Kafka. Trimming disowns too, except while `held`. */
mw_err mw_bridge_spool_remember(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                                struct mw_error *error);
mw_err mw_bridge_spool_disown(struct mw_bridge_spool *spool, struct mw_error *error);
/* While `held`: notes how far Kafka has come, before that is removed here. What is known stays so,
 * unless this fails. Else does nothing. */
mw_err mw_bridge_spool_renew(struct mw_bridge_spool *spool, struct mw_error *error);
/* Passes over items up to where Kafka has them, after all; `round` is scratch. */
mw_err mw_bridge_spool_pass(struct mw_bridge_spool *spool, int64_t drained,
                            struct mw_bridge_round *round, struct mw_error *error);

/* Of bridge_spool.c, for bridge_spool_open.c and bridge_condense.c. */
#define MW_BRIDGE_ITEM "item"
#define MW_BRIDGE_TRIED "tried"
#define MW_BRIDGE_SPOOL_BATCH 256 /* records that are read at once */
/* The offset before which nothing may be touched: it is in Kafka, or perhaps. */
static inline int64_t mw_bridge_spool_floor(const struct mw_bridge_spool *spool)
{
    return spool->piece_end > spool->mark.drained ? spool->piece_end : spool->mark.drained;
}
/* One item into the round's form; its topic's name outlives the record. CORRUPT, MEMORY. */
mw_err mw_bridge_spool_read(struct mw_bridge_round *round, const struct mw_stream_record *record,
                            struct mw_error *error);
/* Counts an item of a round as one that waits: _expect makes room for its key, so that _note cannot
 * fail; _forget takes it off. */
mw_err mw_bridge_spool_expect(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                              size_t i);
void mw_bridge_spool_note(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                          size_t i);
void mw_bridge_spool_forget(struct mw_bridge_spool *spool, const struct mw_bridge_round *round,
                            size_t i);

#endif
