#include "lib/base/health.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 8, REQUEST_MOST = 2048 };

struct peer {
    struct mw_health *health;
    struct mw_loop_watch *watch;
    int fd; /* -1: free */
    size_t size;
    char text[REQUEST_MOST];
    struct mw_buffer answer; /* empty until the request is whole */
    size_t sent;             /* of it */
};

struct mw_health {
    struct mw_loop *loop;
    struct mw_loop_watch *watch;
    int fd;
    bool ready;
    mw_health_metrics_fn *metrics; /* NULL: none */
    void *context;
    size_t next; /* the oldest peer, who has to go when all are taken */
    struct peer peer[PEERS];
};

enum mw_health_question mw_health_question(const char *request, size_t size)
{
    static const struct {
        const char *line;
        enum mw_health_question question;
    } known[] = {{"GET /livez", MW_HEALTH_LIVE},
                 {"GET /readyz", MW_HEALTH_READY},
                 {"GET /metrics", MW_HEALTH_METRICS}};
    const char *end = size == 0 ? NULL : memchr(request, '\n', size);
    if (end == NULL) {
        return MW_HEALTH_UNFINISHED;
    }
    size_t line = (size_t)(end - request);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].line);
        if (line > length && strncmp(request, known[i].line, length) == 0 &&
            (request[length] == ' ' || request[length] == '?')) {
            return known[i].question;
        }
    }
    return MW_HEALTH_OTHER;
}

static void close_peer(struct peer *peer)
{
    if (peer->fd >= 0) {
        mw_loop_remove(peer->health->loop, peer->watch);
        close(peer->fd);
        peer->fd = -1;
    }
    mw_buffer_free(&peer->answer);
    peer->sent = 0;
}

static mw_err say(struct peer *peer, const char *status, const char *type, struct mw_span body)
{
    mw_err err = mw_buffer_printf(&peer->answer,
                                  "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                                  "Connection: close\r\n\r\n",
                                  status, type, body.size);
    return err == MW_OK ? mw_buffer_add(&peer->answer, body.data, body.size) : err;
}

static mw_err say_metrics(struct peer *peer)
{
    const struct mw_health *health = peer->health;
    struct mw_buffer text = {0};
    mw_err err = health->metrics(health->context, &text);
    if (err == MW_OK) {
        err = say(peer, "200 OK", "text/plain; version=0.0.4; charset=utf-8",
                  (struct mw_span){text.data, text.size});
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err answer(struct peer *peer, enum mw_health_question question)
{
    if (question == MW_HEALTH_METRICS && peer->health->metrics != NULL) {
        return say_metrics(peer);
    }
    if (question == MW_HEALTH_LIVE || (question == MW_HEALTH_READY && peer->health->ready)) {
        return say(peer, "200 OK", "text/plain", mw_span_of("ok\n"));
    }
    if (question == MW_HEALTH_READY) {
        return say(peer, "503 Service Unavailable", "text/plain", mw_span_of("not ready\n"));
    }
    return say(peer, "404 Not Found", "text/plain",
               mw_span_of("/livez, /readyz and /metrics are here\n"));
}

/* Sends what the socket takes; the rest when it takes more. */
static void send_answer(struct peer *peer)
{
    ssize_t n = send(peer->fd, peer->answer.data + peer->sent, peer->answer.size - peer->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_peer(peer);
        return;
    }
    peer->sent += n > 0 ? (size_t)n : 0;
    if (peer->sent == peer->answer.size) {
        (void)shutdown(peer->fd, SHUT_WR);
        close_peer(peer);
    } else if (mw_loop_set_events(peer->health->loop, peer->watch, EPOLLOUT) != MW_OK) {
        close_peer(peer);
    }
}

static void on_request(void *context, uint32_t events)
{
    struct peer *peer = context;
    (void)events;
    if (peer->answer.size > 0) {
        send_answer(peer);
        return;
    }
    ssize_t n = recv(peer->fd, peer->text + peer->size, REQUEST_MOST - peer->size, MSG_DONTWAIT);
    if (n <= 0) {
        close_peer(peer);
        return;
    }
    peer->size += (size_t)n;
    enum mw_health_question question = mw_health_question(peer->text, peer->size);
    if (question == MW_HEALTH_UNFINISHED) {
        if (peer->size == REQUEST_MOST) {
            close_peer(peer);
        }
    } else if (answer(peer, question) == MW_OK) {
        send_answer(peer);
    } else {
        close_peer(peer);
    }
}

static void on_connection(void *context, uint32_t events)
{
    struct mw_health *health = context;
    (void)events;
    int fd = accept4(health->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct peer *peer = &health->peer[health->next++ % PEERS];
    close_peer(peer);
    peer->size = 0;
    peer->fd = fd;
    if (mw_loop_add_fd(health->loop, fd, EPOLLIN, on_request, peer, &peer->watch, NULL) != MW_OK) {
        close(fd);
        peer->fd = -1;
    }
}

static int open_port(uint16_t port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in old = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, no = 0;
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(AF_INET6, type, 0);
    bool six = fd >= 0;
    if (!six) {
        fd = socket(AF_INET, type, 0); /* a kernel without IPv6 */
    }
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (six) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    }
    int bound = six ? bind(fd, (struct sockaddr *)&address, sizeof address)
                    : bind(fd, (struct sockaddr *)&old, sizeof old);
    if (bound != 0 || listen(fd, PEERS) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

mw_err mw_health_new(struct mw_health **health, struct mw_loop *loop, uint16_t port,
                     struct mw_error *error)
{
    struct mw_health *made = calloc(1, sizeof *made);
    *health = NULL;
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    made->loop = loop;
    for (size_t i = 0; i < PEERS; i++) {
        made->peer[i] = (struct peer){.health = made, .fd = -1};
    }
    made->fd = open_port(port);
    mw_err err = made->fd < 0 ? mw_error_errno(error, MW_ERR_NET, "port %u for probes", port)
                              : mw_loop_add_fd(loop, made->fd, EPOLLIN, on_connection, made,
                                               &made->watch, error);
    if (err != MW_OK) {
        mw_health_free(made);
        return err;
    }
    *health = made;
    return MW_OK;
}

void mw_health_free(struct mw_health *health)
{
    if (health == NULL) {
        return;
    }
    for (size_t i = 0; i < PEERS; i++) {
        close_peer(&health->peer[i]);
    }
    mw_loop_remove(health->loop, health->watch);
    if (health->fd >= 0) {
        close(health->fd);
    }
    free(health);
}

void mw_health_set_ready(struct mw_health *health, bool ready)
{
    if (health != NULL) {
        health->ready = ready;
    }
}

void mw_health_set_metrics(struct mw_health *health, mw_health_metrics_fn *fn, void *context)
{
    if (health != NULL) {
        health->metrics = fn;
        health->context = context;
    }
}

uint16_t mw_health_port(const struct mw_health *health)
{
    struct sockaddr_in6 address = {0}; /* the port of an IPv4 address lies at the same place */
    socklen_t size = sizeof address;
    return getsockname(health->fd, (struct sockaddr *)&address, &size) == 0
               ? ntohs(address.sin6_port)
               : 0;
}
