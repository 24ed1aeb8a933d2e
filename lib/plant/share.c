#include "lib/plant/share.h"

#include <stdint.h>
#include <stdio.h>

size_t mw_share_of(struct mw_span device, size_t shares)
{
    uint64_t key = 14695981039346656037U;
    for (size_t i = 0; i < device.size; i++) {
        key = (key ^ (unsigned char)device.data[i]) * 1099511628211U;
    }
    size_t share = 0;
    for (size_t next = 0; next < shares;) {
        share = next;
        key = key * 2862933555777941757U + 1;
        next = (size_t)((double)(share + 1) * (2147483648.0 / (double)((key >> 33) + 1)));
    }
    return share;
}

void mw_share_writer(const char *role, size_t share, char name[MW_SHARE_NAME])
{
    if (share == 0) {
        snprintf(name, MW_SHARE_NAME, "%s", role);
    } else {
        snprintf(name, MW_SHARE_NAME, "%s-%u", role, (unsigned)(share % MW_SHARES_MAX));
    }
}

void mw_share_name(size_t share, char name[MW_SHARE_NAME])
{
    mw_share_writer("bridge", share, name);
}
