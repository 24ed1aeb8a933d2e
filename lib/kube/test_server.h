/* test_server.h - an API server of the tests: answers request after request as its script says, on
 * the loop of the test. Runs out of script: it keeps the connection and says nothing. */
#ifndef MW_KUBE_TEST_SERVER_H
#define MW_KUBE_TEST_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/base/test_loop.h"
#include "lib/kube/client.h"

enum { TEST_STEPS = 24, TEST_PEERS = 64, TEST_REQUEST = 65536 };

struct test_step {
    const char *status;  /* "200 OK"; NULL: close without an answer */
    const char *headers; /* each with \r\n; may be NULL */
    const char *body;
    bool keep;  /* neither length nor end: the connection stays open and silent */
    size_t cut; /* close after so many bytes of the body; 0: all */
};

struct test_server;
struct test_peer {
    struct test_server *server;
    struct mw_loop_watch *watch;
    int fd;
    size_t size;
    char text[TEST_REQUEST];
};

struct test_server {
    struct mw_loop *loop;
    struct mw_loop_watch *watch;
    int fd;
    const struct test_step *steps;
    size_t n, at;
    struct test_peer *peer[TEST_PEERS];
    char asked[TEST_STEPS + 8][1024]; /* "GET /path" of every request, in order */
    char sent[TEST_STEPS + 8][4096];  /* and its headers and body */
    size_t n_asked;
    struct mw_kube_config config;
    struct mw_kube *kube;
};

static inline void test_peer_close(struct test_peer *peer)
{
    if (peer->fd >= 0) {
        mw_loop_remove(peer->server->loop, peer->watch);
        close(peer->fd);
        peer->fd = -1;
    }
}

static inline void test_answer(struct test_peer *peer)
{
    struct test_server *server = peer->server;
    if (server->at == server->n) {
        return;
    }
    const struct test_step *step = &server->steps[server->at++];
    if (step->status == NULL) {
        test_peer_close(peer);
        return;
    }
    char head[1024];
    const char *body = step->body == NULL ? "" : step->body;
    size_t size = step->cut == 0 ? strlen(body) : step->cut;
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%s",
                     step->status, step->headers == NULL ? "" : step->headers);
    n += step->keep ? snprintf(head + n, sizeof head - (size_t)n, "\r\n")
                    : snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n\r\n",
                               strlen(body));
    assert_int_equal(send(peer->fd, head, (size_t)n, MSG_NOSIGNAL), n);
    assert_int_equal(send(peer->fd, body, size, MSG_NOSIGNAL), (ssize_t)size);
    if (step->cut != 0) {
        test_peer_close(peer);
    }
}

static inline bool test_is_whole(const struct test_peer *peer, size_t *whole)
{
    const char *end = strstr(peer->text, "\r\n\r\n");
    const char *length = strstr(peer->text, "Content-Length: ");
    *whole = end == NULL ? 0 : (size_t)(end - peer->text) + 4;
    if (end != NULL && length != NULL && length < end) {
        *whole += strtoul(length + 16, NULL, 10);
    }
    return end != NULL && peer->size >= *whole;
}

static inline void test_on_peer(void *context, uint32_t events)
{
    struct test_peer *peer = context;
    struct test_server *server = peer->server;
    size_t whole;
    (void)events;
    ssize_t n = recv(peer->fd, peer->text + peer->size, TEST_REQUEST - 1 - peer->size, 0);
    if (n <= 0) {
        test_peer_close(peer);
        return;
    }
    peer->size += (size_t)n;
    peer->text[peer->size] = '\0';
    while (peer->fd >= 0 && test_is_whole(peer, &whole)) {
        if (server->n_asked < TEST_STEPS + 8) {
            size_t i = server->n_asked++;
            snprintf(server->asked[i], sizeof server->asked[i], "%.*s",
                     (int)strcspn(strchr(peer->text, ' ') + 1, " ") +
                         (int)(strchr(peer->text, ' ') - peer->text) + 1,
                     peer->text);
            snprintf(server->sent[i], sizeof server->sent[i], "%.*s", (int)whole, peer->text);
        }
        memmove(peer->text, peer->text + whole, peer->size - whole + 1);
        peer->size -= whole;
        test_answer(peer);
    }
}

static inline void test_on_accept(void *context, uint32_t events)
{
    struct test_server *server = context;
    (void)events;
    for (size_t i = 0; i < TEST_PEERS; i++) {
        if (server->peer[i] == NULL) {
            struct test_peer *peer = server->peer[i] = calloc(1, sizeof *peer);
            assert_non_null(peer);
            peer->server = server;
            peer->fd = accept(server->fd, NULL, NULL);
            assert_true(peer->fd >= 0);
            assert_ok(mw_loop_add_fd(server->loop, peer->fd, EPOLLIN, test_on_peer, peer,
                                     &peer->watch, error));
            return;
        }
    }
    fail_msg("more than %d connections", (int)TEST_PEERS);
}

static inline void test_server_start(struct test_server *server, const struct test_step *steps,
                                     size_t n)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    memset(server, 0, sizeof *server);
    server->steps = steps;
    server->n = n;
    assert_true(n <= TEST_STEPS);
    assert_ok(mw_loop_new(&server->loop, error));
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    assert_ok(mw_loop_add_fd(server->loop, server->fd, EPOLLIN, test_on_accept, server,
                             &server->watch, error));
    assert_true(asprintf(&server->config.server, "http://127.0.0.1:%u", ntohs(address.sin_port)) >
                0);
    assert_ok(mw_kube_new(&server->kube, server->loop, &server->config, error));
}

static inline void test_server_stop(struct test_server *server)
{
    mw_kube_free(server->kube);
    for (size_t i = 0; i < TEST_PEERS; i++) {
        if (server->peer[i] != NULL) {
            test_peer_close(server->peer[i]);
            free(server->peer[i]);
        }
    }
    close(server->fd);
    mw_loop_free(server->loop);
    mw_kube_config_clear(&server->config);
}

#endif
