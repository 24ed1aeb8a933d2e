/* bridge_internal.h - the bridge's role: bridge.c has its messages, its timers and its run,
 * bridge_store.c how a round is stored and answered, bridge_open.c how it begins. */
#ifndef MW_PLATFORM_BRIDGE_INTERNAL_H
#define MW_PLATFORM_BRIDGE_INTERNAL_H

#include "lib/base/role.h"
#include "lib/mqtt/client.h"
#include "lib/plant/broker.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge.h"
#include "tiers/platform/bridge_answers.h"
#include "tiers/platform/bridge_far.h"
#include "tiers/platform/bridge_foreign.h"
#include "tiers/platform/bridge_node.h"
#include "tiers/platform/bridge_outgoing.h"
#include "tiers/platform/bridge_pace.h"
#include "tiers/platform/bridge_presence.h"

struct mw_bridge {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *stream;
    struct mw_bridge_intake intake;
    struct mw_bridge_outgoing outgoing;
    struct mw_bridge_foreign foreign;
    struct mw_bridge_answers answers; /* to rounds that are not on the disk yet */
    bool moved, position_due;         /* the reader has moved; it is time to commit where it is */
    struct mw_bridge_far far;
    bool spooling; /* rounds go through `far`, which has the stream then; `answers` is not used */
    struct mw_bridge_node *node; /* NULL: scores are not published to Sparkplug hosts */

    struct mw_broker_address address;
    char client_id[MW_NAME_MAX + 32], filter[6][MW_NAME_MAX + 64];
    size_t n_filters;
    char overheard[MW_NAME_MAX + 32]; /* commands of other shares (bridge_order.h); empty: none */
    char presence[MW_PRESENCE_TOPIC]; /* where another bridge may ask whether this one is there */
    struct mw_mqtt *mqtt;

    struct mw_bridge_pace pace;
    bool paused;   /* the stream cannot be written: the round waits */
    bool let_go;   /* messages came meanwhile and were not taken */
    int64_t delay; /* before the next attempt */
    struct mw_loop_watch *retry, *retain;

    char stats_path[4096];
    int64_t stats_time;
    uint64_t stats_records;
};

/* --- bridge_store.c --- */

/* Stores what has gathered, if anything, and sees to its answers; pauses intake when that fails. */
void mw_bridge_store_round(struct mw_bridge *bridge);
/* Takes messages again; connects anew when some were let go, so that the broker sends them. */
void mw_bridge_resume_intake(struct mw_bridge *bridge);
struct mw_bridge_answer_calls mw_bridge_answering(struct mw_bridge *bridge);
void mw_bridge_on_after(void *bridge); /* a round of the loop is over */
void mw_bridge_on_retry(void *bridge); /* the stream may be written again */

/* --- bridge_open.c --- */

/* Opens everything, loads what is known, and connects. What was begun is for mw_bridge_run to end,
 * also after an error. */
mw_err mw_bridge_begin(struct mw_bridge *bridge, struct mw_error *error);

/* --- bridge.c --- */
mw_err mw_bridge_connect(struct mw_bridge *bridge, struct mw_error *error);
/* Takes what is new in the stream; commands leave at once. */
void mw_bridge_read_stream(struct mw_bridge *bridge);
mw_err mw_bridge_publish(void *bridge, const char *topic, struct mw_span payload, uint8_t qos,
                         bool retain);
bool mw_bridge_has_room(void *bridge); /* see struct mw_bridge_sender */
void mw_bridge_on_stream(void *bridge, uint32_t events);
void mw_bridge_on_second(void *bridge);
void mw_bridge_on_retain(void *bridge);

#endif
