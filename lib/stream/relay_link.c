/* relay_link.c - asks a relay, and remembers why it is gone. */
#include "lib/stream/relay_link.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define PATIENCE 40         /* seconds: a call to the log takes 15 at most, an opening some more */
#define GATHER (256 * 1024) /* bytes, sent when there are that many */

mw_err mw_relay_link_open(struct mw_relay_link *link, const char *path, struct mw_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE};
    *link = (struct mw_relay_link){.pipe = {.fd = -1, .received = -1}};
    if (strlen(path) >= sizeof address.sun_path) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "relay:%.200s: the path of a socket has at most %zu bytes", path,
                            sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    link->pipe.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->pipe.fd < 0 ||
        setsockopt(link->pipe.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(link->pipe.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
        return mw_error_errno(error, MW_ERR_IO, "socket");
    }
    return connect(link->pipe.fd, (struct sockaddr *)&address, sizeof address) == 0
               ? MW_OK
               : mw_error_errno(error, MW_ERR_NET, "relay:%s: no relay answers there", path);
}

/* The relay is gone, or talks nonsense: nobody knows any more what it has done. */
static mw_err lose(struct mw_relay_link *link, mw_err err, struct mw_error *why)
{
    link->ended = true;
    if (link->pipe.fd >= 0) {
        link->lost = *why;
        mw_relay_pipe_close(&link->pipe);
    }
    return err == MW_ERR_PARSE ? MW_ERR_NET : err;
}

static mw_err report(struct mw_relay_link *link, struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_NET, "the relay of the stream: %s", link->lost.text);
}

mw_err mw_relay_link_flush(struct mw_relay_link *link, struct mw_error *error)
{
    if (link->pipe.fd < 0) {
        link->out.size = 0;
        return report(link, error);
    }
    struct mw_error why = {0};
    mw_err err = mw_relay_send(&link->pipe, &link->out, -1, &why);
    if (err != MW_OK) {
        (void)lose(link, err, &why);
        return report(link, error);
    }
    return MW_OK;
}

mw_err mw_relay_link_leave(struct mw_relay_link *link, struct mw_error *error)
{
    mw_relay_end(&link->out);
    return link->out.size > GATHER || link->pipe.fd < 0 ? mw_relay_link_flush(link, error) : MW_OK;
}

mw_err mw_relay_link_receive(struct mw_relay_link *link, enum mw_relay_op *op,
                             struct mw_relay_in *in, struct mw_error *error)
{
    struct mw_error why = {0};
    mw_err err = mw_relay_receive(&link->pipe, op, in, &why);
    if (err == MW_OK && *op != MW_RELAY_REPLY && *op != MW_RELAY_ENTRIES) {
        err = mw_error_set(&why, MW_ERR_PARSE, "frame %d: an answer was expected", (int)*op);
    }
    if (err != MW_OK) {
        (void)lose(link, err, &why);
        return report(link, error);
    }
    return MW_OK;
}

mw_err mw_relay_link_head(struct mw_relay_link *link, struct mw_relay_in *in,
                          struct mw_error *error)
{
    unsigned code = mw_relay_take_u8(in);
    link->ended |= mw_relay_take_u8(in) != 0;
    struct mw_span text = mw_relay_take_bytes(in);
    if (in->failed || code > MW_ERR_STATE) {
        struct mw_error why = {0};
        (void)lose(link, mw_error_set(&why, MW_ERR_PARSE, "an answer is malformed"), &why);
        return report(link, error);
    }
    return code == MW_OK ? MW_OK
                         : mw_error_set(error, (mw_err)code, "%.*s", (int)text.size, text.data);
}

mw_err mw_relay_link_ask(struct mw_relay_link *link, struct mw_relay_in *in, struct mw_error *error)
{
    enum mw_relay_op op = MW_RELAY_REPLY;
    mw_relay_end(&link->out);
    mw_err err = mw_relay_link_flush(link, error);
    err = err == MW_OK ? mw_relay_link_receive(link, &op, in, error) : err;
    if (err == MW_OK && op != MW_RELAY_REPLY) {
        struct mw_error why = {0};
        (void)lose(link, mw_error_set(&why, MW_ERR_PARSE, "entries that nobody asked for"), &why);
        err = report(link, error);
    }
    return err == MW_OK ? mw_relay_link_head(link, in, error) : err;
}

mw_err mw_relay_link_done(struct mw_relay_link *link, const struct mw_relay_in *in,
                          struct mw_error *error)
{
    if (mw_relay_done(in)) {
        return MW_OK;
    }
    struct mw_error why = {0};
    (void)lose(link, mw_error_set(&why, MW_ERR_PARSE, "an answer is malformed"), &why);
    return report(link, error);
}

void mw_relay_link_close(struct mw_relay_link *link)
{
    mw_relay_pipe_close(&link->pipe);
    mw_relay_out_free(&link->out);
}
