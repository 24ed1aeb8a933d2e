/* replay_device.h - one device of a recording: the rows and events that wait for their ack, in memory. */
#ifndef MW_IOT_REPLAY_DEVICE_H
#define MW_IOT_REPLAY_DEVICE_H

#include "tiers/iot/recording.h"
#include "tiers/iot/uplink.h"

struct mw_replay_device;

mw_err mw_replay_device_new(struct mw_replay_device **device, struct mw_host *host,
                            const char *name, struct mw_error *error);
void mw_replay_device_free(struct mw_replay_device *device);

/* Takes the device's next row and the event it means. A row that the bridge has already is skipped. */
mw_err mw_replay_device_row(struct mw_replay_device *device, const struct mw_recorded *row,
                            struct mw_error *error);
/* Offers what has been taken since. */
void mw_replay_device_send(struct mw_replay_device *device);
/* Sends events that have no ack yet, `again` also those sent before. */
void mw_replay_device_send_events(struct mw_replay_device *device, bool again);

struct mw_replay_counts {
    uint64_t waiting, waiting_events; /* not acknowledged */
    uint64_t present, acknowledged, events;
};
struct mw_replay_counts mw_replay_device_counts(const struct mw_replay_device *device);
const char *mw_replay_device_name(const struct mw_replay_device *device);

#endif
