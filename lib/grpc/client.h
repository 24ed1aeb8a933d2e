/* client.h - a gRPC client of a Unix socket on a role's loop: requests of one message, answers of
 * any number. One connection, made at once and not renewed: when it is lost every call ends with
 * UNAVAILABLE, and a new client is the way to a new one. Everything runs on the loop's thread. */
#ifndef MW_GRPC_CLIENT_H
#define MW_GRPC_CLIENT_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/grpc/status.h"

struct mw_grpc_client;

struct mw_grpc_reply {
    void (*on_message)(void *context, struct mw_span message); /* borrowed; may be NULL */
    /* Comes once, after all messages; text is for people and borrowed. */
    void (*on_end)(void *context, enum mw_grpc_status status, const char *text);
    void *context;
};

/* Errors: TOO_LARGE (path), NOT_FOUND (no socket there), NET (nobody listens), MEMORY, IO. */
mw_err mw_grpc_client_new(struct mw_grpc_client **client, struct mw_loop *loop, const char *path,
                          struct mw_error *error);
/* Open calls end with CANCELLED. Not from a callback. NULL allowed. */
void mw_grpc_client_free(struct mw_grpc_client *client);

/* Calls "/package.Service/Method" with one message, copied. timeout in microseconds, 0: none; it is
 * told to the server and kept here. `reply` is copied. Errors: NET (the connection is lost; on_end
 * does not come), MEMORY. */
mw_err mw_grpc_client_call(struct mw_grpc_client *client, const char *method,
                           struct mw_span request, int64_t timeout,
                           const struct mw_grpc_reply *reply);

#endif
