#include "lib/grpc/server.h"

#include "lib/grpc/address.h"
#include "lib/grpc/connection.h"
#include "lib/grpc/server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECTIONS = 16 };

struct accepted {
    struct mw_grpc_connection connection; /* first: one is the other */
    struct mw_grpc_server *server;
    struct accepted *next;
};

struct mw_grpc_server {
    struct mw_loop *loop;
    struct mw_grpc_service service;
    int fd;
    struct mw_loop_watch *watch;
    struct sockaddr_un address;
    dev_t device; /* of the socket's file, to know it again */
    ino_t inode;
    struct accepted *accepted;
    unsigned n;
};

/* A call is its stream, under the name that the users know. */
static struct mw_grpc_stream *stream_of(struct mw_grpc_call *call)
{
    return (struct mw_grpc_stream *)call;
}

static struct mw_grpc_server *server_of(const struct mw_grpc_stream *stream)
{
    return ((struct accepted *)stream->connection)->server;
}

/* ---- the answer ---- */

static mw_err begin_answer(struct mw_grpc_stream *stream)
{
    nghttp2_nv fields[] = {mw_grpc_field(":status", "200"),
                           mw_grpc_field("content-type", "application/grpc")};
    nghttp2_data_provider body = mw_grpc_stream_body(stream);
    stream->answered = true;
    return nghttp2_submit_response(stream->connection->session, stream->id, fields, 2, &body) == 0
               ? MW_OK
               : MW_ERR_MEMORY;
}

static void go_on(struct mw_grpc_stream *stream)
{
    (void)nghttp2_session_resume_data(stream->connection->session, stream->id);
    mw_grpc_connection_wake(stream->connection);
}

mw_err mw_grpc_call_send(struct mw_grpc_call *call, struct mw_span message)
{
    struct mw_grpc_stream *stream = stream_of(call);
    mw_err err = mw_grpc_stream_send(stream, message);
    if (err == MW_OK && !stream->answered) {
        err = begin_answer(stream);
    }
    go_on(stream);
    return err;
}

/* Without a message before it the status goes into the header fields themselves. */
static void answer_without(struct mw_grpc_stream *stream)
{
    nghttp2_nv fields[] = {mw_grpc_field(":status", "200"),
                           mw_grpc_field("content-type", "application/grpc"),
                           mw_grpc_field("grpc-status", stream->status_text),
                           mw_grpc_field("grpc-message", stream->message)};
    size_t n = stream->message[0] == '\0' ? 3 : 4;
    stream->answered = true;
    (void)nghttp2_submit_response(stream->connection->session, stream->id, fields, n, NULL);
}

void mw_grpc_call_end(struct mw_grpc_call *call, enum mw_grpc_status status, const char *text)
{
    struct mw_grpc_stream *stream = stream_of(call);
    if (stream->ended) {
        return;
    }
    stream->ended = true;
    snprintf(stream->status_text, sizeof stream->status_text, "%u", (unsigned)status % 100);
    mw_grpc_escape(stream->message, sizeof stream->message, text == NULL ? "" : text);
    if (!stream->answered) {
        answer_without(stream);
    }
    go_on(stream);
}

void mw_grpc_call_answer(struct mw_grpc_call *call, struct mw_span message)
{
    mw_err err = mw_grpc_call_send(call, message);
    mw_grpc_call_end(call, err == MW_OK ? MW_GRPC_OK : MW_GRPC_INTERNAL,
                     err == MW_OK ? NULL : mw_err_text(err));
}

static void refuse(struct mw_grpc_stream *stream, enum mw_grpc_status status, const char *text)
{
    mw_grpc_call_end((struct mw_grpc_call *)stream, status, text);
}

/* ---- the request ---- */

static void refuse_http(struct mw_grpc_stream *stream, const char *status)
{
    nghttp2_nv field = mw_grpc_field(":status", status);
    stream->answered = true;
    stream->ended = true;
    (void)nghttp2_submit_response(stream->connection->session, stream->id, &field, 1, NULL);
}

static void on_headers(struct mw_grpc_stream *stream)
{
    static const char type[] = "application/grpc";
    if (stream->ended) {
        return;
    }
    if (!stream->post) {
        refuse_http(stream, "405");
    } else if (strncmp(stream->content_type, type, sizeof type - 1) != 0) {
        refuse_http(stream, "415");
    } else if (stream->timeout > 0 && stream->deadline == NULL &&
               mw_grpc_stream_set_deadline(stream, stream->timeout) != MW_OK) {
        refuse(stream, MW_GRPC_RESOURCE_EXHAUSTED, "out of memory");
    }
}

/* The one message of a request is looked at when the client has said that there is no other. */
static void on_data(struct mw_grpc_stream *stream)
{
    (void)stream;
}

static void on_half(struct mw_grpc_stream *stream)
{
    struct mw_grpc_server *server = server_of(stream);
    struct mw_span message;
    if (stream->ended || stream->called) {
        return;
    }
    if (mw_grpc_reader_next(&stream->reader, &message) != MW_OK) {
        refuse(stream, MW_GRPC_INTERNAL, "a request of one message was expected, none is whole");
    } else if (mw_grpc_reader_rest(&stream->reader)) {
        refuse(stream, MW_GRPC_UNIMPLEMENTED, "a request of one message was expected, not more");
    } else {
        stream->called = true;
        server->service.on_call(server->service.context, (struct mw_grpc_call *)stream,
                                stream->method, message);
    }
}

static void on_too_much(struct mw_grpc_stream *stream, mw_err err)
{
    if (err == MW_ERR_UNSUPPORTED) {
        refuse(stream, MW_GRPC_UNIMPLEMENTED, "compressed messages are not read");
    } else if (err == MW_ERR_PARSE) {
        refuse(stream, MW_GRPC_INTERNAL, "no gRPC message");
    } else {
        refuse(stream, MW_GRPC_RESOURCE_EXHAUSTED, "the message is too long");
    }
}

static void on_stream_closed(struct mw_grpc_stream *stream)
{
    struct mw_grpc_server *server = server_of(stream);
    if (stream->called) {
        server->service.on_closed(server->service.context, (struct mw_grpc_call *)stream);
    }
}

static void on_deadline(void *context)
{
    refuse(context, MW_GRPC_DEADLINE_EXCEEDED, "the call's time is over");
}

/* ---- connections ---- */

static void on_broken(struct mw_grpc_connection *connection)
{
    struct accepted *accepted = (struct accepted *)connection;
    struct mw_grpc_server *server = accepted->server;
    struct accepted **at = &server->accepted;
    while (*at != accepted) {
        at = &(*at)->next;
    }
    *at = accepted->next;
    server->n--;
    mw_grpc_connection_close(connection);
    free(accepted);
}

mw_err mw_grpc_server_take(struct mw_grpc_server *server, int fd)
{
    struct accepted *accepted = calloc(1, sizeof *accepted);
    if (accepted == NULL) {
        close(fd);
        return MW_ERR_MEMORY;
    }
    accepted->server = server;
    accepted->connection = (struct mw_grpc_connection){.loop = server->loop,
                                                       .fd = fd,
                                                       .server = true,
                                                       .message_limit = MW_GRPC_MESSAGE_LIMIT,
                                                       .on_headers = on_headers,
                                                       .on_data = on_data,
                                                       .on_half = on_half,
                                                       .on_too_much = on_too_much,
                                                       .on_stream_closed = on_stream_closed,
                                                       .on_deadline = on_deadline,
                                                       .on_broken = on_broken};
    accepted->next = server->accepted;
    server->accepted = accepted;
    server->n++;
    mw_err err = mw_grpc_connection_open(&accepted->connection, NULL);
    if (err != MW_OK) {
        on_broken(&accepted->connection);
    }
    return err;
}

size_t mw_grpc_server_connections(const struct mw_grpc_server *server)
{
    return server->n;
}

static void on_accept(void *context, uint32_t events)
{
    struct mw_grpc_server *server = context;
    (void)events;
    int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && server->n == CONNECTIONS) {
        close(fd);
    } else if (fd >= 0) {
        (void)mw_grpc_server_take(server, fd);
    }
}

/* ---- the socket ---- */

static mw_err make_socket(struct mw_grpc_server *server, const char *path, struct mw_error *error)
{
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        return mw_error_set(error, MW_ERR_EXISTS, "%s: is there, and is no socket", path);
    }
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    /* Nobody can connect before it listens, and then its mode is set. */
    if (server->fd < 0 ||
        bind(server->fd, (struct sockaddr *)&server->address, sizeof server->address) != 0 ||
        chmod(path, 0600) != 0 || listen(server->fd, CONNECTIONS) != 0 ||
        lstat(path, &status) != 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    server->device = status.st_dev;
    server->inode = status.st_ino;
    return MW_OK;
}

mw_err mw_grpc_server_new(struct mw_grpc_server **made, struct mw_loop *loop, const char *path,
                          const struct mw_grpc_service *service, struct mw_error *error)
{
    *made = NULL;
    struct mw_grpc_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", path);
    }
    server->loop = loop;
    server->service = *service;
    server->fd = -1;
    mw_err err = mw_grpc_address(&server->address, path, error);
    if (err == MW_OK) {
        err = make_socket(server, path, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_fd(loop, server->fd, EPOLLIN, on_accept, server, &server->watch, error);
    }
    if (err != MW_OK) {
        mw_grpc_server_free(server);
        return err;
    }
    *made = server;
    return MW_OK;
}

bool mw_grpc_server_is_bound(const struct mw_grpc_server *server)
{
    struct stat status;
    return lstat(server->address.sun_path, &status) == 0 && status.st_dev == server->device &&
           status.st_ino == server->inode;
}

void mw_grpc_server_free(struct mw_grpc_server *server)
{
    if (server == NULL) {
        return;
    }
    while (server->accepted != NULL) {
        on_broken(&server->accepted->connection);
    }
    mw_loop_remove(server->loop, server->watch);
    if (server->inode != 0 && mw_grpc_server_is_bound(server)) {
        (void)unlink(server->address.sun_path);
    }
    if (server->fd >= 0) {
        close(server->fd);
    }
    free(server);
}
