/* bench_mqtt_peer HOST PORT USER PASSWORD PAYLOAD COUNT [FILE PAUSE]: what libmosquitto does with
 * this broker.
 *
 * First COUNT messages, each the content of the file PAYLOAD, at QoS 1, from one process to another
 * one that does nothing with them. Then COUNT / 50 times a message and its answer, one at a time: a
 * program that decides nothing. Prints JSON: rate (messages a second, from the first publication to
 * the last arrival), p50_ms, p99_ms, max_ms.
 *
 * With FILE only the turns are made, COUNT of them, PAUSE ms apart, and the other process answers
 * when it has twice written a page to FILE and waited for the disk: the cheapest writes that
 * survive a power cut, since FILE has its size and its blocks from the start. */
#include "bench/clock.h"

#include <fcntl.h>
#include <mosquitto.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define IN_FLIGHT 1000 /* messages that a publisher has under way, as the broker allows */
#define TURNS 50       /* one question and answer for so many messages */
#define PAYLOAD_MAX 65536
#define PAGE 4096
#define PAGES 1024 /* of FILE, written in turn */

struct broker {
    const char *host, *user, *password;
    int port;
};

/* What the two processes share. */
struct shared {
    sem_t subscribed, arrived; /* subscriber: ready; all messages are there, or: an answer is */
    sem_t slots;               /* publisher: free places in flight */
    size_t count, seen;
    double last; /* arrival of the last message */
};
static struct shared *shared;
static char payload[PAYLOAD_MAX];
static int payload_size;
static int durable = -1; /* FILE */
static unsigned page;    /* of FILE, the next to write */

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_mqtt_peer: %s failed\n", what);
        exit(1);
    }
}

static void on_subscribe(struct mosquitto *client, void *context, int id, int n, const int *qos)
{
    (void)client, (void)context, (void)id, (void)n, (void)qos;
    (void)sem_post(&shared->subscribed);
}

static void on_published(struct mosquitto *client, void *context, int id)
{
    (void)client, (void)context, (void)id;
    (void)sem_post(&shared->slots);
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *m)
{
    (void)client, (void)context, (void)m;
    if (++shared->seen == shared->count) {
        shared->last = bench_now();
        (void)sem_post(&shared->arrived);
    }
}

static void write_page(void)
{
    static char bytes[PAGE];
    memset(bytes, (int)page, sizeof bytes);
    check(pwrite(durable, bytes, sizeof bytes, (off_t)(page++ % PAGES) * PAGE) == PAGE, "write");
}

static void on_question(struct mosquitto *client, void *context, const struct mosquitto_message *m)
{
    (void)context;
    for (int i = 0; durable >= 0 && i < 2; i++) {
        write_page();
        check(fdatasync(durable) == 0, "sync");
    }
    (void)mosquitto_publish(client, NULL, "bench/answer", m->payloadlen, m->payload, 1, false);
}

static void on_answer(struct mosquitto *client, void *context, const struct mosquitto_message *m)
{
    (void)client, (void)context, (void)m;
    (void)sem_post(&shared->arrived);
}

static struct mosquitto *connect_to(const struct broker *broker)
{
    struct mosquitto *client = mosquitto_new(NULL, true, NULL);
    check(client != NULL, "a client");
    (void)mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    (void)mosquitto_max_inflight_messages_set(client, IN_FLIGHT);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    check(mosquitto_username_pw_set(client, broker->user, broker->password) == MOSQ_ERR_SUCCESS &&
              mosquitto_connect(client, broker->host, broker->port, 60) == MOSQ_ERR_SUCCESS,
          "connect");
    return client;
}

/* A process of its own that receives until it is ended. */
static pid_t start_receiver(const struct broker *broker, const char *topic,
                            void (*callback)(struct mosquitto *, void *,
                                             const struct mosquitto_message *))
{
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        struct mosquitto *client = connect_to(broker);
        mosquitto_message_callback_set(client, callback);
        check(mosquitto_subscribe(client, NULL, topic, 1) == MOSQ_ERR_SUCCESS, "subscribe");
        _exit(mosquitto_loop_forever(client, -1, 1) == MOSQ_ERR_SUCCESS ? 0 : 1);
    }
    check(sem_wait(&shared->subscribed) == 0, "wait");
    return child;
}

static void stop(pid_t child, struct mosquitto *client)
{
    (void)mosquitto_disconnect(client);
    (void)mosquitto_loop_stop(client, false);
    mosquitto_destroy(client);
    (void)kill(child, SIGTERM);
    (void)waitpid(child, NULL, 0);
}

static double measure_rate(const struct broker *broker)
{
    pid_t child = start_receiver(broker, "bench/flow", on_message);
    struct mosquitto *client = connect_to(broker);
    mosquitto_publish_callback_set(client, on_published);
    check(mosquitto_loop_start(client) == MOSQ_ERR_SUCCESS, "a thread");
    double start = bench_now();
    for (size_t i = 0; i < shared->count; i++) {
        check(sem_wait(&shared->slots) == 0, "wait");
        check(mosquitto_publish(client, NULL, "bench/flow", payload_size, payload, 1, false) ==
                  MOSQ_ERR_SUCCESS,
              "publish");
    }
    check(sem_wait(&shared->arrived) == 0, "wait");
    double rate = (double)shared->count / (shared->last - start);
    stop(child, client);
    return rate;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_turns(const struct broker *broker, double *seconds, size_t turns,
                          unsigned pause)
{
    pid_t child = start_receiver(broker, "bench/question", on_question);
    struct mosquitto *client = connect_to(broker);
    mosquitto_message_callback_set(client, on_answer);
    check(mosquitto_subscribe(client, NULL, "bench/answer", 1) == MOSQ_ERR_SUCCESS &&
              mosquitto_loop_start(client) == MOSQ_ERR_SUCCESS,
          "subscribe");
    check(sem_wait(&shared->subscribed) == 0, "wait");
    for (size_t i = 0; i < turns; i++) {
        (void)usleep(pause * 1000);
        double start = bench_now();
        check(mosquitto_publish(client, NULL, "bench/question", payload_size, payload, 1, false) ==
                      MOSQ_ERR_SUCCESS &&
                  sem_wait(&shared->arrived) == 0,
              "publish");
        seconds[i] = bench_now() - start;
    }
    stop(child, client);
    qsort(seconds, turns, sizeof *seconds, compare);
}

static bool prepare(const char *path, size_t count)
{
    FILE *file = fopen(path, "rb");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (file == NULL || shared == MAP_FAILED || count < TURNS) {
        return false;
    }
    payload_size = (int)fread(payload, 1, sizeof payload, file);
    (void)fclose(file);
    shared->count = count;
    return sem_init(&shared->subscribed, 1, 0) == 0 && sem_init(&shared->arrived, 1, 0) == 0 &&
           sem_init(&shared->slots, 1, IN_FLIGHT) == 0;
}

static void open_durable(const char *path)
{
    durable = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(durable >= 0, path);
    for (int i = 0; i < PAGES; i++) {
        write_page();
    }
    check(fsync(durable) == 0, path);
}

int main(int argc, char **argv)
{
    if ((argc != 7 && argc != 9) || !prepare(argv[5], strtoul(argv[6], NULL, 10))) {
        fprintf(stderr,
                "usage: bench_mqtt_peer HOST PORT USER PASSWORD PAYLOAD COUNT [FILE PAUSE]\n");
        return 2;
    }
    const struct broker broker = {argv[1], argv[3], argv[4], (int)strtol(argv[2], NULL, 10)};
    const bool only_turns = argc == 9;
    const size_t turns = only_turns ? shared->count : shared->count / TURNS;
    double *seconds = calloc(turns, sizeof *seconds);
    int version[3];
    check(seconds != NULL && mosquitto_lib_init() == MOSQ_ERR_SUCCESS, "the library");
    (void)mosquitto_lib_version(&version[0], &version[1], &version[2]);
    double rate = only_turns ? 0 : measure_rate(&broker);
    if (only_turns) {
        open_durable(argv[7]);
    }
    measure_turns(&broker, seconds, turns, only_turns ? (unsigned)strtoul(argv[8], NULL, 10) : 0);
    printf("{\"rate\":%.0f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,\"bytes\":%d,"
           "\"libmosquitto\":\"%d.%d.%d\"}\n",
           rate, seconds[turns / 2] * 1e3, seconds[turns * 99 / 100] * 1e3,
           seconds[turns - 1] * 1e3, payload_size, version[0], version[1], version[2]);
    free(seconds);
    (void)mosquitto_lib_cleanup();
    return 0;
}
