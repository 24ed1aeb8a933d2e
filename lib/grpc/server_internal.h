/* server_internal.h - for the tests of this folder and its fuzz target: connections that come from
 * no socket file. */
#ifndef MW_GRPC_SERVER_INTERNAL_H
#define MW_GRPC_SERVER_INTERNAL_H

#include "lib/grpc/server.h"

/* Serves one end of a socket pair; takes fd. Errors: MEMORY, IO. */
mw_err mw_grpc_server_take(struct mw_grpc_server *server, int fd);
size_t mw_grpc_server_connections(const struct mw_grpc_server *server);

#endif
