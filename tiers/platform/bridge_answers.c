#include "tiers/platform/bridge_answers.h"

#include <stdlib.h>
#include <sys/epoll.h>

#define LONG_ENOUGH (3600 * (int64_t)1000000) /* the disk answers, or its driver gives up */

static void batch_free(struct mw_bridge_answer_batch *batch)
{
    free(batch->puback);
    free(batch->ack);
    mw_buffer_free(&batch->text);
}

static void sync_stream(void *context)
{
    struct mw_bridge_answers *answers = context;
    answers->err = mw_stream_sync(answers->stream, &answers->error);
}

static void begin_sync(struct mw_bridge_answers *answers)
{
    struct mw_bridge_answer_batch done = answers->syncing;
    if (answers->busy || answers->broken || answers->gathered.rounds == 0) {
        return;
    }
    answers->syncing = answers->gathered;
    answers->gathered = done; /* empty, with its memory */
    answers->busy = true;
    answers->error = (struct mw_error){0};
    mw_errand_start(answers->errand, sync_stream, answers);
}

static void give(struct mw_bridge_answers *answers)
{
    struct mw_bridge_answer_batch *batch = &answers->syncing;
    const struct mw_bridge_answer_calls *calls = &answers->calls;
    for (size_t i = 0; i < batch->n_pubacks; i++) {
        calls->puback(calls->context, batch->puback[i].connection, batch->puback[i].id);
    }
    for (size_t i = 0; i < batch->n_acks; i++) {
        const struct mw_bridge_ack *ack = &batch->ack[i];
        calls->ack(calls->context, ack->device,
                   (struct mw_span){batch->text.data + ack->at, ack->size});
    }
}

/* Ends the sync under way, if it is over within that time. */
static bool collect(struct mw_bridge_answers *answers, int64_t wait)
{
    if (!answers->busy || !mw_errand_wait(answers->errand, wait)) {
        return false;
    }
    answers->busy = false;
    if (answers->err == MW_OK) {
        give(answers);
    } else {
        answers->broken = true; /* what is said of a later round would hold for this one too */
        answers->calls.failed(answers->calls.context, &answers->error);
    }
    struct mw_bridge_answer_batch *batch = &answers->syncing;
    batch->n_pubacks = batch->n_acks = 0;
    batch->rounds = 0;
    mw_buffer_clear(&batch->text);
    return answers->err == MW_OK;
}

static void on_synced(void *context, uint32_t events)
{
    (void)events;
    if (collect(context, 0)) {
        begin_sync(context);
    }
}

mw_err mw_bridge_answers_init(struct mw_bridge_answers *answers, const struct mw_stream *stream,
                              struct mw_loop *loop, const struct mw_bridge_answer_calls *calls,
                              struct mw_error *error)
{
    *answers = (struct mw_bridge_answers){.stream = stream, .calls = *calls, .loop = loop};
    mw_err err = mw_errand_new(&answers->errand, error);
    return err == MW_OK ? mw_loop_add_fd(loop, mw_errand_fd(answers->errand), EPOLLIN, on_synced,
                                         answers, &answers->watch, error)
                        : err;
}

void mw_bridge_answers_clear(struct mw_bridge_answers *answers)
{
    if (answers->watch != NULL) {
        mw_loop_remove(answers->loop, answers->watch);
    }
    mw_errand_free(answers->errand);
    batch_free(&answers->gathered);
    batch_free(&answers->syncing);
    *answers = (struct mw_bridge_answers){0};
}

mw_err mw_bridge_answers_puback(struct mw_bridge_answers *answers, struct mw_bridge_puback puback)
{
    struct mw_bridge_answer_batch *batch = &answers->gathered;
    void *pubacks = batch->puback;
    mw_err err = mw_bridge_make_room(&pubacks, batch->n_pubacks, &batch->pubacks_capacity,
                                     sizeof *batch->puback);
    batch->puback = pubacks;
    if (err == MW_OK) {
        batch->puback[batch->n_pubacks++] = puback;
    }
    return err;
}

mw_err mw_bridge_answers_ack(struct mw_bridge_answers *answers, const char *device,
                             struct mw_span json)
{
    struct mw_bridge_answer_batch *batch = &answers->gathered;
    void *acks = batch->ack;
    mw_err err =
        mw_bridge_make_room(&acks, batch->n_acks, &batch->acks_capacity, sizeof *batch->ack);
    batch->ack = acks;
    size_t at = batch->text.size;
    if (err == MW_OK) {
        err = mw_buffer_add(&batch->text, json.data, json.size);
    }
    if (err == MW_OK) {
        batch->ack[batch->n_acks++] = (struct mw_bridge_ack){device, at, json.size};
    }
    return err;
}

void mw_bridge_answers_round(struct mw_bridge_answers *answers)
{
    answers->gathered.rounds++;
    begin_sync(answers);
}

unsigned mw_bridge_answers_waiting(const struct mw_bridge_answers *answers)
{
    return answers->gathered.rounds;
}

void mw_bridge_answers_finish(struct mw_bridge_answers *answers)
{
    begin_sync(answers);
    while (answers->busy && collect(answers, LONG_ENOUGH)) {
        begin_sync(answers);
    }
}
