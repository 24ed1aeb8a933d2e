/* bridge_position.h - how far the bridge has come with each device.
 *
 * A thing numbers its records by (boot, seq). The bridge takes only the next number of a device, so
 * nothing is stored twice and no gap opens; what came before is acknowledged again, what comes
 * later waits until the thing has sent what is between. A position is committed with the records
 * themselves, as the newest value of the device's key in the compacted topic `position`:
 *
 *   {"boot":B,"next":N,"stored":S,"sketches":K,"dead":D,"skipped":X,"dropped":L,"merged":M,"time":T,
 *    "received":R,"machines":["name",...]}
 *
 * stored counts numbered records in the stream, sketches those of them that are sketches, dead
 * those that took a number but could not be read, skipped the numbers that the thing said it had
 * given up. time is the newest record's own, received when the newest record came. dropped counts
 * the numbers that the bridge's spool has given up, merged the sketches that it has added to older
 * ones (bridge_condense.h); both are in none of the others, and left out while 0. machines is left
 * out while the device has no machine but the one of its own name. */
#ifndef MW_PLATFORM_BRIDGE_POSITION_H
#define MW_PLATFORM_BRIDGE_POSITION_H

#include "core/wire/message.h"
#include "lib/artifact/store.h"
#include "lib/base/file.h"
#include "lib/stream/stream.h"
#include "tiers/platform/table.h"

#define MW_BRIDGE_MACHINES_MAX 64 /* of one device that the bridge tells baselines of */

struct mw_bridge_device {
    struct mw_table_key key;

    /* The position; boot and next mean nothing until known. */
    bool known;
    uint32_t boot;
    uint64_t next;
    uint64_t stored, sketches, dead, skipped, dropped, merged;
    int64_t time, received;
    char (*machines)[MW_NAME_MAX + 1];
    size_t n_machines;

    /* From the newest status. */
    bool heard, gone;
    uint32_t status_boot;
    int64_t last_seq; /* newest number given out in status_boot; -1: none */
    uint64_t pending; /* of the intake's sum: what the status promises and has not come */
    char reported[MW_DIGEST_TEXT];
    char *refused; /* a digest; NULL while it has never refused one */

    struct mw_bridge_held *held; /* of a device of another layout (bridge_held.h); borrowed */

    /* Of the running round. */
    bool changed; /* its position has to be written */
    bool answer;  /* it gets an ack once the round is stored */
    struct mw_bridge_device *next_touched;
    bool touched;

    /* Desired state that it should be told (bridge_outgoing.c). */
    bool update_due;  /* whatever it reported */
    bool compare_due; /* unless it has reported just that */
    bool queued;      /* in the list of those to be told */
    struct mw_bridge_device *next_queued;
    int64_t update_sent; /* monotonic */

    char name[];
};

/* The device of that name, made when it is new. NULL when memory is out. */
struct mw_bridge_device *mw_bridge_device(struct mw_table *devices, struct mw_span name);
void mw_bridge_device_free(void *device);

enum mw_bridge_verdict {
    MW_BRIDGE_TAKE, /* the next one */
    MW_BRIDGE_OLD,  /* has been taken before */
    MW_BRIDGE_AHEAD /* something between is still to come */
};

/* What to do with a number. A boot above the known one starts anew at 0; for a device never seen
 * any boot does. */
enum mw_bridge_verdict mw_bridge_judge(const struct mw_bridge_device *device, uint32_t boot,
                                       uint64_t seq);

/* Counts a number that was taken. */
void mw_bridge_advance(struct mw_bridge_device *device, uint32_t boot, uint64_t seq);

/* The thing says that it has nothing older than (boot, seq) any more. When that lies ahead of the
 * position, the position moves there; *skipped tells over how many numbers of one boot. False: it
 * does not lie ahead. */
bool mw_bridge_skip(struct mw_bridge_device *device, uint32_t boot, uint64_t seq,
                    uint64_t *skipped);

/* Notes that the device speaks for a machine; true when that is news. */
bool mw_bridge_note_machine(struct mw_bridge_device *device, struct mw_span machine);

/* Visits the positions of all bridges of a plant; of a device that another bridge had before, only
 * what its own one says. */
mw_err mw_bridge_visit_positions(struct mw_stream *stream, size_t shares, mw_stream_visit_fn *fn,
                                 void *context, struct mw_error *error);

/* The position as JSON, and back. The parser is for messages of at least 256 tokens. */
mw_err mw_bridge_print_position(const struct mw_bridge_device *device, struct mw_buffer *out);
mw_err mw_bridge_read_position(struct mw_wire_parser *parser, struct mw_span json,
                               struct mw_bridge_device *device);

#endif
