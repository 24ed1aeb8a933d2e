/* Server and client of this folder with each other. That others understand them too is seen in
 * tests/node (gRPC's own Python) and tests/cluster (a kubelet). */
#include "lib/grpc/server.h"

#include "lib/base/file.h"
#include "lib/base/test_loop.h"
#include "lib/grpc/client.h"
#include "lib/grpc/server_internal.h"

#include <fcntl.h>
#include <sys/socket.h>

struct fixture {
    struct mw_loop *loop;
    struct mw_grpc_server *server;
    struct mw_grpc_client *client;
    char folder[64], path[80];
    struct mw_grpc_call *kept; /* an open "/t.T/Keep" */
    unsigned called, closed;
};

static void on_call(void *context, struct mw_grpc_call *call, const char *method,
                    struct mw_span request)
{
    struct fixture *f = context;
    f->called++;
    if (strcmp(method, "/t.T/Echo") == 0) {
        mw_grpc_call_answer(call, request);
    } else if (strcmp(method, "/t.T/Twice") == 0) {
        assert_int_equal(mw_grpc_call_send(call, request), MW_OK);
        assert_int_equal(mw_grpc_call_send(call, request), MW_OK);
        mw_grpc_call_end(call, MW_GRPC_FAILED_PRECONDITION, "50% done\n");
        assert_int_equal(mw_grpc_call_send(call, request), MW_ERR_STATE);
    } else if (strcmp(method, "/t.T/Keep") == 0) {
        f->kept = call;
    } else {
        mw_grpc_call_end(call, MW_GRPC_UNIMPLEMENTED, method);
    }
}

static void on_closed(void *context, struct mw_grpc_call *call)
{
    struct fixture *f = context;
    f->closed++;
    f->kept = f->kept == call ? NULL : f->kept;
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    const struct mw_grpc_service service = {on_call, on_closed, &f};
    test_folder_make(f.folder);
    snprintf(f.path, sizeof f.path, "%s/socket", f.folder);
    assert_ok(mw_loop_new(&f.loop, error));
    assert_ok(mw_grpc_server_new(&f.server, f.loop, f.path, &service, error));
    assert_ok(mw_grpc_client_new(&f.client, f.loop, f.path, error));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mw_grpc_client_free(f->client);
    mw_grpc_server_free(f->server);
    mw_loop_free(f->loop);
    test_folder_remove(f->folder);
    return 0;
}

struct answer {
    struct mw_buffer messages;
    unsigned n, ends;
    enum mw_grpc_status status;
    char text[128];
};

static void take_message(void *context, struct mw_span message)
{
    struct answer *answer = context;
    answer->n++;
    assert_int_equal(mw_buffer_add(&answer->messages, message.data, message.size), MW_OK);
}

static void take_end(void *context, enum mw_grpc_status status, const char *text)
{
    struct answer *answer = context;
    answer->ends++;
    answer->status = status;
    snprintf(answer->text, sizeof answer->text, "%s", text);
}

static bool has_ended(void *context)
{
    const struct answer *answer = context;
    return answer->ends > 0;
}

static void begin(struct fixture *f, const char *method, struct mw_span request, int64_t timeout,
                  struct answer *answer)
{
    const struct mw_grpc_reply reply = {take_message, take_end, answer};
    *answer = (struct answer){0};
    assert_int_equal(mw_grpc_client_call(f->client, method, request, timeout, &reply), MW_OK);
}

static void call(struct fixture *f, const char *method, struct mw_span request, int64_t timeout,
                 struct answer *answer)
{
    begin(f, method, request, timeout, answer);
    run_until(f->loop, has_ended, answer);
    assert_int_equal(answer->ends, 1);
}

static void test_a_unary_call(void **state)
{
    struct answer answer;
    call(*state, "/t.T/Echo", mw_span_of("hello"), TEST_LIMIT, &answer);
    assert_int_equal(answer.status, MW_GRPC_OK);
    assert_string_equal(answer.messages.data, "hello");
    mw_buffer_free(&answer.messages);
    call(*state, "/t.T/Echo", mw_span_of(""), 0, &answer);
    assert_int_equal(answer.status, MW_GRPC_OK);
    assert_int_equal(answer.n, 1);
    mw_buffer_free(&answer.messages);
}

static void test_messages_longer_than_a_frame_and_a_window(void **state)
{
    static char big[300000];
    struct answer answer;
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (char)(i * 7);
    }
    call(*state, "/t.T/Echo", (struct mw_span){big, sizeof big}, 0, &answer);
    assert_int_equal(answer.status, MW_GRPC_OK);
    assert_int_equal(answer.messages.size, sizeof big);
    assert_memory_equal(answer.messages.data, big, sizeof big);
    mw_buffer_free(&answer.messages);
}

static void test_a_request_over_the_limit(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    char *big = calloc(1, (1 << 20) + 1);
    assert_non_null(big);
    call(f, "/t.T/Echo", (struct mw_span){big, (1 << 20) + 1}, 0, &answer);
    assert_int_equal(answer.status, MW_GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(f->called, 0);
    free(big);
}

static void test_a_stream_and_its_end(void **state)
{
    struct answer answer;
    call(*state, "/t.T/Twice", mw_span_of("ab"), 0, &answer);
    assert_int_equal(answer.n, 2);
    assert_string_equal(answer.messages.data, "abab");
    assert_int_equal(answer.status, MW_GRPC_FAILED_PRECONDITION);
    assert_string_equal(answer.text, "50% done\n");
    mw_buffer_free(&answer.messages);
}

static void test_an_unknown_method(void **state)
{
    struct answer answer;
    call(*state, "/t.T/None", mw_span_of(""), 0, &answer);
    assert_int_equal(answer.status, MW_GRPC_UNIMPLEMENTED);
    assert_string_equal(answer.text, "/t.T/None");
}

static bool is_kept(void *context)
{
    return ((struct fixture *)context)->kept != NULL;
}

static bool is_closed(void *context)
{
    return ((struct fixture *)context)->closed > 0;
}

static void test_a_deadline_ends_both_sides(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    call(f, "/t.T/Keep", mw_span_of(""), 50000, &answer);
    assert_int_equal(answer.status, MW_GRPC_DEADLINE_EXCEEDED);
    run_until(f->loop, is_closed, f);
    assert_null(f->kept);
}

static void test_messages_sent_later(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    begin(f, "/t.T/Keep", mw_span_of(""), 0, &answer);
    run_until(f->loop, is_kept, f);
    assert_int_equal(mw_grpc_call_send(f->kept, mw_span_of("later")), MW_OK);
    mw_grpc_call_end(f->kept, MW_GRPC_OK, NULL);
    run_until(f->loop, has_ended, &answer);
    assert_int_equal(answer.status, MW_GRPC_OK);
    assert_string_equal(answer.messages.data, "later");
    mw_buffer_free(&answer.messages);
}

static void test_who_reads_too_slowly_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    static char big[1 << 20];
    mw_err err = MW_OK;
    begin(f, "/t.T/Keep", mw_span_of(""), 0, &answer);
    run_until(f->loop, is_kept, f);
    for (int i = 0; i < 5 && err == MW_OK; i++) {
        err = mw_grpc_call_send(f->kept, (struct mw_span){big, sizeof big});
    }
    assert_int_equal(err, MW_ERR_FULL);
}

static void test_the_end_of_the_server(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    begin(f, "/t.T/Keep", mw_span_of(""), 0, &answer);
    run_until(f->loop, is_kept, f);
    mw_grpc_server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->closed, 1);
    assert_false(mw_file_exists(f->path));
    run_until(f->loop, has_ended, &answer);
    assert_int_equal(answer.status, MW_GRPC_UNAVAILABLE);
    const struct mw_grpc_reply reply = {NULL, NULL, NULL};
    assert_int_equal(mw_grpc_client_call(f->client, "/t.T/Echo", mw_span_of(""), 0, &reply),
                     MW_ERR_NET);
}

static void test_the_end_of_the_client(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    begin(f, "/t.T/Keep", mw_span_of(""), 0, &answer);
    run_until(f->loop, is_kept, f);
    mw_grpc_client_free(f->client);
    f->client = NULL;
    assert_int_equal(answer.status, MW_GRPC_CANCELLED);
    run_until(f->loop, is_closed, f);
}

static void test_a_socket_that_was_taken_away(void **state)
{
    struct fixture *f = *state;
    assert_true(mw_grpc_server_is_bound(f->server));
    assert_int_equal(unlink(f->path), 0);
    assert_false(mw_grpc_server_is_bound(f->server));
    int fd = open(f->path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_false(mw_grpc_server_is_bound(f->server));
    const struct mw_grpc_service service = {on_call, on_closed, f};
    struct mw_grpc_server *other;
    assert_refused(mw_grpc_server_new(&other, f->loop, f->path, &service, error), MW_ERR_EXISTS,
                   "no socket");
    mw_grpc_server_free(f->server);
    f->server = NULL;
    assert_true(mw_file_exists(f->path)); /* another's file stays */
}

static bool has_none(void *context)
{
    return mw_grpc_server_connections(context) == 1; /* the fixture's own client stays */
}

/* Bytes that are no HTTP/2 end their connection and no other. */
static void test_bytes_that_are_no_http(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    int fd[2];
    call(f, "/t.T/Echo", mw_span_of("a"), 0, &answer);
    mw_buffer_free(&answer.messages);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(mw_grpc_server_take(f->server, fd[1]), MW_OK);
    assert_int_equal(mw_grpc_server_connections(f->server), 2);
    assert_int_equal(write(fd[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    run_until(f->loop, has_none, f->server);
    close(fd[0]);
    call(f, "/t.T/Echo", mw_span_of("b"), 0, &answer);
    assert_int_equal(answer.status, MW_GRPC_OK);
    mw_buffer_free(&answer.messages);
}

static void test_paths_that_cannot_be(void **state)
{
    struct fixture *f = *state;
    struct mw_grpc_client *client;
    char path[200];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_refused(mw_grpc_client_new(&client, f->loop, path, error), MW_ERR_TOO_LARGE, "107");
    snprintf(path, sizeof path, "%s/none", f->folder);
    assert_refused(mw_grpc_client_new(&client, f->loop, path, error), MW_ERR_NOT_FOUND, "none");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_unary_call),
        TEST(test_messages_longer_than_a_frame_and_a_window),
        TEST(test_a_request_over_the_limit),
        TEST(test_a_stream_and_its_end),
        TEST(test_an_unknown_method),
        TEST(test_a_deadline_ends_both_sides),
        TEST(test_messages_sent_later),
        TEST(test_who_reads_too_slowly_is_not_waited_for),
        TEST(test_the_end_of_the_server),
        TEST(test_the_end_of_the_client),
        TEST(test_a_socket_that_was_taken_away),
        TEST(test_bytes_that_are_no_http),
        TEST(test_paths_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
