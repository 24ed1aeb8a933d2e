/* bench_kafka_floor BROKERS TOPIC RECORDS TIMES GAP: transactions of RECORDS records of about 150
 * bytes, one after the other, with librdkafka alone: what a transaction costs whoever makes it.
 *
 * The options are those of the bridge's producer, but without linger. GAP milliseconds are rested
 * between two; with a GAP it also looks by itself every 0.4 ms whether all is delivered, as
 * lib/stream/kafka_writer.c does, because a commit looks every 10 ms only. Prints JSON: records a
 * second, CPU seconds a million records, milliseconds of CPU a transaction, and how long one took
 * from its first record to the end of its commit. */
#include "bench/clock.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEYS 100

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_kafka_floor: %s\n", what);
        exit(1);
    }
}

static rd_kafka_t *open_producer(const char *brokers, const char *id)
{
    const char *const option[][2] = {
        {"bootstrap.servers", brokers},
        {"transactional.id", id},
        {"linger.ms", "0"},
        {"max.in.flight.requests.per.connection", "1"},
        {"socket.nagle.disable", "true"},
        {"partitioner", "murmur2"},
    };
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof option / sizeof *option; i++) {
        check(rd_kafka_conf_set(conf, option[i][0], option[i][1], why, sizeof why) ==
                  RD_KAFKA_CONF_OK,
              why);
    }
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    check(producer != NULL, why);
    check(rd_kafka_init_transactions(producer, 30000) == NULL, "no transactions");
    return producer;
}

static void rest(double ms)
{
    struct timespec time = {0, (long)(ms * 1e6)};
    (void)nanosleep(&time, NULL);
}

static double transaction(rd_kafka_t *producer, rd_kafka_topic_t *topic, int records, bool looks)
{
    static char value[150];
    memset(value, 'x', sizeof value);
    check(rd_kafka_begin_transaction(producer) == NULL, "begin");
    double start = bench_now();
    for (int i = 0; i < records; i++) {
        char key[16];
        int size = snprintf(key, sizeof key, "dev-%04d", i % KEYS);
        check(rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value,
                               sizeof value, key, (size_t)size, NULL) == 0,
              "produce");
    }
    while (looks && rd_kafka_outq_len(producer) > 0) {
        rest(0.4);
        (void)rd_kafka_poll(producer, 0);
    }
    check(rd_kafka_commit_transaction(producer, 30000) == NULL, "commit");
    return (bench_now() - start) * 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    check(argc == 6, "usage: bench_kafka_floor BROKERS TOPIC RECORDS TIMES GAP");
    int records = (int)strtol(argv[3], NULL, 10);
    size_t times = strtoul(argv[4], NULL, 10);
    double gap = strtod(argv[5], NULL);
    double *ms = calloc(times + 1, sizeof *ms);
    check(ms != NULL && records > 0 && times > 0, "RECORDS and TIMES are to be above 0");
    rd_kafka_t *producer = open_producer(argv[1], argv[2]);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, argv[2], NULL);
    for (int i = 0; i < 20; i++) { /* finds the topic, wakes Kafka up */
        (void)transaction(producer, topic, records, gap > 0);
    }
    double start = bench_now(), cpu = bench_cpu();
    for (size_t i = 0; i < times; i++) {
        rest(gap);
        ms[i] = transaction(producer, topic, records, gap > 0);
    }
    double took = bench_now() - start, all = (double)records * (double)times;
    cpu = bench_cpu() - cpu;
    qsort(ms, times, sizeof *ms, compare);
    printf("{\"rate\":%.0f,\"cpu\":%.2f,\"cpu_ms\":%.2f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
           all / took, cpu * 1e6 / all, cpu * 1e3 / (double)times, ms[times / 2],
           ms[times * 99 / 100]);
    (void)fflush(stdout);
    _exit(0);
}
