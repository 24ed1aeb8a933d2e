/* What whoever reaches a role's port for probes and metrics sends: more of a request that is
 * finished changes nothing about what it asks. */
#include "lib/base/health.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum mw_health_question whole = mw_health_question((const char *)data, size);
    for (size_t i = 0; i < size && i < 64; i++) {
        enum mw_health_question part = mw_health_question((const char *)data, i);
        if (part != MW_HEALTH_UNFINISHED && part != whole) {
            abort();
        }
    }
    return 0;
}
