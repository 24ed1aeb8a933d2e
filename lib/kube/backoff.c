#include "lib/kube/backoff.h"

#include "lib/base/clock.h"

#include <sys/random.h>

#define FIRST (MW_SECOND / 5)
#define MOST (30 * MW_SECOND)
#define ASKED_MOST (300 * MW_SECOND)

int64_t mw_kube_backoff(unsigned attempt, uint32_t random, int64_t asked)
{
    int64_t whole = attempt >= 8 ? MOST : FIRST << attempt;
    if (whole > MOST) {
        whole = MOST;
    }
    int64_t wait = whole / 2 + (int64_t)((uint64_t)(whole / 2) * random / UINT32_MAX);
    if (asked > ASKED_MOST) {
        asked = ASKED_MOST;
    }
    /* Jitter goes on top of what was asked for: all were told the same. */
    return asked > wait ? asked + wait / 4 : wait;
}

uint32_t mw_kube_random(void)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        value = (uint32_t)mw_clock_monotonic() * UINT32_C(2654435761);
    }
    return value;
}
