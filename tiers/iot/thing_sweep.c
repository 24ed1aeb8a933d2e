/* thing_sweep.c - keeps the store of a host's models from growing with every model that ever ran.
 */
#include "tiers/iot/thing_device.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdlib.h>

#define UNUSED_FOR (24 * 3600 * MW_SECOND) /* before a part that no slot needs is removed */

void mw_thing_sweep(struct mw_store *store, struct mw_thing_device *const *device, unsigned n)
{
    char(*needed)[MW_DIGEST_TEXT] = calloc((size_t)n * MW_MODEL_SLOT_BUNDLES + 1, sizeof *needed);
    size_t count = 0;
    struct mw_swept swept = {0};
    struct mw_error error = {0};
    if (needed == NULL) {
        return; /* there is another day */
    }
    for (unsigned i = 0; i < n; i++) {
        count += mw_thing_device_bundles(device[i], &needed[count]);
    }
    if (mw_store_sweep(store, (const char(*)[MW_DIGEST_TEXT])needed, count,
                       mw_clock_utc() - UNUSED_FOR, &swept, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "old models cannot be removed", MW_KS("reason", error.text));
    }
    free(needed);
}
