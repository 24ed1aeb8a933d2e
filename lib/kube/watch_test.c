#include "lib/kube/watch.h"

#include "lib/kube/lines.h"
#include "lib/kube/test_server.h"

#define LIST(version, items) \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define THING(name, version) \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" THING(name, version) "}\n"

struct follower {
    char text[1024];
    const char *until; /* done when the text ends with this */
};

static void on_change(void *context, enum mw_kube_change change, json_t *object)
{
    static const char *const names[] = {"relist ", "put ", "gone ", "synced "};
    struct follower *follower = context;
    const char *name = object == NULL ? NULL : mw_kube_meta(object, "name");
    size_t at = strlen(follower->text);
    snprintf(follower->text + at, sizeof follower->text - at, "%s%s%s", names[change],
             name == NULL ? "" : name, name == NULL ? "" : " ");
}

static bool has_come(void *context)
{
    const struct follower *follower = context;
    size_t size = strlen(follower->text), end = strlen(follower->until);
    return size >= end && strcmp(follower->text + size - end, follower->until) == 0;
}

/* Follows until `until`; the server's steps are then used up or not, as the test says. */
static void follow(struct test_server *server, struct follower *follower,
                   const struct test_step *steps, size_t n, const char *until, int64_t idle)
{
    struct mw_kube_watch *watch = NULL;
    struct mw_kube_watch_options options = {.path = "/api/v1/things",
                                            .query = "labelSelector=a%3Db",
                                            .page = 2,
                                            .idle = idle,
                                            .fn = on_change,
                                            .context = follower};
    *follower = (struct follower){.until = until};
    test_server_start(server, steps, n);
    assert_ok(mw_kube_watch_new(&watch, server->kube, &options, error));
    run_until(server->loop, has_come, follower);
    mw_kube_watch_free(watch);
}

static void pages_are_read_and_then_followed(void **state)
{
    static const struct test_step steps[] = {
        {.status = "200 OK",
         .body = "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"abc\"},\"items\":[" THING(
             "a", "1") "," THING("b", "2") "]}"},
        {.status = "200 OK", .body = LIST("5", THING("c", "3"))},
        {.status = "200 OK",
         .body = EVENT("MODIFIED", "b", "6") "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{"
                                             "\"resourceVersion\":\"9\"}}}\n"},
        {.status = "200 OK", .body = EVENT("DELETED", "a", "10"), .keep = true},
    };
    struct test_server server;
    struct follower follower;
    (void)state;
    follow(&server, &follower, steps, 4, "gone a ", 0);
    assert_string_equal(follower.text, "relist put a put b put c synced put b gone a ");
    assert_string_equal(server.asked[0], "GET /api/v1/things?limit=2&labelSelector=a%3Db");
    assert_string_equal(server.asked[1],
                        "GET /api/v1/things?limit=2&labelSelector=a%3Db&continue=abc");
    assert_non_null(strstr(server.asked[2], "resourceVersion=5&labelSelector=a%3Db"));
    assert_non_null(strstr(server.asked[2], "allowWatchBookmarks=true"));
    assert_non_null(strstr(server.asked[3], "resourceVersion=9&")); /* the bookmark's */
    test_server_stop(&server);
}

static void a_forgotten_version_is_listed_anew(void **state)
{
    static const struct test_step steps[] = {
        {.status = "200 OK", .body = LIST("5", THING("a", "1"))},
        {.status = "200 OK",
         .body = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n"},
        {.status = "200 OK", .body = LIST("8", THING("b", "7"))},
        {.status = "410 Gone", .body = "{\"kind\":\"Status\",\"code\":410}"},
        {.status = "200 OK", .body = LIST("9", THING("c", "9"))},
    };
    struct test_server server;
    struct follower follower;
    (void)state;
    follow(&server, &follower, steps, 5, "put c synced ", 0);
    assert_string_equal(follower.text,
                        "relist put a synced relist put b synced relist put c synced ");
    test_server_stop(&server);
}

static void failures_of_the_server_are_sat_out(void **state)
{
    static const struct test_step steps[] = {
        {.status = "429 Too Many Requests", .headers = "Retry-After: 1\r\n"},
        {.status = "500 Internal Server Error"},
        {.status = NULL},
        {.status = "200 OK", .body = "[]"},
        {.status = "200 OK", .body = LIST("5", "")},
        {.status = "503 Service Unavailable"},
        {.status = "200 OK", .body = EVENT("ADDED", "a", "6"), .keep = true},
    };
    struct test_server server;
    struct follower follower;
    (void)state;
    follow(&server, &follower, steps, 7, "put a ", 0);
    assert_string_equal(follower.text, "relist synced put a ");
    assert_int_equal(server.n_asked, 7); /* and not once more: no hot loop */
    assert_non_null(strstr(server.asked[6], "resourceVersion=5&"));
    test_server_stop(&server);
}

static void a_line_that_is_cut_or_none_is_never_half_believed(void **state)
{
    static const struct test_step steps[] = {
        {.status = "200 OK", .body = LIST("5", "")},
        /* The connection ends within a line: the same version is asked for again. */
        {.status = "200 OK",
         .body = EVENT("ADDED", "a", "6") EVENT("ADDED", "b", "7"),
         .cut = sizeof EVENT("ADDED", "a", "6") + 20},
        {.status = "200 OK", .body = EVENT("ADDED", "b", "7") "{\"type\":\"ADDED\"}\n"},
        {.status = "200 OK", .body = LIST("8", THING("c", "8"))},
    };
    struct test_server server;
    struct follower follower;
    (void)state;
    follow(&server, &follower, steps, 4, "put c synced ", 0);
    assert_string_equal(follower.text, "relist synced put a put b relist put c synced ");
    assert_non_null(strstr(server.asked[2], "resourceVersion=6&"));
    test_server_stop(&server);
}

static void a_half_open_connection_is_given_up(void **state)
{
    static const struct test_step steps[] = {
        {.status = "200 OK", .body = LIST("5", "")},
        {.status = "200 OK", .body = "", .keep = true},
        {.status = "200 OK", .body = EVENT("ADDED", "a", "6"), .keep = true},
    };
    struct test_server server;
    struct follower follower;
    (void)state;
    follow(&server, &follower, steps, 3, "put a ", MW_SECOND);
    assert_non_null(strstr(server.asked[2], "resourceVersion=5&"));
    test_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_read_and_then_followed),
        cmocka_unit_test(a_forgotten_version_is_listed_anew),
        cmocka_unit_test(failures_of_the_server_are_sat_out),
        cmocka_unit_test(a_line_that_is_cut_or_none_is_never_half_believed),
        cmocka_unit_test(a_half_open_connection_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
