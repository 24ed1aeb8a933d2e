#include "lib/kube/elect.h"

#include "lib/kube/test_server.h"

#define LEASE(holder, time, version)                                                         \
    "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"m\",\"resourceVersion\":\"" version "\"}," \
    "\"spec\":{\"holderIdentity\":\"" holder "\",\"renewTime\":\"" time                      \
    "\",\"leaseDurationSeconds\":10}}"

static enum mw_kube_claim judge(struct mw_kube_lease_view *view, const char *lease, int64_t now)
{
    json_t *value = lease == NULL ? NULL : json_loads(lease, 0, NULL);
    enum mw_kube_claim claim = mw_kube_lease_judge(view, value, "me", 15 * MW_SECOND, now);
    json_decref(value);
    return claim;
}

static void only_a_lease_that_nobody_renews_is_taken(void **state)
{
    struct mw_kube_lease_view view = {0};
    (void)state;
    assert_int_equal(judge(&view, NULL, 0), MW_KUBE_CREATE);
    assert_int_equal(judge(&view, LEASE("you", "t1", "1"), 1), MW_KUBE_WAIT);
    assert_int_equal(judge(&view, LEASE("you", "t1", "1"), 10 * MW_SECOND), MW_KUBE_WAIT);
    assert_int_equal(judge(&view, LEASE("you", "t2", "2"), 11 * MW_SECOND), MW_KUBE_WAIT);
    assert_int_equal(judge(&view, LEASE("you", "t2", "2"), 20 * MW_SECOND), MW_KUBE_WAIT);
    assert_int_equal(judge(&view, LEASE("you", "t2", "2"), 21 * MW_SECOND), MW_KUBE_TAKE);
    assert_int_equal(judge(&view, LEASE("me", "t3", "3"), 22 * MW_SECOND), MW_KUBE_RENEW);
    assert_int_equal(judge(&view, LEASE("", "t3", "4"), 23 * MW_SECOND), MW_KUBE_TAKE);
}

static void on_change(void *context, bool leads)
{
    bool *flag = context;
    *flag = leads;
}

static bool is_set(void *context)
{
    const bool *flag = context;
    return *flag;
}

static void set_flag(void *context)
{
    bool *flag = context;
    *flag = true;
}

static struct mw_kube_elect *elect(struct test_server *server, bool *leads, int64_t duration)
{
    struct mw_kube_elect *made = NULL;
    struct mw_kube_elect_options options = {.space = "ns",
                                            .name = "m",
                                            .identity = "me",
                                            .duration = duration,
                                            .on_change = on_change,
                                            .context = leads};
    assert_ok(mw_kube_elect_new(&made, server->kube, &options, error));
    return made;
}

static void a_lease_is_made_renewed_and_given_up(void **state)
{
    static const struct test_step steps[] = {
        {.status = "404 Not Found"},
        {.status = "201 Created", .body = LEASE("me", "t1", "1")},
        {.status = "200 OK", .body = LEASE("", "t2", "2")},
    };
    struct test_server server;
    bool leads = false, resigned = false;
    (void)state;
    test_server_start(&server, steps, 3);
    struct mw_kube_elect *made = elect(&server, &leads, 0);
    run_until(server.loop, is_set, &leads);
    assert_true(mw_kube_elect_leads(made));
    mw_kube_elect_resign(made, set_flag, &resigned);
    run_until(server.loop, is_set, &resigned);
    assert_false(leads);
    assert_string_equal(server.asked[1], "POST /apis/coordination.k8s.io/v1/namespaces/ns/leases");
    assert_string_equal(server.asked[2], "PUT /apis/coordination.k8s.io/v1/namespaces/ns/leases/m");
    assert_non_null(strstr(server.sent[1], "\"holderIdentity\":\"me\""));
    assert_non_null(strstr(server.sent[2], "\"holderIdentity\":\"\""));
    assert_non_null(strstr(server.sent[2], "\"resourceVersion\":\"1\""));
    mw_kube_elect_free(made);
    test_server_stop(&server);
}

static void who_loses_the_race_looks_again(void **state)
{
    static const struct test_step steps[] = {
        {.status = "200 OK", .body = LEASE("", "t1", "1")},
        {.status = "409 Conflict", .body = "{}"},
        {.status = "200 OK", .body = LEASE("you", "t2", "2")},
        {.status = "500 Internal Server Error"},
        {.status = "200 OK", .body = LEASE("", "t3", "3")},
        {.status = "200 OK", .body = LEASE("me", "t4", "4")},
    };
    struct test_server server;
    bool leads = false;
    (void)state;
    test_server_start(&server, steps, 6);
    struct mw_kube_elect *made = elect(&server, &leads, 3 * MW_SECOND);
    run_until(server.loop, is_set, &leads);
    assert_non_null(strstr(server.sent[5], "\"resourceVersion\":\"3\""));
    mw_kube_elect_free(made);
    test_server_stop(&server);
}

static bool is_clear(void *context)
{
    return !is_set(context);
}

static void who_cannot_renew_stops_leading(void **state)
{
    static const struct test_step steps[] = {
        {.status = "404 Not Found"},
        {.status = "201 Created", .body = LEASE("me", "t1", "1")},
    };
    struct test_server server;
    bool leads = false;
    (void)state;
    test_server_start(&server, steps, 2); /* then silence */
    struct mw_kube_elect *made = elect(&server, &leads, 3 * MW_SECOND);
    run_until(server.loop, is_set, &leads);
    run_until(server.loop, is_clear, &leads);
    mw_kube_elect_free(made);
    test_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_lease_that_nobody_renews_is_taken),
        cmocka_unit_test(a_lease_is_made_renewed_and_given_up),
        cmocka_unit_test(who_loses_the_race_looks_again),
        cmocka_unit_test(who_cannot_renew_stops_leading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
