/* kafka_source.c - the partitions of a reader: where they begin, what they hold, where they end. */
#include "lib/stream/kafka_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MISSING MW_SECOND     /* for a topic that is not there yet */
#define LOOK_MORE (60 * MW_SECOND) /* for partitions that were added */

static void topic_name(const struct mw_kafka_reader *reader, const struct mw_kafka_source *source,
                       char name[MW_KAFKA_NAME])
{
    mw_kafka_topic_name(reader->stream, NULL, reader->topics[source->topic], name);
}

/* --- what is held --- */

static void forget(struct mw_kafka_source *source)
{
    while (source->at < source->n) {
        mw_kafka.message_destroy(source->held[source->at++]);
    }
    source->at = source->n = 0;
}

void mw_kafka_source_date(struct mw_kafka_source *source)
{
    const rd_kafka_message_t *message = source->held[source->at];
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t size = 0;
    int64_t time = mw_kafka.message_timestamp(message, &type);
    source->time = time < 0 ? 0 : time * 1000;
    if (mw_kafka.message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        mw_kafka.header_get_last(headers, MW_KAFKA_TIME_HEADER, &value, &size) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        size == 2) {
        const unsigned char *us = value;
        source->time += (us[0] << 8 | us[1]) % 1000;
    }
}

/* Ends and troubles are no records; false leaves nothing in *message. */
static mw_err sort(struct mw_kafka_reader *reader, struct mw_kafka_source *source,
                   rd_kafka_message_t *message, struct mw_error *error)
{
    mw_err err = MW_OK;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        source->behind = message->offset + 1;
        source->ended = 0;
        source->held[source->n++] = message;
        return MW_OK;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        source->behind = message->offset > source->behind ? message->offset : source->behind;
        source->ended = mw_clock_monotonic();
    } else {
        char name[MW_KAFKA_NAME];
        topic_name(reader, source, name);
        err = mw_kafka_fail(reader->stream, error, message->err, name);
    }
    mw_kafka.message_destroy(message);
    return err;
}

mw_err mw_kafka_source_fill(struct mw_kafka_reader *reader, struct mw_kafka_source *source,
                            struct mw_error *error)
{
    if (source->at < source->n) {
        return MW_OK;
    }
    rd_kafka_message_t *taken[MW_KAFKA_HELD];
    ssize_t n = mw_kafka.consume_batch_queue(source->queue, 0, taken, MW_KAFKA_HELD);
    mw_err err = MW_OK;
    source->at = source->n = 0;
    for (ssize_t i = 0; i < n; i++) {
        mw_err one = sort(reader, source, taken[i], err == MW_OK ? error : NULL);
        err = err == MW_OK ? one : err;
    }
    if (source->n > 0) {
        mw_kafka_source_date(source);
    } else {
        source->next = source->behind; /* the end: behind the marks of transactions */
    }
    return err;
}

bool mw_kafka_source_waits(struct mw_kafka_source *source)
{
    if (source->behind >= source->target) {
        return false;
    }
    /* The rest belongs to a transaction that is open, or ends just now. */
    if (source->ended > 0 && mw_clock_monotonic() - source->ended > MW_KAFKA_SETTLE) {
        source->target = source->behind;
        return false;
    }
    return true;
}

/* --- where they begin and end --- */

static void stop(struct mw_kafka_reader *reader, struct mw_kafka_source *source)
{
    if (source->started) { /* waits for librdkafka's thread, not for the network */
        (void)mw_kafka.consume_stop(reader->handles[source->topic], source->partition);
        source->started = false;
    }
    forget(source);
}

mw_err mw_kafka_source_start(struct mw_kafka_reader *reader, struct mw_kafka_source *source,
                             struct mw_error *error)
{
    stop(reader, source);
    source->behind = source->next;
    source->ended = 0;
    if (mw_kafka.consume_start_queue(reader->handles[source->topic], source->partition,
                                     source->next, source->queue) != 0) {
        return mw_kafka_fail(reader->stream, error, mw_kafka.last_error(), "cannot begin to read");
    }
    source->started = true;
    return MW_OK;
}

static rd_kafka_topic_partition_list_t *list_of(const struct mw_kafka_reader *reader, size_t from)
{
    char name[MW_KAFKA_NAME];
    rd_kafka_topic_partition_list_t *list =
        mw_kafka.topic_partition_list_new((int)reader->sources_n);
    for (size_t i = from; i < reader->sources_n; i++) {
        topic_name(reader, reader->sources[i], name);
        (void)mw_kafka.topic_partition_list_add(list, name, reader->sources[i]->partition);
    }
    return list;
}

mw_err mw_kafka_sources_aim(struct mw_kafka_reader *reader, size_t from, struct mw_error *error)
{
    rd_kafka_topic_partition_list_t *list = list_of(reader, from);
    mw_err err = mw_kafka_topic_ends(reader->stream, list, RD_KAFKA_OFFSET_END, error);
    for (size_t i = from; err == MW_OK && i < reader->sources_n; i++) {
        struct mw_kafka_source *source = reader->sources[i];
        int64_t end = list->elems[i - from].offset; /* in the order of adding */
        if (end > source->target) {
            source->target = end;
            source->ended = source->ended > 0 ? mw_clock_monotonic() : 0;
        }
    }
    mw_kafka.topic_partition_list_destroy(list);
    return err;
}

/* Where new sources go on without a committed position: where the reader was told to. */
static mw_err place(struct mw_kafka_reader *reader, size_t from, bool latest,
                    struct mw_error *error)
{
    rd_kafka_topic_partition_list_t *list = list_of(reader, from);
    mw_err err = mw_kafka_sources_aim(reader, from, error);
    if (err == MW_OK && !latest) {
        err = mw_kafka_topic_ends(reader->stream, list, RD_KAFKA_OFFSET_BEGINNING, error);
    }
    for (size_t i = from; err == MW_OK && i < reader->sources_n; i++) {
        struct mw_kafka_source *source = reader->sources[i];
        source->start = latest ? source->target : list->elems[i - from].offset;
        source->committed = -1;
        source->next = source->start;
    }
    mw_kafka.topic_partition_list_destroy(list);
    return err;
}

static rd_kafka_resp_err_t ask_committed(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list)
{
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    for (;;) {
        rd_kafka_resp_err_t code = mw_kafka.committed(handle, list, MW_KAFKA_PATIENCE);
        rd_kafka_resp_err_t worst = code;
        for (int i = 0; i < list->cnt; i++) {
            worst = worst == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[i].err : worst;
        }
        if (!mw_kafka_passes(worst) || mw_clock_monotonic() > limit) {
            return worst;
        }
        mw_kafka_rest(MW_KAFKA_AGAIN);
    }
}

/* The positions of a group; `own`: it is this reader's, whose sources then go on from there, else
 * one whose heir this reader is, and only sources without a position do. */
static mw_err read_group(struct mw_kafka_reader *reader, rd_kafka_t *handle, size_t from, bool own,
                         struct mw_error *error)
{
    rd_kafka_topic_partition_list_t *list = list_of(reader, from);
    rd_kafka_resp_err_t code = ask_committed(handle, list);
    mw_err err = code == RD_KAFKA_RESP_ERR_NO_ERROR
                     ? MW_OK
                     : mw_kafka_fail(reader->stream, error, code, "cannot read the positions");
    for (size_t i = from; err == MW_OK && i < reader->sources_n; i++) {
        int64_t offset = list->elems[i - from].offset;
        struct mw_kafka_source *source = reader->sources[i];
        if (offset < 0 || source->committed >= 0) {
            continue;
        }
        source->next = offset;
        if (own) {
            source->committed = offset;
        } else {
            source->start = offset;
            source->inherited = true;
        }
    }
    mw_kafka.topic_partition_list_destroy(list);
    return err;
}

static mw_err read_committed(struct mw_kafka_reader *reader, size_t from, struct mw_error *error)
{
    if (reader->stream->writer[0] == '\0' || from == reader->sources_n) {
        return MW_OK;
    }
    mw_err err = read_group(reader, reader->handle, from, true, error);
    if (err != MW_OK || reader->heir_of[0] == '\0') {
        return err;
    }
    char group[MW_KAFKA_NAME];
    rd_kafka_t *handle = NULL;
    (void)snprintf(group, sizeof(group), "mw.%s.%s", reader->stream->plant, reader->heir_of);
    err = mw_kafka_handle_new(reader->stream, MW_KAFKA_READER, group, &handle, error);
    if (err == MW_OK) {
        err = read_group(reader, handle, from, false, error);
        mw_kafka.destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    return err;
}

static mw_err add_source(struct mw_kafka_reader *reader, size_t topic, int32_t partition,
                         struct mw_error *error)
{
    static const uint64_t one = 1;
    void *more = realloc(reader->sources, (reader->sources_n + 1) * sizeof(reader->sources[0]));
    struct mw_kafka_source *source = calloc(1, sizeof(*source));
    reader->sources = more == NULL ? reader->sources : more;
    if (more == NULL || source == NULL) {
        free(source);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a reader");
    }
    source->topic = topic;
    source->partition = partition;
    reader->sources[reader->sources_n++] = source;
    source->queue = mw_kafka.queue_new(reader->handle);
    mw_kafka.queue_io_event_enable(source->queue, reader->fd, &one, sizeof(one));
    return MW_OK;
}

static bool is_ours(const struct mw_kafka_reader *reader, size_t topic, int partition)
{
    return strcmp(reader->topics[topic], reader->divided) != 0 ||
           (uint32_t)partition % reader->shares == reader->share;
}

/* Takes the last sources off again, so that the next look finds them missing. */
static void remove_sources(struct mw_kafka_reader *reader, size_t from)
{
    while (reader->sources_n > from) {
        struct mw_kafka_source *source = reader->sources[--reader->sources_n];
        stop(reader, source);
        mw_kafka.queue_destroy(source->queue);
        free(source);
    }
}

mw_err mw_kafka_sources_look(struct mw_kafka_reader *reader, bool first, struct mw_error *error)
{
    int64_t now = mw_clock_monotonic();
    struct mw_kafka *stream = reader->stream;
    size_t known = reader->sources_n;
    int *found = reader->seen + reader->topics_n;
    mw_err err = MW_OK;
    if (!first && now - reader->looked < (reader->missing ? LOOK_MISSING : LOOK_MORE)) {
        return MW_OK;
    }
    bool fresh = !first && now - reader->looked >= LOOK_MORE;
    reader->looked = now;
    reader->missing = false;
    for (size_t i = 0; err == MW_OK && i < reader->topics_n; i++) {
        char name[MW_KAFKA_NAME];
        struct mw_kafka_topic *topic = NULL;
        mw_kafka_topic_name(stream, NULL, reader->topics[i], name);
        /* Who only reads makes no topics. */
        err = mw_kafka_topic_find(stream, name, stream->writer[0] != '\0', false, fresh, &topic,
                                  error);
        int n = err == MW_OK ? topic->partitions : 0;
        reader->missing |= err == MW_OK && n == 0;
        for (int j = reader->seen[i]; err == MW_OK && j < n; j++) {
            err = is_ours(reader, i, j) ? add_source(reader, i, j, error) : MW_OK;
        }
        found[i] = n;
    }
    if (err == MW_OK && reader->sources_n > known) {
        /* What comes up later has only records that are later. */
        err = place(reader, known, first && reader->start == MW_STREAM_LATEST, error);
    }
    err = err == MW_OK ? read_committed(reader, known, error) : err;
    for (size_t i = known; err == MW_OK && i < reader->sources_n; i++) {
        err = mw_kafka_source_start(reader, reader->sources[i], error);
    }
    if (err != MW_OK) {
        remove_sources(reader, known);
    } else {
        memcpy(reader->seen, found, reader->topics_n * sizeof(found[0]));
    }
    return err;
}

void mw_kafka_sources_close(struct mw_kafka_reader *reader)
{
    remove_sources(reader, 0);
    free(reader->sources);
    reader->sources = NULL;
}
