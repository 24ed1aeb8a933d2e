/* kafka_writer.c - transactions: records, compacted keys and positions, all or nothing. */
#include "lib/stream/kafka_internal.h"

#include <stdio.h>
#include <string.h>

/* Looks whether all is delivered: the first when it may be, the next ones, the end of it. */
#define LOOK_FIRST (MW_SECOND / 500)
#define LOOK_NEXT (MW_SECOND / 2500)
#define LOOK_MOST (MW_SECOND / 5)

/* The handle is of no use any more: its writer was taken over, or nobody knows what became of a
 * transaction. Opening it again settles both. */
static mw_err end(struct mw_kafka *stream, mw_err err)
{
    stream->base.ended = true;
    return err;
}

static mw_err fail_call(struct mw_kafka *stream, rd_kafka_error_t *failed, const char *what,
                        struct mw_error *error)
{
    bool fatal = mw_kafka.error_is_fatal(failed) != 0;
    mw_err err = mw_kafka_fail_error(stream, error, failed, what);
    return fatal || err == MW_ERR_BUSY ? end(stream, err) : err;
}

int64_t mw_kafka_gap(const struct mw_stream *base)
{
    const struct mw_kafka *stream = (const struct mw_kafka *)base;
    return mw_kafka_gap_left(&stream->gap, mw_clock_monotonic());
}

mw_err mw_kafka_begin(struct mw_stream *base, struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    int64_t left = mw_kafka_gap_left(&stream->gap, mw_clock_monotonic());
    if (left > 0) {
        mw_kafka_rest(left);
    }
    int64_t now = mw_clock_utc();
    stream->last = now > stream->last ? now : stream->last;
    stream->lost = mw_kafka_lost(stream);
    stream->gap.began = 0;
    stream->queued = 0;
    rd_kafka_error_t *failed = mw_kafka.begin_transaction(stream->client);
    return failed == NULL ? MW_OK : fail_call(stream, failed, "cannot begin", error);
}

/* Queues a record; waits while the queue is full. value.data NULL deletes a compacted key. */
static mw_err produce(struct mw_kafka *stream, const struct mw_kafka_topic *topic,
                      struct mw_span key, struct mw_span value, struct mw_error *error)
{
    int64_t time = ++stream->last;
    int64_t limit = 0;
    unsigned char us[2] = {(unsigned char)(time % 1000 >> 8), (unsigned char)(time % 1000)};
    rd_kafka_headers_t *headers = mw_kafka.headers_new(1);
    (void)mw_kafka.header_add(headers, MW_KAFKA_TIME_HEADER, -1, us, sizeof(us));
    rd_kafka_vu_t part[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = time / 1000},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)(key.size == 0 ? "" : key.data), .size = key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)value.data, .size = value.size}},
        /* Not as a single VTYPE_HEADER, which librdkafka frees twice when it does not know (any
         * more) that the topic exists (its issue 4627). These stay ours when the call fails. */
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    for (;;) {
        rd_kafka_error_t *failed =
            mw_kafka.produceva(stream->client, part, sizeof(part) / sizeof(part[0]));
        if (failed == NULL) {
            stream->gap.began = stream->queued++ == 0 ? mw_clock_monotonic() : stream->gap.began;
            return MW_OK;
        }
        int64_t now = mw_clock_monotonic();
        limit = limit == 0 ? now + MW_KAFKA_PATIENCE * (MW_SECOND / 1000) : limit;
        if (mw_kafka.error_code(failed) != RD_KAFKA_RESP_ERR__QUEUE_FULL || now > limit) {
            mw_kafka.headers_destroy(headers);
            return fail_call(stream, failed, "cannot append", error);
        }
        mw_kafka.error_destroy(failed);
        (void)mw_kafka.poll(stream->client, 10);
    }
}

/* A topic to write to. The one before is nearly always the same. */
static mw_err find(struct mw_kafka *stream, const char *topic, bool compacted,
                   struct mw_kafka_topic **found, struct mw_error *error)
{
    struct mw_kafka_recent *recent = &stream->recent[compacted];
    if (recent->topic != NULL && strcmp(recent->kind, topic) == 0) {
        *found = recent->topic;
        return MW_OK;
    }
    char name[MW_KAFKA_NAME];
    mw_kafka_topic_name(stream, compacted ? stream->writer : NULL, topic, name);
    mw_err err = mw_kafka_topic_find(stream, name, true, compacted, false, found, error);
    if (err == MW_OK) {
        (void)snprintf(recent->kind, sizeof(recent->kind), "%s", topic);
        recent->topic = *found;
    }
    return err;
}

mw_err mw_kafka_append(struct mw_stream *base, const char *topic, struct mw_span key,
                       struct mw_span value, struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    struct mw_kafka_topic *found = NULL;
    mw_err err = find(stream, topic, false, &found, error);
    value.data = value.size == 0 ? "" : value.data;
    return err == MW_OK ? produce(stream, found, key, value, error) : err;
}

mw_err mw_kafka_put(struct mw_stream *base, const char *topic, struct mw_span key,
                    struct mw_span value, struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    struct mw_kafka_topic *found = NULL;
    mw_err err = find(stream, topic, true, &found, error);
    value.data = value.size == 0 ? NULL : value.data;
    err = err == MW_OK ? produce(stream, found, key, value, error) : err;
    if (err == MW_OK && mw_kafka_state_note(stream, topic, key, value) != MW_OK) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return err;
}

/* --- the end of a transaction --- */

static int time_left(int64_t limit)
{
    int64_t left = (limit - mw_clock_monotonic()) / (MW_SECOND / 1000);
    return left > 0 ? (int)left : 0;
}

/* Whether a call that failed should be made again; rests a moment before. */
static bool again(const rd_kafka_error_t *failed, int64_t limit)
{
    if (!mw_kafka.error_is_retriable(failed) || time_left(limit) == 0) {
        return false;
    }
    mw_kafka_rest(MW_KAFKA_AGAIN);
    return true;
}

static mw_err send_positions(struct mw_kafka *stream, struct mw_stream_reader *reader,
                             int64_t limit, struct mw_error *error)
{
    rd_kafka_topic_partition_list_t *moved = NULL;
    mw_err err = mw_kafka_reader_moved(reader, &moved, error);
    if (err != MW_OK || moved == NULL) {
        return err;
    }
    char group[MW_KAFKA_NAME];
    (void)snprintf(group, sizeof(group), "mw.%s.%s", stream->plant, stream->writer);
    rd_kafka_consumer_group_metadata_t *metadata = mw_kafka.consumer_group_metadata_new(group);
    rd_kafka_error_t *failed = NULL;
    while ((failed = mw_kafka.send_offsets_to_transaction(stream->client, moved, metadata,
                                                          time_left(limit))) != NULL &&
           again(failed, limit)) {
        mw_kafka.error_destroy(failed);
    }
    mw_kafka.consumer_group_metadata_destroy(metadata);
    mw_kafka.topic_partition_list_destroy(moved);
    return failed == NULL ? MW_OK : fail_call(stream, failed, "cannot commit a position", error);
}

/* When the end of a transaction may have been asked for twice, the first request may still be on
 * its way - in a connection that was given up, of a broker that was stopped - and it says whose
 * transaction is to end, but not which (KIP-890): it would end a later one of this client, of which
 * only a part has come. Only what asks with an older epoch than another client's is refused. */
static void end_if_asked_twice(struct mw_kafka *stream)
{
    if (mw_kafka_lost(stream) != stream->lost) {
        (void)end(stream, MW_OK);
    }
}

/* Until all is delivered, or it takes long or goes wrong, which the commit finds out: it looks by
 * itself, but every 10 ms only. */
static void deliver(struct mw_kafka *stream)
{
    int64_t end = mw_clock_monotonic() + LOOK_MOST;
    int64_t time = LOOK_FIRST;
    /* What is delivered by now, long after it was given, does not tell when it was. */
    bool learned =
        stream->queued == 0 || (mw_kafka.outq_len(stream->client) < stream->queued &&
                                mw_clock_monotonic() - stream->gap.began >= MW_KAFKA_GAP_REFUSED);
    for (int left; (left = mw_kafka.outq_len(stream->client)) > 0 || !learned;) {
        int64_t now = mw_clock_monotonic();
        if (!learned && left < stream->queued) {
            mw_kafka_gap_learn(&stream->gap, now);
            learned = true;
        }
        if (now > end) {
            return;
        }
        if (left > 0) {
            mw_kafka_rest(time);
            time = LOOK_NEXT;
            (void)mw_kafka.poll(stream->client, 0);
        }
    }
}

mw_err mw_kafka_commit(struct mw_stream *base, struct mw_stream_reader *reader,
                       struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    deliver(stream);
    mw_err err = reader == NULL ? MW_OK : send_positions(stream, reader, limit, error);
    if (err != MW_OK) {
        return err;
    }
    rd_kafka_error_t *failed = NULL;
    /* A call that timed out is taken up again by the next. */
    while ((failed = mw_kafka.commit_transaction(stream->client, time_left(limit))) != NULL &&
           again(failed, limit)) {
        mw_kafka.error_destroy(failed);
    }
    if (failed != NULL) {
        /* The request may have got there: neither committed nor aborted for sure. And when it has
         * not, some of the messages may have: only another client numbers them anew. */
        return end(stream, fail_call(stream, failed, "cannot commit", error));
    }
    stream->gap.committed = mw_clock_monotonic();
    end_if_asked_twice(stream);
    mw_kafka_state_apply(stream);
    if (reader != NULL) {
        mw_kafka_reader_stored(reader);
    }
    return MW_OK;
}

void mw_kafka_rollback(struct mw_stream *base)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    mw_kafka_state_drop(stream);
    if (stream->base.ended) {
        return;
    }
    rd_kafka_error_t *failed = NULL;
    while ((failed = mw_kafka.abort_transaction(stream->client, time_left(limit))) != NULL) {
        bool retry = again(failed, limit);
        mw_kafka.error_destroy(failed);
        if (!retry) {
            (void)end(stream, MW_ERR_IO);
            return;
        }
    }
    stream->gap.committed = mw_clock_monotonic();
    end_if_asked_twice(stream);
}
