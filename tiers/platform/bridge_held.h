/* bridge_held.h - devices of other layouts than Millwright's own, and what each of them said last.
 *
 * Such a device sends what has changed, often one value at a time, and a model wants all of them
 * together: so the bridge holds the newest value of each metric, and each message becomes a record
 * of all that is held. What is held is committed with the records, as the newest value of the
 * origin's key in the compacted topic `held`:
 *
 *   {"v":1,"device":D,"machine":M,"whole":false,"born":true,"stale":false,"seq":S,
 *    "bd_seq":B,"time":T,"metrics":[{"name":N,"alias":A?,"type":Y,"value":x?},...]}
 *
 * whole is a mapped device's, see bridge_map.h. The origin is where the device speaks:
 * "spBv1.0/<group>/<node>[/<device>]", or the levels of a mapped topic up to the name of a feature.
 * born to metrics.alias is Sparkplug's, see bridge_sparkplug.h. value is missing while none is
 * known. */
#ifndef MW_PLATFORM_BRIDGE_HELD_H
#define MW_PLATFORM_BRIDGE_HELD_H

#include "lib/stream/stream.h"
#include "tiers/platform/bridge_intake.h"

/* Of one origin: metrics, and bytes of JSON, since a stream's record is not much larger. */
#define MW_BRIDGE_METRICS_MAX 4096
#define MW_BRIDGE_HELD_BYTES 900000U

struct mw_bridge_metric {
    char *name;
    bool has_alias;
    uint64_t alias;
    uint32_t type; /* enum mw_sparkplug_type */
    bool feature;  /* its values are features; never of a text, nor of what controls the device */
    bool has_value, has_shown, set;
    float value; /* the newest */
    float shown; /* in the record being made, which may be about the past; `set` by it */
};

struct mw_bridge_held {
    struct mw_table_key key; /* the origin */
    struct mw_bridge_device *device;
    char machine[MW_NAME_MAX + 1];
    struct mw_bridge_metric *metric;
    size_t n_metrics;
    size_t bytes; /* that its metrics take as JSON, at most */
    size_t hint;  /* where the next look-up begins: metrics mostly come in one order */

    struct mw_bridge_held *node; /* the edge node of a Sparkplug device; NULL: is one, or no such */
    bool whole;                  /* of a mapped device: it has begun to make records */
    bool born, stale;
    uint8_t seq;
    uint64_t bd_seq;
    int64_t time;  /* of a node: of its newest payload */
    int64_t asked; /* for a rebirth, monotonic; 0: not yet */
    int64_t heard; /* of a reference device, monotonic: bridge_control.h; 0: not in this run */

    bool changed;
    struct mw_bridge_held *next_changed;
    char origin[];
};

struct mw_bridge_holder {
    struct mw_bridge_intake *intake; /* borrowed */
    struct mw_table table;           /* struct mw_bridge_held, owned, by origin */
    struct mw_bridge_held *changed;
};

/* Makes a device's name of other people's: what is not a-z, 0-9 or - becomes that, or -. Parts are
 * joined by -. Errors: TOO_LARGE, ARGUMENT (empty). */
mw_err mw_bridge_make_name(const struct mw_span *parts, size_t n, char name[MW_NAME_MAX + 1]);

/* The entry of an origin, made when it is new; machine NULL: as the device. Errors: MEMORY; EXISTS
 * when another origin, or a thing that numbers its records,
 * has that device's name already. */
mw_err mw_bridge_held_get(struct mw_bridge_holder *holder, struct mw_span origin,
                          const char *device, const char *machine, struct mw_bridge_held **held);

/* The metric of that name or alias; NULL. */
struct mw_bridge_metric *mw_bridge_held_find(struct mw_bridge_held *held, struct mw_span name);
struct mw_bridge_metric *mw_bridge_held_find_alias(struct mw_bridge_held *held, uint64_t alias);
/* Adds one that is not there, without a value; the name is copied. MEMORY, TOO_LARGE (too many). */
mw_err mw_bridge_held_add(struct mw_bridge_held *held, struct mw_span name,
                          struct mw_bridge_metric **metric);
/* Notes the datatype, and with it whether the values are features. */
void mw_bridge_metric_type(struct mw_bridge_metric *metric, uint32_t type);
void mw_bridge_metrics_free(struct mw_bridge_metric *metric, size_t n);

/* Begins a record with the values that are held. */
void mw_bridge_held_begin(struct mw_bridge_held *held);
/* Puts the record of what is shown into the round, unless nothing is; metrics beyond
 * MW_FEATURES_MAX are left out. time: microseconds UTC; 0: now. MEMORY. */
mw_err mw_bridge_held_record(struct mw_bridge_holder *holder, struct mw_bridge_held *held,
                             int64_t time);

/* What is held has changed: mw_bridge_holder_seal will put it into the round. */
void mw_bridge_held_touch(struct mw_bridge_holder *holder, struct mw_bridge_held *held);
mw_err mw_bridge_holder_seal(struct mw_bridge_holder *holder);

/* Adds all that is held to a round, as it is in the stream. MEMORY. */
mw_err mw_bridge_holder_remember(const struct mw_bridge_holder *holder,
                                 struct mw_bridge_round *round);

/* Puts a status of the device into the round: {"v":1,"device":D,"origin":O,<said>,"time":T,
 * "received":R}; said: members as JSON. */
mw_err mw_bridge_held_status(struct mw_bridge_holder *holder, const struct mw_bridge_held *held,
                             const char *said, int64_t time);

/* Reads back what an earlier run has put. */
mw_err mw_bridge_holder_load(struct mw_bridge_holder *holder, struct mw_stream *stream,
                             struct mw_error *error);
void mw_bridge_holder_clear(struct mw_bridge_holder *holder);

#endif
