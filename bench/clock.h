/* clock.h - what benchmarks measure with. */
#ifndef MW_BENCH_CLOCK_H
#define MW_BENCH_CLOCK_H

#include <stdlib.h>
#include <time.h>

static inline double bench_seconds(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        abort();
    }
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* CPU seconds of this process. */
static inline double bench_cpu(void)
{
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Wall seconds. */
static inline double bench_now(void)
{
    return bench_seconds(CLOCK_MONOTONIC);
}

#endif
