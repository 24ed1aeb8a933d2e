/* stream_internal.h - what a backend of the stream provides.
 *
 * stream.c checks arguments and the order of calls and keeps the transaction's state, so that a
 * backend need not; a backend's struct begins with struct mw_stream, its reader's with struct
 * mw_stream_reader. Functions mean what their namesakes in stream.h say. */
#ifndef MW_STREAM_STREAM_INTERNAL_H
#define MW_STREAM_STREAM_INTERNAL_H

#include "lib/stream/stream.h"

struct mw_stream_backend {
    const char *scheme; /* "sqlite" */
    bool divides;       /* readers can read shares of a topic */
    /* `location` is what follows "scheme:" in the URI. */
    mw_err (*open)(struct mw_stream **stream, const char *location,
                   const struct mw_stream_options *options, struct mw_error *error);
    void (*close)(struct mw_stream *stream);

    mw_err (*begin)(struct mw_stream *stream, struct mw_error *error);
    mw_err (*append)(struct mw_stream *stream, const char *topic, struct mw_span key,
                     struct mw_span value, struct mw_error *error);
    mw_err (*put)(struct mw_stream *stream, const char *topic, struct mw_span key,
                  struct mw_span value, struct mw_error *error);
    /* Visible to readers at its end, durable only after sync. On an error the caller rolls back. */
    mw_err (*commit)(struct mw_stream *stream, struct mw_stream_reader *reader,
                     struct mw_error *error);
    void (*rollback)(struct mw_stream *stream);

    mw_err (*get)(struct mw_stream *stream, const char *writer, const char *topic,
                  struct mw_span key, struct mw_span *value, struct mw_error *error);
    mw_err (*visit)(struct mw_stream *stream, const char *writer, const char *topic,
                    mw_stream_visit_fn *fn, void *context, struct mw_error *error);

    mw_err (*reader_open)(struct mw_stream_reader **reader, struct mw_stream *stream,
                          const char *const *topics, size_t n, enum mw_stream_start start,
                          const struct mw_stream_share *share, struct mw_error *error);
    void (*reader_close)(struct mw_stream_reader *reader);
    mw_err (*poll)(struct mw_stream_reader *reader, struct mw_stream_record *records, size_t max,
                   size_t *count, struct mw_error *error);
    mw_err (*rewind)(struct mw_stream_reader *reader, struct mw_error *error);
    int (*fd)(const struct mw_stream_reader *reader);
    void (*drain)(struct mw_stream_reader *reader);

    mw_err (*retain)(struct mw_stream *stream, int64_t age, int64_t bytes, int64_t now, bool *more,
                     struct mw_error *error);
    /* These may be NULL. Without sync a commit is durable, without tidy and gap nothing is to do,
     * the others are then not supported. sync is called on any thread. */
    mw_err (*sync)(const struct mw_stream *stream, struct mw_error *error);
    mw_err (*trim)(struct mw_stream *stream, const char *topic, int64_t before,
                   struct mw_error *error);
    mw_err (*replace)(struct mw_stream *stream, const char *topic, int64_t offset,
                      struct mw_span key, struct mw_span value, struct mw_error *error);
    void (*seek)(struct mw_stream_reader *reader, int64_t offset);
    void (*tidy)(struct mw_stream *stream);
    int64_t (*gap)(const struct mw_stream *stream);
};

struct mw_stream {
    const struct mw_stream_backend *backend; /* set by stream.c after open */
    bool writable;                           /* set by stream.c: a writer was named */
    bool in_transaction;
    bool ended; /* set by the backend: mw_stream_ended */
};

struct mw_stream_reader {
    struct mw_stream *stream; /* set by stream.c after reader_open */
};

extern const struct mw_stream_backend mw_stream_sqlite;
extern const struct mw_stream_backend mw_stream_kafka;
extern const struct mw_stream_backend mw_stream_relay;

#endif
