/* kafka_gap.h - how long after a commit the next transaction had better begin.
 *
 * A cluster that has answered a commit goes on writing its markers. For some milliseconds it
 * refuses the next transaction of the same id, and librdkafka (2.0.2) then asks again only after 20
 * ms. Nobody is told when it is through, so the gap is learned: it grows by a step when a
 * transaction that began at its end was refused, which shows in that nothing of it was delivered
 * for 20 ms, and shrinks a little each time that one was not. */
#ifndef MW_STREAM_KAFKA_GAP_H
#define MW_STREAM_KAFKA_GAP_H

#include <stddef.h>
#include <stdint.h>

/* Microseconds. */
#define MW_KAFKA_GAP_FIRST 5000
#define MW_KAFKA_GAP_LEAST 500
#define MW_KAFKA_GAP_MOST 8000
#define MW_KAFKA_GAP_STEP 500
#define MW_KAFKA_GAP_EDGE 3000     /* so long behind its end a transaction still says something */
#define MW_KAFKA_GAP_REFUSED 20000 /* what librdkafka waits */

/* Times are monotonic, in microseconds. All zero to begin with. */
struct mw_kafka_gap {
    int64_t wait;      /* 0: MW_KAFKA_GAP_FIRST */
    int64_t committed; /* when the last commit was answered; 0: there was none */
    int64_t began;     /* when the first record of this transaction was given; 0: none yet */
};

/* How long to wait until the next transaction should begin; 0: not at all. */
int64_t mw_kafka_gap_left(const struct mw_kafka_gap *gap, int64_t now);
/* The first records of the transaction are delivered. */
void mw_kafka_gap_learn(struct mw_kafka_gap *gap, int64_t now);

#endif
