#include "lib/base/health.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/base/test_loop.h"

static void only_three_paths_are_known(void **state)
{
    static const struct {
        const char *request;
        enum mw_health_question question;
    } cases[] = {
        {"GET /livez HTTP/1.1\r\n", MW_HEALTH_LIVE},
        {"GET /readyz HTTP/1.1\r\n", MW_HEALTH_READY},
        {"GET /readyz?verbose HTTP/1.1\r\n", MW_HEALTH_READY},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\n", MW_HEALTH_METRICS},
        {"GET /metricsz HTTP/1.1\r\n", MW_HEALTH_OTHER},
        {"GET /readyzz HTTP/1.1\r\n", MW_HEALTH_OTHER},
        {"POST /readyz HTTP/1.1\r\n", MW_HEALTH_OTHER},
        {"\n", MW_HEALTH_OTHER},
        {"GET /livez\n", MW_HEALTH_OTHER},
        {"GET /livez HTTP/1.1", MW_HEALTH_UNFINISHED},
        {"", MW_HEALTH_UNFINISHED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mw_health_question(cases[i].request, strlen(cases[i].request)),
                         cases[i].question);
    }
}

struct client {
    int fd;
    char text[256]; /* the beginning of the answer */
    size_t size, kept;
    bool done;
};

static void on_answer(void *context, uint32_t events)
{
    struct client *client = context;
    (void)events;
    char text[4096];
    ssize_t n = recv(client->fd, text, sizeof text, 0);
    for (ssize_t i = 0; i < n && client->kept < sizeof client->text - 1; i++) {
        client->text[client->kept++] = text[i];
    }
    client->done = n <= 0;
    client->size += n > 0 ? (size_t)n : 0;
}

static bool is_done(void *context)
{
    const struct client *client = context;
    return client->done;
}

#define READY "GET /readyz HTTP/1.1\n"

/* Returns the size of the answer. */
static size_t ask(struct mw_loop *loop, uint16_t port, const char *line, const char *status)
{
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct mw_loop_watch *watch = NULL;
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(client.fd, line, strlen(line), 0), strlen(line));
    assert_ok(mw_loop_add_fd(loop, client.fd, EPOLLIN, on_answer, &client, &watch, error));
    run_until(loop, is_done, &client);
    assert_non_null(strstr(client.text, status));
    mw_loop_remove(loop, watch);
    close(client.fd);
    return client.size;
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
    ask(loop, port, READY, "503");
    mw_health_set_ready(health, true);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        silent[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(silent[i], (struct sockaddr *)&address, sizeof address);
        if (i % 4 == 3) {
            ask(loop, port, READY, "200");
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

enum { LARGE = 8 << 20 }; /* more than a socket takes at once */

static mw_err print_large(void *context, struct mw_buffer *text)
{
    (void)context;
    mw_err err = mw_buffer_reserve(text, LARGE);
    for (size_t i = 0; err == MW_OK && i < LARGE / 8; i++) {
        err = mw_buffer_add(text, "figure\n\n", 8);
    }
    return err;
}

static void a_large_answer_arrives_whole(void **state)
{
    struct mw_loop *loop = NULL;
    struct mw_health *health = NULL;
    (void)state;
    assert_ok(mw_loop_new(&loop, error));
    assert_ok(mw_health_new(&health, loop, 0, error));
    uint16_t port = mw_health_port(health);
    ask(loop, port, "GET /metrics HTTP/1.1\n", "404");
    mw_health_set_metrics(health, print_large, NULL);
    size_t size = ask(loop, port, "GET /metrics HTTP/1.1\n", "version=0.0.4");
    assert_in_range(size, LARGE + 1, LARGE + 255);
    mw_health_free(health);
    mw_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_three_paths_are_known),
        cmocka_unit_test(the_loop_answers_and_silent_peers_make_room),
        cmocka_unit_test(a_large_answer_arrives_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
