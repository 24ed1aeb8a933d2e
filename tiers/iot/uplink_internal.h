/* uplink_internal.h - what a host (host.c) and its uplinks (uplink.c) know of each other. */
#ifndef MW_IOT_UPLINK_INTERNAL_H
#define MW_IOT_UPLINK_INTERNAL_H

#include "lib/mqtt/client.h"
#include "tiers/iot/name_map.h"
#include "tiers/iot/uplink.h"

struct mw_uplink {
    struct mw_uplink *next_in_host;
    struct mw_host *host;
    char name[MW_NAME_MAX + 1];
    struct mw_uplink_source source;
    struct mw_numbers numbers;
    uint64_t sent;              /* the next number to send */
    uint64_t sent_high;         /* numbers from here on were never handed to a broker */
    bool synced;                /* the position is known, on this connection */
    bool asked;                 /* a status is out whose ack may not be in */
    bool stalled;               /* it was sent for want of progress */
    bool doubted;               /* an ack showed a position behind what was acknowledged */
    int share;                  /* of the bridge that takes the records; -1: there is one bridge */
    int64_t progress, reported; /* monotonic */
};

struct mw_host {
    const struct mw_plant *plant;
    struct mw_host_options options;
    struct mw_loop *loop;
    struct mw_mqtt *mqtt;
    struct mw_loop_watch *timer;
    struct mw_uplink *first;
    struct mw_name_map names; /* of the uplinks */
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_buffer message; /* being built */
};

/* Of uplink.c, for host.c. The parser holds the message. */
void mw_uplink_connected(struct mw_uplink *uplink);
void mw_uplink_disconnected(struct mw_uplink *uplink);
void mw_uplink_take_ack(struct mw_uplink *uplink, struct mw_wire_parser *parser);
void mw_uplink_take_command(struct mw_uplink *uplink, struct mw_wire_parser *parser);
void mw_uplink_pump(struct mw_uplink *uplink);
void mw_uplink_tick(struct mw_uplink *uplink, int64_t now);

#endif
