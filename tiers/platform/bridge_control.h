/* bridge_control.h - the control topic of the AIoT reference implementation (`reference` in
 * plant.yaml): {"command":C,"payload":P}, both texts, on one topic for all devices.
 *
 *   extract-data, train-model   heard: somebody wants a training. It becomes a record of the topic
 *                               `request`, for the learner
 *   download-model              said: the model of that name can be fetched, as the topic
 *                               `download` has it. Heard: our own word, or one of another platform
 *                               to the same devices; passed over
 *
 * Anything else heard is a dead letter. A model is named at QoS 1 and not retained: when there is a
 * new one, and when a device is heard that may have none - of which nothing was heard before in
 * this run or for a minute, or which has just been activated. Everybody on the topic loads it again
 * then, so it is not named more often than every 5 seconds. */
#ifndef MW_PLATFORM_BRIDGE_CONTROL_H
#define MW_PLATFORM_BRIDGE_CONTROL_H

#include "lib/plant/plant.h"
#include "tiers/platform/bridge_held.h"
#include "tiers/platform/bridge_outgoing.h"

#define MW_BRIDGE_MODEL_NAME 64 /* bytes of a model's name, with its NUL */

struct mw_bridge_control {
    struct mw_bridge_intake *intake; /* borrowed */
    struct mw_bridge_sender sender;
    struct mw_clock monotonic;
    const char *topic;               /* borrowed; NULL: there is none */
    const struct mw_topic_map *map;  /* of the devices' records; borrowed */
    char name[MW_BRIDGE_MODEL_NAME]; /* that can be fetched; empty: none */
    bool due;                        /* it has to be named */
    int64_t named;                   /* monotonic, when it was; 0: not yet */
};

/* Borrows everything. Without reference.enabled, and at another share than 0, it has no topic. */
void mw_bridge_control_init(struct mw_bridge_control *control, const struct mw_plant *plant,
                            struct mw_bridge_intake *intake, struct mw_bridge_sender sender,
                            struct mw_clock monotonic);
/* Reads back which model was named last; adds that to a round. */
mw_err mw_bridge_control_load(struct mw_bridge_control *control, struct mw_stream *stream,
                              struct mw_error *error);
mw_err mw_bridge_control_remember(const struct mw_bridge_control *control,
                                  struct mw_bridge_round *round);

/* Takes a message of the control topic. MEMORY. */
mw_err mw_bridge_control_take(struct mw_bridge_control *control, struct mw_span payload);
/* A message of that topic was taken, and the intake's telemetry is its record. */
void mw_bridge_control_heard(struct mw_bridge_control *control, struct mw_span topic);
/* Takes a record of the topic `download`. Of a backlog only the newest is named. */
void mw_bridge_control_told(struct mw_bridge_control *control, struct mw_span value);
/* Names the model when that is due and there is room; call it every second. */
void mw_bridge_control_pump(struct mw_bridge_control *control);

#endif
