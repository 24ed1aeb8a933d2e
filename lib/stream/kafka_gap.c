#include "lib/stream/kafka_gap.h"

#include <stdbool.h>

#define SHRINK 1024 /* so that about one transaction in a hundred is refused */

static int64_t wait_of(const struct mw_kafka_gap *gap)
{
    return gap->wait == 0 ? MW_KAFKA_GAP_FIRST : gap->wait;
}

int64_t mw_kafka_gap_left(const struct mw_kafka_gap *gap, int64_t now)
{
    int64_t left = gap->committed == 0 ? 0 : gap->committed + wait_of(gap) - now;
    return left > 0 ? left : 0;
}

void mw_kafka_gap_learn(struct mw_kafka_gap *gap, int64_t now)
{
    int64_t wait = wait_of(gap);
    if (gap->committed == 0 || gap->began - gap->committed > wait + MW_KAFKA_GAP_EDGE) {
        return;
    }
    bool refused = now - gap->began >= MW_KAFKA_GAP_REFUSED;
    wait = refused ? wait + MW_KAFKA_GAP_STEP : wait - wait / SHRINK - 1;
    wait = wait > MW_KAFKA_GAP_MOST ? MW_KAFKA_GAP_MOST : wait;
    gap->wait = wait < MW_KAFKA_GAP_LEAST ? MW_KAFKA_GAP_LEAST : wait;
}
