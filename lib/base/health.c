#include "lib/base/health.h"

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
};

struct mw_health {
    struct mw_loop *loop;
    struct mw_loop_watch *watch;
    int fd;
    bool ready;
    size_t next; /* the oldest peer, who has to go when all are taken */
    struct peer peer[PEERS];
};

#define ANSWER(status, body) \
    "HTTP/1.1 " status "\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" body "\n"

const char *mw_health_answer(const char *request, size_t size, bool ready)
{
    const char *end = memchr(request, '\n', size);
    if (end == NULL) {
        return NULL;
    }
    size_t line = (size_t)(end - request);
    if (line >= 11 && strncmp(request, "GET /livez ", 11) == 0) {
        return ANSWER("200 OK", "ok");
    }
    if (line >= 12 && strncmp(request, "GET /readyz ", 12) == 0) {
        return ready ? ANSWER("200 OK", "ok") : ANSWER("503 Service Unavailable", "not ready");
    }
    return ANSWER("404 Not Found", "/livez and /readyz are here");
}

static void close_peer(struct peer *peer)
{
    if (peer->fd >= 0) {
        mw_loop_remove(peer->health->loop, peer->watch);
        close(peer->fd);
        peer->fd = -1;
    }
}

static void on_request(void *context, uint32_t events)
{
    struct peer *peer = context;
    (void)events;
    ssize_t n = recv(peer->fd, peer->text + peer->size, REQUEST_MOST - peer->size, MSG_DONTWAIT);
    if (n <= 0) {
        close_peer(peer);
        return;
    }
    peer->size += (size_t)n;
    const char *answer = mw_health_answer(peer->text, peer->size, peer->health->ready);
    if (answer != NULL) {
        (void)!send(peer->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)shutdown(peer->fd, SHUT_WR);
    }
    if (answer != NULL || peer->size == REQUEST_MOST) {
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

uint16_t mw_health_port(const struct mw_health *health)
{
    struct sockaddr_in6 address = {0}; /* the port of an IPv4 address lies at the same place */
    socklen_t size = sizeof address;
    return getsockname(health->fd, (struct sockaddr *)&address, &size) == 0
               ? ntohs(address.sin6_port)
               : 0;
}
