#include "lib/http/server.h"

#include "lib/base/clock.h"
#include "lib/http/client.h"
#include "lib/http/guard.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct site {
    struct mw_loop *loop;
    struct mw_http_server *server;
    unsigned handled;
    pthread_t thread;
};

static bool on_request(void *context, const struct mw_http_request *request,
                       struct mw_http_response *response)
{
    struct site *site = context;
    site->handled++;
    if (strcmp(request->path, "/echo") == 0) {
        mw_buffer_printf(&response->body, "%s %.*s", request->method, (int)request->body.size,
                         request->body.size > 0 ? request->body.data : "");
        return true;
    }
    if (strcmp(request->path, "/query") == 0) {
        const char *name = mw_http_query(request, "name");
        mw_buffer_printf(&response->body, "%s", name == NULL ? "none" : name);
        return true;
    }
    if (strcmp(request->path, "/fail") == 0) {
        mw_http_fail(response, MW_ERR_EXISTS, "a \"b\"\n");
        return true;
    }
    return false;
}

static bool takes_form(const char *path)
{
    return strcmp(path, "/form") == 0;
}

static void *run(void *context)
{
    struct site *site = context;
    (void)mw_loop_run(site->loop, NULL);
    return NULL;
}

static int set_up(void **state)
{
    struct site *site = calloc(1, sizeof *site);
    assert_non_null(site);
    struct mw_http_options options = {
        .address = "127.0.0.1", .handler = on_request, .context = site, .takes_form = takes_form};
    assert_int_equal(mw_loop_new(&site->loop, NULL), MW_OK);
    assert_int_equal(mw_http_server_new(&site->server, site->loop, &options, NULL), MW_OK);
    assert_int_equal(pthread_create(&site->thread, NULL, run, site), 0);
    *state = site;
    return 0;
}

static int tear_down(void **state)
{
    struct site *site = *state;
    mw_loop_stop(site->loop);
    assert_int_equal(pthread_join(site->thread, NULL), 0);
    mw_http_server_free(site->server);
    mw_loop_free(site->loop);
    free(site);
    return 0;
}

/* Sends bytes as they are; the status of the answer. */
static int ask(struct site *site, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int ask(struct site *site, const char *format, ...)
{
    char request[2048], reply[4096] = "";
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(request, sizeof request, format, arguments);
    va_end(arguments);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(mw_http_server_port(site->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {10, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, (size_t)size, MSG_NOSIGNAL), size);
    assert_true(recv(fd, reply, sizeof reply - 1, 0) > 0);
    close(fd);
    int status = 0;
    assert_int_equal(sscanf(reply, "HTTP/1.1 %d", &status), 1);
    return status;
}

static void answers_and_echoes(void **state)
{
    struct site *site = *state;
    char url[128];
    long status = 0;
    struct mw_buffer body = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%u/echo", mw_http_server_port(site->server));
    assert_int_equal(mw_http_request_json(url, (struct mw_span){NULL, 0}, &status, &body, NULL),
                     MW_OK);
    assert_int_equal(status, 200);
    assert_string_equal(body.data, "GET ");
    mw_buffer_clear(&body);
    assert_int_equal(mw_http_request_json(url, mw_span_of("{\"a\":1}"), &status, &body, NULL),
                     MW_OK);
    assert_string_equal(body.data, "POST {\"a\":1}");
    mw_buffer_clear(&body);
    snprintf(url, sizeof url, "http://localhost:%u/query?name=x%%20y",
             mw_http_server_port(site->server));
    assert_int_equal(mw_http_request_json(url, (struct mw_span){NULL, 0}, &status, &body, NULL),
                     MW_OK);
    assert_string_equal(body.data, "x y");
    mw_buffer_clear(&body);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/fail", mw_http_server_port(site->server));
    assert_int_equal(mw_http_request_json(url, (struct mw_span){NULL, 0}, &status, &body, NULL),
                     MW_OK);
    assert_int_equal(status, 409);
    assert_string_equal(body.data, "{\"error\":\"a \\\"b\\\"\\u000a\"}");
    mw_buffer_free(&body);
}

static void foreign_hosts_and_origins_are_refused(void **state)
{
    struct site *site = *state;
    unsigned port = mw_http_server_port(site->server);
    assert_int_equal(ask(site, "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port), 200);
    assert_int_equal(ask(site, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    unsigned handled = site->handled;
    assert_int_equal(ask(site, "GET /echo HTTP/1.1\r\nHost: evil.example:%u\r\n\r\n", port), 403);
    assert_true(ask(site, "GET /echo HTTP/1.1\r\n\r\n") >= 400);
    assert_int_equal(ask(site,
                         "GET /echo HTTP/1.1\r\nHost: localhost:%u\r\n"
                         "Origin: http://evil.example\r\n\r\n",
                         port),
                     403);
    assert_int_equal(
        ask(site, "GET /echo HTTP/1.1\r\nHost: localhost:%u\r\nOrigin: null\r\n\r\n", port), 403);
    assert_int_equal(site->handled, handled);
    assert_int_equal(ask(site,
                         "GET /echo HTTP/1.1\r\nHost: localhost:%u\r\n"
                         "Origin: http://localhost:%u\r\n\r\n",
                         port, port),
                     200);
}

static void bad_posts_are_refused(void **state)
{
    struct site *site = *state;
    static const char post[] = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
    unsigned handled = site->handled;
    assert_int_equal(ask(site, "%sContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", post),
                     415);
    assert_int_equal(ask(site, "%sContent-Length: 2\r\n\r\n{}", post), 415);
    assert_int_equal(ask(site, "DELETE /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405);
    assert_int_equal(site->handled, handled);
    assert_int_equal(ask(site,
                         "%sContent-Type: application/json; charset=utf-8\r\n"
                         "Content-Length: 2\r\n\r\n{}",
                         post),
                     200);
    assert_int_equal(ask(site, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
}

static void long_body_is_refused(void **state)
{
    struct site *site = *state;
    char url[128];
    long status = 0;
    size_t size = (1 << 20) + 1;
    char *body = malloc(size);
    struct mw_buffer reply = {0};
    assert_non_null(body);
    memset(body, ' ', size);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/echo", mw_http_server_port(site->server));
    assert_int_equal(mw_http_request_json(url, (struct mw_span){body, size}, &status, &reply, NULL),
                     MW_OK);
    assert_int_equal(status, 413);
    mw_buffer_free(&reply);
    free(body);
}

static void guard_knows_hosts(void **state)
{
    (void)state;
    assert_true(mw_http_host_allowed("[::1]:80", "127.0.0.1", false));
    assert_true(mw_http_host_allowed("10.0.0.7:80", "10.0.0.7", false));
    assert_false(mw_http_host_allowed("10.0.0.8", "10.0.0.7", false));
    assert_true(mw_http_host_allowed("10.0.0.8", "0.0.0.0", true));
    assert_false(mw_http_host_allowed("rebound.example", "0.0.0.0", true));
    assert_false(mw_http_host_allowed("localhost.evil.example", "127.0.0.1", false));
    assert_false(mw_http_host_allowed("", "127.0.0.1", false));
    assert_false(mw_http_host_allowed("[::1", "127.0.0.1", false));
    assert_false(mw_http_host_allowed("localhost:80@evil", "127.0.0.1", false));
    assert_false(mw_http_type_is_json("application/jsonp"));
    assert_false(mw_http_type_is_json(NULL));
}

static void port_that_is_taken(void **state)
{
    struct site *site = *state;
    struct mw_http_server *second = NULL;
    struct mw_error error = {0};
    struct mw_http_options options = {.address = "127.0.0.1",
                                      .port = mw_http_server_port(site->server),
                                      .handler = on_request,
                                      .context = site};
    assert_int_equal(mw_http_server_new(&second, site->loop, &options, &error), MW_ERR_BUSY);
    assert_null(second);
    options.address = "no address";
    assert_int_equal(mw_http_server_new(&second, site->loop, &options, &error), MW_ERR_ARGUMENT);
}

static void certificate_that_is_none(void **state)
{
    struct site *site = *state;
    struct mw_http_server *second = NULL;
    struct mw_error error = {0};
    struct mw_http_options options = {.address = "127.0.0.1",
                                      .handler = on_request,
                                      .context = site,
                                      .certificate = "none",
                                      .key = "none"};
    assert_int_equal(mw_http_server_new(&second, site->loop, &options, &error), MW_ERR_ARGUMENT);
    assert_null(second);
    assert_non_null(strstr(error.text, "cannot start: "));
}

static void forms_go_where_they_are_taken(void **state)
{
    struct site *site = *state;
    static const char format[] = "POST %s HTTP/1.1\r\nHost: localhost\r\n%s"
                                 "Content-Type: %s\r\nContent-Length: 2\r\n\r\na=";
    static const char form[] = "application/x-www-form-urlencoded";
    unsigned handled = site->handled;
    assert_int_equal(ask(site, format, "/form", "", form), 404);
    assert_int_equal(site->handled, handled + 1);
    assert_int_equal(ask(site, format, "/echo", "", form), 415);
    assert_int_equal(ask(site, format, "/form", "", "application/json"), 415);
    assert_int_equal(ask(site, format, "/form", "Origin: http://evil.example\r\n", form), 403);
    assert_int_equal(site->handled, handled + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_and_echoes),
        TEST(foreign_hosts_and_origins_are_refused),
        TEST(bad_posts_are_refused),
        TEST(long_body_is_refused),
        TEST(port_that_is_taken),
        TEST(certificate_that_is_none),
        TEST(forms_go_where_they_are_taken),
        cmocka_unit_test(guard_knows_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
