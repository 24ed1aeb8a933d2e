/* bridge_far_open.c - the bridge's way to Kafka begins, with what an earlier run has left, and
 * ends. */
#include "tiers/platform/bridge_far.h"

#include "lib/base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

static void folder_of(const struct mw_plant *plant, char path[4096])
{
    snprintf(path, 4096, "%s/spool", plant->data);
}

bool mw_bridge_far_wanted(const struct mw_plant *plant)
{
    char path[4096];
    if (!mw_plant_in_kafka(plant)) {
        return false;
    }
    folder_of(plant, path);
    return plant->stream.spool >= 0 || mw_file_exists(path);
}

static mw_err show_puts(const struct mw_bridge_round *round, mw_bridge_put_fn *put, void *context)
{
    mw_err err = MW_OK;
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        if (round->item[i].put) {
            err = put(context, round->item[i].topic, mw_bridge_item_key(round, i),
                      mw_bridge_item_value(round, i));
        }
    }
    return err;
}

/* One transaction after another until nothing waits; one at least when the mark is not this
 * spool's, so that from here on another identity in it means another bridge. */
static mw_err drain(struct mw_bridge_far *far, mw_bridge_put_fn *put, void *context,
                    struct mw_error *error)
{
    mw_err err = MW_OK;
    char owner[MW_BRIDGE_OWNER];
    bool ours = far->plant->stream.spool < 0 || strcmp(far->mark.spool, far->spool.mark.spool) == 0;
    mw_bridge_claim_owner(far->plant, owner);
    far->owner = ours ? NULL : owner;
    while (err == MW_OK && (!ours || far->open || mw_bridge_spool_waiting(&far->spool) > 0)) {
        ours = true;
        err = mw_bridge_far_compose(far, error);
        if (err == MW_OK && far->open) {
            err = show_puts(&far->direct, put, context);
        }
        err = err == MW_OK ? show_puts(&far->piece, put, context) : err;
        if (err == MW_OK) {
            mw_bridge_far_write(far);
            err = far->err;
            if (err != MW_OK && error != NULL) {
                *error = far->error;
            }
        }
        if (err == MW_OK) {
            mw_bridge_far_settle(far, true);
        }
        far->owner = NULL;
    }
    return err;
}

/* Nothing of the spool may be left when another can take its place. */
static mw_err give_back(struct mw_bridge_far *far, struct mw_error *error)
{
    far->spool.held = false;
    mw_err err = mw_bridge_spool_disown(&far->spool, error);
    err = err == MW_OK ? mw_bridge_spool_trim(&far->spool, error) : err;
    return err == MW_OK && far->mark.spool[0] != '\0' ? mw_bridge_claim_release(far->stream, error)
                                                      : err;
}

/* Opens the spool; *number is that of the transaction in `direct`, 0 when there is none. */
static mw_err open_spool(struct mw_bridge_far *far, uint64_t *number, struct mw_error *error)
{
    const struct mw_plant *plant = far->plant;
    char folder[4096];
    if (mw_plant_stream_uri(plant, far->uri, sizeof far->uri) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "stream.url is too long");
    }
    folder_of(plant, folder);
    mw_share_name((size_t)plant->bridge.share, far->writer);
    return mw_bridge_spool_open(&far->spool, folder, plant->plant, far->writer, plant->stream.spool,
                                &far->direct, number, error);
}

mw_err mw_bridge_far_open(struct mw_bridge_far *far, const struct mw_plant *plant,
                          struct mw_stream *stream, mw_bridge_put_fn *put, void *context,
                          struct mw_error *error)
{
    uint64_t number = 0;
    *far = (struct mw_bridge_far){.plant = plant, .stream = stream, .near = true};
    mw_err err = open_spool(far, &number, error);
    far->spool.held = far->spool.known;
    err = err == MW_OK ? mw_bridge_claim_read(stream, &far->mark, error) : err;
    if (err == MW_OK) {
        err = mw_bridge_claim_settle(stream, plant, far->spool.mark.spool, &far->mark, error);
    }
    if (err == MW_OK) {
        err = mw_bridge_spool_recover(&far->spool, &far->mark, error);
    }
    if (err == MW_OK && number > 0) {
        far->open = far->kept = number > far->spool.mark.round;
        far->spool.tried_over = !far->open;
        far->spool.mark.round = far->open ? number - 1 : far->spool.mark.round;
    }
    if (err == MW_OK && (far->open || mw_bridge_spool_waiting(&far->spool) > 0)) {
        mw_log(MW_LOG_INFO, NULL, "writing to Kafka what was spooled",
               MW_KI("items", mw_bridge_spool_waiting(&far->spool) + far->direct.n_items));
    }
    err = err == MW_OK ? drain(far, put, context, error) : err;
    return err == MW_OK && plant->stream.spool < 0 ? give_back(far, error) : err;
}

mw_err mw_bridge_far_open_away(struct mw_bridge_far *far, const struct mw_plant *plant,
                               struct mw_error *error)
{
    uint64_t number = 0;
    *far = (struct mw_bridge_far){.plant = plant, .unknown = true, .blind = true};
    mw_err err = open_spool(far, &number, error);
    if (err == MW_OK && !far->spool.known) {
        err = mw_error_set(error, MW_ERR_NET,
                           "Kafka does not answer, and the spool does not know what Kafka has");
    }
    if (err == MW_OK) {
        struct mw_bridge_mark mark = far->spool.mark;
        far->spool.held = true;
        err = mw_bridge_spool_recover(&far->spool, &mark, error);
        far->spool.held = false;
    }
    if (err == MW_OK && number > far->spool.mark.round) {
        far->open = far->kept = true;
        far->spool.mark.round = number - 1;
    }
    if (err == MW_OK) { /* of these Kafka may have some */
        err = mw_bridge_spool_fetch(&far->spool, &far->piece, MW_BRIDGE_PIECE, error);
    }
    if (err != MW_OK) {
        mw_bridge_far_close(far);
        return err;
    }
    mw_log(MW_LOG_WARN, NULL, "Kafka does not answer: records go into the spool from the start",
           MW_KI("spooled", mw_bridge_spool_waiting(&far->spool)));
    return MW_OK;
}

static void on_errand(void *context, uint32_t events)
{
    (void)events;
    (void)mw_bridge_far_collect(context, 0); /* mw_bridge_far_tend goes on, behind the round */
}

static void on_timer(void *context)
{
    (void)context; /* the round that it begins ends with mw_bridge_far_tend */
}

mw_err mw_bridge_far_start(struct mw_bridge_far *far, struct mw_bridge_outgoing *outgoing,
                           struct mw_loop *loop, mw_loop_fd_fn *on_stream,
                           mw_bridge_remember_fn *remember, void *context, struct mw_error *error)
{
    far->outgoing = outgoing;
    far->remember = remember;
    far->loop = loop;
    far->on_stream = on_stream;
    far->context = context;
    far->spool.held = false;
    int fd = outgoing->reader == NULL ? -1 : mw_stream_reader_fd(outgoing->reader);
    mw_err err = mw_errand_new(&far->errand, error);
    if (err == MW_OK) {
        err = mw_loop_add_fd(loop, mw_errand_fd(far->errand), EPOLLIN, on_errand, far,
                             &far->errand_watch, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, -1, 0, on_timer, far, &far->timer, error);
    }
    if (err == MW_OK && fd >= 0) {
        err = mw_loop_add_fd(loop, fd, EPOLLIN, on_stream, context, &far->reader_watch, error);
    }
    return err;
}

void mw_bridge_far_close(struct mw_bridge_far *far)
{
    mw_errand_free(far->errand);
    if (far->loop != NULL) {
        mw_loop_remove(far->loop, far->errand_watch);
        mw_loop_remove(far->loop, far->timer);
        mw_loop_remove(far->loop, far->reader_watch);
    }
    mw_bridge_spool_close(&far->spool);
    mw_bridge_round_free(&far->direct);
    mw_bridge_round_free(&far->piece);
    struct mw_stream *stream = far->stream;
    *far = (struct mw_bridge_far){.stream = stream};
}
