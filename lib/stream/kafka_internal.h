/* kafka_internal.h - the stream on Apache Kafka.
 *
 *   mw.<plant>.<topic>             records, by key into partitions (murmur2, as Java's clients do)
 *   mw.<plant>.<writer>.<topic>    a writer's compacted topic, one partition
 *   group mw.<plant>.<writer>      the writer's positions
 *   transactional id, the same     one writer at a time: who opens it last fences the one before
 *
 * A record's time is Kafka's (milliseconds) and a header "us" of two bytes, big endian, with the
 * microseconds behind. A writer's times grow from record to record, by at least a microsecond from
 * where its transaction began, so that a reader of several partitions and topics can merge them
 * into the order of append.
 *
 * A stream has one producer, which also asks for metadata; a reader has a consumer of its own, and
 * compacted topics are read by another one. librdkafka's threads only queue; a reader's descriptor
 * turns readable when they have queued something for it. */
#ifndef MW_STREAM_KAFKA_INTERNAL_H
#define MW_STREAM_KAFKA_INTERNAL_H

#include "lib/base/clock.h"
#include "lib/stream/kafka_gap.h"
#include "lib/stream/kafka_library.h"
#include "lib/stream/kafka_url.h"
#include "lib/stream/stream_internal.h"

#include <pthread.h>

#define MW_KAFKA_NAME 256           /* bytes of a topic's name on the cluster, with its NUL */
#define MW_KAFKA_PATIENCE 15000     /* milliseconds for the cluster to answer */
#define MW_KAFKA_SETTLE (MW_SECOND) /* for another's transaction to end, before it is left out */
#define MW_KAFKA_TIME_HEADER "us"

/* What a librdkafka thread said last; the reason behind a time-out. */
struct mw_kafka_log {
    pthread_mutex_t mutex;
    char text[240];
    unsigned lost; /* answers that the client did not get in time, and connections of it */
    bool down; /* all brokers, for a reader; its next poll says so, once. Not another thread's */
};

/* A topic that is known to be on the cluster, or was looked for. */
struct mw_kafka_topic {
    char name[MW_KAFKA_NAME];
    rd_kafka_topic_t *handle; /* of the client */
    int partitions;           /* 0: not there at the last look */
    bool leaderless;          /* it is there, but a partition had no leader then */
};

struct mw_kafka_table; /* kafka_state.c */
struct mw_kafka_put;

struct mw_kafka {
    struct mw_stream base;
    struct mw_kafka_url url;
    char plant[64], writer[64]; /* writer is empty for reading only */
    struct mw_kafka_log log;
    rd_kafka_t *client; /* a producer; transactional with a writer */
    struct mw_kafka_topic **topics;
    size_t topics_n;
    int64_t last;  /* time of the last append */
    unsigned lost; /* log.lost when the transaction began */
    struct mw_kafka_gap gap;
    int queued; /* records of the transaction that is open */
    struct mw_kafka_recent {
        char kind[64]; /* the stream's name for it, which is never longer */
        struct mw_kafka_topic *topic;
    } recent[2]; /* what was appended to last, and what was put into */

    rd_kafka_t *states;            /* consumer of compacted topics; NULL until one is read */
    struct mw_kafka_table *tables; /* those that are in memory, a list */
    struct mw_kafka_put *puts;     /* of the transaction, for the tables in memory; a list */
    bool retention_seen;           /* what topics say of it has been compared */
    uint64_t looks; /* counts the reads of compacted topics: readers look for the end anew */
};

/* --- kafka.c --- */

enum mw_kafka_role { MW_KAFKA_CLIENT, MW_KAFKA_READER, MW_KAFKA_STATES, MW_KAFKA_MEMBER };
/* A handle with the options of the URI and those of its role. `group`, of a reader or a member: its
 * name on the cluster; NULL: the writer's. */
mw_err mw_kafka_handle_new(struct mw_kafka *stream, enum mw_kafka_role role, const char *group,
                           rd_kafka_t **handle, struct mw_error *error);
/* How often the client may have asked anything of the cluster again so far. */
unsigned mw_kafka_lost(struct mw_kafka *stream);
/* An error of librdkafka: who, what, its text and, when it is about reaching the cluster, what was
 * last heard of that. */
mw_err mw_kafka_fail(struct mw_kafka *stream, struct mw_error *error, rd_kafka_resp_err_t code,
                     const char *what);
/* The same of an error object, which it destroys. */
mw_err mw_kafka_fail_error(struct mw_kafka *stream, struct mw_error *error,
                           rd_kafka_error_t *failed, const char *what);

/* --- kafka_topic.c --- */

/* The name on the cluster; writer NULL: of records, else of a compacted topic. */
void mw_kafka_topic_name(const struct mw_kafka *stream, const char *writer, const char *topic,
                         char name[MW_KAFKA_NAME]);
/* Finds a topic and how many partitions it has, 0 when it is not there. `create`: makes it when
 * it may be made, else NOT_FOUND. A compacted one that has no leader is waited for,
 * MW_KAFKA_PATIENCE, one of records counts as not there yet. A topic that was there is not looked
 * for again unless `fresh`. */
mw_err mw_kafka_topic_find(struct mw_kafka *stream, const char *name, bool create, bool compacted,
                           bool fresh, struct mw_kafka_topic **topic, struct mw_error *error);
/* Whether a cluster answers so for a moment only: what was asked for has just been made, or its
 * leader or coordinator is moving. */
bool mw_kafka_passes(rd_kafka_resp_err_t code);
#define MW_KAFKA_AGAIN (MW_SECOND / 50) /* before it is asked again */
void mw_kafka_rest(int64_t microseconds);
/* Visits the plant's topics of records from which brokers have removed, with the offset at which
 * what is left begins, summed over partitions: that many records at most. */
mw_err mw_kafka_topic_removed(struct mw_kafka *stream, mw_stream_visit_fn *fn, void *context,
                              struct mw_error *error);
/* Puts into the offsets of the list where its partitions begin (RD_KAFKA_OFFSET_BEGINNING) or end
 * (RD_KAFKA_OFFSET_END), with what open transactions have in them. */
mw_err mw_kafka_topic_ends(struct mw_kafka *stream, rd_kafka_topic_partition_list_t *list,
                           int64_t which, struct mw_error *error);
void mw_kafka_topics_clear(struct mw_kafka *stream);
/* The name within the plant of a topic of records; NULL for compacted ones and strangers. */
const char *mw_kafka_topic_kind(const struct mw_kafka *stream, const char *name);

/* --- kafka_retain.c --- */

/* retention.ms and retention.bytes of a topic's partitions, for an age in milliseconds and bytes of
 * the whole; -1: no limit. */
void mw_kafka_retention(const struct mw_kafka_url *url, int64_t age, int64_t bytes,
                        int64_t retention[2]);
mw_err mw_kafka_retain(struct mw_stream *stream, int64_t age, int64_t bytes, int64_t now,
                       bool *more, struct mw_error *error);

/* --- kafka_writer.c --- */
mw_err mw_kafka_begin(struct mw_stream *stream, struct mw_error *error);
mw_err mw_kafka_append(struct mw_stream *stream, const char *topic, struct mw_span key,
                       struct mw_span value, struct mw_error *error);
mw_err mw_kafka_put(struct mw_stream *stream, const char *topic, struct mw_span key,
                    struct mw_span value, struct mw_error *error);
mw_err mw_kafka_commit(struct mw_stream *stream, struct mw_stream_reader *reader,
                       struct mw_error *error);
void mw_kafka_rollback(struct mw_stream *stream);
int64_t mw_kafka_gap(const struct mw_stream *stream);

/* --- kafka_state.c --- */
mw_err mw_kafka_get(struct mw_stream *stream, const char *writer, const char *topic,
                    struct mw_span key, struct mw_span *value, struct mw_error *error);
mw_err mw_kafka_visit(struct mw_stream *stream, const char *writer, const char *topic,
                      mw_stream_visit_fn *fn, void *context, struct mw_error *error);
/* Notes a put of the transaction; _apply when it was committed, _drop when not. */
mw_err mw_kafka_state_note(struct mw_kafka *stream, const char *topic, struct mw_span key,
                           struct mw_span value);
void mw_kafka_state_apply(struct mw_kafka *stream);
void mw_kafka_state_drop(struct mw_kafka *stream);
void mw_kafka_state_clear(struct mw_kafka *stream);

/* --- kafka_reader.c --- */
mw_err mw_kafka_reader_open(struct mw_stream_reader **reader, struct mw_stream *stream,
                            const char *const *topics, size_t n, enum mw_stream_start start,
                            const struct mw_stream_share *share, struct mw_error *error);
void mw_kafka_reader_close(struct mw_stream_reader *reader);
mw_err mw_kafka_poll(struct mw_stream_reader *reader, struct mw_stream_record *records, size_t max,
                     size_t *count, struct mw_error *error);
mw_err mw_kafka_rewind(struct mw_stream_reader *reader, struct mw_error *error);
int mw_kafka_reader_fd(const struct mw_stream_reader *reader);
void mw_kafka_reader_drain(struct mw_stream_reader *reader);
/* The positions that have moved, as a list that the caller destroys; NULL when none has. */
mw_err mw_kafka_reader_moved(struct mw_stream_reader *reader,
                             rd_kafka_topic_partition_list_t **moved, struct mw_error *error);
void mw_kafka_reader_stored(struct mw_stream_reader *reader);

#endif
