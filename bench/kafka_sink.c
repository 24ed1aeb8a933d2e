/* What is in a Kafka topic by now, and when it came there.
 *
 *   bench_kafka_sink BROKERS TOPIC make                    with 4 partitions, Kafka's own times
 *   bench_kafka_sink BROKERS TOPIC end                     where its partitions end, summed
 *   bench_kafka_sink BROKERS TOPIC until SUM SECONDS       waits until that is SUM
 *   bench_kafka_sink BROKERS TOPIC count BOOT COUNT BATCH DEVICES SECONDS
 *   bench_kafka_sink BROKERS TOPIC follow BOOT COUNT BATCH DEVICES SECONDS
 *
 * The last two read everything that is committed, or only what comes from now on, until they have
 * seen the COUNT records of BOOT that bench_kafka_load publishes for DEVICES, or nothing has come
 * for SECONDS; then a second more for doubles. The load's numbers tell what is there, lost, doubled
 * or out of order. Prints JSON: the times at which Kafka appended the first and the last (Unix
 * seconds, of LogAppendTime), and how long after their own time the records were seen here, which
 * means something if this runs beside the load. */
#include "bench/clock.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_kafka_sink: %s\n", what);
        exit(1);
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    check(rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK, text);
}

static rd_kafka_t *open_consumer(const char *brokers)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "bench-sink");
    set(conf, "isolation.level", "read_committed");
    set(conf, "fetch.wait.max.ms", "500");
    set(conf, "fetch.error.backoff.ms", "10");
    set(conf, "check.crcs", "false");
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    check(consumer != NULL, text);
    return consumer;
}

static void make_topic(rd_kafka_t *client, const char *name)
{
    char text[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, 4, 1, text, sizeof text);
    check(topic != NULL &&
              rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "LogAppendTime") == 0,
          "a topic");
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    check(event != NULL && rd_kafka_event_error(event) == 0, "no answer to a new topic");
    size_t n;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    check(n == 1 && rd_kafka_topic_result_error(results[0]) == 0, "the topic cannot be made");
}

/* A topic that has just been made is not known everywhere at once. */
static int partitions_of(rd_kafka_t *consumer, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    int n = 0;
    for (double limit = bench_now() + 15; n == 0 && bench_now() < limit;) {
        check(rd_kafka_metadata(consumer, 0, handle, &metadata, 15000) == 0, "no answer");
        n = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
        (void)usleep(n == 0 ? 20000 : 0);
    }
    rd_kafka_topic_destroy(handle);
    check(n > 0, "no such topic");
    return n;
}

static int64_t end_of(rd_kafka_t *consumer, const char *topic, int partitions)
{
    int64_t sum = 0, low, high;
    for (int i = 0; i < partitions; i++) {
        check(rd_kafka_query_watermark_offsets(consumer, topic, i, &low, &high, 15000) == 0,
              "the end of a partition");
        sum += high;
    }
    return sum;
}

struct count {
    long boot;
    size_t count, devices;
    unsigned char *times; /* how often each record has been seen */
    long *last;           /* of each device, its newest number */
    float *delay_ms;
    size_t seen, distinct, doubled, disordered;
    int64_t first, end; /* milliseconds */
};

static long number(const char *text, size_t size, const char *mark)
{
    const char *at = memmem(text, size, mark, strlen(mark));
    return at == NULL ? -1 : strtol(at + strlen(mark), NULL, 10);
}

static double decimal(const char *text, size_t size, const char *mark)
{
    const char *at = memmem(text, size, mark, strlen(mark));
    return at == NULL ? 0 : strtod(at + strlen(mark), NULL);
}

static void take(struct count *count, const rd_kafka_message_t *message, size_t batch)
{
    const char *text = message->payload;
    double now = bench_seconds(CLOCK_REALTIME);
    if (number(text, message->len, "\"boot\":") != count->boot) {
        return;
    }
    rd_kafka_timestamp_type_t type;
    int64_t time = rd_kafka_message_timestamp(message, &type);
    long device = number(text, message->len, "\"device\":\"dev-");
    long seq = number(text, message->len, "\"seq\":");
    check(device >= 0 && seq >= 0 && (size_t)device < count->devices, "a record of nobody's");
    size_t turn = (size_t)seq / batch * count->devices + (size_t)device;
    size_t place = turn * batch + (size_t)seq % batch;
    check(place < count->count, "a number that was never given");
    count->first = count->seen == 0 || time < count->first ? time : count->first;
    count->end = time > count->end ? time : count->end;
    count->delay_ms[count->seen % count->count] =
        (float)((now - decimal(text, message->len, "\"time\":")) * 1e3);
    count->seen++;
    if (count->times[place]++ > 0) {
        count->doubled++;
        return;
    }
    count->distinct++;
    count->disordered += seq < count->last[device] ? 1 : 0;
    count->last[device] = seq > count->last[device] ? seq : count->last[device];
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void count_all(rd_kafka_t *consumer, const char *topic, int partitions, struct count *count,
                      double patience, size_t batch, int64_t from)
{
    static rd_kafka_message_t *messages[4096];
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    for (int i = 0; i < partitions; i++) {
        check(rd_kafka_consume_start_queue(handle, i, from, queue) == 0, "consume");
    }
    puts("ready");
    (void)fflush(stdout);
    for (double end = bench_now() + patience; bench_now() < end;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 1, messages, 4096);
        size_t before = count->seen;
        for (ssize_t i = 0; i < n; i++) {
            if (messages[i]->err == 0) {
                take(count, messages[i], batch);
            }
            rd_kafka_message_destroy(messages[i]);
        }
        if (count->seen > before) {
            end = bench_now() + (count->distinct == count->count ? 1 : patience);
        }
    }
}

int main(int argc, char **argv)
{
    check(argc >= 4, "usage: see the head of bench/kafka_sink.c");
    rd_kafka_t *consumer = open_consumer(argv[1]);
    if (strcmp(argv[3], "make") == 0) {
        make_topic(consumer, argv[2]);
        _exit(0);
    }
    int partitions = partitions_of(consumer, argv[2]);
    if (strcmp(argv[3], "end") == 0) {
        printf("{\"end\":%lld}\n", (long long)end_of(consumer, argv[2], partitions));
    } else if (strcmp(argv[3], "until") == 0 && argc == 6) {
        double limit = bench_now() + strtod(argv[5], NULL);
        while (end_of(consumer, argv[2], partitions) < strtoll(argv[4], NULL, 10) &&
               bench_now() < limit) {
            (void)usleep(10000);
        }
        printf("{\"end\":%lld}\n", (long long)end_of(consumer, argv[2], partitions));
    } else {
        bool follow = strcmp(argv[3], "follow") == 0;
        check(argc == 9 && (follow || strcmp(argv[3], "count") == 0),
              "count BOOT COUNT BATCH DEVICES SECONDS");
        struct count count = {.boot = strtol(argv[4], NULL, 10),
                              .count = strtoul(argv[5], NULL, 10),
                              .devices = strtoul(argv[7], NULL, 10)};
        count.times = calloc(count.count, 1);
        count.last = calloc(count.devices, sizeof *count.last);
        count.delay_ms = calloc(count.count, sizeof *count.delay_ms);
        check(count.times && count.last && count.delay_ms, "out of memory");
        count_all(consumer, argv[2], partitions, &count, strtod(argv[8], NULL),
                  strtoul(argv[6], NULL, 10),
                  follow ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING);
        size_t n = count.seen < count.count ? count.seen : count.count;
        qsort(count.delay_ms, n, sizeof *count.delay_ms, compare);
        printf(
            "{\"seen\":%zu,\"lost\":%zu,\"doubled\":%zu,\"disordered\":%zu,\"first\":%.3f,"
            "\"last\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"version\":\"%s\"}\n",
            count.seen, count.count - count.distinct, count.doubled, count.disordered,
            (double)count.first / 1e3, (double)count.end / 1e3,
            n == 0 ? 0 : (double)count.delay_ms[n / 2],
            n == 0 ? 0 : (double)count.delay_ms[n * 99 / 100],
            n == 0 ? 0 : (double)count.delay_ms[n - 1], rd_kafka_version_str());
    }
    (void)fflush(stdout);
    _exit(0); /* closing a consumer that reads takes seconds and is of no use here */
}
