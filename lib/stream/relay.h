/* relay.h - a stream for who must not, or need not, speak to Kafka itself: the streaming sidecar.
 *
 * A relay holds the connection to the log and serves it on a Unix socket. Who opens the stream
 * "relay:PATH" has the stream of stream.h, transactions and positions included, and loads no Kafka
 * client. One process beside another, as in two containers of a pod: both ends have to run as the
 * same user. Each connection is one handle on a thread of its own, closed - and so rolled back -
 * when the connection ends. When the relay ends, mw_stream_ended is true of what it has served.
 *
 * Left out: mw_stream_trim, mw_stream_replace and mw_stream_reader_seek, which are for a log that
 * is its writer's own; relay_frame.h has the protocol. */
#ifndef MW_STREAM_RELAY_H
#define MW_STREAM_RELAY_H

#include "lib/base/error.h"

#include <stddef.h>

struct mw_relay;

/* Listens on a Unix socket at `path` (at most 107 bytes; one that nobody listens on any more is
 * replaced) and serves the stream at `uri` to plant `plant` (NULL: to any, for tests). Errors: BUSY
 * when another relay listens there, IO, ARGUMENT, MEMORY. */
mw_err mw_relay_new(struct mw_relay **relay, const char *path, const char *uri, const char *plant,
                    struct mw_error *error);
int mw_relay_fd(const struct mw_relay *relay); /* readable: mw_relay_accept has something to do */
/* Takes who waits, without blocking. One who is refused is logged. */
void mw_relay_accept(struct mw_relay *relay);
size_t mw_relay_connections(struct mw_relay *relay); /* open just now */
/* Ends all connections, waits for their threads and removes the socket; NULL allowed. */
void mw_relay_free(struct mw_relay *relay);

#endif
