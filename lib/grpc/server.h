/* server.h - a gRPC server on a Unix socket and a role's loop: requests of one message, answers of
 * any number of messages (unary calls and server streaming).
 *
 * HTTP/2 without TLS, by prior knowledge, as gRPC speaks it on Unix sockets; no compression.
 * Limits: 16 connections, 64 calls each, requests of 1 MiB, 4 MiB that wait for a client that reads
 * slowly. A call with a deadline (grpc-timeout) is ended when it is over. Everything runs on the
 * loop's thread; nothing blocks. */
#ifndef MW_GRPC_SERVER_H
#define MW_GRPC_SERVER_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/grpc/status.h"

#include <stdbool.h>

struct mw_grpc_server;
struct mw_grpc_call; /* one call; good until its on_closed */

struct mw_grpc_service {
    /* A request is in: method is "/package.Service/Method", both are borrowed for the time of the
     * call. The answer may come later. */
    void (*on_call)(void *context, struct mw_grpc_call *call, const char *method,
                    struct mw_span request);
    /* The call is over, whoever ended it; its pointer is no longer good. */
    void (*on_closed)(void *context, struct mw_grpc_call *call);
    void *context;
};

/* Listens on the socket `path`, of mode 0600; a socket that is there is replaced. `service` is
 * copied. Errors: TOO_LARGE (a path of more than 107 bytes), EXISTS (there is something else than a
 * socket), IO, MEMORY. */
mw_err mw_grpc_server_new(struct mw_grpc_server **server, struct mw_loop *loop, const char *path,
                          const struct mw_grpc_service *service, struct mw_error *error);
/* Ends all calls and removes the socket, if it is still ours. Not from a callback. NULL allowed. */
void mw_grpc_server_free(struct mw_grpc_server *server);

/* Is the socket still at its path? */
bool mw_grpc_server_is_bound(const struct mw_grpc_server *server);

/* Sends one message of the answer, copied. Errors: STATE (ended), FULL (the client does not read:
 * end the call), MEMORY. */
mw_err mw_grpc_call_send(struct mw_grpc_call *call, struct mw_span message);
/* Ends the answer; text, for people, may be NULL. */
void mw_grpc_call_end(struct mw_grpc_call *call, enum mw_grpc_status status, const char *text);
/* Sends the one message of a unary answer and ends it. */
void mw_grpc_call_answer(struct mw_grpc_call *call, struct mw_span message);

#endif
