/* ledger_device.h - the account of one device: events in, a row out. Pure: no files. */
#ifndef MW_PLATFORM_LEDGER_DEVICE_H
#define MW_PLATFORM_LEDGER_DEVICE_H

#include "tiers/platform/ledger.h"
#include "tiers/platform/ledger_book.h"
#include "tiers/platform/ledger_source.h"

/* {0} is a device of which nothing is known. */
struct mw_ledger_device {
    struct mw_ledger_book book;
    uint64_t doubled, sketches, merged, suppressed, unnumbered, dead_unnumbered;
    struct {
        bool known;
        uint32_t boot;
        uint64_t next, stored, dead, skipped, dropped, merged;
    } position; /* as it was before the newest reading began */
    uint64_t said_published, said_dropped;
    int64_t served; /* a model of its own, since: time of append, 0 when there is none */
    uint32_t said_boot;
};

/* Takes an event of this device; those of one device have to come in the order of append. MEMORY.
 */
mw_err mw_ledger_device_take(struct mw_ledger_device *device, const struct mw_ledger_event *event);

/* What was removed from the stream by age or size and has not been put into a row yet. */
struct mw_ledger_removed {
    uint64_t stored, dead;
};

/* What was found, what the bridge counted and what the thing says, in one row, whose name is left
 * empty. Takes the device's part off `removed`. False: nothing that a ledger would show; the key of
 * a dead letter or a status need not be a thing that ever sent a record. */
bool mw_ledger_device_account(const struct mw_ledger_device *device,
                              struct mw_ledger_removed *removed, struct mw_ledger_row *row);

/* Frees its memory and forgets all. */
void mw_ledger_device_clear(struct mw_ledger_device *device);

#endif
