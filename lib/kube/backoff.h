/* backoff.h - how long to wait before the next attempt.
 *
 * Exponential with jitter: attempt n waits between half of and the whole of 200 ms * 2^n, at most
 * 30 s, so that clients which lost one server together do not come back together. */
#ifndef MW_KUBE_BACKOFF_H
#define MW_KUBE_BACKOFF_H

#include <stdint.h>

/* Microseconds to wait. attempt: failures in a row before this one, from 0. random: any 32 random
 * bits. asked: microseconds that the server asked for (Retry-After), -1 for none; at least that
 * long, but never more than 5 minutes. */
int64_t mw_kube_backoff(unsigned attempt, uint32_t random, int64_t asked);

/* 32 random bits from the system. */
uint32_t mw_kube_random(void);

#endif
