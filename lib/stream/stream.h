/* stream.h - an ordered, durable, replayable log of records by topic and offset.
 *
 * A stream is opened by URI: sqlite:FOLDER, kafka://host:port (kafka_url.h), or relay:PATH, which
 * is one of these two held by another process (relay.h). A topic is the kind of its records
 * ("telemetry"); the backend puts "mw.<plant>." before it where names are shared. A topic has
 * partitions; an offset is (partition, offset); the records that a writer gives a key stay in one
 * partition, in order.
 *
 * Writing happens in transactions: mw_stream_begin, any number of mw_stream_append and
 * mw_stream_put, mw_stream_commit. A commit that has returned is as durable as the log promises
 * (SQLite: on the disk; Kafka: on the in-sync replicas). Appends, puts and a reader's position
 * commit as one, so a kill between input and output neither loses nor doubles. mw_stream_put keeps
 * only the newest value of a key (a compacted topic).
 *
 * On SQLite readers see a commit before it is on the disk, so that a chain of roles waits for the
 * disk once and not once a link. What is read may thus vanish when the power fails. A position
 * never outlives the records that it has passed: a commit with a reader first brings those to the
 * disk, whoever wrote them, as do mw_stream_get and mw_stream_visit of another writer's keys. Only
 * what leaves the stream - an answer that says "stored" - has to wait for mw_stream_commit or
 * mw_stream_sync.
 *
 * SQLite: one file a writer (`FOLDER/<writer>.db`), because one transaction spans several topics;
 * the file is the writer's partition of each topic it writes. Its group's positions live in it too.
 * One active process a writer, by a lock. Readers of other files never block the writer.
 *
 * Kafka: a topic is shared by its writers and divided by key. A writer is a transactional id and a
 * consumer group of one member; who opens it later takes it over, and the one before can commit
 * nothing any more. What a commit has stored becomes visible to others a few milliseconds after it
 * has returned, topic by topic. Topics that are missing are made, unless the URI says otherwise.
 *
 * An offset is never used twice, whatever retention removed. Names of plants, writers and topics
 * match [a-z0-9-]{1,63}. Two readers of one topic on one stream would share a position: open one.
 *
 * Not thread-safe but for mw_stream_sync: one handle, one thread. Nothing waits, except for the
 * disk or the brokers, and for these 15 seconds at most.
 */
#ifndef MW_STREAM_STREAM_H
#define MW_STREAM_STREAM_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_STREAM_POLL_MAX 4096      /* records a poll */
#define MW_STREAM_RECORD_MAX 1000000 /* bytes of key and value together; more is TOO_LARGE */

struct mw_stream;
struct mw_stream_reader;

struct mw_stream_options {
    const char *uri;    /* "sqlite:data/stream" */
    const char *plant;  /* name of the plant */
    const char *writer; /* a role's stable name, [a-z0-9-]; NULL opens for reading only */
};

/* Opens; a folder that is missing is made. BUSY when another process holds that writer; VERSION
 * when a file is newer than this program; UNSUPPORTED for another scheme; ARGUMENT for a name or an
 * option that is wrong; CORRUPT for a file that is no stream. Kafka: NET when no broker answers,
 * DENIED when it refuses us. */
mw_err mw_stream_open(struct mw_stream **stream, const struct mw_stream_options *options,
                      struct mw_error *error);
void mw_stream_close(
    struct mw_stream *stream); /* rolls back what was not committed; NULL allowed */

/* A record read from a stream; spans are valid until the next poll of that reader. */
struct mw_stream_record {
    const char *topic; /* as the reader named it */
    uint32_t partition;
    int64_t offset;       /* from 0, gaps allowed */
    int64_t appended;     /* microseconds UTC, when it was appended */
    struct mw_span key;   /* the device, usually */
    struct mw_span value; /* one record's JSON */
};

/* A transaction. After an error from append, put or commit the transaction is rolled back whole and
 * over (the next call is begin), and its content has to be given again. STATE for a call out of
 * turn, or on a stream without a writer. FULL when the disk is: nothing of it is stored, what was
 * committed before is safe, and a later transaction works once there is space. NET when brokers did
 * not answer. */
mw_err mw_stream_begin(struct mw_stream *stream, struct mw_error *error);
mw_err mw_stream_append(struct mw_stream *stream, const char *topic, struct mw_span key,
                        struct mw_span value, struct mw_error *error);
/* Newest value of a key; an empty value deletes it. */
mw_err mw_stream_put(struct mw_stream *stream, const char *topic, struct mw_span key,
                     struct mw_span value, struct mw_error *error);
/* Commits; with `reader` also the position behind the last record it polled. Wakes readers. */
mw_err mw_stream_commit(struct mw_stream *stream, struct mw_stream_reader *reader,
                        struct mw_error *error);
/* The same, except that it returns as soon as readers see the commit: durable it is when an
 * mw_stream_sync that was begun afterwards has returned, or at the end of a later mw_stream_commit.
 */
mw_err mw_stream_commit_visible(struct mw_stream *stream, struct mw_stream_reader *reader,
                                struct mw_error *error);
void mw_stream_rollback(struct mw_stream *stream);
/* How many microseconds a writer had better gather before it begins the next transaction; a begin
 * before that waits by itself. Kafka: some milliseconds after a commit, in which a cluster would
 * refuse it. SQLite: 0. */
int64_t mw_stream_gap(const struct mw_stream *stream);
/* Makes all durable that this writer has committed so far. The one function that another thread may
 * call while the handle is in use. IO when the disk has failed: what was not durable yet may be
 * there or not, and only opening the stream again tells. Kafka: returns at once, for a commit is
 * durable there. */
mw_err mw_stream_sync(const struct mw_stream *stream, struct mw_error *error);
/* Whether this handle can write no more: another process has taken its writer over, a commit has
 * failed and nobody knows what became of it, or - also when it succeeded - its end was asked for
 * twice, and the cluster may take the other request for the end of the next one (Kafka). Opening it
 * again - a new process, usually - settles that: what was committed then shows in its positions and
 * compacted keys. */
bool mw_stream_ended(const struct mw_stream *stream);

/* Outside a transaction. Reads a compacted key; NOT_FOUND. *value is valid until the next call on
 * this stream. Sees only what this writer has put, unless `writer` names another one. */
mw_err mw_stream_get(struct mw_stream *stream, const char *writer, const char *topic,
                     struct mw_span key, struct mw_span *value, struct mw_error *error);
/* Visits every key of a compacted topic of a writer, in key order; fn returns false to stop. */
typedef bool mw_stream_visit_fn(void *context, struct mw_span key, struct mw_span value);
mw_err mw_stream_visit(struct mw_stream *stream, const char *writer, const char *topic,
                       mw_stream_visit_fn *fn, void *context, struct mw_error *error);

enum mw_stream_start { MW_STREAM_EARLIEST, MW_STREAM_LATEST };

/* Reads topics (n of them, names copied). With a stream that has a writer the reader's group is
 * that writer, and it starts behind its committed position, else at `start`. Without one it always
 * starts at `start`. Records that one append order put in one partition come in that order; across
 * partitions and topics the order is by time of append, as far as known at the poll; what had been
 * committed when the reader was opened is known. */
mw_err mw_stream_reader_open(struct mw_stream_reader **reader, struct mw_stream *stream,
                             const char *const *topics, size_t n, enum mw_stream_start start,
                             struct mw_error *error);

/* The same for one of several readers that divide a topic: of that topic it reads the partitions p
 * with p % shares == share, of others all. Each has a writer, and thus a group, of its own.
 * `heir_of`: where its own group has no position yet it begins at that of this writer's group, and
 * commits it as its own with the next commit; NULL: it begins at `start`. UNSUPPORTED on SQLite
 * with more than one share. */
struct mw_stream_share {
    const char *topic;
    uint32_t share, shares;
    const char *heir_of;
};
mw_err mw_stream_reader_open_share(struct mw_stream_reader **reader, struct mw_stream *stream,
                                   const char *const *topics, size_t n, enum mw_stream_start start,
                                   const struct mw_stream_share *share, struct mw_error *error);
void mw_stream_reader_close(struct mw_stream_reader *reader);

/* Fetches up to max records (at most 4,096) and moves the position in memory. *count 0: nothing
 * new, and all has been read that was committed when the reader was opened or when mw_stream_get or
 * mw_stream_visit last looked, whichever was later. mw_stream_reader_rewind goes back to the
 * committed position (after a rollback). */
mw_err mw_stream_poll(struct mw_stream_reader *reader, struct mw_stream_record *records, size_t max,
                      size_t *count, struct mw_error *error);
mw_err mw_stream_reader_rewind(struct mw_stream_reader *reader, struct mw_error *error);

/* A descriptor that turns readable when a writer of these topics may have committed. It is a hint:
 * also poll every second. mw_stream_reader_drain empties it; call that before polling. */
int mw_stream_reader_fd(const struct mw_stream_reader *reader);
void mw_stream_reader_drain(struct mw_stream_reader *reader);

#define MW_STREAM_REMOVED "removed"

/* Outside a transaction. Removes this writer's records that are older than `age` microseconds (by
 * time of append), then the oldest ones of the fullest topic until the file's payload (keys and
 * values) is at most `bytes`; -1: no limit. Never removes compacted keys. How many it has removed
 * of a topic is in the writer's compacted topic MW_STREAM_REMOVED under the topic's name, a decimal
 * number, so that an account can tell what is gone from what never came. The room is used again,
 * the file does not shrink. Does a bounded piece of work a call; *more says that there is more to
 * do. Kafka: removes nothing; brokers do that, as the topic says. The first call that gets an
 * answer tells by EXISTS of a topic that was made with other limits than these, and a visit of
 * MW_STREAM_REMOVED, of whatever writer, gives how many records it can have been at most. */
mw_err mw_stream_retain(struct mw_stream *stream, int64_t age, int64_t bytes, int64_t now,
                        bool *more, struct mw_error *error);

/* In a transaction. Removes this writer's records of a topic whose offset is below `before`, and
 * does not count them as MW_STREAM_REMOVED: for a log that is its writer's own, and read to there.
 * Kafka: UNSUPPORTED. */
mw_err mw_stream_trim(struct mw_stream *stream, const char *topic, int64_t before,
                      struct mw_error *error);

/* In a transaction, for such a log as well. Puts another key and value in the place of this
 * writer's record at `offset`, or removes it when both are empty; nothing when there is no such
 * record (any more). Not counted as MW_STREAM_REMOVED. Kafka: UNSUPPORTED. */
mw_err mw_stream_replace(struct mw_stream *stream, const char *topic, int64_t offset,
                         struct mw_span key, struct mw_span value, struct mw_error *error);

/* The next poll begins at the first record from `offset` on, in every partition. Kafka:
 * UNSUPPORTED. */
mw_err mw_stream_reader_seek(struct mw_stream_reader *reader, int64_t offset,
                             struct mw_error *error);

/* Outside a transaction, about every second, when nobody waits: does housekeeping that a commit
 * would else have to do when it cannot be put off any longer (SQLite: a checkpoint, some
 * milliseconds). A no-op inside a transaction and without a writer. */
void mw_stream_tidy(struct mw_stream *stream);

#endif
