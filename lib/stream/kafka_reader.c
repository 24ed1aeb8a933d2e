/* kafka_reader.c - reads topics from all their partitions, merged by time as far as known. */
#include "lib/stream/kafka_source.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void take_share(struct mw_kafka_reader *reader, const struct mw_stream_share *share)
{
    reader->shares = 1;
    if (share != NULL) {
        reader->share = share->share;
        reader->shares = share->shares;
        (void)snprintf(reader->divided, sizeof(reader->divided), "%s", share->topic);
        (void)snprintf(reader->heir_of, sizeof(reader->heir_of), "%s",
                       share->heir_of == NULL ? "" : share->heir_of);
    }
}

mw_err mw_kafka_reader_open(struct mw_stream_reader **opened, struct mw_stream *stream,
                            const char *const *topics, size_t n, enum mw_stream_start start,
                            const struct mw_stream_share *share, struct mw_error *error)
{
    struct mw_kafka_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a reader");
    }
    reader->stream = (struct mw_kafka *)stream;
    reader->start = start;
    reader->topics = calloc(n, sizeof(reader->topics[0]));
    reader->handles = calloc(n, sizeof(rd_kafka_topic_t *));
    reader->seen = calloc(2 * n, sizeof(reader->seen[0]));
    reader->given = calloc(MW_STREAM_POLL_MAX, sizeof(rd_kafka_message_t *));
    reader->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    mw_err err = MW_OK;
    if (reader->topics == NULL || reader->handles == NULL || reader->seen == NULL ||
        reader->given == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory for a reader");
    } else if (reader->fd < 0) {
        err = mw_error_errno(error, MW_ERR_IO, "eventfd");
    }
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        (void)snprintf(reader->topics[i], sizeof(reader->topics[i]), "%s", topics[i]);
        reader->topics_n = i + 1;
    }
    take_share(reader, share);
    if (err == MW_OK) {
        err = mw_kafka_handle_new(reader->stream, MW_KAFKA_READER, NULL, &reader->handle, error);
    }
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        char name[MW_KAFKA_NAME];
        mw_kafka_topic_name(reader->stream, NULL, topics[i], name);
        reader->handles[i] = mw_kafka.topic_new(reader->handle, name, NULL);
        if (reader->handles[i] == NULL) {
            err = mw_kafka_fail(reader->stream, error, mw_kafka.last_error(), name);
        }
    }
    err = err == MW_OK ? mw_kafka_sources_look(reader, true, error) : err;
    if (err != MW_OK) {
        mw_kafka_reader_close(&reader->base);
        return err;
    }
    reader->looks = reader->stream->looks;
    *opened = &reader->base;
    return MW_OK;
}

static void release(struct mw_kafka_reader *reader)
{
    while (reader->given_n > 0) {
        mw_kafka.message_destroy(reader->given[--reader->given_n]);
    }
}

void mw_kafka_reader_close(struct mw_stream_reader *base)
{
    struct mw_kafka_reader *reader = (struct mw_kafka_reader *)base;
    release(reader);
    mw_kafka_sources_close(reader);
    for (size_t i = 0; reader->handles != NULL && i < reader->topics_n; i++) {
        if (reader->handles[i] != NULL) {
            mw_kafka.topic_destroy(reader->handles[i]);
        }
    }
    if (reader->handle != NULL) { /* before fd: its threads write to that */
        mw_kafka.destroy_flags(reader->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    if (reader->fd >= 0) {
        (void)close(reader->fd);
    }
    free(reader->handles);
    free(reader->seen);
    free(reader->given);
    free(reader->topics);
    free(reader);
}

/* --- polling --- */

/* What concerns the whole and not one partition. */
static mw_err hear(struct mw_kafka_reader *reader, struct mw_error *error)
{
    (void)mw_kafka.poll(reader->handle, 0);
    if (!reader->stream->log.down) {
        return MW_OK;
    }
    reader->stream->log.down = false;
    return mw_kafka_fail(reader->stream, error, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
                         "cannot be read");
}

/* Fills every source; *waits when one is empty that may not be. */
static mw_err fill(struct mw_kafka_reader *reader, bool *waits, struct mw_error *error)
{
    mw_err err = MW_OK;
    *waits = false;
    for (size_t i = 0; err == MW_OK && i < reader->sources_n; i++) {
        struct mw_kafka_source *source = reader->sources[i];
        err = mw_kafka_source_fill(reader, source, error);
        *waits |= source->at == source->n && mw_kafka_source_waits(source);
    }
    return err;
}

static struct mw_kafka_source *oldest(const struct mw_kafka_reader *reader)
{
    struct mw_kafka_source *best = NULL;
    for (size_t i = 0; i < reader->sources_n; i++) {
        struct mw_kafka_source *source = reader->sources[i];
        if (source->at < source->n && (best == NULL || source->time < best->time)) {
            best = source;
        }
    }
    return best;
}

static void give(struct mw_kafka_reader *reader, struct mw_kafka_source *source,
                 struct mw_stream_record *record)
{
    rd_kafka_message_t *message = source->held[source->at++];
    reader->given[reader->given_n++] = message;
    *record = (struct mw_stream_record){
        .topic = reader->topics[source->topic],
        .partition = (uint32_t)source->partition,
        .offset = message->offset,
        .appended = source->time,
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
    };
    source->next = message->offset + 1;
    if (source->at < source->n) {
        mw_kafka_source_date(source);
    }
}

/* Hands out the oldest records until one source has none left and may not be at its end. */
static mw_err merge(struct mw_kafka_reader *reader, struct mw_stream_record *records, size_t max,
                    size_t *count, bool *waits, struct mw_error *error)
{
    mw_err err = fill(reader, waits, error);
    while (err == MW_OK && *count < max && !*waits) {
        struct mw_kafka_source *source = oldest(reader);
        if (source == NULL) {
            break;
        }
        give(reader, source, &records[(*count)++]);
        if (source->at == source->n) {
            err = mw_kafka_source_fill(reader, source, error);
            *waits = source->at == source->n && mw_kafka_source_waits(source);
        }
    }
    return err;
}

static void rest(struct mw_kafka_reader *reader)
{
    struct pollfd wait = {.fd = reader->fd, .events = POLLIN};
    (void)poll(&wait, 1, 50);
    mw_kafka_reader_drain(&reader->base);
}

mw_err mw_kafka_poll(struct mw_stream_reader *base, struct mw_stream_record *records, size_t max,
                     size_t *count, struct mw_error *error)
{
    struct mw_kafka_reader *reader = (struct mw_kafka_reader *)base;
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    bool waits = false;
    release(reader);
    mw_err err = hear(reader, error);
    err = err == MW_OK ? mw_kafka_sources_look(reader, false, error) : err;
    if (err == MW_OK && reader->looks != reader->stream->looks) {
        err = mw_kafka_sources_aim(reader, 0, error);
        reader->looks = err == MW_OK ? reader->stream->looks : reader->looks;
    }
    while (err == MW_OK) {
        err = merge(reader, records, max, count, &waits, error);
        if (err != MW_OK || *count > 0 || !waits || max == 0) {
            break;
        }
        if (mw_clock_monotonic() > limit) {
            return mw_kafka_fail(reader->stream, error, RD_KAFKA_RESP_ERR__TIMED_OUT,
                                 "cannot be read");
        }
        rest(reader);
    }
    if (*count > 0 && err != MW_OK) { /* what there is first; the trouble comes again */
        if (error != NULL) {
            *error = (struct mw_error){0};
        }
        err = MW_OK;
    }
    return err;
}

mw_err mw_kafka_rewind(struct mw_stream_reader *base, struct mw_error *error)
{
    struct mw_kafka_reader *reader = (struct mw_kafka_reader *)base;
    release(reader);
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < reader->sources_n; i++) {
        struct mw_kafka_source *source = reader->sources[i];
        source->target = source->next > source->target ? source->next : source->target;
        source->next = source->committed >= 0 ? source->committed : source->start;
        err = mw_kafka_source_start(reader, source, error);
    }
    return err;
}

int mw_kafka_reader_fd(const struct mw_stream_reader *reader)
{
    return ((const struct mw_kafka_reader *)reader)->fd;
}

void mw_kafka_reader_drain(struct mw_stream_reader *reader)
{
    uint64_t times = 0;
    while (read(mw_kafka_reader_fd(reader), &times, sizeof(times)) < 0 && errno == EINTR) {
    }
}

/* --- positions --- */

/* Whether its position is to be committed. */
static bool has_moved(const struct mw_kafka_source *source)
{
    return source->inherited ||
           source->next != (source->committed >= 0 ? source->committed : source->start);
}

mw_err mw_kafka_reader_moved(struct mw_stream_reader *base, rd_kafka_topic_partition_list_t **moved,
                             struct mw_error *error)
{
    struct mw_kafka_reader *reader = (struct mw_kafka_reader *)base;
    char name[MW_KAFKA_NAME];
    *moved = NULL;
    for (size_t i = 0; i < reader->sources_n; i++) {
        const struct mw_kafka_source *source = reader->sources[i];
        if (!has_moved(source)) {
            continue;
        }
        if (*moved == NULL) {
            *moved = mw_kafka.topic_partition_list_new((int)reader->sources_n);
        }
        if (*moved == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory for positions");
        }
        mw_kafka_topic_name(reader->stream, NULL, reader->topics[source->topic], name);
        mw_kafka.topic_partition_list_add(*moved, name, source->partition)->offset = source->next;
    }
    return MW_OK;
}

void mw_kafka_reader_stored(struct mw_stream_reader *base)
{
    struct mw_kafka_reader *reader = (struct mw_kafka_reader *)base;
    for (size_t i = 0; i < reader->sources_n; i++) {
        struct mw_kafka_source *source = reader->sources[i];
        if (has_moved(source)) {
            source->committed = source->next;
            source->inherited = false;
        }
    }
}
