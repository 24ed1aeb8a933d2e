/* kafka.c - opens and closes a stream on Kafka; librdkafka's handles and errors. */
#include "lib/stream/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define SCRAM_REPAIRED 0x02060100 /* librdkafka 2.6.1 */

/* --- options --- */

struct option {
    const char *name, *value;
};

/* The user's options come behind these, and those of the role behind the user's. */
static const struct option common_first[] = {
    {"allow.auto.create.topics", "false"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.max.ms", "1000"},
    {NULL, NULL},
};

static const struct option client_first[] = {
    /* Not 0: a partition then gets several batches of a transaction, and with that records were
     * lost and doubled while writers were killed; why is not known. */
    {"linger.ms", "2"},
    {"socket.timeout.ms", "3000"}, /* a node that is gone is asked no longer than that */
    {"queue.buffering.max.kbytes", "65536"},
    {"transaction.timeout.ms", "15000"}, /* how long a writer that died may hold up readers */
    {"message.max.bytes", "1048000"},    /* a record of the largest size; the broker's default */
    {NULL, NULL},
};

static const struct option consumer_first[] = {
    {"fetch.wait.max.ms", "100"}, /* how late a reader may learn that there is no more */
    {"fetch.error.backoff.ms", "100"},
    {"fetch.message.max.bytes", "1048576"},
    {"queued.min.messages", "10000"},
    {"queued.max.messages.kbytes", "2048"}, /* a partition */
    {NULL, NULL},
};

static const struct option member_first[] = {
    {"session.timeout.ms", "6000"},   /* the least that brokers allow by default */
    {"heartbeat.interval.ms", "500"}, /* also how late a member hears of a new division */
    {"fetch.wait.max.ms", "5000"},    /* nothing ever comes */
    {NULL, NULL},
};

static const struct option member_last[] = {
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {NULL, NULL},
};

static const struct option client_last[] = {
    /* With more in flight, a partition that refuses a writer's first batch (its leader is not there
     * yet) and takes the second loses the first: the broker, which knows nothing of this writer,
     * accepts the gap, and librdkafka takes the answer to the repetition for "had that". */
    {"max.in.flight.requests.per.connection", "1"},
    {"partitioner", "murmur2"},
    /* Where a partition ends is asked of this handle, with what open transactions have in it. */
    {"isolation.level", "read_uncommitted"},
    /* tells_of_loss listens. */
    {"log_level", "6"},
    {"log.queue", "false"},
    {"log.connection.close", "true"},
    {NULL, NULL},
};

static const struct option consumer_last[] = {
    {"isolation.level", "read_committed"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.partition.eof", "true"},
    {"auto.offset.reset", "earliest"},
    {"auto.commit.enable", "false"},
    {NULL, NULL},
};

static mw_err set_option(rd_kafka_conf_t *conf, const char *name, const char *value,
                         struct mw_error *error)
{
    char text[256];
    if (mw_kafka.conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_ARGUMENT, "option %s: %s", name, text);
}

static mw_err set_options(rd_kafka_conf_t *conf, const struct option *options,
                          struct mw_error *error)
{
    mw_err err = MW_OK;
    for (; err == MW_OK && options->name != NULL; options++) {
        err = set_option(conf, options->name, options->value, error);
    }
    return err;
}

/* Its SCRAM is known to be wrong, and every broker would answer "invalid credentials", which sends
 * people looking for a wrong password. */
static mw_err check_scram(const rd_kafka_conf_t *conf, struct mw_error *error)
{
    char mechanism[64] = "";
    size_t size = sizeof(mechanism);
    if (mw_kafka.version() >= SCRAM_REPAIRED ||
        mw_kafka.conf_get(conf, "sasl.mechanisms", mechanism, &size) != RD_KAFKA_CONF_OK ||
        strncmp(mechanism, "SCRAM", 5) != 0) {
        return MW_OK;
    }
    return mw_error_set(
        error, MW_ERR_UNSUPPORTED,
        "sasl.mechanism %s does not work with librdkafka %s (repaired in 2.6.1); use PLAIN over "
        "TLS (security.protocol=sasl_ssl, sasl.mechanism=PLAIN) or a client certificate "
        "(security.protocol=ssl, ssl.certificate.location, ssl.key.location)",
        mechanism, mw_kafka.version_str());
}

static mw_err set_names(struct mw_kafka *stream, rd_kafka_conf_t *conf, enum mw_kafka_role role,
                        const char *group, struct mw_error *error)
{
    char name[MW_KAFKA_NAME];
    bool writes = stream->writer[0] != '\0';
    (void)snprintf(name, sizeof(name), "mw.%s.%s", stream->plant,
                   writes ? stream->writer : "reader");
    mw_err err = set_option(conf, "client.id", name, error);
    if (err == MW_OK && role == MW_KAFKA_CLIENT && writes) {
        err = set_option(conf, "transactional.id", name, error);
    }
    if (err == MW_OK && (role == MW_KAFKA_READER || role == MW_KAFKA_MEMBER)) {
        err = set_option(conf, "group.id", group == NULL ? name : group, error);
    }
    return err == MW_OK ? set_option(conf, "bootstrap.servers", stream->url.brokers, error) : err;
}

/* librdkafka's words (2.0.2) for a request about a transaction that was not answered in time, and
 * for a connection that was in use. Not those for a node that is known to be away. */
static bool tells_of_loss(const char *facility, const char *text)
{
    return (strcmp(facility, "REQTMOUT") == 0 && strstr(text, "Txn") != NULL) ||
           (strcmp(facility, "FAIL") == 0 && strstr(text, "in state UP") != NULL);
}

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    struct mw_kafka_log *log = mw_kafka.opaque(handle);
    const char *shown = strncmp(text, "[thrd:", 6) == 0 ? strstr(text, "]: ") : NULL;
    if (log == NULL) {
        return;
    }
    bool lost = mw_kafka.type(handle) == RD_KAFKA_PRODUCER && tells_of_loss(facility, text);
    (void)pthread_mutex_lock(&log->mutex);
    log->lost += lost ? 1 : 0;
    if (level <= LOG_ERR) {
        (void)snprintf(log->text, sizeof(log->text), "%s", shown == NULL ? text : shown + 3);
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

unsigned mw_kafka_lost(struct mw_kafka *stream)
{
    (void)pthread_mutex_lock(&stream->log.mutex);
    unsigned lost = stream->log.lost;
    (void)pthread_mutex_unlock(&stream->log.mutex);
    return lost;
}

/* Called inside mw_kafka.poll. */
static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    (void)reason;
    struct mw_kafka_log *log = opaque;
    log->down |=
        code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && mw_kafka.type(handle) == RD_KAFKA_CONSUMER;
}

mw_err mw_kafka_handle_new(struct mw_kafka *stream, enum mw_kafka_role role, const char *group,
                           rd_kafka_t **handle, struct mw_error *error)
{
    static const struct {
        const struct option *first, *last;
    } options[] = {
        [MW_KAFKA_CLIENT] = {client_first, client_last},
        [MW_KAFKA_READER] = {consumer_first, consumer_last},
        [MW_KAFKA_STATES] = {consumer_first, consumer_last},
        [MW_KAFKA_MEMBER] = {member_first, member_last},
    };
    bool client = role == MW_KAFKA_CLIENT;
    rd_kafka_conf_t *conf = mw_kafka.conf_new();
    const char *name = NULL;
    const char *value = NULL;
    mw_err err = set_options(conf, common_first, error);
    if (err == MW_OK) {
        err = set_options(conf, options[role].first, error);
    }
    for (size_t at = 0; err == MW_OK && mw_kafka_url_option(&stream->url, &at, &name, &value);) {
        err = set_option(conf, name, value, error);
    }
    if (err == MW_OK) {
        err = set_options(conf, options[role].last, error);
    }
    err = err == MW_OK ? set_names(stream, conf, role, group, error) : err;
    err = err == MW_OK ? check_scram(conf, error) : err;
    if (err != MW_OK) {
        mw_kafka.conf_destroy(conf);
        return err;
    }
    mw_kafka.conf_set_opaque(conf, &stream->log);
    mw_kafka.conf_set_log_cb(conf, on_log);
    mw_kafka.conf_set_error_cb(conf, on_error);
    char text[256];
    *handle =
        mw_kafka.new(client ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (*handle == NULL) {
        mw_kafka.conf_destroy(conf);
        return mw_error_set(error, MW_ERR_ARGUMENT, "kafka://%s: %s", stream->url.brokers, text);
    }
    return MW_OK;
}

/* --- errors --- */

static mw_err meaning(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return MW_ERR_NET;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return MW_ERR_BUSY;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return MW_ERR_DENIED;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return MW_ERR_NOT_FOUND;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return MW_ERR_TOO_LARGE;
    default:
        return MW_ERR_IO;
    }
}

static mw_err fail(struct mw_kafka *stream, struct mw_error *error, rd_kafka_resp_err_t code,
                   const char *what, const char *text)
{
    mw_err err = meaning(code);
    char heard[sizeof(stream->log.text)] = "";
    if (err == MW_ERR_BUSY) {
        return mw_error_set(error, err,
                            "kafka://%s: %s: another process writes as \"%s\" now, or this one was "
                            "silent for too long (%s)",
                            stream->url.brokers, what, stream->writer, text);
    }
    if (err == MW_ERR_NET) {
        (void)pthread_mutex_lock(&stream->log.mutex);
        memcpy(heard, stream->log.text, sizeof(heard));
        (void)pthread_mutex_unlock(&stream->log.mutex);
    }
    return mw_error_set(error, err, "kafka://%s: %s: %s%s%s", stream->url.brokers, what, text,
                        heard[0] == '\0' ? "" : "; last heard: ", heard);
}

mw_err mw_kafka_fail(struct mw_kafka *stream, struct mw_error *error, rd_kafka_resp_err_t code,
                     const char *what)
{
    return fail(stream, error, code, what, mw_kafka.err2str(code));
}

mw_err mw_kafka_fail_error(struct mw_kafka *stream, struct mw_error *error,
                           rd_kafka_error_t *failed, const char *what)
{
    mw_err err =
        fail(stream, error, mw_kafka.error_code(failed), what, mw_kafka.error_string(failed));
    mw_kafka.error_destroy(failed);
    return err;
}

/* --- opening and closing --- */

/* Also ends what a predecessor of the same name has left: after this its transactions are either
 * committed or gone, its positions and compacted topics say which. */
static mw_err become_writer(struct mw_kafka *stream, struct mw_error *error)
{
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    rd_kafka_error_t *failed = NULL;
    while ((failed = mw_kafka.init_transactions(stream->client, MW_KAFKA_PATIENCE)) != NULL &&
           mw_kafka.error_is_retriable(failed) && mw_clock_monotonic() < limit) {
        mw_kafka.error_destroy(failed);
        mw_kafka_rest(MW_KAFKA_AGAIN);
    }
    return failed == NULL ? MW_OK
                          : mw_kafka_fail_error(stream, error, failed, "cannot become a writer");
}

static mw_err reach_cluster(struct mw_kafka *stream, struct mw_error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        mw_kafka.metadata(stream->client, 0, NULL, &metadata, MW_KAFKA_PATIENCE);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return mw_kafka_fail(stream, error, code, "no broker answers");
    }
    mw_kafka.metadata_destroy(metadata);
    return MW_OK;
}

static void kafka_close(struct mw_stream *base)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    mw_kafka_state_clear(stream);
    mw_kafka_topics_clear(stream);
    if (stream->client != NULL) {
        mw_kafka.destroy_flags(stream->client, 0);
    }
    mw_kafka_url_clear(&stream->url);
    (void)pthread_mutex_destroy(&stream->log.mutex);
    free(stream);
}

static mw_err kafka_open(struct mw_stream **opened, const char *location,
                         const struct mw_stream_options *options, struct mw_error *error)
{
    struct mw_kafka *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a stream");
    }
    (void)pthread_mutex_init(&stream->log.mutex, NULL);
    (void)snprintf(stream->plant, sizeof(stream->plant), "%s", options->plant);
    (void)snprintf(stream->writer, sizeof(stream->writer), "%s",
                   options->writer == NULL ? "" : options->writer);
    mw_err err = mw_kafka_url_parse(&stream->url, location, error);
    err = err == MW_OK ? mw_kafka_library_load(error) : err;
    err = err == MW_OK ? mw_kafka_handle_new(stream, MW_KAFKA_CLIENT, NULL, &stream->client, error)
                       : err;
    if (err == MW_OK) {
        err =
            stream->writer[0] == '\0' ? reach_cluster(stream, error) : become_writer(stream, error);
    }
    if (err != MW_OK) {
        kafka_close(&stream->base);
        return err;
    }
    *opened = &stream->base;
    return MW_OK;
}

const struct mw_stream_backend mw_stream_kafka = {
    .scheme = "kafka",
    .divides = true,
    .open = kafka_open,
    .close = kafka_close,
    .begin = mw_kafka_begin,
    .append = mw_kafka_append,
    .put = mw_kafka_put,
    .commit = mw_kafka_commit,
    .rollback = mw_kafka_rollback,
    .gap = mw_kafka_gap,
    .get = mw_kafka_get,
    .visit = mw_kafka_visit,
    .reader_open = mw_kafka_reader_open,
    .reader_close = mw_kafka_reader_close,
    .poll = mw_kafka_poll,
    .rewind = mw_kafka_rewind,
    .fd = mw_kafka_reader_fd,
    .drain = mw_kafka_reader_drain,
    .retain = mw_kafka_retain,
};
