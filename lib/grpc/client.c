#include "lib/grpc/client.h"

#include "lib/grpc/address.h"
#include "lib/grpc/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct mw_grpc_client {
    struct mw_grpc_connection connection; /* first: one is the other */
    bool freed;
};

/* Tells the end once, with what is known by then. */
static void tell_end(struct mw_grpc_stream *stream, enum mw_grpc_status status, const char *text)
{
    struct mw_grpc_reply *reply = stream->user;
    stream->user = NULL;
    if (reply != NULL) {
        if (reply->on_end != NULL) {
            reply->on_end(reply->context, status, text);
        }
        free(reply);
    }
}

static void give_up(struct mw_grpc_stream *stream, enum mw_grpc_status status, const char *text)
{
    (void)nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                    NGHTTP2_CANCEL);
    mw_grpc_connection_wake(stream->connection);
    tell_end(stream, status, text);
}

static void on_headers(struct mw_grpc_stream *stream)
{
    (void)stream;
}

static void on_data(struct mw_grpc_stream *stream)
{
    struct mw_span message;
    const struct mw_grpc_reply *reply = stream->user;
    while (reply != NULL && mw_grpc_reader_next(&stream->reader, &message) == MW_OK) {
        if (reply->on_message != NULL) {
            reply->on_message(reply->context, message);
        }
    }
}

static void on_half(struct mw_grpc_stream *stream)
{
    if (stream->has_status) {
        tell_end(stream, stream->status, stream->message);
    } else {
        char text[64];
        snprintf(text, sizeof text, "no grpc-status; HTTP status %s", stream->status_text);
        tell_end(stream, MW_GRPC_UNKNOWN, text);
    }
}

static void on_too_much(struct mw_grpc_stream *stream, mw_err err)
{
    give_up(stream, err == MW_ERR_TOO_LARGE ? MW_GRPC_RESOURCE_EXHAUSTED : MW_GRPC_INTERNAL,
            mw_err_text(err));
}

static void on_stream_closed(struct mw_grpc_stream *stream)
{
    const struct mw_grpc_client *client = (struct mw_grpc_client *)stream->connection;
    if (client->freed) {
        tell_end(stream, MW_GRPC_CANCELLED, "the client has been closed");
    } else {
        tell_end(stream, MW_GRPC_UNAVAILABLE, "the connection or the call was broken off");
    }
}

static void on_deadline(void *context)
{
    give_up(context, MW_GRPC_DEADLINE_EXCEEDED, "no answer in time");
}

/* Nothing more is read; the calls have ended, the rest goes with the client. */
static void on_broken(struct mw_grpc_connection *connection)
{
    mw_loop_remove(connection->loop, connection->watch);
    connection->watch = NULL;
    mw_loop_set_timer(connection->loop, connection->soon, -1, 0);
    for (struct mw_grpc_stream *stream = connection->streams; stream != NULL;) {
        struct mw_grpc_stream *next = stream->next;
        on_stream_closed(stream);
        stream = next;
    }
}

static mw_err connect_to(struct mw_grpc_client *client, const char *path, struct mw_error *error)
{
    struct sockaddr_un address;
    mw_err err = mw_grpc_address(&address, path, error);
    if (err != MW_OK) {
        return err;
    }
    client->connection.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->connection.fd < 0 ||
        connect(client->connection.fd, (struct sockaddr *)&address, sizeof address) != 0) {
        err = errno == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_NET;
        return mw_error_errno(error, err, "%s", path);
    }
    return MW_OK;
}

mw_err mw_grpc_client_new(struct mw_grpc_client **made, struct mw_loop *loop, const char *path,
                          struct mw_error *error)
{
    *made = NULL;
    struct mw_grpc_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", path);
    }
    client->connection = (struct mw_grpc_connection){.loop = loop,
                                                     .fd = -1,
                                                     .message_limit = MW_GRPC_MESSAGE_LIMIT,
                                                     .on_headers = on_headers,
                                                     .on_data = on_data,
                                                     .on_half = on_half,
                                                     .on_too_much = on_too_much,
                                                     .on_stream_closed = on_stream_closed,
                                                     .on_deadline = on_deadline,
                                                     .on_broken = on_broken};
    mw_err err = connect_to(client, path, error);
    if (err == MW_OK) {
        err = mw_grpc_connection_open(&client->connection, error);
    }
    if (err != MW_OK) {
        mw_grpc_client_free(client);
        return err;
    }
    *made = client;
    return MW_OK;
}

void mw_grpc_client_free(struct mw_grpc_client *client)
{
    if (client != NULL) {
        client->freed = true;
        mw_grpc_connection_close(&client->connection);
        free(client);
    }
}

static mw_err submit(struct mw_grpc_stream *stream, const char *method, int64_t timeout)
{
    char text[24] = "";
    if (timeout > 0) {
        mw_grpc_print_timeout(text, timeout);
    }
    nghttp2_nv fields[] = {mw_grpc_field(":method", "POST"),
                           mw_grpc_field(":scheme", "http"),
                           mw_grpc_field(":path", method),
                           mw_grpc_field(":authority", "localhost"),
                           mw_grpc_field("te", "trailers"),
                           mw_grpc_field("content-type", "application/grpc"),
                           mw_grpc_field("user-agent", "millwright/" MW_VERSION),
                           mw_grpc_field("grpc-timeout", text)};
    size_t n = sizeof fields / sizeof *fields - (timeout > 0 ? 0 : 1);
    nghttp2_data_provider body = mw_grpc_stream_body(stream);
    stream->id =
        nghttp2_submit_request(stream->connection->session, NULL, fields, n, &body, stream);
    return stream->id < 0 ? MW_ERR_MEMORY : MW_OK;
}

mw_err mw_grpc_client_call(struct mw_grpc_client *client, const char *method,
                           struct mw_span request, int64_t timeout,
                           const struct mw_grpc_reply *reply)
{
    if (client->connection.broken) {
        return MW_ERR_NET;
    }
    struct mw_grpc_reply *copy = malloc(sizeof *copy);
    struct mw_grpc_stream *stream = mw_grpc_stream_new(&client->connection, 0);
    if (copy == NULL || stream == NULL) {
        free(copy);
        mw_grpc_stream_free(stream);
        return MW_ERR_MEMORY;
    }
    *copy = *reply;
    mw_err err = mw_grpc_stream_send(stream, request);
    stream->ended = true;
    if (err == MW_OK && timeout > 0) {
        err = mw_grpc_stream_set_deadline(stream, timeout);
    }
    if (err == MW_OK) {
        err = submit(stream, method, timeout);
    }
    if (err != MW_OK) {
        free(copy);
        mw_grpc_stream_free(stream);
        return err;
    }
    stream->user = copy;
    mw_grpc_connection_wake(&client->connection);
    return MW_OK;
}
