/* client_test_peer.h - a peer that the test plays itself, byte by byte. */
#ifndef MW_MQTT_CLIENT_TEST_PEER_H
#define MW_MQTT_CLIENT_TEST_PEER_H

#include "lib/mqtt/client_test_run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* A broker's end of one connection. Everything received is kept. */
struct peer {
    struct mw_loop *loop;
    int listener, fd;
    unsigned port;
    char url[64];
    struct mw_loop_watch *accepting, *reading;
    int accepted, ended;
    bool deaf;          /* does not read */
    const char *answer; /* sent to each new connection */
    size_t answer_size;
    struct mw_buffer received;
    size_t first; /* bytes of the first read since it was set to 0 */
};

static inline void peer_hang_up(struct peer *peer)
{
    mw_loop_remove(peer->loop, peer->reading);
    peer->reading = NULL;
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
    peer->fd = -1;
}

static inline void peer_read(void *context, uint32_t events)
{
    struct peer *peer = context;
    (void)events;
    char bytes[65536];
    ssize_t n = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n <= 0) {
        peer->ended++;
        peer_hang_up(peer);
        return;
    }
    peer->first = peer->first == 0 ? (size_t)n : peer->first;
    assert_int_equal(mw_buffer_add(&peer->received, bytes, (size_t)n), MW_OK);
}

static inline void peer_send(struct peer *peer, const char *bytes, size_t size)
{
    assert_int_equal(send(peer->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static inline void peer_listen_to(struct peer *peer)
{
    struct mw_error error = {0};
    assert_int_equal(
        mw_loop_add_fd(peer->loop, peer->fd, EPOLLIN, peer_read, peer, &peer->reading, &error),
        MW_OK);
}

static inline void peer_accept(void *context, uint32_t events)
{
    struct peer *peer = context;
    (void)events;
    peer_hang_up(peer);
    mw_buffer_clear(&peer->received);
    peer->fd = accept(peer->listener, NULL, NULL);
    assert_true(peer->fd >= 0);
    peer->accepted++;
    if (!peer->deaf) {
        peer_listen_to(peer);
    }
    peer_send(peer, peer->answer, peer->answer_size);
}

#define ACCEPTED "\x20\x02\x00\x00"

/* Listens on a port, 0: a free one. */
static inline int peer_open(struct peer *peer, struct mw_loop *loop, unsigned port)
{
    struct mw_error error = {0};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(address);
    int on = 1;
    peer->loop = loop;
    peer->fd = -1;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(peer->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(peer->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(peer->listener, 4) != 0 ||
        getsockname(peer->listener, (struct sockaddr *)&address, &size) != 0 ||
        mw_loop_add_fd(peer->loop, peer->listener, EPOLLIN, peer_accept, peer, &peer->accepting,
                       &error) != MW_OK) {
        return -1;
    }
    (void)snprintf(peer->url, sizeof(peer->url), "mqtt://user:secret@127.0.0.1:%u",
                   ntohs(address.sin_port));
    peer->port = ntohs(address.sin_port);
    peer->answer = ACCEPTED;
    peer->answer_size = 4;
    return 0;
}

static inline void peer_close(struct peer *peer)
{
    peer_hang_up(peer);
    mw_loop_remove(peer->loop, peer->accepting);
    (void)close(peer->listener);
}

static inline int peer_set_up(void **state)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    struct mw_loop *loop;
    struct mw_error error = {0};
    if (peer == NULL || mw_loop_new(&loop, &error) != MW_OK) {
        return -1;
    }
    *state = peer;
    return peer_open(peer, loop, 0);
}

static inline int peer_tear_down(void **state)
{
    struct peer *peer = *state;
    peer_close(peer);
    mw_loop_free(peer->loop);
    mw_buffer_free(&peer->received);
    free(peer);
    return 0;
}

/* Waits until the peer has received so many bytes. */
struct bytes_wanted {
    struct peer *peer;
    size_t size;
};

static inline bool has_bytes(void *context)
{
    const struct bytes_wanted *wanted = context;
    return wanted->peer->received.size >= wanted->size;
}

static inline void run_until_received(struct peer *peer, size_t size)
{
    struct bytes_wanted wanted = {peer, size};
    run_until(peer->loop, has_bytes, &wanted);
    assert_int_equal(peer->received.size, size);
}

#endif
