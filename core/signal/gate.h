/* gate.h - level 1: does this window make a record at all?
 *
 * Two reasons not to: the machine stands still (the feature that shows it, such as current_rms, is
 * below a threshold), or there is no news (send-on-delta: the feature is within `delta` of what the
 * last record said, and that record is not too old; Miskowicz, "Send-on-delta concept: an
 * event-based data reporting strategy", Sensors 6, 2006). */
#ifndef MW_CORE_SIGNAL_GATE_H
#define MW_CORE_SIGNAL_GATE_H

#include <stdbool.h>
#include <stdint.h>

enum mw_gate_verdict { MW_GATE_PASS, MW_GATE_STANDSTILL, MW_GATE_NO_NEWS };

/* Set the first three; leave the rest to mw_gate_add. {.minimum = -INFINITY} passes everything that
 * is finite. */
struct mw_gate {
    float minimum; /* a feature below this is a standstill */
    float delta;   /* a change from the last record of at most this is no news; 0: all is news */
    uint32_t heartbeat; /* windows without news after which one passes all the same; 0: never */

    bool seen;     /* a record has passed since the last standstill */
    float last;    /* the feature in that record */
    uint32_t held; /* windows without news since */
};

/* Judges the next window by its feature. Starting again after a standstill is news. A value that is
 * not a number is a standstill. */
enum mw_gate_verdict mw_gate_add(struct mw_gate *gate, float feature);

#endif
