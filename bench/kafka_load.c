/* bench_kafka_load HOST PORT PLANT DEVICES COUNT BATCH BOOT RATE: publishes COUNT records in
 * messages of BATCH, QoS 1, as DEVICES things would, RATE records a second (0: as fast as the
 * broker takes them), up to 1000 messages unacknowledged.
 *
 * The records are valid telemetry of about 110 bytes; their numbers begin with seq 0 of BOOT, and
 * their time is that of the publication. Speaks MQTT 3.1.1 over a socket of its own, because the
 * load must not cost more than what it is for. Prints JSON: when the first was sent and the last
 * acknowledged (Unix seconds), bytes of a record. */
#include "bench/clock.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_FLIGHT 1000
#define BATCH_MAX 64
#define RECORD_MAX 160
#define MESSAGE_MAX (BATCH_MAX * RECORD_MAX + 256)
#define OUT (64 << 10) /* bytes that are gathered before a write */

struct load {
    const char *plant;
    size_t devices, count, batch;
    unsigned boot;
    double rate;
    int fd;
    uint16_t id;
    size_t sent, acknowledged, messages, pubacks; /* records and messages */
    size_t record_bytes;
    unsigned char out[OUT + MESSAGE_MAX];
    size_t out_size;
    unsigned char in[4096];
    size_t in_size;
};

static void check(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void write_all(struct load *load)
{
    for (size_t at = 0; at < load->out_size;) {
        ssize_t n = send(load->fd, load->out + at, load->out_size - at, MSG_NOSIGNAL);
        check(n > 0, "send");
        at += (size_t)n;
    }
    load->out_size = 0;
}

static size_t put_length(unsigned char *at, size_t length)
{
    size_t n = 0;
    do {
        at[n] = (unsigned char)(length & 127);
        length >>= 7;
        at[n] |= length > 0 ? 128 : 0;
        n++;
    } while (length > 0);
    return n;
}

static int print_record(char *text, const char *device, unsigned boot, size_t seq, double now)
{
    return snprintf(text, RECORD_MAX,
                    "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"seq\":%zu,\"time\":%.6f,"
                    "\"features\":{\"rms\":%zu.25,\"peak\":1.5}}",
                    device, boot, seq, now, 1 + seq % 8);
}

/* One message: BATCH records of the device whose turn it is. */
static void put_message(struct load *load)
{
    char body[MESSAGE_MAX], topic[128], device[32];
    size_t message = load->messages++, at = 0;
    snprintf(device, sizeof device, "dev-%04zu", message % load->devices);
    int topic_size = snprintf(topic, sizeof topic, "mw/%s/telemetry/%s", load->plant, device);
    size_t first = message / load->devices * load->batch;
    double now = bench_seconds(CLOCK_REALTIME);
    for (size_t i = 0; i < load->batch; i++) {
        if (load->batch > 1) {
            body[at++] = i == 0 ? '[' : ',';
        }
        int n = print_record(body + at, device, load->boot, first + i, now);
        load->record_bytes = (size_t)n;
        at += (size_t)n;
    }
    if (load->batch > 1) {
        body[at++] = ']';
    }
    load->id = (uint16_t)(load->id == IN_FLIGHT * 2 ? 1 : load->id + 1);
    unsigned char *out = load->out + load->out_size;
    *out++ = 0x32; /* PUBLISH, QoS 1 */
    out += put_length(out, 4 + (size_t)topic_size + at);
    *out++ = (unsigned char)(topic_size >> 8);
    *out++ = (unsigned char)topic_size;
    memcpy(out, topic, (size_t)topic_size);
    out += topic_size;
    *out++ = (unsigned char)(load->id >> 8);
    *out++ = (unsigned char)load->id;
    memcpy(out, body, at);
    load->out_size = (size_t)(out + at - load->out);
    load->sent += load->batch;
}

/* The broker sends nothing but PUBACKs of four bytes. */
static void read_pubacks(struct load *load)
{
    ssize_t n = recv(load->fd, load->in + load->in_size, sizeof load->in - load->in_size, 0);
    check(n > 0, "recv");
    load->in_size += (size_t)n;
    size_t whole = load->in_size / 4;
    for (size_t i = 0; i < whole; i++) {
        check(load->in[i * 4] == 0x40, "something else than a PUBACK came");
    }
    load->pubacks += whole;
    memmove(load->in, load->in + whole * 4, load->in_size - whole * 4);
    load->in_size -= whole * 4;
}

static bool readable(const struct load *load, int wait)
{
    struct pollfd one = {.fd = load->fd, .events = POLLIN};
    return poll(&one, 1, wait) > 0;
}

static void connect_to(struct load *load, const char *host, const char *port)
{
    static const unsigned char hello[] = {0x10, 20, 0, 4,   'M', 'Q', 'T', 'T', 4,   2,   0,
                                          0,    0,  8, 'm', 'w', '-', 'l', 'o', 'a', 'd', '0'};
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    unsigned char answer[4];
    int on = 1;
    check(getaddrinfo(host, port, &hints, &found) == 0, "address");
    load->fd = socket(found->ai_family, SOCK_STREAM, 0);
    check(load->fd >= 0 && connect(load->fd, found->ai_addr, found->ai_addrlen) == 0, "connect");
    freeaddrinfo(found);
    (void)setsockopt(load->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    check(send(load->fd, hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello &&
              recv(load->fd, answer, 4, MSG_WAITALL) == 4 && answer[3] == 0,
          "CONNACK");
}

/* How many messages the clock allows by now. */
static size_t due(const struct load *load, double start)
{
    size_t all = load->count / load->batch;
    if (load->rate <= 0) {
        return all;
    }
    double records = (bench_now() - start) * load->rate;
    size_t by_now = (size_t)(records / (double)load->batch) + 1;
    return by_now < all ? by_now : all;
}

static void publish_all(struct load *load)
{
    double start = bench_now();
    size_t all = load->count / load->batch;
    while (load->pubacks < all) {
        size_t allowed = due(load, start);
        while (load->messages < allowed && load->messages - load->pubacks < IN_FLIGHT &&
               load->out_size < OUT) {
            put_message(load);
        }
        write_all(load);
        bool full = load->messages == all || load->messages - load->pubacks == IN_FLIGHT;
        if (readable(load, full ? -1 : load->rate > 0 ? 1 : 0)) {
            read_pubacks(load);
        }
    }
}

int main(int argc, char **argv)
{
    static struct load load;
    if (argc != 9) {
        fprintf(stderr, "usage: bench_kafka_load HOST PORT PLANT DEVICES COUNT BATCH BOOT RATE\n");
        return 2;
    }
    load.plant = argv[3];
    load.devices = strtoul(argv[4], NULL, 10);
    load.count = strtoul(argv[5], NULL, 10);
    load.batch = strtoul(argv[6], NULL, 10);
    load.boot = (unsigned)strtoul(argv[7], NULL, 10);
    load.rate = strtod(argv[8], NULL);
    check(load.devices > 0 && load.batch > 0 && load.batch <= BATCH_MAX &&
              load.count % load.batch == 0,
          "COUNT is to be a multiple of BATCH, and BATCH 1 to 64");
    connect_to(&load, argv[1], argv[2]);
    double start = bench_seconds(CLOCK_REALTIME);
    publish_all(&load);
    printf("{\"start\":%.6f,\"end\":%.6f,\"bytes\":%zu}\n", start, bench_seconds(CLOCK_REALTIME),
           load.record_bytes);
    close(load.fd);
    return 0;
}
