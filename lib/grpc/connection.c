#include "lib/grpc/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- streams ---- */

struct mw_grpc_stream *mw_grpc_stream_new(struct mw_grpc_connection *connection, int32_t id)
{
    struct mw_grpc_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->connection = connection;
    stream->id = id;
    stream->reader.limit = connection->message_limit;
    stream->next = connection->streams;
    if (stream->next != NULL) {
        stream->next->previous = stream;
    }
    connection->streams = stream;
    return stream;
}

void mw_grpc_stream_free(struct mw_grpc_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    struct mw_grpc_connection *connection = stream->connection;
    connection->on_stream_closed(stream);
    *(stream->previous == NULL ? &connection->streams : &stream->previous->next) = stream->next;
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    mw_loop_remove(connection->loop, stream->deadline);
    mw_grpc_reader_fini(&stream->reader);
    mw_buffer_free(&stream->out);
    free(stream);
}

mw_err mw_grpc_stream_send(struct mw_grpc_stream *stream, struct mw_span message)
{
    if (stream->ended) {
        return MW_ERR_STATE;
    }
    if (stream->out.size - stream->out_at + message.size > MW_GRPC_QUEUE_LIMIT) {
        return MW_ERR_FULL;
    }
    if (stream->out_at == stream->out.size) {
        mw_buffer_clear(&stream->out);
        stream->out_at = 0;
    }
    return mw_grpc_frame(&stream->out, message);
}

mw_err mw_grpc_stream_set_deadline(struct mw_grpc_stream *stream, int64_t microseconds)
{
    struct mw_grpc_connection *connection = stream->connection;
    return mw_loop_add_timer(connection->loop, microseconds, 0, connection->on_deadline, stream,
                             &stream->deadline, NULL);
}

nghttp2_nv mw_grpc_field(const char *name, const char *value)
{
    /* nghttp2 copies both (no NO_COPY flag) and changes neither. */
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

static void submit_trailers(struct mw_grpc_stream *stream)
{
    nghttp2_nv fields[] = {mw_grpc_field("grpc-status", stream->status_text),
                           mw_grpc_field("grpc-message", stream->message)};
    size_t n = stream->message[0] == '\0' ? 1 : 2;
    (void)nghttp2_submit_trailer(stream->connection->session, stream->id, fields, n);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *data, size_t capacity,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct mw_grpc_stream *stream = source->ptr;
    size_t left = stream->out.size - stream->out_at;
    size_t n = left < capacity ? left : capacity;
    (void)session;
    (void)id;
    (void)context;
    if (n == 0 && !stream->ended) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0) {
        memcpy(data, stream->out.data + stream->out_at, n);
        stream->out_at += n;
    }
    if (stream->ended && stream->out_at == stream->out.size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->connection->server) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(stream);
        }
    }
    return (ssize_t)n;
}

nghttp2_data_provider mw_grpc_stream_body(struct mw_grpc_stream *stream)
{
    return (nghttp2_data_provider){.source = {.ptr = stream}, .read_callback = read_body};
}

/* ---- what nghttp2 calls ---- */

static struct mw_grpc_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return id == 0 ? NULL : nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct mw_grpc_connection *connection = context;
    if (!connection->server || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct mw_grpc_stream *stream = mw_grpc_stream_new(connection, frame->hd.stream_id);
    if (stream == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static void copy(char *out, size_t capacity, struct mw_span value)
{
    size_t n = value.size < capacity ? value.size : capacity - 1;
    memcpy(out, value.data, n);
    out[n] = '\0';
}

static void take_status(struct mw_grpc_stream *stream, struct mw_span value)
{
    unsigned status = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || status > 100) {
            status = MW_GRPC_UNKNOWN;
            break;
        }
        status = status * 10 + (unsigned)(value.data[i] - '0');
    }
    stream->has_status = true;
    stream->status = (enum mw_grpc_status)status;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *data, size_t size, uint8_t flags,
                     void *context)
{
    struct mw_grpc_stream *stream = stream_of(session, frame->hd.stream_id);
    struct mw_span key = {(const char *)name, name_size};
    struct mw_span value = {(const char *)data, size};
    (void)flags;
    (void)context;
    if (stream == NULL) {
        return 0;
    }
    if (mw_span_is(key, ":path")) {
        copy(stream->method, sizeof stream->method, value);
    } else if (mw_span_is(key, ":method")) {
        stream->post = mw_span_is(value, "POST");
    } else if (mw_span_is(key, "content-type")) {
        copy(stream->content_type, sizeof stream->content_type, value);
    } else if (mw_span_is(key, "grpc-timeout")) {
        /* One that cannot be read is as good as none. */
        (void)mw_grpc_parse_timeout(value, &stream->timeout);
    } else if (mw_span_is(key, "grpc-status")) {
        take_status(stream, value);
    } else if (mw_span_is(key, "grpc-message") && !stream->connection->server) {
        mw_grpc_unescape(stream->message, sizeof stream->message, value);
    } else if (mw_span_is(key, ":status")) {
        copy(stream->status_text, sizeof stream->status_text, value);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *context)
{
    struct mw_grpc_connection *connection = context;
    struct mw_grpc_stream *stream = stream_of(session, id);
    (void)flags;
    if (stream == NULL || (connection->server && (stream->ended || stream->called))) {
        return 0;
    }
    mw_err err = mw_grpc_reader_add(&stream->reader, data, size);
    if (err != MW_OK) {
        connection->on_too_much(stream, err);
    } else {
        connection->on_data(stream);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct mw_grpc_connection *connection = context;
    struct mw_grpc_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        connection->on_headers(stream);
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        connection->on_half(stream);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
    struct mw_grpc_stream *stream = stream_of(session, id);
    (void)code;
    (void)context;
    if (stream != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, id, NULL);
        mw_grpc_stream_free(stream);
    }
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                       void *context)
{
    struct mw_grpc_connection *connection = context;
    (void)session;
    (void)flags;
    ssize_t n = send(connection->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK
                                             : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- the connection ---- */

static void pump(struct mw_grpc_connection *connection)
{
    if (nghttp2_session_send(connection->session) != 0 ||
        (!nghttp2_session_want_read(connection->session) &&
         !nghttp2_session_want_write(connection->session))) {
        connection->broken = true;
    }
    uint32_t events = EPOLLIN;
    if (nghttp2_session_want_write(connection->session)) {
        events |= EPOLLOUT;
    }
    if (!connection->broken &&
        mw_loop_set_events(connection->loop, connection->watch, events) != MW_OK) {
        connection->broken = true;
    }
    if (connection->broken) {
        connection->on_broken(connection);
    }
}

static void on_soon(void *context)
{
    pump(context);
}

void mw_grpc_connection_wake(struct mw_grpc_connection *connection)
{
    mw_loop_set_timer(connection->loop, connection->soon, 0, 0);
}

static void on_ready(void *context, uint32_t events)
{
    struct mw_grpc_connection *connection = context;
    uint8_t bytes[16384];
    if ((events & EPOLLIN) != 0) {
        ssize_t n = recv(connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            connection->broken = true;
        } else if (n > 0 && nghttp2_session_mem_recv(connection->session, bytes, (size_t)n) < 0) {
            connection->broken = true;
        }
    }
    pump(connection);
}

static mw_err make_session(struct mw_grpc_connection *connection)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return MW_ERR_MEMORY;
    }
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int failed = connection->server
                     ? nghttp2_session_server_new(&connection->session, callbacks, connection)
                     : nghttp2_session_client_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MW_GRPC_STREAMS},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MW_GRPC_HEADERS_LIMIT},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    /* Only a client may say that it wants nothing pushed. */
    size_t n = connection->server ? 2 : 3;
    if (failed != 0 ||
        nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, n) != 0) {
        return MW_ERR_MEMORY;
    }
    return MW_OK;
}

mw_err mw_grpc_connection_open(struct mw_grpc_connection *connection, struct mw_error *error)
{
    if (make_session(connection) != MW_OK) {
        return mw_error_set(error, MW_ERR_MEMORY, "grpc: out of memory");
    }
    mw_err err =
        mw_loop_add_timer(connection->loop, 0, 0, on_soon, connection, &connection->soon, error);
    if (err == MW_OK) {
        err = mw_loop_add_fd(connection->loop, connection->fd, EPOLLIN, on_ready, connection,
                             &connection->watch, error);
    }
    return err;
}

void mw_grpc_connection_close(struct mw_grpc_connection *connection)
{
    while (connection->streams != NULL) {
        struct mw_grpc_stream *stream = connection->streams;
        (void)nghttp2_session_set_stream_user_data(connection->session, stream->id, NULL);
        mw_grpc_stream_free(stream);
    }
    mw_loop_remove(connection->loop, connection->watch);
    mw_loop_remove(connection->loop, connection->soon);
    nghttp2_session_del(connection->session);
    if (connection->fd >= 0) {
        close(connection->fd);
    }
}
