/* latency.h - how long from a record's publication to the command it caused. */
#ifndef MW_IOT_LATENCY_H
#define MW_IOT_LATENCY_H

#include <stddef.h>
#include <stdint.h>

#define MW_LATENCY_SAMPLES 4096 /* the newest ones count */

struct mw_latency {
    int64_t sample[MW_LATENCY_SAMPLES]; /* microseconds */
    uint64_t n;
};

void mw_latency_add(struct mw_latency *latency, int64_t microseconds);
/* Quantile q in [0,1] of the samples kept, in microseconds; 0 when there are none. */
int64_t mw_latency_quantile(const struct mw_latency *latency, double q);

#endif
