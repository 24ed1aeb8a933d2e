/* members_internal.h - what agrees upon the shares, by the scheme of the stream's URI. Functions
 * mean what their namesakes in members.h say; a struct of theirs begins with struct
 * mw_stream_members. */
#ifndef MW_STREAM_MEMBERS_INTERNAL_H
#define MW_STREAM_MEMBERS_INTERNAL_H

#include "lib/stream/members.h"

struct mw_stream_membership {
    const char *scheme;
    mw_err (*join)(struct mw_stream_members **members,
                   const struct mw_stream_members_options *options, struct mw_error *error);
    void (*leave)(struct mw_stream_members *members);
    mw_err (*poll)(struct mw_stream_members *members, uint64_t *mine, struct mw_error *error);
    int (*fd)(const struct mw_stream_members *members);
};

struct mw_stream_members {
    const struct mw_stream_membership *way; /* set by members.c after join */
};

extern const struct mw_stream_membership mw_stream_kafka_members;
extern const struct mw_stream_membership mw_stream_relay_members;

#endif
