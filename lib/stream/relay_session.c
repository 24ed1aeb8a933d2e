/* relay_session.c - takes frames, calls the stream, answers. stream.c checks arguments and the
 * order of calls, so a frame that makes no sense gets its error from there. */
#include "lib/stream/relay_session.h"

#include "lib/base/log.h"
#include "lib/stream/members.h"
#include "lib/stream/relay_frame.h"
#include "lib/stream/stream_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TOPICS 16  /* of one reader */
#define RECORDS 64 /* polled at a time: with MW_RELAY_CHUNK before them they fit into a frame */

struct session {
    struct mw_relay_pipe pipe;
    struct mw_relay_out out;
    const char *uri, *plant;
    struct mw_stream *stream;          /* after OPEN */
    struct mw_stream_members *members; /* after JOIN, instead */
    struct mw_error failed;            /* of the transaction; its code is MW_OK otherwise */
    struct reader {
        struct mw_stream_reader *reader; /* NULL: the place is free */
        char topics[TOPICS][64];
        size_t n;
    } readers[MW_RELAY_READERS];
    struct mw_stream_record records[RECORDS];
};

/* REPLY's head; the caller adds what else belongs to it, and mw_relay_end. */
static void begin_reply(struct session *session, mw_err err, const struct mw_error *error)
{
    mw_relay_begin(&session->out, MW_RELAY_REPLY);
    mw_relay_u8(&session->out, err);
    mw_relay_u8(&session->out, session->stream != NULL && mw_stream_ended(session->stream));
    mw_relay_bytes(&session->out, mw_span_of(err == MW_OK ? "" : error->text));
}

static mw_err send_reply(struct session *session, int along, struct mw_error *error)
{
    mw_relay_end(&session->out);
    return mw_relay_send(&session->pipe, &session->out, along, error);
}

static mw_err reply(struct session *session, mw_err err, const struct mw_error *error,
                    struct mw_error *broken)
{
    begin_reply(session, err, error);
    return send_reply(session, -1, broken);
}

static struct reader *find(struct session *session, unsigned id)
{
    return id < MW_RELAY_READERS && session->readers[id].reader != NULL ? &session->readers[id]
                                                                        : NULL;
}

static mw_err no_reader(struct mw_error *error, unsigned id)
{
    return mw_error_set(error, MW_ERR_ARGUMENT, "no reader %u is open", id);
}

/* Of the first frame of a connection. */
static mw_err check_begin(const struct session *session, unsigned version, const char *plant,
                          struct mw_error *error)
{
    if (version != MW_RELAY_VERSION) {
        return mw_error_set(error, MW_ERR_VERSION, "version %u of the relay's protocol: %d is here",
                            version, MW_RELAY_VERSION);
    }
    if (session->stream != NULL || session->members != NULL) {
        return mw_error_set(error, MW_ERR_STATE, "this connection has opened a stream already");
    }
    if (session->plant != NULL && strcmp(session->plant, plant) != 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "plant \"%s\": this relay serves plant \"%s\"",
                            plant, session->plant);
    }
    return MW_OK;
}

/* The client of the log is loaded by the first who needs it: one at a time. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

static mw_err take_open(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct mw_error error = {0};
    char plant[64], writer[64];
    unsigned version = mw_relay_take_u8(in);
    mw_relay_take_name(in, plant);
    bool writable = mw_relay_take_u8(in) != 0;
    mw_relay_take_name(in, writer);
    mw_err err = check_begin(session, version, plant, &error);
    if (err == MW_OK) {
        struct mw_stream_options options = {
            .uri = session->uri, .plant = plant, .writer = writable ? writer : NULL};
        (void)pthread_mutex_lock(&opening);
        err = mw_stream_open(&session->stream, &options, &error);
        (void)pthread_mutex_unlock(&opening);
    }
    begin_reply(session, err, &error);
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, NULL, "serves", MW_KS("writer", writable ? writer : "none"));
        mw_relay_u8(&session->out, session->stream->backend->sync == NULL);
    }
    return send_reply(session, -1, broken);
}

static mw_err take_join(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct mw_error error = {0};
    char plant[64], role[64];
    unsigned version = mw_relay_take_u8(in);
    mw_relay_take_name(in, plant);
    mw_relay_take_name(in, role);
    struct mw_stream_members_options options = {
        .uri = session->uri, .plant = plant, .role = role, .shares = mw_relay_take_u32(in)};
    mw_err err = check_begin(session, version, plant, &error);
    if (err == MW_OK && (options.shares == 0 || options.shares > MW_STREAM_SHARES_MAX)) {
        err = mw_error_set(&error, MW_ERR_RANGE, "%zu shares: 1 to %d were expected",
                           options.shares, MW_STREAM_SHARES_MAX);
    }
    if (err == MW_OK) {
        (void)pthread_mutex_lock(&opening);
        err = mw_stream_members_join(&session->members, &options, &error);
        (void)pthread_mutex_unlock(&opening);
    }
    begin_reply(session, err, &error);
    return send_reply(session, err == MW_OK ? mw_stream_members_fd(session->members) : -1, broken);
}

static mw_err take_members(struct session *session, struct mw_error *broken)
{
    struct mw_error error = {0};
    uint64_t mine = 0;
    mw_err err = mw_stream_members_poll(session->members, &mine, &error);
    begin_reply(session, err, &error);
    if (err == MW_OK) {
        mw_relay_i64(&session->out, (int64_t)mine);
    }
    return send_reply(session, -1, broken);
}

/* An unanswered call of a transaction; after the first error the rest of it is let pass. */
static void take_write(struct session *session, enum mw_relay_op op, struct mw_relay_in *in)
{
    char topic[64];
    if (op == MW_RELAY_BEGIN) {
        session->failed = (struct mw_error){0};
        session->failed.code = mw_stream_begin(session->stream, &session->failed);
        return;
    }
    mw_relay_take_name(in, topic);
    struct mw_span key = mw_relay_take_bytes(in);
    struct mw_span value = mw_relay_take_bytes(in);
    if (session->failed.code == MW_OK && !in->failed) {
        struct mw_error error = {0};
        mw_err err = op == MW_RELAY_APPEND
                         ? mw_stream_append(session->stream, topic, key, value, &error)
                         : mw_stream_put(session->stream, topic, key, value, &error);
        if (err != MW_OK) {
            session->failed = error;
        }
    }
}

static mw_err take_commit(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    unsigned id = mw_relay_take_u8(in);
    struct mw_error error = session->failed;
    mw_err err = error.code;
    const struct reader *reader = id == MW_RELAY_NO_READER ? NULL : find(session, id);
    session->failed = (struct mw_error){0};
    if (err == MW_OK && id != MW_RELAY_NO_READER && reader == NULL) {
        mw_stream_rollback(session->stream);
        err = no_reader(&error, id);
    } else if (err == MW_OK) {
        err = mw_stream_commit_visible(session->stream, reader == NULL ? NULL : reader->reader,
                                       &error);
    }
    return reply(session, err, &error, broken);
}

static mw_err take_get(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct mw_error error = {0};
    struct mw_span value = {NULL, 0};
    char writer[64], topic[64];
    bool named = mw_relay_take_u8(in) != 0;
    mw_relay_take_name(in, writer);
    mw_relay_take_name(in, topic);
    struct mw_span key = mw_relay_take_bytes(in);
    mw_err err = mw_stream_get(session->stream, named ? writer : NULL, topic, key, &value, &error);
    begin_reply(session, err, &error);
    if (err == MW_OK) {
        mw_relay_bytes(&session->out, value);
    }
    return send_reply(session, -1, broken);
}

struct visit {
    struct session *session;
    mw_err err; /* of sending */
    struct mw_error *broken;
};

static bool send_entry(void *context, struct mw_span key, struct mw_span value)
{
    struct visit *visit = context;
    struct mw_relay_out *out = &visit->session->out;
    if (out->size == 0) {
        mw_relay_begin(out, MW_RELAY_ENTRIES);
    }
    mw_relay_bytes(out, key);
    mw_relay_bytes(out, value);
    if (out->size >= MW_RELAY_CHUNK) {
        mw_relay_end(out);
        visit->err = mw_relay_send(&visit->session->pipe, out, -1, visit->broken);
    }
    return visit->err == MW_OK;
}

static mw_err take_visit(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct visit visit = {.session = session, .broken = broken};
    struct mw_error error = {0};
    char writer[64], topic[64];
    bool named = mw_relay_take_u8(in) != 0;
    mw_relay_take_name(in, writer);
    mw_relay_take_name(in, topic);
    mw_err err =
        mw_stream_visit(session->stream, named ? writer : NULL, topic, send_entry, &visit, &error);
    if (visit.err == MW_OK && session->out.size > 0) {
        mw_relay_end(&session->out);
    }
    return visit.err == MW_OK ? reply(session, err, &error, broken) : visit.err;
}

static mw_err open_reader(struct session *session, struct mw_relay_in *in, unsigned *id,
                          struct mw_error *error)
{
    const char *topics[TOPICS];
    enum mw_stream_start start = mw_relay_take_u8(in) != 0 ? MW_STREAM_LATEST : MW_STREAM_EARLIEST;
    uint32_t n = mw_relay_take_u32(in);
    for (*id = 0; *id < MW_RELAY_READERS && session->readers[*id].reader != NULL;) {
        ++*id;
    }
    if (n > TOPICS || *id == MW_RELAY_READERS) {
        return mw_error_set(error, MW_ERR_TOO_LARGE,
                            "a relay gives a handle %d readers of up to %d topics each",
                            MW_RELAY_READERS, TOPICS);
    }
    struct reader *reader = &session->readers[*id];
    for (reader->n = 0; reader->n < n; reader->n++) {
        mw_relay_take_name(in, reader->topics[reader->n]);
        topics[reader->n] = reader->topics[reader->n];
    }
    char topic[64], heir_of[64];
    struct mw_stream_share share = {0};
    bool divided = mw_relay_take_u8(in) != 0;
    if (divided) {
        mw_relay_take_name(in, topic);
        share.topic = topic;
        share.share = mw_relay_take_u32(in);
        share.shares = mw_relay_take_u32(in);
        bool heir = mw_relay_take_u8(in) != 0;
        mw_relay_take_name(in, heir_of);
        share.heir_of = heir ? heir_of : NULL;
    }
    return mw_stream_reader_open_share(&reader->reader, session->stream, topics, reader->n, start,
                                       divided ? &share : NULL, error);
}

static mw_err take_reader_open(struct session *session, struct mw_relay_in *in,
                               struct mw_error *broken)
{
    struct mw_error error = {0};
    unsigned id = 0;
    int along = -1;
    mw_err err = open_reader(session, in, &id, &error);
    begin_reply(session, err, &error);
    if (err == MW_OK) {
        mw_relay_u8(&session->out, id);
        along = mw_stream_reader_fd(session->readers[id].reader);
    }
    return send_reply(session, along, broken);
}

static uint32_t topic_index(const struct reader *reader, const char *topic)
{
    uint32_t i = 0;
    while (strcmp(reader->topics[i], topic) != 0) {
        i++;
    }
    return i;
}

static void write_record(struct mw_relay_out *out, const struct reader *reader,
                         const struct mw_stream_record *record)
{
    mw_relay_u32(out, topic_index(reader, record->topic));
    mw_relay_u32(out, record->partition);
    mw_relay_i64(out, record->offset);
    mw_relay_i64(out, record->appended);
    mw_relay_bytes(out, record->key);
    mw_relay_bytes(out, record->value);
}

/* Fewer than asked for are an answer too. */
static mw_err take_poll(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct mw_error error = {0};
    unsigned id = mw_relay_take_u8(in);
    bool drain = mw_relay_take_u8(in) != 0;
    size_t left = mw_relay_take_u32(in);
    struct reader *reader = find(session, id);
    size_t begin = session->out.size;
    begin_reply(session, MW_OK, &error);
    size_t count_at = session->out.size;
    uint32_t total = 0;
    size_t n = 0;
    mw_relay_u32(&session->out, 0);
    mw_err err = reader == NULL ? no_reader(&error, id) : MW_OK;
    if (err == MW_OK && drain) {
        mw_stream_reader_drain(reader->reader);
    }
    do {
        size_t most = left < RECORDS ? left : RECORDS;
        n = 0;
        err =
            err == MW_OK ? mw_stream_poll(reader->reader, session->records, most, &n, &error) : err;
        for (size_t i = 0; i < n; i++) {
            write_record(&session->out, reader, &session->records[i]);
        }
        total += (uint32_t)n;
        left -= n;
    } while (n > 0 && left > 0 && session->out.size - begin < MW_RELAY_CHUNK);
    if (err != MW_OK && total == 0) {
        session->out.size = begin;
        return reply(session, err, &error, broken);
    }
    mw_relay_set_u32(&session->out, count_at, total); /* an error after records comes again */
    return send_reply(session, -1, broken);
}

static mw_err take_rewind(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct mw_error error = {0};
    unsigned id = mw_relay_take_u8(in);
    const struct reader *reader = find(session, id);
    mw_err err =
        reader == NULL ? no_reader(&error, id) : mw_stream_reader_rewind(reader->reader, &error);
    return reply(session, err, &error, broken);
}

static mw_err take_retain(struct session *session, struct mw_relay_in *in, struct mw_error *broken)
{
    struct mw_error error = {0};
    bool more = false;
    int64_t age = mw_relay_take_i64(in);
    int64_t bytes = mw_relay_take_i64(in);
    int64_t now = mw_relay_take_i64(in);
    mw_err err = mw_stream_retain(session->stream, age, bytes, now, &more, &error);
    begin_reply(session, err, &error);
    if (err == MW_OK) {
        mw_relay_u8(&session->out, more);
    }
    return send_reply(session, -1, broken);
}

static void close_reader(struct session *session, unsigned id)
{
    struct reader *reader = find(session, id);
    if (reader != NULL) {
        mw_stream_reader_close(reader->reader);
        reader->reader = NULL;
    }
}

static void close_all(struct session *session)
{
    for (unsigned id = 0; id < MW_RELAY_READERS; id++) {
        close_reader(session, id);
    }
    mw_stream_close(session->stream);
    mw_stream_members_leave(session->members);
    session->stream = NULL;
    session->members = NULL;
}

/* One frame. Not MW_OK: the connection is of no use any more. */
static mw_err take(struct session *session, enum mw_relay_op op, struct mw_relay_in *in,
                   struct mw_error *broken)
{
    if (op == MW_RELAY_OPEN) {
        return take_open(session, in, broken);
    }
    if (op == MW_RELAY_JOIN) {
        return take_join(session, in, broken);
    }
    if (op == MW_RELAY_CLOSE) {
        close_all(session);
        return reply(session, MW_OK, NULL, broken);
    }
    if (op == MW_RELAY_MEMBERS ? session->members == NULL : session->stream == NULL) {
        return mw_error_set(broken, MW_ERR_PARSE, "frame %d before OPEN", (int)op);
    }
    switch (op) {
    case MW_RELAY_MEMBERS:
        return take_members(session, broken);
    case MW_RELAY_BEGIN:
    case MW_RELAY_APPEND:
    case MW_RELAY_PUT:
        take_write(session, op, in);
        return MW_OK;
    case MW_RELAY_ROLLBACK:
        mw_stream_rollback(session->stream);
        session->failed = (struct mw_error){0};
        return MW_OK;
    case MW_RELAY_COMMIT:
        return take_commit(session, in, broken);
    case MW_RELAY_SYNC: {
        struct mw_error error = {0};
        mw_err err = mw_stream_sync(session->stream, &error);
        return reply(session, err, &error, broken);
    }
    case MW_RELAY_GET:
        return take_get(session, in, broken);
    case MW_RELAY_VISIT:
        return take_visit(session, in, broken);
    case MW_RELAY_READER_OPEN:
        return take_reader_open(session, in, broken);
    case MW_RELAY_READER_CLOSE:
        close_reader(session, mw_relay_take_u8(in));
        return MW_OK;
    case MW_RELAY_POLL:
        return take_poll(session, in, broken);
    case MW_RELAY_REWIND:
        return take_rewind(session, in, broken);
    case MW_RELAY_RETAIN:
        return take_retain(session, in, broken);
    case MW_RELAY_TIDY:
        mw_stream_tidy(session->stream);
        return MW_OK;
    case MW_RELAY_OPEN:
    case MW_RELAY_JOIN:
    case MW_RELAY_CLOSE:
    case MW_RELAY_ENTRIES:
    case MW_RELAY_REPLY:
        break;
    }
    return mw_error_set(broken, MW_ERR_PARSE, "frame %d: an operation was expected", (int)op);
}

void mw_relay_session(int fd, const char *uri, const char *plant)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return;
    }
    session->uri = uri;
    session->plant = plant;
    session->pipe = (struct mw_relay_pipe){.fd = fd, .received = -1};
    struct mw_error broken = {0};
    mw_err err = MW_OK;
    while (err == MW_OK) {
        enum mw_relay_op op;
        struct mw_relay_in in;
        err = mw_relay_receive(&session->pipe, &op, &in, &broken);
        err = err == MW_OK ? take(session, op, &in, &broken) : err;
        if (err == MW_OK && !mw_relay_done(&in)) {
            err = mw_error_set(&broken, MW_ERR_PARSE, "frame %d: %s", (int)op,
                               in.failed ? "a field is missing" : "bytes are left over");
        }
    }
    if (err != MW_ERR_NET) { /* that is how all of them end */
        mw_log(MW_LOG_WARN, NULL, "a connection is closed", MW_KS("reason", broken.text));
    }
    close_all(session);
    mw_relay_out_free(&session->out);
    session->pipe.fd = -1;
    mw_relay_pipe_close(&session->pipe);
    free(session);
}
