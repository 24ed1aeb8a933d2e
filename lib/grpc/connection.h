/* connection.h - what server and client of gRPC share: one HTTP/2 connection on the loop, and its
 * streams. Of this folder only.
 *
 * nghttp2 keeps the state of HTTP/2; what it wants written is written from a timer without delay,
 * never inside a callback of it. */
#ifndef MW_GRPC_CONNECTION_H
#define MW_GRPC_CONNECTION_H

#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/grpc/message.h"
#include "lib/grpc/status.h"

#include <nghttp2/nghttp2.h>

#define MW_GRPC_MESSAGE_LIMIT ((size_t)1 << 20) /* bytes of a message that is received */
#define MW_GRPC_QUEUE_LIMIT ((size_t)4 << 20)   /* bytes that wait for a peer that reads slowly */
#define MW_GRPC_STREAMS 64                      /* calls of a connection at a time */
#define MW_GRPC_HEADERS_LIMIT 16384             /* bytes of header fields */

struct mw_grpc_connection;

/* One call. Lives until its stream is closed, which its owner hears (on_stream_closed). */
struct mw_grpc_stream {
    struct mw_grpc_connection *connection;
    struct mw_grpc_stream *previous, *next;
    int32_t id;
    struct mw_grpc_reader reader;
    struct mw_buffer out; /* framed messages; written up to out_at */
    size_t out_at;
    bool ended; /* nothing more is added to out */
    struct mw_loop_watch *deadline;

    /* A server's: the request's fields, and the answer's end. */
    char method[256], content_type[64];
    bool post, answered, called;
    int64_t timeout; /* microseconds; 0: none */
    char status_text[4], message[256];

    /* A client's: what is known of how the call ended. */
    bool has_status;
    enum mw_grpc_status status;

    void *user;
};

struct mw_grpc_connection {
    struct mw_loop *loop;
    int fd;
    struct mw_loop_watch *watch, *soon;
    nghttp2_session *session;
    struct mw_grpc_stream *streams;
    bool server, broken;
    size_t message_limit;

    /* The owner's. on_headers: the fields of a request or an answer are complete; on_data: more
     * bytes are in the reader; both may end the stream. on_half: the peer sends no more. */
    void (*on_headers)(struct mw_grpc_stream *stream);
    void (*on_data)(struct mw_grpc_stream *stream);
    void (*on_half)(struct mw_grpc_stream *stream);
    void (*on_too_much)(struct mw_grpc_stream *stream, mw_err err); /* as mw_grpc_reader_add */
    void (*on_stream_closed)(struct mw_grpc_stream *stream);
    void (*on_deadline)(void *stream);
    void (*on_broken)(struct mw_grpc_connection *connection); /* may free it */
    void *context;
};

/* Takes fd (non-blocking); the owner's fields are set. Errors: MEMORY, IO. */
mw_err mw_grpc_connection_open(struct mw_grpc_connection *connection, struct mw_error *error);
/* Closes all streams (on_stream_closed) and fd. */
void mw_grpc_connection_close(struct mw_grpc_connection *connection);
/* Has what is queued written soon. */
void mw_grpc_connection_wake(struct mw_grpc_connection *connection);

/* NULL: out of memory. */
struct mw_grpc_stream *mw_grpc_stream_new(struct mw_grpc_connection *connection, int32_t id);
void mw_grpc_stream_free(struct mw_grpc_stream *stream); /* NULL allowed */
/* Queues a message. Errors: STATE (ended), FULL (too much waits), MEMORY. */
mw_err mw_grpc_stream_send(struct mw_grpc_stream *stream, struct mw_span message);
/* The body that HTTP/2 asks for: out, and after its end the trailers of a server. */
nghttp2_data_provider mw_grpc_stream_body(struct mw_grpc_stream *stream);
mw_err mw_grpc_stream_set_deadline(struct mw_grpc_stream *stream, int64_t microseconds);

/* A header field from texts that live as long as the call of nghttp2. */
nghttp2_nv mw_grpc_field(const char *name, const char *value);

#endif
