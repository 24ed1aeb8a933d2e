/* kafka_topic.c - finds topics on the cluster and makes those that are missing. */
#include "lib/stream/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER 3000 /* milliseconds for a question about a topic */

void mw_kafka_rest(int64_t microseconds)
{
    struct timespec time = {microseconds / MW_SECOND, microseconds % MW_SECOND * 1000};
    (void)nanosleep(&time, NULL);
}

void mw_kafka_topic_name(const struct mw_kafka *stream, const char *writer, const char *topic,
                         char name[MW_KAFKA_NAME])
{
    (void)snprintf(name, MW_KAFKA_NAME, "mw.%s.%s%s%s", stream->plant, writer == NULL ? "" : writer,
                   writer == NULL ? "" : ".", topic);
}

static struct mw_kafka_topic *entry(struct mw_kafka *stream, const char *name)
{
    for (size_t i = 0; i < stream->topics_n; i++) {
        if (strcmp(stream->topics[i]->name, name) == 0) {
            return stream->topics[i];
        }
    }
    void *more = realloc(stream->topics, (stream->topics_n + 1) * sizeof(stream->topics[0]));
    struct mw_kafka_topic *topic = calloc(1, sizeof(*topic));
    stream->topics = more == NULL ? stream->topics : more;
    if (more == NULL || topic == NULL) {
        free(topic);
        return NULL;
    }
    (void)snprintf(topic->name, sizeof(topic->name), "%s", name);
    topic->handle = mw_kafka.topic_new(stream->client, name, NULL);
    if (topic->handle == NULL) {
        free(topic);
        return NULL;
    }
    stream->topics[stream->topics_n++] = topic;
    return topic;
}

/* Asks the cluster. A topic that is being made has partitions without a leader: not there yet. */
static mw_err look(struct mw_kafka *stream, struct mw_kafka_topic *topic, struct mw_error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        mw_kafka.metadata(stream->client, 0, topic->handle, &metadata, ANSWER);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const struct rd_kafka_metadata_topic *found =
            metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
        code = found == NULL ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : found->err;
        int partitions = found == NULL || found->err != 0 ? 0 : found->partition_cnt;
        topic->leaderless = code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        for (int i = 0; i < partitions && !topic->leaderless; i++) {
            topic->leaderless = found->partitions[i].leader < 0;
        }
        if (topic->leaderless && topic->partitions == 0) {
            partitions = 0;
            code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        }
        topic->partitions = partitions > topic->partitions ? partitions : topic->partitions;
        mw_kafka.metadata_destroy(metadata);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        return MW_OK;
    }
    return mw_kafka_fail(stream, error, code, topic->name);
}

/* --- making one --- */

static void configure(const struct mw_kafka *stream, bool compacted, rd_kafka_NewTopic_t *made)
{
    char number[32];
    if (compacted) { /* written often and read whole at every start: kept small */
        (void)mw_kafka.NewTopic_set_config(made, "cleanup.policy", "compact");
        (void)mw_kafka.NewTopic_set_config(made, "segment.bytes", "16777216");
        (void)mw_kafka.NewTopic_set_config(made, "segment.ms", "3600000");
        (void)mw_kafka.NewTopic_set_config(made, "min.cleanable.dirty.ratio", "0.3");
        return;
    }
    int64_t retention[2];
    mw_kafka_retention(&stream->url, stream->url.retention_age, stream->url.retention_size,
                       retention);
    (void)snprintf(number, sizeof(number), "%lld", (long long)retention[0]);
    (void)mw_kafka.NewTopic_set_config(made, "retention.ms", number);
    (void)snprintf(number, sizeof(number), "%lld", (long long)retention[1]);
    (void)mw_kafka.NewTopic_set_config(made, "retention.bytes", number);
}

static mw_err read_answer(struct mw_kafka *stream, const char *name, rd_kafka_event_t *event,
                          struct mw_error *error)
{
    if (event == NULL) {
        return mw_kafka_fail(stream, error, RD_KAFKA_RESP_ERR__TIMED_OUT, name);
    }
    rd_kafka_resp_err_t code = mw_kafka.event_error(event);
    const char *text = mw_kafka.event_error_string(event);
    const rd_kafka_CreateTopics_result_t *result = mw_kafka.event_CreateTopics_result(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && result != NULL) {
        size_t n = 0;
        const rd_kafka_topic_result_t **topics = mw_kafka.CreateTopics_result_topics(result, &n);
        code = n == 1 ? mw_kafka.topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
        text = n == 1 ? mw_kafka.topic_result_error_string(topics[0]) : NULL;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        return MW_OK; /* another writer was faster */
    }
    mw_err err = mw_kafka_fail(stream, error, code, name);
    return mw_error_set(error, err, "kafka://%s: topic %s cannot be made: %s", stream->url.brokers,
                        name, text == NULL ? mw_kafka.err2str(code) : text);
}

static mw_err make(struct mw_kafka *stream, const char *name, bool compacted,
                   struct mw_error *error)
{
    char text[256];
    int replication = stream->url.replication == 0 ? -1 : stream->url.replication;
    rd_kafka_NewTopic_t *made = mw_kafka.NewTopic_new(name, compacted ? 1 : stream->url.partitions,
                                                      replication, text, sizeof(text));
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "topic %s: %s", name, text);
    }
    configure(stream, compacted, made);
    rd_kafka_queue_t *queue = mw_kafka.queue_new(stream->client);
    mw_kafka.CreateTopics(stream->client, &made, 1, NULL, queue);
    rd_kafka_event_t *event = mw_kafka.queue_poll(queue, MW_KAFKA_PATIENCE);
    mw_err err = read_answer(stream, name, event, error);
    if (event != NULL) {
        mw_kafka.event_destroy(event);
    }
    mw_kafka.queue_destroy(queue);
    mw_kafka.NewTopic_destroy(made);
    return err;
}

/* It is there, or the cluster has agreed to make it; until its partitions have leaders a few
 * moments pass, or more when a node is gone. */
static mw_err await(struct mw_kafka *stream, struct mw_kafka_topic *topic, struct mw_error *error)
{
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    mw_err err = look(stream, topic, error);
    while (err == MW_OK && topic->partitions == 0) {
        if (mw_clock_monotonic() > limit) {
            return mw_kafka_fail(stream, error, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                                 topic->name);
        }
        mw_kafka_rest(MW_KAFKA_AGAIN);
        err = look(stream, topic, error);
    }
    return err;
}

mw_err mw_kafka_topic_find(struct mw_kafka *stream, const char *name, bool create, bool compacted,
                           bool fresh, struct mw_kafka_topic **topic, struct mw_error *error)
{
    *topic = entry(stream, name);
    if (*topic == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for topic %s", name);
    }
    if ((*topic)->partitions > 0 && !fresh) {
        return MW_OK;
    }
    mw_err err = look(stream, *topic, error);
    if (err == MW_OK && (*topic)->partitions == 0 && (*topic)->leaderless && compacted) {
        return await(stream, *topic, error); /* what it holds must not be taken for nothing */
    }
    if (err != MW_OK || (*topic)->partitions > 0 || !create) {
        return err;
    }
    if (!stream->url.create) {
        return mw_error_set(error, MW_ERR_NOT_FOUND,
                            "kafka://%s has no topic %s, and stream.create is false: make it%s",
                            stream->url.brokers, name,
                            compacted ? " with one partition and cleanup.policy=compact" : "");
    }
    err = make(stream, name, compacted, error);
    return err == MW_OK ? await(stream, *topic, error) : err;
}

bool mw_kafka_passes(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: /* while a broker that has just started has no leader
                                                */
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
        return true;
    default:
        return false;
    }
}

/* One question; the first trouble of any partition. */
static rd_kafka_resp_err_t ask_ends(struct mw_kafka *stream, rd_kafka_topic_partition_list_t *list,
                                    int64_t which)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = which;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_resp_err_t code = mw_kafka.offsets_for_times(stream->client, list, ANSWER);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset < 0) {
            code = RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
        }
    }
    return code;
}

/* librdkafka asks the leader that it knows of, however long that is gone, so that it has to be told
 * to look again. (Its query_watermark_offsets would do the same and never come back.) */
mw_err mw_kafka_topic_ends(struct mw_kafka *stream, rd_kafka_topic_partition_list_t *list,
                           int64_t which, struct mw_error *error)
{
    int64_t limit = mw_clock_monotonic() + MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    while (list->cnt > 0 && (code = ask_ends(stream, list, which)) != RD_KAFKA_RESP_ERR_NO_ERROR &&
           mw_kafka_passes(code) && mw_clock_monotonic() < limit) {
        mw_kafka_rest(MW_KAFKA_AGAIN);
        for (int i = 0; i < list->cnt; i++) {
            struct mw_kafka_topic *topic = entry(stream, list->elems[i].topic);
            if (topic != NULL && (i == 0 || list->elems[i].partition == 0)) {
                (void)look(stream, topic, NULL);
            }
        }
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? MW_OK
               : mw_kafka_fail(stream, error, code, "cannot learn where topics end");
}

/* --- what brokers have removed --- */

struct removal {
    char topic[64];
    int64_t n;
};

static int compare_removals(const void *a, const void *b)
{
    return strcmp(((const struct removal *)a)->topic, ((const struct removal *)b)->topic);
}

const char *mw_kafka_topic_kind(const struct mw_kafka *stream, const char *name)
{
    size_t plant = strlen(stream->plant);
    bool own = strncmp(name, "mw.", 3) == 0 && strncmp(name + 3, stream->plant, plant) == 0 &&
               name[3 + plant] == '.';
    const char *kind = own ? name + 3 + plant + 1 : NULL;
    return own && strchr(kind, '.') == NULL && strlen(kind) < 64 ? kind : NULL;
}

static mw_err sum_up(struct mw_kafka *stream, const struct rd_kafka_metadata *metadata,
                     struct removal *removals, size_t *n, struct mw_error *error)
{
    rd_kafka_topic_partition_list_t *list = mw_kafka.topic_partition_list_new(16);
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        int partitions =
            mw_kafka_topic_kind(stream, topic->topic) == NULL ? 0 : topic->partition_cnt;
        for (int j = 0; j < partitions; j++) {
            (void)mw_kafka.topic_partition_list_add(list, topic->topic, topic->partitions[j].id);
        }
    }
    mw_err err = mw_kafka_topic_ends(stream, list, RD_KAFKA_OFFSET_BEGINNING, error);
    for (int i = 0; err == MW_OK && i < list->cnt; i++) { /* a topic's are behind one another */
        const char *kind = mw_kafka_topic_kind(stream, list->elems[i].topic);
        if (*n == 0 || strcmp(removals[*n - 1].topic, kind) != 0) {
            (void)snprintf(removals[(*n)++].topic, sizeof(removals[0].topic), "%s", kind);
        }
        removals[*n - 1].n += list->elems[i].offset;
    }
    mw_kafka.topic_partition_list_destroy(list);
    return err;
}

mw_err mw_kafka_topic_removed(struct mw_kafka *stream, mw_stream_visit_fn *fn, void *context,
                              struct mw_error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = mw_kafka.metadata(stream->client, 1, NULL, &metadata, ANSWER);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return mw_kafka_fail(stream, error, code, "cannot list the topics");
    }
    size_t n = 0;
    struct removal *removals = calloc((size_t)metadata->topic_cnt + 1, sizeof(*removals));
    mw_err err = removals == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                  : sum_up(stream, metadata, removals, &n, error);
    if (err == MW_OK) {
        qsort(removals, n, sizeof(*removals), compare_removals);
    }
    bool going = err == MW_OK;
    for (size_t i = 0; going && i < n; i++) {
        char number[32];
        (void)snprintf(number, sizeof(number), "%lld", (long long)removals[i].n);
        going =
            removals[i].n == 0 || fn(context, mw_span_of(removals[i].topic), mw_span_of(number));
    }
    free(removals);
    mw_kafka.metadata_destroy(metadata);
    return err;
}

void mw_kafka_topics_clear(struct mw_kafka *stream)
{
    for (size_t i = 0; i < stream->topics_n; i++) {
        mw_kafka.topic_destroy(stream->topics[i]->handle);
        free(stream->topics[i]);
    }
    free(stream->topics);
    stream->topics = NULL;
    stream->topics_n = 0;
}
