/* clock.h - time as an argument, so that a test or a simulation can bring its own. */
#ifndef MW_BASE_CLOCK_H
#define MW_BASE_CLOCK_H

#include "core/err.h"
#include "core/span.h"

#include <stddef.h>
#include <stdint.h>

#define MW_SECOND INT64_C(1000000) /* in microseconds, the unit of all times here */

int64_t mw_clock_utc(void);       /* microseconds since 1970 UTC; may step */
int64_t mw_clock_monotonic(void); /* microseconds; never steps back; measures latency and waits */

/* A clock that a library takes: now(context) gives microseconds UTC. */
struct mw_clock {
    int64_t (*now)(void *context);
    void *context;
};
extern const struct mw_clock mw_clock_system;

/* Prints UTC as 2026-11-23T10:58:31.123Z into text (at least 32 bytes). */
void mw_clock_print(char text[32], int64_t microseconds);

/* Parses YYYY-MM-DD, alone (midnight) or with [T ]HH:MM:SS[.fraction] behind it and then nothing, Z
 * or +HH:MM or -HH:MM; without a zone it is taken as UTC. Beyond the sixth digit the fraction is
 * rounded, ties up. It has to fill the span. Errors: PARSE; RANGE for a date or time that no
 * calendar has. */
mw_err mw_clock_parse(struct mw_span text, int64_t *microseconds);

#endif
