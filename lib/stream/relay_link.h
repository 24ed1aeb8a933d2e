/* relay_link.h - the asking end of a relay's socket, for a stream's handle or a member of a group.
 */
#ifndef MW_STREAM_RELAY_LINK_H
#define MW_STREAM_RELAY_LINK_H

#include "lib/stream/relay_frame.h"

struct mw_relay_link {
    struct mw_relay_pipe pipe; /* fd -1: the relay is gone */
    struct mw_relay_out out;   /* frames not sent yet */
    bool ended;                /* gone, or it says that the handle behind it can write no more */
    struct mw_error lost;      /* why fd is -1 */
};

/* Makes a link, connected to the socket at `path`; also after an error it can be closed. NET when
 * nobody listens there, ARGUMENT, IO. */
mw_err mw_relay_link_open(struct mw_relay_link *link, const char *path, struct mw_error *error);
void mw_relay_link_close(struct mw_relay_link *link);

/* Below: NET, with `ended` set, when the relay is gone, silent for 40 s or talks nonsense. */

/* Ends a frame that has no answer: it goes with the next that has one. */
mw_err mw_relay_link_leave(struct mw_relay_link *link, struct mw_error *error);
mw_err mw_relay_link_flush(struct mw_relay_link *link, struct mw_error *error);
/* Ends a frame, sends all and waits for the answer; `in` is behind the answer's head. What the call
 * gave on the other side is returned. */
mw_err mw_relay_link_ask(struct mw_relay_link *link, struct mw_relay_in *in,
                         struct mw_error *error);
/* The parts of it, where entries come before the answer. */
mw_err mw_relay_link_receive(struct mw_relay_link *link, enum mw_relay_op *op,
                             struct mw_relay_in *in, struct mw_error *error);
mw_err mw_relay_link_head(struct mw_relay_link *link, struct mw_relay_in *in,
                          struct mw_error *error);
/* After the last field of an answer. */
mw_err mw_relay_link_done(struct mw_relay_link *link, const struct mw_relay_in *in,
                          struct mw_error *error);

#endif
