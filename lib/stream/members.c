/* members.c - finds who can say which shares are ours. */
#include "lib/stream/members_internal.h"

#include <string.h>

mw_err mw_stream_members_join(struct mw_stream_members **members,
                              const struct mw_stream_members_options *options,
                              struct mw_error *error)
{
    static const struct mw_stream_membership *const ways[] = {&mw_stream_kafka_members,
                                                              &mw_stream_relay_members};
    *members = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        size_t length = strlen(ways[i]->scheme);
        if (strncmp(options->uri, ways[i]->scheme, length) == 0 && options->uri[length] == ':') {
            mw_err err = ways[i]->join(members, options, error);
            if (err == MW_OK) {
                (*members)->way = ways[i];
            }
            return err;
        }
    }
    return mw_error_set(error, MW_ERR_UNSUPPORTED,
                        "shares of the role %s: a stream on Kafka was expected", options->role);
}

void mw_stream_members_leave(struct mw_stream_members *members)
{
    if (members != NULL) {
        members->way->leave(members);
    }
}

mw_err mw_stream_members_poll(struct mw_stream_members *members, uint64_t *mine,
                              struct mw_error *error)
{
    return members->way->poll(members, mine, error);
}

int mw_stream_members_fd(const struct mw_stream_members *members)
{
    return members->way->fd(members);
}
