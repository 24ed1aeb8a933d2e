#include "tiers/platform/bridge_share.h"

#include "core/wire/number.h"
#include "lib/base/log.h"
#include "lib/plant/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAIT (5 * MW_SECOND) /* for a bridge that is starting too, or has just been told to end */

struct join {
    struct mw_stream *stream;
    const char *uri;
    const struct mw_plant *plant;
    struct mw_bridge_intake *intake;
    size_t share, shares;
    struct mw_table found;        /* struct mw_bridge_device, the newest positions of our devices */
    struct mw_bridge_round round; /* what becomes ours */
    mw_err err;
};

/* 0: the writer has never said one. Share 0 has been there, alone, before there were several. */
static mw_err read_number(const struct join *join, size_t share, const char *key, size_t *number,
                          struct mw_error *error)
{
    char writer[MW_SHARE_NAME];
    struct mw_span value;
    uint64_t read = 0;
    mw_share_name(share, writer);
    *number = 0;
    mw_err err = mw_stream_get(join->stream, share == join->share ? NULL : writer, "shares",
                               mw_span_of(key), &value, error);
    if (err == MW_ERR_NOT_FOUND) {
        *number = share == 0 ? 1 : 0;
        if (error != NULL) {
            *error = (struct mw_error){0};
        }
        return MW_OK;
    }
    if (err == MW_OK && mw_number_parse_u64(value, &read) == MW_OK && read <= MW_SHARES_MAX) {
        *number = (size_t)read;
    }
    return err;
}

static mw_err put_number(struct mw_stream *stream, const char *key, size_t number,
                         struct mw_error *error)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", number);
    return mw_stream_put(stream, "shares", mw_span_of(key), mw_span_of(text), error);
}

static mw_err set_count(struct mw_stream *stream, size_t count, struct mw_error *error)
{
    mw_err err = mw_stream_begin(stream, error);
    err = err == MW_OK ? put_number(stream, "count", count, error) : err;
    return err == MW_OK ? mw_stream_commit(stream, NULL, error) : err;
}

/* ---- nobody divides the plant otherwise any more ---- */

static mw_err open_and_set(const struct join *join, const char *writer, struct mw_error *error)
{
    struct mw_stream *stream = NULL;
    const struct mw_stream_options options = {join->uri, join->plant->plant, writer};
    mw_err err = mw_stream_open(&stream, &options, error);
    err = err == MW_OK ? set_count(stream, join->shares, error) : err;
    mw_stream_close(stream);
    return err;
}

static mw_err settle_share(const struct join *join, size_t share, size_t *count,
                           struct mw_error *error)
{
    char writer[MW_SHARE_NAME];
    int64_t end = mw_clock_monotonic() + WAIT;
    mw_share_name(share, writer);
    for (;;) {
        mw_err err = read_number(join, share, "count", count, error);
        if (err != MW_OK || *count == 0 || *count == join->shares) {
            return err;
        }
        err = open_and_set(join, writer, error);
        if (err == MW_OK) {
            return MW_OK;
        }
        if (err != MW_ERR_BUSY) {
            return err;
        }
        if (mw_clock_monotonic() > end) {
            return mw_error_set(error, err,
                                "%s still runs as one of %zu bridges: all of them have to end "
                                "before bridge.shares becomes %zu",
                                writer, *count, join->shares);
        }
        const struct timespec pause = {0, 50 * 1000 * 1000};
        (void)nanosleep(&pause, NULL); /* nothing else can be done yet, and nobody waits */
    }
}

static mw_err settle_all(const struct join *join, size_t most, struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t share = 0; share < most && err == MW_OK; share++) {
        size_t count = 0;
        if (share != join->share) {
            err = settle_share(join, share, &count, error);
        }
        most = count > most ? count : most;
    }
    return err;
}

/* ---- devices that have become ours ---- */

static bool is_newer(const struct mw_bridge_device *a, const struct mw_bridge_device *b)
{
    return !b->known || a->boot > b->boot || (a->boot == b->boot && a->next > b->next);
}

static mw_err take_position(struct join *join, struct mw_span key, struct mw_span value)
{
    struct mw_bridge_device found = {.key.name = key};
    mw_err err = mw_bridge_read_position(join->intake->parser, value, &found);
    free(found.machines);
    struct mw_bridge_device *device = err == MW_OK ? mw_bridge_device(&join->found, key) : NULL;
    if (device == NULL) {
        return err == MW_OK ? MW_ERR_MEMORY : err;
    }
    if (!is_newer(&found, device)) {
        return MW_OK;
    }
    *device = (struct mw_bridge_device){
        .key = device->key, .known = true, .boot = found.boot, .next = found.next, .last_seq = -1};
    return mw_bridge_round_add(&join->round, "position", true, key, value);
}

static bool visit_position(void *context, struct mw_span key, struct mw_span value)
{
    struct join *join = context;
    if (mw_share_of(key, join->shares) == join->share) {
        join->err = take_position(join, key, value);
    }
    return join->err == MW_OK;
}

static bool visit_pending(void *context, struct mw_span key, struct mw_span value)
{
    struct join *join = context;
    struct mw_wire_parser *parser = join->intake->parser;
    struct mw_span device;
    if (mw_wire_open(parser, value, NULL) != MW_OK ||
        mw_wire_get(parser, 0, "device", &device) != MW_OK ||
        mw_share_of(device, join->shares) != join->share) {
        return true;
    }
    join->err = mw_bridge_round_add(&join->round, "pending", true, key, value);
    return join->err == MW_OK;
}

static mw_err gather(struct join *join, size_t share, struct mw_error *error)
{
    char name[MW_SHARE_NAME];
    const char *writer = share == join->share ? NULL : name;
    mw_share_name(share, name);
    mw_err err = mw_stream_visit(join->stream, writer, "position", visit_position, join, error);
    if (err == MW_OK && join->err == MW_OK && writer != NULL) {
        err = mw_stream_visit(join->stream, writer, "pending", visit_pending, join, error);
    }
    if (err == MW_OK && join->err != MW_OK) {
        err = mw_error_set(error, join->err, "%s: what it has left cannot be read: %s", name,
                           mw_err_text(join->err));
    }
    return err;
}

static mw_err keep(struct join *join, struct mw_error *error)
{
    const struct mw_bridge_round *round = &join->round;
    mw_err err = mw_stream_begin(join->stream, error);
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        err = mw_stream_put(join->stream, round->item[i].topic, mw_bridge_item_key(round, i),
                            mw_bridge_item_value(round, i), error);
    }
    err = err == MW_OK ? put_number(join->stream, "count", join->shares, error) : err;
    err = err == MW_OK ? put_number(join->stream, "joined", join->shares, error) : err;
    return err == MW_OK ? mw_stream_commit(join->stream, NULL, error) : err;
}

static mw_err change(struct join *join, size_t most, struct mw_error *error)
{
    /* Ours first: who starts beside us then need not wait for us. */
    mw_err err = set_count(join->stream, join->shares, error);
    err = err == MW_OK ? settle_all(join, most, error) : err;
    for (size_t share = 0; share < MW_SHARES_MAX && err == MW_OK; share++) {
        size_t count = 0;
        err = read_number(join, share, "count", &count, error);
        if (err == MW_OK && count != 0) {
            err = gather(join, share, error);
        }
    }
    err = err == MW_OK ? keep(join, error) : err;
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, NULL, "the plant is divided anew", MW_KI("share", join->share),
               MW_KI("shares", join->shares), MW_KI("devices", join->found.count));
    }
    return err;
}

mw_err mw_bridge_share_join(struct mw_stream *stream, const char *uri, const struct mw_plant *plant,
                            struct mw_bridge_intake *intake, struct mw_error *error)
{
    struct join join = {.stream = stream,
                        .uri = uri,
                        .plant = plant,
                        .intake = intake,
                        .share = (size_t)plant->bridge.share,
                        .shares = (size_t)plant->bridge.shares};
    size_t count, joined, first;
    mw_err err = read_number(&join, join.share, "count", &count, error);
    err = err == MW_OK ? read_number(&join, join.share, "joined", &joined, error) : err;
    if (err != MW_OK || (count == join.shares && joined == join.shares)) {
        return err;
    }
    err = read_number(&join, 0, "count", &first, error);
    size_t most = join.shares > joined ? join.shares : joined;
    most = first > most ? first : most;
    err = err == MW_OK ? change(&join, most > count ? most : count, error) : err;
    mw_table_clear(&join.found, mw_bridge_device_free);
    mw_bridge_round_free(&join.round);
    return err;
}
