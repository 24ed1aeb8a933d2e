/* replay_device.h - one device of a recording: the rows and events that wait for their ack, in
 * memory. */
#ifndef MW_IOT_REPLAY_DEVICE_H
#define MW_IOT_REPLAY_DEVICE_H

#include "tiers/iot/recording.h"
#include "tiers/iot/uplink.h"

struct mw_replay_device;

/* Sums over all devices of a replay, kept up by each of them. */
struct mw_replay_counts {
    uint64_t waiting, waiting_events; /* not acknowledged */
    uint64_t present;                 /* stored before this process sent them */
    uint64_t acknowledged;            /* sent by this process, and stored */
    uint64_t events;
    const char *lost; /* a device whose position the bridge has lost; NULL: none */
};

/* host and counts are borrowed; the host is freed first. */
mw_err mw_replay_device_new(struct mw_replay_device **device, struct mw_host *host,
                            struct mw_replay_counts *counts, const char *name,
                            struct mw_error *error);
void mw_replay_device_free(struct mw_replay_device *device);

/* Takes the device's next row and the events it means. A row that the bridge has already is
 * skipped; its events go out all the same, since they are not numbered. */
mw_err mw_replay_device_row(struct mw_replay_device *device, const struct mw_recorded *row,
                            struct mw_error *error);

/* The bridge has said where it stands, so it is known whether the next row is there. */
bool mw_replay_device_synced(const struct mw_replay_device *device);
bool mw_replay_device_next_is_present(const struct mw_replay_device *device);

/* Offers what has been taken since, and sends events that have not been sent. */
void mw_replay_device_send(struct mw_replay_device *device);
/* Sends events again when none was acknowledged for two seconds. Call about once a second. */
void mw_replay_device_tick(struct mw_replay_device *device, int64_t now_monotonic);
/* Tells the bridge the last figures. */
void mw_replay_device_report(struct mw_replay_device *device);

const char *mw_replay_device_name(const struct mw_replay_device *device);

#endif
