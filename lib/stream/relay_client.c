/* relay_client.c - the backend "relay:PATH": every call goes to a relay on this machine.
 *
 * Calls that need no answer gather in `out` and go with the next one that does, so that a
 * transaction is one exchange. A lock makes mw_stream_sync callable from any thread; it may have to
 * wait for a call that is under way. */
#include "lib/stream/relay_link.h"
#include "lib/stream/stream_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct client {
    struct mw_stream base;
    pthread_mutex_t lock;
    struct mw_relay_link link;
    bool durable;          /* its commits need no sync */
    char *value;           /* of the newest get */
    size_t value_capacity; /* bytes */
};

struct client_reader {
    struct mw_stream_reader base;
    struct client *client;
    unsigned id;
    int fd;
    bool drain; /* before the next poll */
    size_t n;
    char (*topics)[64];
    char *records; /* the frame of the newest poll */
    size_t capacity;
};

static struct client *lock(struct mw_stream *base)
{
    struct client *client = (struct client *)base;
    (void)pthread_mutex_lock(&client->lock);
    return client;
}

static mw_err unlock(struct client *client, mw_err err)
{
    client->base.ended |= client->link.ended;
    (void)pthread_mutex_unlock(&client->lock);
    return err;
}

static void client_free(struct client *client)
{
    mw_relay_link_close(&client->link);
    (void)pthread_mutex_destroy(&client->lock);
    free(client->value);
    free(client);
}

/* Waits for the answer: another process may open the writer from then on. */
static void relay_close(struct mw_stream *base)
{
    struct client *client = (struct client *)base;
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_CLOSE);
    (void)mw_relay_link_ask(&client->link, &in, NULL);
    client_free(client);
}

static mw_err say_open(struct client *client, const struct mw_stream_options *options,
                       struct mw_error *error)
{
    struct mw_relay_in in;
    bool writable = options->writer != NULL;
    mw_relay_begin(&client->link.out, MW_RELAY_OPEN);
    mw_relay_u8(&client->link.out, MW_RELAY_VERSION);
    mw_relay_bytes(&client->link.out, mw_span_of(options->plant));
    mw_relay_u8(&client->link.out, writable);
    mw_relay_bytes(&client->link.out, mw_span_of(writable ? options->writer : ""));
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    if (err == MW_OK) {
        client->durable = mw_relay_take_u8(&in) != 0;
        err = mw_relay_link_done(&client->link, &in, error);
    }
    return err;
}

static mw_err relay_open(struct mw_stream **stream, const char *location,
                         const struct mw_stream_options *options, struct mw_error *error)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a stream");
    }
    (void)pthread_mutex_init(&client->lock, NULL);
    mw_err err = mw_relay_link_open(&client->link, location, error);
    err = err == MW_OK ? say_open(client, options, error) : err;
    if (err != MW_OK) {
        client_free(client);
        return err;
    }
    *stream = &client->base;
    return MW_OK;
}

static mw_err relay_begin(struct mw_stream *base, struct mw_error *error)
{
    struct client *client = lock(base);
    mw_relay_begin(&client->link.out, MW_RELAY_BEGIN);
    return unlock(client, mw_relay_link_leave(&client->link, error));
}

static mw_err write_record(struct mw_stream *base, enum mw_relay_op op, const char *topic,
                           struct mw_span key, struct mw_span value, struct mw_error *error)
{
    struct client *client = lock(base);
    mw_relay_begin(&client->link.out, op);
    mw_relay_bytes(&client->link.out, mw_span_of(topic));
    mw_relay_bytes(&client->link.out, key);
    mw_relay_bytes(&client->link.out, value);
    return unlock(client, mw_relay_link_leave(&client->link, error));
}

static mw_err relay_append(struct mw_stream *base, const char *topic, struct mw_span key,
                           struct mw_span value, struct mw_error *error)
{
    return write_record(base, MW_RELAY_APPEND, topic, key, value, error);
}

static mw_err relay_put(struct mw_stream *base, const char *topic, struct mw_span key,
                        struct mw_span value, struct mw_error *error)
{
    return write_record(base, MW_RELAY_PUT, topic, key, value, error);
}

static mw_err relay_commit(struct mw_stream *base, struct mw_stream_reader *reader,
                           struct mw_error *error)
{
    struct client *client = lock(base);
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_COMMIT);
    mw_relay_u8(&client->link.out,
                reader == NULL ? MW_RELAY_NO_READER : ((struct client_reader *)reader)->id);
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    return unlock(client, err == MW_OK ? mw_relay_link_done(&client->link, &in, error) : err);
}

static void relay_rollback(struct mw_stream *base)
{
    struct client *client = lock(base);
    mw_relay_begin(&client->link.out, MW_RELAY_ROLLBACK);
    (void)unlock(client, mw_relay_link_leave(&client->link, NULL));
}

static mw_err relay_sync(const struct mw_stream *base, struct mw_error *error)
{
    if (((const struct client *)base)->durable) {
        return MW_OK;
    }
    /* The handle is const for its caller; the socket behind it is guarded by the lock. */
    struct client *client = lock((struct mw_stream *)(uintptr_t)base);
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_SYNC);
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    return unlock(client, err == MW_OK ? mw_relay_link_done(&client->link, &in, error) : err);
}

/* Keeps bytes of an answer beyond it. */
static mw_err keep(char **place, size_t *capacity, struct mw_span bytes, struct mw_error *error)
{
    if (bytes.size > *capacity) {
        char *more = realloc(*place, bytes.size);
        if (more == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory for %zu bytes", bytes.size);
        }
        *place = more;
        *capacity = bytes.size;
    }
    if (bytes.size > 0) {
        memcpy(*place, bytes.data, bytes.size);
    }
    return MW_OK;
}

static void name_state(struct client *client, enum mw_relay_op op, const char *writer,
                       const char *topic)
{
    mw_relay_begin(&client->link.out, op);
    mw_relay_u8(&client->link.out, writer != NULL);
    mw_relay_bytes(&client->link.out, mw_span_of(writer == NULL ? "" : writer));
    mw_relay_bytes(&client->link.out, mw_span_of(topic));
}

static mw_err relay_get(struct mw_stream *base, const char *writer, const char *topic,
                        struct mw_span key, struct mw_span *value, struct mw_error *error)
{
    struct client *client = lock(base);
    struct mw_relay_in in;
    name_state(client, MW_RELAY_GET, writer, topic);
    mw_relay_bytes(&client->link.out, key);
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    if (err == MW_OK) {
        struct mw_span found = mw_relay_take_bytes(&in);
        err = mw_relay_link_done(&client->link, &in, error);
        err = err == MW_OK ? keep(&client->value, &client->value_capacity, found, error) : err;
        *value = (struct mw_span){client->value, err == MW_OK ? found.size : 0};
    }
    return unlock(client, err);
}

/* fn may not call the stream: the lock is held, and the rest of the answer is on its way. */
static mw_err relay_visit(struct mw_stream *base, const char *writer, const char *topic,
                          mw_stream_visit_fn *fn, void *context, struct mw_error *error)
{
    struct client *client = lock(base);
    struct mw_relay_in in;
    enum mw_relay_op op = MW_RELAY_ENTRIES;
    bool wanted = true;
    name_state(client, MW_RELAY_VISIT, writer, topic);
    mw_relay_end(&client->link.out);
    mw_err err = mw_relay_link_flush(&client->link, error);
    while (err == MW_OK && op == MW_RELAY_ENTRIES) {
        err = mw_relay_link_receive(&client->link, &op, &in, error);
        while (err == MW_OK && op == MW_RELAY_ENTRIES && in.at < in.size) {
            struct mw_span key = mw_relay_take_bytes(&in);
            struct mw_span value = mw_relay_take_bytes(&in);
            if (in.failed) {
                err = mw_relay_link_done(&client->link, &in, error);
            } else if (wanted) {
                wanted = fn(context, key, value);
            }
        }
    }
    err = err == MW_OK ? mw_relay_link_head(&client->link, &in, error) : err;
    return unlock(client, err == MW_OK ? mw_relay_link_done(&client->link, &in, error) : err);
}

static void reader_free(struct client_reader *reader)
{
    if (reader->fd >= 0) {
        (void)close(reader->fd);
    }
    free(reader->topics);
    free(reader->records);
    free(reader);
}

static mw_err ask_reader(struct client *client, struct client_reader *reader,
                         enum mw_stream_start start, const struct mw_stream_share *share,
                         struct mw_error *error)
{
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_READER_OPEN);
    mw_relay_u8(&client->link.out, start == MW_STREAM_LATEST);
    mw_relay_u32(&client->link.out, (uint32_t)reader->n);
    for (size_t i = 0; i < reader->n; i++) {
        mw_relay_bytes(&client->link.out, mw_span_of(reader->topics[i]));
    }
    mw_relay_u8(&client->link.out, share != NULL);
    if (share != NULL) {
        mw_relay_bytes(&client->link.out, mw_span_of(share->topic));
        mw_relay_u32(&client->link.out, share->share);
        mw_relay_u32(&client->link.out, share->shares);
        mw_relay_u8(&client->link.out, share->heir_of != NULL);
        mw_relay_bytes(&client->link.out, mw_span_of(share->heir_of == NULL ? "" : share->heir_of));
    }
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    if (err != MW_OK) {
        return err;
    }
    reader->id = mw_relay_take_u8(&in);
    reader->fd = client->link.pipe.received;
    client->link.pipe.received = -1;
    in.failed |= reader->fd < 0;
    return mw_relay_link_done(&client->link, &in, error);
}

static mw_err relay_reader_open(struct mw_stream_reader **opened, struct mw_stream *base,
                                const char *const *topics, size_t n, enum mw_stream_start start,
                                const struct mw_stream_share *share, struct mw_error *error)
{
    struct client_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || (reader->topics = calloc(n, sizeof *reader->topics)) == NULL) {
        free(reader);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a reader");
    }
    struct client *client = lock(base);
    reader->client = client;
    reader->fd = -1;
    reader->n = n;
    for (size_t i = 0; i < n; i++) { /* stream.c has checked the names */
        memcpy(reader->topics[i], topics[i], strlen(topics[i]) + 1);
    }
    mw_err err = unlock(client, ask_reader(client, reader, start, share, error));
    if (err != MW_OK) {
        reader_free(reader);
        return err;
    }
    *opened = &reader->base;
    return MW_OK;
}

static void relay_reader_close(struct mw_stream_reader *base)
{
    struct client_reader *reader = (struct client_reader *)base;
    struct client *client = lock(&reader->client->base);
    mw_relay_begin(&client->link.out, MW_RELAY_READER_CLOSE);
    mw_relay_u8(&client->link.out, reader->id);
    (void)unlock(client, mw_relay_link_leave(&client->link, NULL));
    reader_free(reader);
}

static void take_record(struct client_reader *reader, struct mw_relay_in *in,
                        struct mw_stream_record *record)
{
    uint32_t topic = mw_relay_take_u32(in);
    in->failed |= topic >= reader->n;
    record->topic = reader->topics[in->failed ? 0 : topic];
    record->partition = mw_relay_take_u32(in);
    record->offset = mw_relay_take_i64(in);
    record->appended = mw_relay_take_i64(in);
    record->key = mw_relay_take_bytes(in);
    record->value = mw_relay_take_bytes(in);
}

static mw_err take_records(struct client_reader *reader, struct mw_relay_in *in,
                           struct mw_stream_record *records, size_t max, size_t *count,
                           struct mw_error *error)
{
    struct mw_span rest = {in->data + in->at, in->size - in->at};
    mw_err err = keep(&reader->records, &reader->capacity, rest, error);
    if (err != MW_OK) {
        return err;
    }
    *in = (struct mw_relay_in){.data = reader->records, .size = rest.size};
    size_t n = mw_relay_take_u32(in);
    in->failed |= n > max;
    for (size_t i = 0; i < n && !in->failed; i++) {
        take_record(reader, in, &records[i]);
    }
    err = mw_relay_link_done(&reader->client->link, in, error);
    *count = err == MW_OK ? n : 0;
    return err;
}

static mw_err relay_poll(struct mw_stream_reader *base, struct mw_stream_record *records,
                         size_t max, size_t *count, struct mw_error *error)
{
    struct client_reader *reader = (struct client_reader *)base;
    struct client *client = lock(&reader->client->base);
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_POLL);
    mw_relay_u8(&client->link.out, reader->id);
    mw_relay_u8(&client->link.out, reader->drain);
    mw_relay_u32(&client->link.out, (uint32_t)max);
    reader->drain = false;
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    err = err == MW_OK ? take_records(reader, &in, records, max, count, error) : err;
    return unlock(client, err);
}

static mw_err relay_rewind(struct mw_stream_reader *base, struct mw_error *error)
{
    struct client_reader *reader = (struct client_reader *)base;
    struct client *client = lock(&reader->client->base);
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_REWIND);
    mw_relay_u8(&client->link.out, reader->id);
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    return unlock(client, err == MW_OK ? mw_relay_link_done(&client->link, &in, error) : err);
}

static int relay_fd(const struct mw_stream_reader *base)
{
    return ((const struct client_reader *)base)->fd;
}

/* The descriptor is the relay's own reader's, so only that knows how to empty it. */
static void relay_drain(struct mw_stream_reader *base)
{
    ((struct client_reader *)base)->drain = true;
}

static mw_err relay_retain(struct mw_stream *base, int64_t age, int64_t bytes, int64_t now,
                           bool *more, struct mw_error *error)
{
    struct client *client = lock(base);
    struct mw_relay_in in;
    mw_relay_begin(&client->link.out, MW_RELAY_RETAIN);
    mw_relay_i64(&client->link.out, age);
    mw_relay_i64(&client->link.out, bytes);
    mw_relay_i64(&client->link.out, now);
    mw_err err = mw_relay_link_ask(&client->link, &in, error);
    if (err == MW_OK) {
        *more = mw_relay_take_u8(&in) != 0;
        err = mw_relay_link_done(&client->link, &in, error);
    }
    return unlock(client, err);
}

static void relay_tidy(struct mw_stream *base)
{
    struct client *client = lock(base);
    mw_relay_begin(&client->link.out, MW_RELAY_TIDY);
    mw_relay_end(&client->link.out);
    (void)unlock(client, mw_relay_link_flush(&client->link, NULL));
}

const struct mw_stream_backend mw_stream_relay = {
    .scheme = "relay",
    .divides = true, /* if the log behind it does */
    .open = relay_open,
    .close = relay_close,
    .begin = relay_begin,
    .append = relay_append,
    .put = relay_put,
    .commit = relay_commit,
    .rollback = relay_rollback,
    .get = relay_get,
    .visit = relay_visit,
    .reader_open = relay_reader_open,
    .reader_close = relay_reader_close,
    .poll = relay_poll,
    .rewind = relay_rewind,
    .fd = relay_fd,
    .drain = relay_drain,
    .retain = relay_retain,
    .sync = relay_sync,
    .tidy = relay_tidy,
};
