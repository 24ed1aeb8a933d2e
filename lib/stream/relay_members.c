/* relay_members.c - a relay is the member of the group, and tells us its shares. */
#include "lib/stream/members_internal.h"
#include "lib/stream/relay_link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct relay_members {
    struct mw_stream_members base;
    struct mw_relay_link link;
    int fd;
};

static void leave(struct mw_stream_members *base)
{
    struct relay_members *members = (struct relay_members *)base;
    struct mw_relay_in in;
    mw_relay_begin(&members->link.out, MW_RELAY_CLOSE);
    (void)mw_relay_link_ask(&members->link, &in, NULL);
    mw_relay_link_close(&members->link);
    if (members->fd >= 0) {
        (void)close(members->fd);
    }
    free(members);
}

static mw_err say_join(struct relay_members *members,
                       const struct mw_stream_members_options *options, struct mw_error *error)
{
    struct mw_relay_in in;
    mw_relay_begin(&members->link.out, MW_RELAY_JOIN);
    mw_relay_u8(&members->link.out, MW_RELAY_VERSION);
    mw_relay_bytes(&members->link.out, mw_span_of(options->plant));
    mw_relay_bytes(&members->link.out, mw_span_of(options->role));
    mw_relay_u32(&members->link.out, (uint32_t)options->shares);
    mw_err err = mw_relay_link_ask(&members->link, &in, error);
    if (err != MW_OK) {
        return err;
    }
    members->fd = members->link.pipe.received;
    members->link.pipe.received = -1;
    in.failed |= members->fd < 0;
    return mw_relay_link_done(&members->link, &in, error);
}

static mw_err join(struct mw_stream_members **joined,
                   const struct mw_stream_members_options *options, struct mw_error *error)
{
    struct relay_members *members = calloc(1, sizeof *members);
    if (members == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a group");
    }
    members->fd = -1;
    mw_err err = mw_relay_link_open(&members->link, options->uri + strlen("relay:"), error);
    err = err == MW_OK ? say_join(members, options, error) : err;
    if (err != MW_OK) {
        leave(&members->base);
        return err;
    }
    *joined = &members->base;
    return MW_OK;
}

static mw_err poll_members(struct mw_stream_members *base, uint64_t *mine, struct mw_error *error)
{
    struct relay_members *members = (struct relay_members *)base;
    struct mw_relay_in in;
    struct mw_error why = {0};
    mw_relay_begin(&members->link.out, MW_RELAY_MEMBERS);
    mw_err err = mw_relay_link_ask(&members->link, &in, &why);
    if (err == MW_OK) {
        *mine = (uint64_t)mw_relay_take_i64(&in);
        err = mw_relay_link_done(&members->link, &in, &why);
    }
    if (err != MW_OK) {
        err = mw_error_set(error, members->link.ended ? MW_ERR_STATE : err, "%s", why.text);
    }
    return err;
}

static int descriptor(const struct mw_stream_members *base)
{
    return ((const struct relay_members *)base)->fd;
}

const struct mw_stream_membership mw_stream_relay_members = {
    .scheme = "relay", .join = join, .leave = leave, .poll = poll_members, .fd = descriptor};
