/* relay_session.h - one connection of a relay: a handle of the stream, served over a socket. */
#ifndef MW_STREAM_RELAY_SESSION_H
#define MW_STREAM_RELAY_SESSION_H

/* Serves the stream at `uri` on fd (borrowed) until the other end is gone or breaks the protocol.
 * Only plant `plant` is served (NULL: any). Blocks. What is wrong is logged. */
void mw_relay_session(int fd, const char *uri, const char *plant);

#endif
