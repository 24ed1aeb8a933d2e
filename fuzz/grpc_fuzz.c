/* Any bytes as messages in pieces, as a deadline and a text, and as all that a client of a gRPC
 * server sends. */
#include "lib/base/loop.h"
#include "lib/grpc/message.h"
#include "lib/grpc/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1000 };

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* The same bytes, whole and in pieces, are the same messages, which frame to what they came from.
 */
static void check_messages(const uint8_t *data, size_t size)
{
    struct mw_grpc_reader whole = {.limit = LIMIT}, pieces = {.limit = LIMIT};
    struct mw_buffer again = {0};
    struct mw_span message, other;
    size_t at = 0, n = 0;
    mw_err err = mw_grpc_reader_add(&whole, data, size);
    while (err == MW_OK && mw_grpc_reader_next(&whole, &message) == MW_OK) {
        mw_err found = mw_grpc_reader_next(&pieces, &other);
        while (found == MW_ERR_AGAIN) {
            must(at < size);
            must(mw_grpc_reader_add(&pieces, data + at, 1) == MW_OK);
            at++;
            found = mw_grpc_reader_next(&pieces, &other);
        }
        must(found == MW_OK && mw_span_equal(message, other) && message.size <= LIMIT);
        must(mw_grpc_frame(&again, message) == MW_OK);
        n++;
    }
    must(n == 0 || memcmp(again.data, data, again.size) == 0);
    mw_buffer_free(&again);
    mw_grpc_reader_fini(&whole);
    mw_grpc_reader_fini(&pieces);
}

static void check_texts(const uint8_t *data, size_t size)
{
    struct mw_span bytes = {(const char *)data, size};
    int64_t timeout = 0;
    char text[64], escaped[200], back[64], printed[24];
    if (mw_grpc_parse_timeout(bytes, &timeout) == MW_OK && timeout > 0) {
        int64_t again = 0;
        mw_grpc_print_timeout(printed, timeout);
        must(mw_grpc_parse_timeout(mw_span_of(printed), &again) == MW_OK && again >= timeout);
    }
    size_t n = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, n);
    text[n] = '\0';
    mw_grpc_escape(escaped, sizeof escaped, text);
    mw_grpc_unescape(back, sizeof back, mw_span_of(escaped));
    must(strcmp(text, back) == 0);
    mw_grpc_unescape(back, sizeof back, mw_span_of(text));
}

/* ---- a server ---- */

struct service {
    struct mw_loop *loop;
    unsigned open;
};

static void on_call(void *context, struct mw_grpc_call *call, const char *method,
                    struct mw_span request)
{
    struct service *service = context;
    service->open++;
    must(method != NULL);
    mw_grpc_call_answer(call, request);
}

static void on_closed(void *context, struct mw_grpc_call *call)
{
    struct service *service = context;
    (void)call;
    must(service->open-- > 0);
}

static void on_round(void *context)
{
    mw_loop_stop(context);
}

static void serve(const uint8_t *data, size_t size)
{
    static struct service service;
    static struct mw_grpc_server *server;
    int fd[2];
    if (server == NULL) {
        char path[64];
        const struct mw_grpc_service calls = {on_call, on_closed, &service};
        snprintf(path, sizeof path, "/tmp/mw-grpc-fuzz-%d", (int)getpid());
        must(mw_loop_new(&service.loop, NULL) == MW_OK);
        must(mw_loop_add_after(service.loop, on_round, service.loop, NULL, NULL) == MW_OK);
        must(mw_grpc_server_new(&server, service.loop, path, &calls, NULL) == MW_OK);
        unlink(path);
    }
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
    size_t n = size < 60000 ? size : 60000;
    must(n == 0 || write(fd[0], data, n) == (ssize_t)n);
    must(shutdown(fd[0], SHUT_WR) == 0);
    must(mw_grpc_server_take(server, fd[1]) == MW_OK);
    while (mw_grpc_server_connections(server) > 0) {
        char bytes[4096];
        must(mw_loop_run(service.loop, NULL) == MW_OK);
        while (read(fd[0], bytes, sizeof bytes) > 0) {
        }
    }
    must(service.open == 0);
    close(fd[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_messages(data, size);
    check_texts(data, size);
    serve(data, size);
    return 0;
}
