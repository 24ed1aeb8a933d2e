/* stream.c - finds the backend of a URI, and checks what every backend would have to check. */
#include "lib/stream/stream_internal.h"

#include <string.h>

static const struct mw_stream_backend *const backends[] = {&mw_stream_sqlite, &mw_stream_kafka,
                                                           &mw_stream_relay};

static bool name_ok(const char *name)
{
    if (name == NULL) {
        return false;
    }
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size > 0 && size < 64 && name[size] == '\0';
}

static mw_err check_name(const char *what, const char *name, struct mw_error *error)
{
    if (name_ok(name)) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_ARGUMENT, "%s \"%.80s\" does not match [a-z0-9-]{1,63}", what,
                        name == NULL ? "" : name);
}

mw_err mw_stream_open(struct mw_stream **stream, const struct mw_stream_options *options,
                      struct mw_error *error)
{
    *stream = NULL;
    mw_err err = check_name("plant", options->plant, error);
    if (err == MW_OK && options->writer != NULL) {
        err = check_name("writer", options->writer, error);
    }
    if (err != MW_OK) {
        return err;
    }
    const char *uri = options->uri == NULL ? "" : options->uri;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        size_t length = strlen(backends[i]->scheme);
        if (strncmp(uri, backends[i]->scheme, length) != 0 || uri[length] != ':') {
            continue;
        }
        if (uri[length + 1] == '\0') {
            return mw_error_set(error, MW_ERR_ARGUMENT, "%s names no place", uri);
        }
        err = backends[i]->open(stream, uri + length + 1, options, error);
        if (err != MW_OK) {
            *stream = NULL;
            return err;
        }
        (*stream)->backend = backends[i];
        (*stream)->writable = options->writer != NULL;
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_UNSUPPORTED, "\"%.200s\" is not the URI of a stream", uri);
}

void mw_stream_close(struct mw_stream *stream)
{
    if (stream != NULL) {
        mw_stream_rollback(stream);
        stream->backend->close(stream);
    }
}

static mw_err check_transaction(const struct mw_stream *stream, bool wanted, struct mw_error *error)
{
    if (!stream->writable) {
        return mw_error_set(error, MW_ERR_STATE, "stream is open for reading only");
    }
    if (stream->in_transaction != wanted) {
        return mw_error_set(error, MW_ERR_STATE,
                            wanted ? "no transaction is open" : "a transaction is open already");
    }
    return MW_OK;
}

/* Passes err on; an error ends the transaction. */
static mw_err settle(struct mw_stream *stream, mw_err err)
{
    if (err != MW_OK) {
        mw_stream_rollback(stream);
    }
    return err;
}

int64_t mw_stream_gap(const struct mw_stream *stream)
{
    return stream->backend->gap == NULL ? 0 : stream->backend->gap(stream);
}

bool mw_stream_ended(const struct mw_stream *stream)
{
    return stream->ended;
}

mw_err mw_stream_begin(struct mw_stream *stream, struct mw_error *error)
{
    mw_err err = check_transaction(stream, false, error);
    if (err == MW_OK && stream->ended) {
        err = mw_error_set(error, MW_ERR_STATE, "the stream has to be opened again to write");
    }
    if (err == MW_OK) {
        err = stream->backend->begin(stream, error);
        stream->in_transaction = err == MW_OK;
    }
    return err;
}

static mw_err check_record(const struct mw_stream *stream, const char *topic, struct mw_span key,
                           struct mw_span value, struct mw_error *error)
{
    mw_err err = check_transaction(stream, true, error);
    if (err == MW_OK) {
        err = check_name("topic", topic, error);
    }
    if (err == MW_OK &&
        (key.size > MW_STREAM_RECORD_MAX || value.size > MW_STREAM_RECORD_MAX - key.size)) {
        err = mw_error_set(error, MW_ERR_TOO_LARGE,
                           "record of %s has %zu bytes of key and %zu of value, together over %d",
                           topic, key.size, value.size, MW_STREAM_RECORD_MAX);
    }
    return err;
}

mw_err mw_stream_append(struct mw_stream *stream, const char *topic, struct mw_span key,
                        struct mw_span value, struct mw_error *error)
{
    mw_err err = check_record(stream, topic, key, value, error);
    if (err == MW_OK) {
        err = stream->backend->append(stream, topic, key, value, error);
    }
    return settle(stream, err);
}

mw_err mw_stream_put(struct mw_stream *stream, const char *topic, struct mw_span key,
                     struct mw_span value, struct mw_error *error)
{
    mw_err err = check_record(stream, topic, key, value, error);
    if (err == MW_OK) {
        err = stream->backend->put(stream, topic, key, value, error);
    }
    return settle(stream, err);
}

mw_err mw_stream_commit_visible(struct mw_stream *stream, struct mw_stream_reader *reader,
                                struct mw_error *error)
{
    mw_err err = check_transaction(stream, true, error);
    if (err == MW_OK && reader != NULL && reader->stream != stream) {
        err = mw_error_set(error, MW_ERR_ARGUMENT, "the reader is another stream's");
    }
    if (err == MW_OK) {
        err = stream->backend->commit(stream, reader, error);
    }
    if (err == MW_OK) {
        stream->in_transaction = false;
    }
    return settle(stream, err);
}

mw_err mw_stream_commit(struct mw_stream *stream, struct mw_stream_reader *reader,
                        struct mw_error *error)
{
    mw_err err = mw_stream_commit_visible(stream, reader, error);
    if (err == MW_OK) {
        err = mw_stream_sync(stream, error);
        stream->ended |= err != MW_OK; /* it is committed, but nobody knows for how long */
    }
    return err;
}

mw_err mw_stream_sync(const struct mw_stream *stream, struct mw_error *error)
{
    return stream->backend->sync == NULL ? MW_OK : stream->backend->sync(stream, error);
}

void mw_stream_rollback(struct mw_stream *stream)
{
    if (stream->in_transaction) {
        stream->backend->rollback(stream);
        stream->in_transaction = false;
    }
}

static mw_err check_state_read(const struct mw_stream *stream, const char *writer,
                               const char *topic, struct mw_error *error)
{
    if (writer == NULL && !stream->writable) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "no writer is named to read %s from", topic);
    }
    mw_err err = writer == NULL ? MW_OK : check_name("writer", writer, error);
    return err == MW_OK ? check_name("topic", topic, error) : err;
}

mw_err mw_stream_get(struct mw_stream *stream, const char *writer, const char *topic,
                     struct mw_span key, struct mw_span *value, struct mw_error *error)
{
    *value = (struct mw_span){NULL, 0};
    mw_err err = check_state_read(stream, writer, topic, error);
    return err == MW_OK ? stream->backend->get(stream, writer, topic, key, value, error) : err;
}

mw_err mw_stream_visit(struct mw_stream *stream, const char *writer, const char *topic,
                       mw_stream_visit_fn *fn, void *context, struct mw_error *error)
{
    mw_err err = check_state_read(stream, writer, topic, error);
    return err == MW_OK ? stream->backend->visit(stream, writer, topic, fn, context, error) : err;
}

mw_err mw_stream_reader_open(struct mw_stream_reader **reader, struct mw_stream *stream,
                             const char *const *topics, size_t n, enum mw_stream_start start,
                             struct mw_error *error)
{
    return mw_stream_reader_open_share(reader, stream, topics, n, start, NULL, error);
}

mw_err mw_stream_reader_open_share(struct mw_stream_reader **reader, struct mw_stream *stream,
                                   const char *const *topics, size_t n, enum mw_stream_start start,
                                   const struct mw_stream_share *share, struct mw_error *error)
{
    *reader = NULL;
    if (share != NULL && (share->shares == 0 || share->share >= share->shares)) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "share %u of %u", share->share, share->shares);
    }
    if (share != NULL && share->shares > 1 && !stream->backend->divides) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "a stream on %s is not read in shares",
                            stream->backend->scheme);
    }
    if (n == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "a reader needs a topic");
    }
    for (size_t i = 0; i < n; i++) {
        mw_err err = check_name("topic", topics[i], error);
        if (err != MW_OK) {
            return err;
        }
    }
    mw_err err = stream->backend->reader_open(reader, stream, topics, n, start, share, error);
    if (err != MW_OK) {
        *reader = NULL;
        return err;
    }
    (*reader)->stream = stream;
    return MW_OK;
}

void mw_stream_reader_close(struct mw_stream_reader *reader)
{
    if (reader != NULL) {
        reader->stream->backend->reader_close(reader);
    }
}

mw_err mw_stream_poll(struct mw_stream_reader *reader, struct mw_stream_record *records, size_t max,
                      size_t *count, struct mw_error *error)
{
    *count = 0;
    max = max < MW_STREAM_POLL_MAX ? max : MW_STREAM_POLL_MAX;
    return reader->stream->backend->poll(reader, records, max, count, error);
}

mw_err mw_stream_reader_rewind(struct mw_stream_reader *reader, struct mw_error *error)
{
    return reader->stream->backend->rewind(reader, error);
}

int mw_stream_reader_fd(const struct mw_stream_reader *reader)
{
    return reader->stream->backend->fd(reader);
}

void mw_stream_reader_drain(struct mw_stream_reader *reader)
{
    reader->stream->backend->drain(reader);
}

mw_err mw_stream_retain(struct mw_stream *stream, int64_t age, int64_t bytes, int64_t now,
                        bool *more, struct mw_error *error)
{
    *more = false;
    mw_err err = check_transaction(stream, false, error);
    return err == MW_OK ? stream->backend->retain(stream, age, bytes, now, more, error) : err;
}

mw_err mw_stream_trim(struct mw_stream *stream, const char *topic, int64_t before,
                      struct mw_error *error)
{
    mw_err err = check_transaction(stream, true, error);
    if (err == MW_OK) {
        err = check_name("topic", topic, error);
    }
    if (err == MW_OK && stream->backend->trim == NULL) {
        err = mw_error_set(error, MW_ERR_UNSUPPORTED, "records of %s: cannot be removed by offset",
                           topic);
    } else if (err == MW_OK) {
        err = stream->backend->trim(stream, topic, before, error);
    }
    return settle(stream, err);
}

mw_err mw_stream_replace(struct mw_stream *stream, const char *topic, int64_t offset,
                         struct mw_span key, struct mw_span value, struct mw_error *error)
{
    mw_err err = check_record(stream, topic, key, value, error);
    if (err == MW_OK && stream->backend->replace == NULL) {
        err = mw_error_set(error, MW_ERR_UNSUPPORTED, "records of %s: cannot be replaced", topic);
    } else if (err == MW_OK) {
        err = stream->backend->replace(stream, topic, offset, key, value, error);
    }
    return settle(stream, err);
}

mw_err mw_stream_reader_seek(struct mw_stream_reader *reader, int64_t offset,
                             struct mw_error *error)
{
    if (reader->stream->backend->seek == NULL) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "this stream is not read from an offset");
    }
    reader->stream->backend->seek(reader, offset);
    return MW_OK;
}

void mw_stream_tidy(struct mw_stream *stream)
{
    if (stream->writable && !stream->in_transaction && stream->backend->tidy != NULL) {
        stream->backend->tidy(stream);
    }
}
