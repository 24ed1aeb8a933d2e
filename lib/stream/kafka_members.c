/* kafka_members.c - a member of a consumer group that reads nothing: its partitions are shares. */
#include "lib/stream/kafka_internal.h"
#include "lib/stream/members_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct kafka_members {
    struct mw_stream_members base;
    struct mw_kafka *stream; /* for its names, options and questions about topics */
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    int fd;
    char name[MW_KAFKA_NAME]; /* of group and topic */
};

static mw_err find_topic(struct kafka_members *members,
                         const struct mw_stream_members_options *options, struct mw_error *error)
{
    struct mw_kafka_topic *topic = NULL;
    members->stream->url.partitions = (int)options->shares;
    mw_err err =
        mw_kafka_topic_find(members->stream, members->name, true, false, false, &topic, error);
    if (err == MW_OK && topic->partitions != (int)options->shares) {
        err = mw_error_set(error, MW_ERR_STATE,
                           "%zu shares are wanted, but the topic %s has %d partitions, one a share",
                           options->shares, members->name, topic->partitions);
    }
    return err;
}

static mw_err subscribe(struct kafka_members *members, struct mw_error *error)
{
    static const uint64_t one = 1;
    rd_kafka_topic_partition_list_t *topics = mw_kafka.topic_partition_list_new(1);
    (void)mw_kafka.poll_set_consumer(members->handle);
    members->queue = mw_kafka.queue_get_consumer(members->handle);
    mw_kafka.queue_io_event_enable(members->queue, members->fd, &one, sizeof(one));
    (void)mw_kafka.topic_partition_list_add(topics, members->name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = mw_kafka.subscribe(members->handle, topics);
    mw_kafka.topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? MW_OK
               : mw_kafka_fail(members->stream, error, code, "cannot join the group");
}

static void leave(struct mw_stream_members *base)
{
    struct kafka_members *members = (struct kafka_members *)base;
    if (members->queue != NULL) {
        mw_kafka.queue_destroy(members->queue);
    }
    if (members->handle != NULL) { /* before fd: its threads write to that */
        mw_kafka.destroy_flags(members->handle, 0);
    }
    if (members->fd >= 0) {
        (void)close(members->fd);
    }
    mw_stream_close((struct mw_stream *)members->stream);
    free(members);
}

static mw_err join(struct mw_stream_members **joined,
                   const struct mw_stream_members_options *options, struct mw_error *error)
{
    struct kafka_members *members = calloc(1, sizeof(*members));
    if (members == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a group");
    }
    struct mw_stream *stream = NULL;
    members->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    mw_err err =
        members->fd < 0
            ? mw_error_errno(error, MW_ERR_IO, "eventfd")
            : mw_stream_open(
                  &stream,
                  &(struct mw_stream_options){.uri = options->uri, .plant = options->plant}, error);
    members->stream = (struct mw_kafka *)stream;
    if (err == MW_OK) {
        mw_kafka_topic_name(members->stream, options->role, "members", members->name);
        err = find_topic(members, options, error);
    }
    if (err == MW_OK) {
        err = mw_kafka_handle_new(members->stream, MW_KAFKA_MEMBER, members->name, &members->handle,
                                  error);
    }
    err = err == MW_OK ? subscribe(members, error) : err;
    if (err != MW_OK) {
        leave(&members->base);
        return err;
    }
    *joined = &members->base;
    return MW_OK;
}

static void drain(const struct kafka_members *members)
{
    uint64_t times = 0;
    while (read(members->fd, &times, sizeof(times)) < 0 && errno == EINTR) {
    }
}

/* What is there for us is taken, so that librdkafka acts upon a new division; what it tells of
 * troubles passes by itself, and shows in the shares. */
static mw_err poll_members(struct mw_stream_members *base, uint64_t *mine, struct mw_error *error)
{
    const struct kafka_members *members = (const struct kafka_members *)base;
    rd_kafka_message_t *message;
    rd_kafka_topic_partition_list_t *list = NULL;
    drain(members);
    while ((message = mw_kafka.consumer_poll(members->handle, 0)) != NULL) {
        mw_kafka.message_destroy(message);
    }
    rd_kafka_resp_err_t code = mw_kafka.assignment(members->handle, &list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return mw_kafka_fail(members->stream, error, code, "cannot learn the shares");
    }
    *mine = 0;
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].partition < MW_STREAM_SHARES_MAX) {
            *mine |= UINT64_C(1) << list->elems[i].partition;
        }
    }
    mw_kafka.topic_partition_list_destroy(list);
    return MW_OK;
}

static int descriptor(const struct mw_stream_members *base)
{
    return ((const struct kafka_members *)base)->fd;
}

const struct mw_stream_membership mw_stream_kafka_members = {
    .scheme = "kafka", .join = join, .leave = leave, .poll = poll_members, .fd = descriptor};
