#include "tiers/iot/latency.h"

#include <stdlib.h>
#include <string.h>

void mw_latency_add(struct mw_latency *latency, int64_t microseconds)
{
    latency->sample[latency->n % MW_LATENCY_SAMPLES] = microseconds;
    latency->n++;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t mw_latency_quantile(const struct mw_latency *latency, double q)
{
    size_t n = latency->n < MW_LATENCY_SAMPLES ? (size_t)latency->n : MW_LATENCY_SAMPLES;
    if (n == 0) {
        return 0;
    }
    int64_t *sorted = malloc(n * sizeof *sorted);
    if (sorted == NULL) {
        return 0;
    }
    memcpy(sorted, latency->sample, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    int64_t value = sorted[(size_t)(q * (double)(n - 1) + 0.5)];
    free(sorted);
    return value;
}
