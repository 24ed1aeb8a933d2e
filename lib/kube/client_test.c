#include "lib/kube/client.h"

#include "lib/kube/test_server.h"

struct heard {
    bool done;
    long status;
    int64_t retry_after;
    char text[256], kind[64];
    bool may_retry;
};

static bool is_done(void *context)
{
    const struct heard *heard = context;
    return heard->done;
}

static void on_done(void *context, const struct mw_kube_answer *answer)
{
    struct heard *heard = context;
    const char *kind = json_string_value(json_object_get(answer->body, "kind"));
    *heard = (struct heard){.done = true,
                            .status = answer->status,
                            .retry_after = answer->retry_after,
                            .may_retry = mw_kube_may_retry(answer)};
    snprintf(heard->text, sizeof heard->text, "%s", answer->text);
    snprintf(heard->kind, sizeof heard->kind, "%s", kind == NULL ? "" : kind);
}

static struct heard ask(struct test_server *server, const char *method, const json_t *body,
                        int64_t idle)
{
    struct heard heard = {0};
    struct mw_kube_call call = {.method = method,
                                .path = "/api/v1/things",
                                .type = "application/apply-patch+yaml",
                                .body = body,
                                .idle = idle,
                                .done = on_done,
                                .context = &heard};
    assert_ok(mw_kube_send(server->kube, &call, NULL, error));
    run_until(server->loop, is_done, &heard);
    return heard;
}

static void an_answer_comes_whole(void **state)
{
    static const struct test_step steps[] = {{.status = "200 OK", .body = "{\"kind\":\"Thing\"}"}};
    struct test_server server;
    (void)state;
    test_server_start(&server, steps, 1);
    json_t *body = json_pack("{s:s}", "a", "b");
    struct heard heard = ask(&server, "PATCH", body, 0);
    assert_int_equal(heard.status, 200);
    assert_string_equal(heard.kind, "Thing");
    assert_string_equal(heard.text, "");
    assert_string_equal(server.asked[0], "PATCH /api/v1/things");
    assert_non_null(strstr(server.sent[0], "Content-Type: application/apply-patch+yaml\r\n"));
    assert_non_null(strstr(server.sent[0], "\r\n\r\n{\"a\":\"b\"}"));
    json_decref(body);
    test_server_stop(&server);
}

static void refusals_are_told_in_the_servers_words(void **state)
{
    static const struct test_step steps[] = {
        {.status = "422 Unprocessable Entity",
         .body = "{\"kind\":\"Status\",\"message\":\"spec.model: wrong\"}"},
        {.status = "429 Too Many Requests", .headers = "Retry-After: 7\r\n", .body = "slow down"},
        {.status = "500 Internal Server Error", .body = "{\"kind\":\"Status\"}"},
    };
    struct test_server server;
    (void)state;
    test_server_start(&server, steps, 3);
    struct heard heard = ask(&server, "GET", NULL, 0);
    assert_int_equal(heard.status, 422);
    assert_string_equal(heard.text, "spec.model: wrong");
    assert_false(heard.may_retry);
    heard = ask(&server, "GET", NULL, 0);
    assert_int_equal(heard.status, 429);
    assert_int_equal(heard.retry_after, 7 * MW_SECOND);
    assert_string_equal(heard.text, "slow down");
    assert_true(heard.may_retry);
    heard = ask(&server, "GET", NULL, 0);
    assert_true(heard.may_retry);
    test_server_stop(&server);
}

static void a_connection_that_breaks_or_falls_silent_is_no_answer(void **state)
{
    static const struct test_step steps[] = {
        {.status = NULL},
        {.status = "200 OK", .body = "{\"kind\":\"Thing\"}", .cut = 5},
    };
    struct test_server server;
    (void)state;
    test_server_start(&server, steps, 2);
    for (int i = 0; i < 3; i++) { /* the third finds the script at its end: silence */
        struct heard heard = ask(&server, "POST", NULL, MW_SECOND);
        assert_int_equal(heard.status, 0);
        assert_true(heard.text[0] != '\0');
        assert_true(heard.may_retry);
    }
    test_server_stop(&server);
}

static void the_token_is_read_for_each_request(void **state)
{
    static const struct test_step steps[] = {{.status = "200 OK", .body = "{}"},
                                             {.status = "200 OK", .body = "{}"}};
    struct test_server server;
    char folder[64], path[96];
    (void)state;
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/token", folder);
    test_server_start(&server, steps, 2);
    server.config.token_file = strdup(path);
    assert_ok(mw_file_write(path, "one\n", 4, 0600, error));
    (void)ask(&server, "GET", NULL, 0);
    assert_ok(mw_file_write(path, "two", 3, 0600, error));
    (void)ask(&server, "GET", NULL, 0);
    assert_non_null(strstr(server.sent[0], "Authorization: Bearer one\r\n"));
    assert_non_null(strstr(server.sent[1], "Authorization: Bearer two\r\n"));
    test_server_stop(&server);
    test_folder_remove(folder);
}

static void what_is_cancelled_is_not_told(void **state)
{
    struct test_server server;
    struct heard heard = {0};
    struct mw_kube_request *request = NULL;
    struct mw_kube_call call = {.method = "GET", .path = "/", .done = on_done, .context = &heard};
    (void)state;
    test_server_start(&server, NULL, 0);
    assert_ok(mw_kube_send(server.kube, &call, &request, error));
    mw_kube_cancel(server.kube, request);
    assert_ok(mw_kube_send(server.kube, &call, &request, error));
    test_server_stop(&server);
    assert_false(heard.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_whole),
        cmocka_unit_test(refusals_are_told_in_the_servers_words),
        cmocka_unit_test(a_connection_that_breaks_or_falls_silent_is_no_answer),
        cmocka_unit_test(the_token_is_read_for_each_request),
        cmocka_unit_test(what_is_cancelled_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
