/* kafka_retain.c - how long the cluster keeps records, beside what it was asked for. */
#include "lib/stream/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER 3000 /* milliseconds */

enum { RETAINED = 2 }; /* retention.ms and retention.bytes, in this order everywhere */
static const char *const names[RETAINED] = {"retention.ms", "retention.bytes"};

void mw_kafka_retention(const struct mw_kafka_url *url, int64_t age, int64_t bytes,
                        int64_t retention[2])
{
    retention[0] = age < 0 ? -1 : age;
    retention[1] = bytes < 0 ? -1 : bytes / url->partitions + 1;
}

/* What the topic says; -2 where it says nothing. */
static void read_retention(const rd_kafka_ConfigResource_t *topic, int64_t found[RETAINED])
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries = mw_kafka.ConfigResource_configs(topic, &n);
    for (size_t k = 0; k < RETAINED; k++) {
        found[k] = -2;
        for (size_t i = 0; i < n; i++) {
            const char *value = mw_kafka.ConfigEntry_value(entries[i]);
            if (strcmp(mw_kafka.ConfigEntry_name(entries[i]), names[k]) == 0 && value != NULL) {
                found[k] = strtoll(value, NULL, 10);
            }
        }
    }
}

static mw_err compare(const struct mw_kafka *stream, const rd_kafka_ConfigResource_t *topic,
                      const int64_t wanted[RETAINED], struct mw_error *error)
{
    int64_t found[RETAINED];
    const char *name = mw_kafka.ConfigResource_name(topic);
    if (mw_kafka.ConfigResource_error(topic) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return MW_OK; /* not ours to ask, say */
    }
    read_retention(topic, found);
    if ((found[0] == wanted[0] || found[0] == -2) && (found[1] == wanted[1] || found[1] == -2)) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_EXISTS,
                        "kafka://%s: topic %s exists with %s=%lld and %s=%lld, which is not "
                        "changed; stream.retention_age and stream.retention_size ask for %lld and "
                        "%lld: alter the topic, or what is asked for",
                        stream->url.brokers, name, names[0], (long long)found[0], names[1],
                        (long long)found[1], (long long)wanted[0], (long long)wanted[1]);
}

static mw_err read_answer(struct mw_kafka *stream, rd_kafka_event_t *event,
                          const int64_t wanted[RETAINED], struct mw_error *error)
{
    const rd_kafka_DescribeConfigs_result_t *result =
        event == NULL ? NULL : mw_kafka.event_DescribeConfigs_result(event);
    rd_kafka_resp_err_t code =
        event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : mw_kafka.event_error(event);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL) {
        return mw_kafka_fail(stream, error, code, "cannot learn how topics are configured");
    }
    size_t n = 0;
    const rd_kafka_ConfigResource_t **topics =
        mw_kafka.DescribeConfigs_result_resources(result, &n);
    mw_err err = MW_OK;
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        err = compare(stream, topics[i], wanted, error);
    }
    return err;
}

/* The plant's topics of records, for the caller to destroy. */
static size_t list_topics(const struct mw_kafka *stream, const struct rd_kafka_metadata *metadata,
                          rd_kafka_ConfigResource_t **topics)
{
    size_t n = 0;
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (mw_kafka_topic_kind(stream, metadata->topics[i].topic) != NULL) {
            topics[n++] =
                mw_kafka.ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, metadata->topics[i].topic);
        }
    }
    return n;
}

static mw_err ask(struct mw_kafka *stream, rd_kafka_ConfigResource_t **topics, size_t n,
                  const int64_t wanted[RETAINED], struct mw_error *error)
{
    if (n == 0) {
        return MW_OK;
    }
    rd_kafka_queue_t *queue = mw_kafka.queue_new(stream->client);
    mw_kafka.DescribeConfigs(stream->client, topics, n, NULL, queue);
    rd_kafka_event_t *event = mw_kafka.queue_poll(queue, ANSWER);
    mw_err err = read_answer(stream, event, wanted, error);
    if (event != NULL) {
        mw_kafka.event_destroy(event);
    }
    mw_kafka.queue_destroy(queue);
    return err;
}

mw_err mw_kafka_retain(struct mw_stream *base, int64_t age, int64_t bytes, int64_t now, bool *more,
                       struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    const struct rd_kafka_metadata *metadata = NULL;
    int64_t wanted[RETAINED];
    (void)now;
    *more = false;
    if (stream->retention_seen) {
        return MW_OK;
    }
    rd_kafka_resp_err_t code = mw_kafka.metadata(stream->client, 1, NULL, &metadata, ANSWER);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return mw_kafka_fail(stream, error, code, "cannot list the topics");
    }
    mw_kafka_retention(&stream->url, age < 0 ? -1 : age / 1000, bytes, wanted);
    rd_kafka_ConfigResource_t **topics = calloc((size_t)metadata->topic_cnt + 1, sizeof(*topics));
    size_t n = topics == NULL ? 0 : list_topics(stream, metadata, topics);
    mw_err err = topics == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                : ask(stream, topics, n, wanted, error);
    stream->retention_seen = err == MW_OK || err == MW_ERR_EXISTS;
    for (size_t i = 0; i < n; i++) {
        mw_kafka.ConfigResource_destroy(topics[i]);
    }
    free(topics);
    mw_kafka.metadata_destroy(metadata);
    return err;
}
