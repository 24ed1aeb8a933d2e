/* bridge_answers.h - PUBACKs and acks of rounds that are committed, until they are on the disk.
 *
 * Readers see a round at once (mw_stream_commit_visible); its answers wait here for an
 * mw_stream_sync, which runs on a thread of its own, so that messages and commands go on meanwhile.
 * What is added while a sync is under way waits for the next one. */
#ifndef MW_PLATFORM_BRIDGE_ANSWERS_H
#define MW_PLATFORM_BRIDGE_ANSWERS_H

#include "lib/base/errand.h"
#include "lib/base/file.h"
#include "lib/base/loop.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge_round.h"

struct mw_bridge_ack {
    const char *device; /* borrowed; devices outlive their acks */
    size_t at, size;    /* of the JSON in text */
};

/* One sync's answers. */
struct mw_bridge_answer_batch {
    struct mw_bridge_puback *puback;
    size_t n_pubacks, pubacks_capacity;
    struct mw_bridge_ack *ack;
    size_t n_acks, acks_capacity;
    struct mw_buffer text;
    unsigned rounds;
};

/* How answers leave. `failed`: the disk has failed, nothing is answered any more. */
struct mw_bridge_answer_calls {
    void (*puback)(void *context, uint32_t connection, uint16_t id);
    void (*ack)(void *context, const char *device, struct mw_span json);
    void (*failed)(void *context, const struct mw_error *error);
    void *context;
};

struct mw_bridge_answers {
    const struct mw_stream *stream; /* borrowed */
    struct mw_bridge_answer_calls calls;
    struct mw_errand *errand;
    struct mw_loop *loop;
    struct mw_loop_watch *watch;
    struct mw_bridge_answer_batch gathered, syncing;
    bool busy;   /* a sync is under way, and err and error are its own */
    bool broken; /* one has failed: nothing is answered any more */
    mw_err err;
    struct mw_error error;
};

/* {0} may be cleared too. Errors: those of a thread and of a watch. */
mw_err mw_bridge_answers_init(struct mw_bridge_answers *answers, const struct mw_stream *stream,
                              struct mw_loop *loop, const struct mw_bridge_answer_calls *calls,
                              struct mw_error *error);
void mw_bridge_answers_clear(struct mw_bridge_answers *answers); /* waits for a sync; drops */

/* Of the round that was committed last; _round says that it has no more. MEMORY: the answer is not
 * given, and its sender will ask again. */
mw_err mw_bridge_answers_puback(struct mw_bridge_answers *answers, struct mw_bridge_puback puback);
mw_err mw_bridge_answers_ack(struct mw_bridge_answers *answers, const char *device,
                             struct mw_span json);
void mw_bridge_answers_round(struct mw_bridge_answers *answers);

/* How many rounds wait for a sync that has not begun. */
unsigned mw_bridge_answers_waiting(const struct mw_bridge_answers *answers);

/* Waits for the disk and gives all answers. */
void mw_bridge_answers_finish(struct mw_bridge_answers *answers);

#endif
