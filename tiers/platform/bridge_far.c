#include "tiers/platform/bridge_far.h"

#include "lib/base/log.h"
#include "tiers/platform/bridge_condense.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define PATIENCE MW_SECOND /* for Kafka, before a round goes into the spool */
#define RETRY MW_SECOND
#define REMEMBER (10 * MW_SECOND) /* not more often, when Kafka comes and goes */

/* ---- errands: each on the errand's thread, or before that has begun ---- */

static mw_err write_all(struct mw_stream *stream, const struct mw_bridge_round *round,
                        struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        struct mw_span key = mw_bridge_item_key(round, i);
        struct mw_span value = mw_bridge_item_value(round, i);
        const char *topic = round->item[i].topic;
        err = round->item[i].put ? mw_stream_put(stream, topic, key, value, error)
                                 : mw_stream_append(stream, topic, key, value, error);
    }
    return err;
}

void mw_bridge_far_write(void *context)
{
    struct mw_bridge_far *far = context;
    char mark[96];
    mw_bridge_mark_print(&far->mark, mark);
    mw_err err = mw_stream_begin(far->stream, &far->error);
    if (err == MW_OK && far->open) {
        err = write_all(far->stream, &far->direct, &far->error);
    }
    err = err == MW_OK ? write_all(far->stream, &far->piece, &far->error) : err;
    if (err == MW_OK) {
        err =
            mw_stream_put(far->stream, "spool", mw_span_of("mark"), mw_span_of(mark), &far->error);
    }
    if (err == MW_OK && far->owner != NULL) {
        err = mw_stream_put(far->stream, "spool", mw_span_of("owner"), mw_span_of(far->owner),
                            &far->error);
    }
    if (err == MW_OK) {
        err = mw_stream_commit(far->stream, far->with_reader ? far->outgoing->reader : NULL,
                               &far->error);
    }
    if (err != MW_OK) {
        mw_stream_rollback(far->stream);
    }
    far->err = err;
}

static void do_fetch(void *context)
{
    struct mw_bridge_far *far = context;
    mw_bridge_outgoing_fetch(far->outgoing);
    far->err = MW_OK;
}

static void do_open(void *context)
{
    struct mw_bridge_far *far = context;
    struct mw_stream_options options = {far->uri, far->plant->plant, far->writer};
    mw_bridge_outgoing_detach(far->outgoing);
    mw_stream_close(far->stream);
    far->err = mw_stream_open(&far->stream, &options, &far->error);
    if (far->err == MW_OK) {
        far->err = mw_bridge_claim_read(far->stream, &far->mark, &far->error);
    }
    if (far->err == MW_OK) {
        far->err = mw_bridge_outgoing_attach(far->outgoing, far->stream, &far->error);
    }
    if (far->err != MW_OK) {
        mw_bridge_outgoing_detach(far->outgoing);
        mw_stream_close(far->stream);
        far->stream = NULL;
    }
}

/* ---- what became of a transaction ---- */

void mw_bridge_far_settle(struct mw_bridge_far *far, bool stored)
{
    struct mw_error error = {0};
    far->unknown = false;
    mw_err err = mw_bridge_spool_settle(&far->spool, stored, &error);
    if (stored) {
        far->spool.mark.round++;
        far->spool.tried_over |= far->kept;
        far->open = far->kept = false;
        far->reader_due &= !far->with_reader;
        (void)mw_bridge_spool_renew(&far->spool, NULL); /* else it is no longer known */
        err = err == MW_OK ? mw_bridge_spool_trim(&far->spool, &error) : err;
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "the spool cannot be tidied", MW_KS("reason", error.text));
    }
}

static void note_away(struct mw_bridge_far *far, const char *reason)
{
    if (far->near) {
        mw_log(MW_LOG_WARN, NULL, "Kafka does not answer: records go into the spool",
               MW_KS("reason", reason));
    }
    far->near = false;
}

static void end_write(struct mw_bridge_far *far)
{
    if (far->err == MW_OK) {
        mw_bridge_far_settle(far, true);
        if (!far->near) {
            struct mw_bridge_condensed done = mw_bridge_spool_condensed(&far->spool);
            mw_log(MW_LOG_INFO, NULL, "Kafka answers again",
                   MW_KI("spooled", mw_bridge_spool_waiting(&far->spool)),
                   MW_KI("merged", done.merged), MW_KI("dropped", done.dropped));
            far->told = false;
        }
        far->near = true;
        return;
    }
    note_away(far, far->error.text);
    far->reader_due |= far->with_reader;
    far->retry = mw_clock_monotonic() + RETRY;
    if (mw_stream_ended(far->stream)) {
        far->unknown = true;
    } else {
        mw_bridge_far_settle(far, false);
    }
}

/* After a start without Kafka: what it has of the spool may be more than was known then. */
static mw_err see_again(struct mw_bridge_far *far, int64_t drained)
{
    struct mw_error error = {0};
    far->blind = false;
    far->spool.tried_over |= !far->open;
    mw_err err = mw_bridge_spool_pass(&far->spool, drained, &far->piece, &error);
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "the spool cannot be read", MW_KS("reason", error.text));
    }
    return err;
}

/* Nothing more is written to Kafka: it would carry the number of what is not settled, which would
 * then count as stored. Nor is anything more taken into a spool that may have been given up. */
static void stop(struct mw_bridge_far *far)
{
    far->stopped = true;
    mw_loop_stop(far->loop);
}

static void end_open(struct mw_bridge_far *far)
{
    if (far->err != MW_OK) {
        note_away(far, far->error.text);
        mw_log(MW_LOG_DEBUG, NULL, "Kafka cannot be opened again",
               MW_KS("reason", far->error.text));
        far->retry = mw_clock_monotonic() + RETRY;
        return;
    }
    bool ours = strcmp(far->mark.spool, far->spool.mark.spool) == 0;
    uint64_t round = far->mark.round;
    if (!ours || round > far->spool.mark.round + (far->unknown ? 1 : 0)) {
        mw_log(MW_LOG_ERROR, NULL, "another bridge has written to this plant's Kafka");
        stop(far); /* its positions are not known here: begin anew with them */
        return;
    }
    if (far->blind && see_again(far, far->mark.drained) != MW_OK) {
        stop(far); /* the next run looks into Kafka first */
        return;
    }
    if (far->unknown) {
        mw_bridge_far_settle(far, round == far->spool.mark.round + 1);
    }
    int fd = mw_stream_reader_fd(far->outgoing->reader);
    if (fd >= 0) {
        (void)mw_loop_add_fd(far->loop, fd, EPOLLIN, far->on_stream, far->context,
                             &far->reader_watch, NULL);
    }
    far->fetch_due = true;
}

/* Looks, or waits, for the end of what is under way; true: nothing is. */
bool mw_bridge_far_collect(struct mw_bridge_far *far, int64_t wait)
{
    if (far->flight == MW_BRIDGE_IDLE) {
        return true;
    }
    if (!mw_errand_wait(far->errand, wait)) {
        return false;
    }
    enum mw_bridge_flight flight = far->flight;
    far->flight = MW_BRIDGE_IDLE;
    if (flight == MW_BRIDGE_WRITE) {
        end_write(far);
    } else if (flight == MW_BRIDGE_OPEN) {
        end_open(far);
    } else {
        far->fetched = true;
    }
    return true;
}

static void start(struct mw_bridge_far *far, enum mw_bridge_flight flight)
{
    static mw_errand_fn *const fn[] = {NULL, mw_bridge_far_write, do_fetch, do_open};
    far->flight = flight;
    far->err = MW_OK;
    far->error = (struct mw_error){0};
    mw_errand_start(far->errand, fn[flight], far);
}

/* ---- storing a round ---- */

static int64_t left_of(int64_t end)
{
    int64_t left = end - mw_clock_monotonic();
    return left > 0 ? left : 0;
}

/* Makes a transaction of what has been given directly and a piece of the spool. */
mw_err mw_bridge_far_compose(struct mw_bridge_far *far, struct mw_error *error)
{
    mw_err err = mw_bridge_spool_disown(&far->spool, error);
    mw_bridge_round_clear(&far->piece);
    if (err == MW_OK && mw_bridge_spool_waiting(&far->spool) > 0) {
        err = mw_bridge_spool_fetch(&far->spool, &far->piece, MW_BRIDGE_PIECE, error);
    }
    far->mark = far->spool.mark;
    far->mark.round++;
    if (far->spool.piece_end > 0) {
        far->mark.drained = far->spool.piece_end;
    }
    far->with_reader = far->reader_due && !far->fetched;
    return err;
}

/* Copies those items that need not wait behind others. */
static mw_err choose(struct mw_bridge_far *far, struct mw_bridge_round *round)
{
    mw_err err = MW_OK;
    mw_bridge_round_clear(&far->direct);
    if (mw_bridge_spool_waiting(&far->spool) == 0) {
        err = mw_bridge_round_copy(&far->direct, round);
        for (size_t i = 0; i < round->n_items; i++) {
            round->item[i].direct = err == MW_OK;
        }
        return err;
    }
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        struct mw_bridge_item *item = &round->item[i];
        if (mw_bridge_spool_behind(&far->spool, round, i)) {
            continue;
        }
        err = mw_bridge_round_add(&far->direct, item->topic, item->put,
                                  mw_bridge_item_key(round, i), mw_bridge_item_value(round, i));
        item->direct = err == MW_OK;
    }
    for (size_t i = 0; i < round->n_items && err != MW_OK; i++) {
        round->item[i].direct = false;
    }
    return err;
}

/* Then a round need not wait for the transaction that is under way. */
static bool all_behind(const struct mw_bridge_far *far, const struct mw_bridge_round *round)
{
    size_t n = 0;
    while (n < round->n_items && mw_bridge_spool_behind(&far->spool, round, n)) {
        n++;
    }
    return n > 0 && n == round->n_items;
}

static void launch(struct mw_bridge_far *far, struct mw_bridge_round *round)
{
    struct mw_error error = {0};
    int64_t end = mw_clock_monotonic() + PATIENCE;
    far->launched = true;
    far->reader_due |= round->moved;
    if (all_behind(far, round)) {
        return;
    }
    if (far->near && !mw_bridge_far_collect(far, PATIENCE)) {
        note_away(far, "no answer within a second");
    }
    if (!far->near || far->open || far->unknown || mw_stream_ended(far->stream) ||
        choose(far, round) != MW_OK) {
        return;
    }
    far->open = far->direct.n_items > 0;
    if (!far->open && !far->reader_due) {
        return;
    }
    mw_err err = mw_bridge_far_compose(far, &error);
    if (err != MW_OK) { /* it will be said again by what drains */
        (void)mw_bridge_spool_settle(&far->spool, false, &error);
        note_away(far, error.text);
        return;
    }
    start(far, MW_BRIDGE_WRITE);
    if (!mw_bridge_far_collect(far, left_of(end))) {
        note_away(far, "no answer within a second");
    }
}

static bool any_direct(const struct mw_bridge_round *round)
{
    for (size_t i = 0; i < round->n_items; i++) {
        if (round->item[i].direct) {
            return true;
        }
    }
    return false;
}

/* Behind a round that has been kept, so that the devices are as they are stored. */
static void see_to_limit(struct mw_bridge_far *far)
{
    struct mw_error error = {0};
    struct mw_bridge_spool *spool = &far->spool;
    if (spool->limit < 0 || spool->bytes <= spool->limit) {
        return;
    }
    uint64_t before = mw_bridge_spool_condensed(spool).dropped;
    mw_err err = mw_bridge_spool_condense(spool, &far->outgoing->intake->devices, &error);
    uint64_t dropped = mw_bridge_spool_condensed(spool).dropped - before;
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "the spool cannot be made smaller", MW_KS("reason", error.text));
    } else if (dropped > 0 && !far->told) {
        mw_log(MW_LOG_WARN, NULL,
               "the spool has reached stream.spool: the oldest records are dropped, the ledger "
               "counts them",
               MW_KI("limit", spool->limit), MW_KI("dropped", dropped));
        far->told = true;
    }
}

mw_err mw_bridge_far_store(struct mw_bridge_far *far, struct mw_bridge_round *round,
                           struct mw_error *error)
{
    if (far->stopped) {
        return mw_error_set(error, MW_ERR_STATE, "this bridge is about to end");
    }
    if (!far->launched) {
        launch(far, round);
    }
    (void)mw_bridge_far_collect(far, 0);
    bool tried = far->open && any_direct(round);
    mw_err err =
        mw_bridge_spool_keep(&far->spool, round, tried ? far->spool.mark.round + 1 : 0, error);
    far->launched = err != MW_OK && any_direct(round); /* else all of it may go directly yet */
    far->kept |= tried && err == MW_OK;
    if (err == MW_OK) {
        see_to_limit(far);
    }
    return err;
}

int64_t mw_bridge_far_gap(const struct mw_bridge_far *far)
{
    return mw_bridge_far_free(far) ? mw_stream_gap(far->stream) : 0;
}

/* ---- the other direction ---- */

bool mw_bridge_far_free(const struct mw_bridge_far *far)
{
    return far->flight == MW_BRIDGE_IDLE && far->near && !far->open && !far->unknown &&
           !mw_stream_ended(far->stream);
}

bool mw_bridge_far_fetch(struct mw_bridge_far *far)
{
    (void)mw_bridge_far_collect(far, 0);
    if (!far->fetched) {
        if (!mw_bridge_far_free(far)) {
            far->fetch_due = true;
            if (far->flight != MW_BRIDGE_OPEN && far->outgoing->reader != NULL) {
                mw_stream_reader_drain(far->outgoing->reader); /* else the loop would not rest */
            }
            return false;
        }
        far->fetch_due = false;
        start(far, MW_BRIDGE_FETCH);
        if (!mw_bridge_far_collect(far, PATIENCE)) {
            note_away(far, "no answer within a second");
            return false;
        }
    }
    far->fetched = false;
    return true;
}

/* ---- what is due ---- */

static void begin_open(struct mw_bridge_far *far)
{
    mw_loop_remove(far->loop, far->reader_watch);
    far->reader_watch = NULL;
    far->fetched = false; /* its records go with the reader, and are read again */
    far->reader_due = false;
    start(far, MW_BRIDGE_OPEN);
}

void mw_bridge_far_remember(struct mw_bridge_far *far)
{
    const struct mw_bridge_intake *intake = far->outgoing->intake;
    struct mw_bridge_round all = {0};
    struct mw_error error = {0};
    if (far->stopped || far->spool.known || intake->touched != NULL || intake->round.n_items > 0) {
        return;
    }
    mw_err err = far->remember(far->context, &all);
    if (err != MW_OK) {
        (void)mw_error_set(&error, err, "%s", mw_err_text(err));
    } else {
        err = mw_bridge_spool_remember(&far->spool, &all, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "what is known cannot be noted in the spool",
               MW_KS("reason", error.text));
    }
    far->remembered = mw_clock_monotonic();
    mw_bridge_round_free(&all);
}

void mw_bridge_far_tend(struct mw_bridge_far *far)
{
    struct mw_error error = {0};
    if (!far->near && !far->spool.known && mw_clock_monotonic() >= far->remembered + REMEMBER) {
        mw_bridge_far_remember(far);
    }
    if (!mw_bridge_far_collect(far, 0) || far->stopped) {
        return;
    }
    int64_t wait = far->retry - mw_clock_monotonic();
    bool ended = far->stream == NULL || mw_stream_ended(far->stream);
    if (far->near && !far->open && !ended && mw_bridge_spool_waiting(&far->spool) == 0) {
        return;
    }
    if (wait > 0) {
        mw_loop_set_timer(far->loop, far->timer, wait, 0);
        return;
    }
    if (ended) {
        begin_open(far);
        return;
    }
    if (mw_bridge_far_compose(far, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "the spool cannot be read", MW_KS("reason", error.text));
        (void)mw_bridge_spool_settle(&far->spool, false, NULL);
        far->retry = mw_clock_monotonic() + RETRY;
        mw_loop_set_timer(far->loop, far->timer, RETRY, 0);
        return;
    }
    start(far, MW_BRIDGE_WRITE);
}
