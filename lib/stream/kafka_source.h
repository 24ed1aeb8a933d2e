/* kafka_source.h - a reader of Kafka, from inside: a source for each partition of its topics.
 *
 * A source has a queue of its own, so that partitions can be merged by time, and three places:
 * `next` behind what was handed out, `behind` behind what was taken from the queue (the end of the
 * partition included), `target`: what has to be reached before "nothing new" is an answer. */
#ifndef MW_STREAM_KAFKA_SOURCE_H
#define MW_STREAM_KAFKA_SOURCE_H

#include "lib/stream/kafka_internal.h"

#define MW_KAFKA_HELD 64 /* messages taken from a queue at once */

struct mw_kafka_source {
    size_t topic; /* of the reader */
    int32_t partition;
    rd_kafka_queue_t *queue;
    bool started; /* it is being fetched */
    rd_kafka_message_t *held[MW_KAFKA_HELD];
    size_t at, n;      /* held[at..n) are still to be handed out */
    int64_t time;      /* of held[at], microseconds */
    int64_t start;     /* where to go on without a committed position */
    int64_t committed; /* -1: none */
    bool inherited;    /* `start` is another group's position, not committed as ours yet */
    int64_t next, behind, target;
    int64_t ended; /* monotonic time at which an end short of the target was met; 0: none */
};

struct mw_kafka_reader {
    struct mw_stream_reader base;
    struct mw_kafka *stream;
    rd_kafka_t *handle;
    int fd;
    char (*topics)[64];
    rd_kafka_topic_t **handles; /* of the topics */
    int *seen; /* partitions of each topic that were looked at; behind them, room for a new look */
    size_t topics_n;
    char divided[64]; /* the topic of which only a share is read; empty: none */
    uint32_t share, shares;
    char heir_of[64]; /* writer; empty: nobody */
    enum mw_stream_start start;
    struct mw_kafka_source **sources;
    size_t sources_n;
    rd_kafka_message_t **given; /* of the last poll */
    size_t given_n;
    int64_t looked; /* monotonic time of the last look for new partitions */
    bool missing;   /* a topic is not there yet */
    uint64_t looks; /* of the stream, when the targets were set */
};

/* Looks for partitions, at once or when it is time to, and begins to fetch from new ones. */
mw_err mw_kafka_sources_look(struct mw_kafka_reader *reader, bool first, struct mw_error *error);
/* Asks anew where the partitions end, from a source on. */
mw_err mw_kafka_sources_aim(struct mw_kafka_reader *reader, size_t from, struct mw_error *error);
/* Fetches from `next`, and forgets what was taken from the queue before. */
mw_err mw_kafka_source_start(struct mw_kafka_reader *reader, struct mw_kafka_source *source,
                             struct mw_error *error);
/* Takes messages from the queue when none is held. */
mw_err mw_kafka_source_fill(struct mw_kafka_reader *reader, struct mw_kafka_source *source,
                            struct mw_error *error);
/* Whether it could still have a record that was committed before the target was set. */
bool mw_kafka_source_waits(struct mw_kafka_source *source);
/* Time of the message at the head. */
void mw_kafka_source_date(struct mw_kafka_source *source);
void mw_kafka_sources_close(struct mw_kafka_reader *reader);

#endif
