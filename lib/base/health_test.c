#include "lib/base/health.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/base/test_loop.h"

static void only_the_two_paths_are_answered(void **state)
{
    static const struct {
        const char *request, *status;
        bool ready;
    } cases[] = {
        {"GET /livez HTTP/1.1\r\n", "HTTP/1.1 200", false},
        {"GET /readyz HTTP/1.1\r\n", "HTTP/1.1 503", false},
        {"GET /readyz HTTP/1.1\r\n", "HTTP/1.1 200", true},
        {"GET /readyzz HTTP/1.1\r\n", "HTTP/1.1 404", true},
        {"POST /readyz HTTP/1.1\r\n", "HTTP/1.1 404", true},
        {"\n", "HTTP/1.1 404", true},
        {"GET /livez\n", "HTTP/1.1 404", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *answer =
            mw_health_answer(cases[i].request, strlen(cases[i].request), cases[i].ready);
        assert_non_null(answer);
        assert_int_equal(strncmp(answer, cases[i].status, strlen(cases[i].status)), 0);
    }
    assert_null(mw_health_answer("GET /livez HTTP/1.1", 19, true));
    assert_null(mw_health_answer("", 0, true));
}

struct client {
    int fd;
    char text[256];
    size_t size;
    bool done;
};

static void on_answer(void *context, uint32_t events)
{
    struct client *client = context;
    (void)events;
    ssize_t n =
        recv(client->fd, client->text + client->size, sizeof client->text - 1 - client->size, 0);
    client->done = n <= 0;
    client->size += n > 0 ? (size_t)n : 0;
}

static bool is_done(void *context)
{
    const struct client *client = context;
    return client->done;
}

static void ask(struct mw_loop *loop, uint16_t port, const char *status)
{
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct mw_loop_watch *watch = NULL;
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(client.fd, "GET /readyz HTTP/1.1\n", 21, 0), 21);
    assert_ok(mw_loop_add_fd(loop, client.fd, EPOLLIN, on_answer, &client, &watch, error));
    run_until(loop, is_done, &client);
    assert_non_null(strstr(client.text, status));
    mw_loop_remove(loop, watch);
    close(client.fd);
}

static void the_loop_answers_and_silent_peers_make_room(void **state)
{
    struct mw_loop *loop = NULL;
    struct mw_health *health = NULL;
    int silent[20];
    (void)state;
    assert_ok(mw_loop_new(&loop, error));
    assert_ok(mw_health_new(&health, loop, 0, error));
    uint16_t port = mw_health_port(health);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    ask(loop, port, "503");
    mw_health_set_ready(health, true);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        silent[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(silent[i], (struct sockaddr *)&address, sizeof address);
        if (i % 4 == 3) {
            ask(loop, port, "200");
        }
    }
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        close(silent[i]);
    }
    struct mw_health *second = NULL;
    assert_refused(mw_health_new(&second, loop, port, error), MW_ERR_NET, "probes");
    mw_health_free(health);
    mw_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_two_paths_are_answered),
        cmocka_unit_test(the_loop_answers_and_silent_peers_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
