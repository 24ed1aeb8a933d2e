/* thing_device_internal.h - what the files of a thing share: its records (thing_device.c) and what
 * comes down the uplink to it (thing_link.c). */
#ifndef MW_IOT_THING_DEVICE_INTERNAL_H
#define MW_IOT_THING_DEVICE_INTERNAL_H

#include "tiers/iot/level2.h"
#include "tiers/iot/model_slot.h"
#include "tiers/iot/thing_device.h"

#define MW_THING_TEXT_MAX 65536
#define MW_THING_SENT_RING 512 /* newest records whose time of publication is known */

struct mw_thing_device {
    const struct mw_thing_host *host;
    unsigned index;
    char name[MW_NAME_MAX + 1];
    struct mw_outbox_device numbers;
    struct mw_uplink *uplink;
    struct mw_model_slot *slot;
    struct mw_level2 level2;
    size_t level2_features; /* of the bundle counted */
    struct {
        uint64_t seq;
        int64_t at; /* 0: no record */
    } sent[MW_THING_SENT_RING];
    struct mw_sketch_record sketch; /* scratch, too large for a stack */
    char text[MW_THING_TEXT_MAX];   /* scratch */
};

/* Makes the counts of level 2 a numbered record and starts a new window, inside a transaction; the
 * bundle is the one counted. A no-op when nothing is counted. */
mw_err mw_thing_device_close_window(struct mw_thing_device *device, const struct mw_bundle *bundle,
                                    struct mw_error *error);

/* Makes the model slot and the uplink. */
mw_err mw_thing_device_link(struct mw_thing_device *device, struct mw_error *error);

#endif
