/* bench_kafka_idle HOST PORT ID FILTER HOW COUNT BOOT: a subscriber that does nothing with what
 * comes but count what is of BOOT: what receiving from this broker costs by itself.
 *
 * HOW is `library` (libmosquitto) or `socket`, which reads what there is and writes all its PUBACKs
 * at once. QoS 1, in a session that the broker keeps. Says "ready" when subscribed and, after COUNT
 * messages, prints JSON: when the first and the last came (Unix seconds), and the delays since
 * `"time":`, which each has in it. It runs until it is ended. */
#include "bench/clock.h"

#include <mosquitto.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN (1 << 20)

static size_t count, seen;
static char boot[32];
static double first;
static float *delay_ms;

static void check(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void take(const char *payload, size_t size)
{
    static const char mark[] = "\"time\":";
    if (memmem(payload, size, boot, strlen(boot)) == NULL) {
        return; /* of a run before, whose acknowledgement the broker has not seen */
    }
    const char *at = memmem(payload, size, mark, sizeof mark - 1);
    double now = bench_seconds(CLOCK_REALTIME);
    first = seen == 0 ? now : first;
    if (seen < count) {
        delay_ms[seen] = at == NULL ? 0 : (float)((now - strtod(at + sizeof mark - 1, NULL)) * 1e3);
    }
    if (++seen == count) {
        qsort(delay_ms, count, sizeof *delay_ms, compare);
        printf("{\"first\":%.6f,\"last\":%.6f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
               "\"version\":\"%d.%d.%d\"}\n",
               first, now, (double)delay_ms[count / 2], (double)delay_ms[count * 99 / 100],
               LIBMOSQUITTO_MAJOR, LIBMOSQUITTO_MINOR, LIBMOSQUITTO_REVISION);
        (void)fflush(stdout);
    }
}

static void say_ready(void)
{
    puts("ready");
    (void)fflush(stdout);
}

/* ---- libmosquitto ---- */

static void on_subscribe(struct mosquitto *client, void *context, int id, int n, const int *qos)
{
    (void)client, (void)context, (void)id, (void)n, (void)qos;
    say_ready();
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *m)
{
    (void)client, (void)context;
    take(m->payload, (size_t)m->payloadlen);
}

static void run_library(char **argv)
{
    check(mosquitto_lib_init() == MOSQ_ERR_SUCCESS, "libmosquitto");
    struct mosquitto *client = mosquitto_new(argv[3], false, NULL);
    check(client != NULL, "a client");
    (void)mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_message_callback_set(client, on_message);
    check(mosquitto_connect(client, argv[1], (int)strtol(argv[2], NULL, 10), 60) ==
                  MOSQ_ERR_SUCCESS &&
              mosquitto_subscribe(client, NULL, argv[4], 1) == MOSQ_ERR_SUCCESS,
          "connect");
    check(mosquitto_loop_forever(client, -1, 1) == MOSQ_ERR_SUCCESS, "the loop");
}

/* ---- a socket ---- */

static size_t put_text(unsigned char *at, const char *text)
{
    size_t size = strlen(text);
    at[0] = (unsigned char)(size >> 8);
    at[1] = (unsigned char)size;
    memcpy(at + 2, text, size);
    return size + 2;
}

static void send_all(int fd, const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = send(fd, bytes + at, size - at, MSG_NOSIGNAL);
        check(n > 0, "send");
        at += (size_t)n;
    }
}

static int connect_to(char **argv)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int on = 1;
    check(getaddrinfo(argv[1], argv[2], &hints, &found) == 0, "address");
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    check(fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0, "connect");
    freeaddrinfo(found);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    unsigned char out[512] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 0};
    size_t n = 12 + put_text(out + 12, argv[3]); /* the session is kept, and no keepalive */
    out[1] = (unsigned char)(n - 2);
    check(strlen(argv[3]) < 100 && strlen(argv[4]) < 100, "ID or FILTER is too long");
    unsigned char *subscribe = out + n;
    size_t m = 4 + put_text(subscribe + 4, argv[4]);
    subscribe[m++] = 1;
    subscribe[0] = 0x82;
    subscribe[1] = (unsigned char)(m - 2);
    subscribe[2] = 0;
    subscribe[3] = 1;
    send_all(fd, out, n + m);
    return fd;
}

/* Takes the packets that are whole and adds PUBACKs; returns the bytes used. */
static size_t take_packets(const unsigned char *in, size_t size, unsigned char *out, size_t *out_n)
{
    size_t used = 0;
    while (size - used >= 2) {
        const unsigned char *packet = in + used;
        size_t length = 0, at = 1;
        for (unsigned shift = 0; at < size - used; shift += 7) {
            length |= (size_t)(packet[at] & 127) << shift;
            if (packet[at++] < 128) {
                break;
            }
        }
        if (packet[at - 1] >= 128 || size - used < at + length) {
            break;
        }
        if (packet[0] >> 4 == 9) {
            say_ready();
        } else if (packet[0] >> 4 == 3) {
            size_t topic = (size_t)packet[at] << 8 | packet[at + 1];
            const unsigned char *id = packet + at + 2 + topic;
            const unsigned char puback[] = {0x40, 2, id[0], id[1]};
            take((const char *)id + 2, length - topic - 4);
            memcpy(out + *out_n, puback, sizeof puback);
            *out_n += sizeof puback;
        }
        used += at + length;
    }
    return used;
}

static void run_socket(char **argv)
{
    static unsigned char in[IN], out[IN];
    size_t size = 0;
    int fd = connect_to(argv);
    for (;;) {
        ssize_t n = recv(fd, in + size, sizeof in - size, 0);
        check(n > 0, "recv");
        size += (size_t)n;
        size_t out_n = 0, used = take_packets(in, size, out, &out_n);
        send_all(fd, out, out_n);
        memmove(in, in + used, size - used);
        size -= used;
    }
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: bench_kafka_idle HOST PORT ID FILTER library|socket COUNT BOOT\n");
        return 2;
    }
    snprintf(boot, sizeof boot, "\"boot\":%s,", argv[7]);
    count = strtoul(argv[6], NULL, 10);
    delay_ms = calloc(count + 1, sizeof *delay_ms);
    check(delay_ms != NULL, "memory");
    if (strcmp(argv[5], "library") == 0) {
        run_library(argv);
    } else {
        run_socket(argv);
    }
    return 0;
}
