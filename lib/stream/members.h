/* members.h - the processes that host the shares of a role among themselves, on Kafka.
 *
 * A role that divides a stream (mw_stream_reader_open_share) has so many shares, each with a writer
 * of its own, and any number of processes. Who hosts which share is agreed upon in a consumer group
 * of Kafka's, mw.<plant>.<role>.members, over a topic of that name that has a partition a share and
 * no records. A process that is gone is noticed by its silence, after session.timeout.ms (6 s, the
 * least that brokers allow by default); one that leaves says so. Shares move only when they have
 * to (cooperative-sticky).
 *
 * This is a hint about who should work, not a lock: for a moment two may take a share for theirs.
 * That does no harm, since who opens the share's writer last fences the one before. */
#ifndef MW_STREAM_MEMBERS_H
#define MW_STREAM_MEMBERS_H

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define MW_STREAM_SHARES_MAX 64

struct mw_stream_members;

struct mw_stream_members_options {
    const char *uri, *plant; /* as for mw_stream_open */
    const char *role;        /* [a-z0-9-] */
    size_t shares;           /* 1 to MW_STREAM_SHARES_MAX */
};

/* Joins; the first shares come with a later poll. UNSUPPORTED for a stream that is not Kafka's;
 * STATE when the topic has another number of partitions; else as mw_stream_open. */
mw_err mw_stream_members_join(struct mw_stream_members **members,
                              const struct mw_stream_members_options *options,
                              struct mw_error *error);
/* Leaves, so that others need not wait; NULL allowed. */
void mw_stream_members_leave(struct mw_stream_members *members);

/* *mine: bit k for share k, those of this process as far as known. Does not wait. Call it every
 * second, and when the descriptor is readable. STATE when only a new start helps: the relay that
 * kept us in the group is gone (relay.h). */
mw_err mw_stream_members_poll(struct mw_stream_members *members, uint64_t *mine,
                              struct mw_error *error);
int mw_stream_members_fd(const struct mw_stream_members *members);

#endif
