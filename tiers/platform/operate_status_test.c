#include "tiers/platform/operate_status.h"

#include "lib/base/test.h"
#include "tiers/platform/operate_place.h"

#define SECOND INT64_C(1000000)

static const char *of(const json_t *status, const char *type, const char *key)
{
    size_t index;
    json_t *condition;
    json_array_foreach(json_object_get(status, "conditions"), index, condition)
    {
        if (strcmp(json_string_value(json_object_get(condition, "type")), type) == 0) {
            return json_string_value(json_object_get(condition, key));
        }
    }
    fail_msg("no condition %s", type);
    return NULL;
}

static void conditions_follow_the_deployments(void **state)
{
    (void)state;
    json_t *plant = json_pack("{s:{s:i}}", "metadata", "generation", 4);
    json_t *objects = json_pack("[{s:s,s:{s:s},s:{s:i}},{s:s,s:{s:s},s:{s:i}},{s:s,s:{s:s}}]",
                                "kind", "Deployment", "metadata", "name", "a", "spec", "replicas",
                                1, "kind", "Deployment", "metadata", "name", "b", "spec",
                                "replicas", 0, "kind", "Service", "metadata", "name", "a");
    json_t *seen = json_object();
    struct mw_operate_account account = {.plant = plant,
                                         .objects = objects,
                                         .seen = seen,
                                         .class = MW_OPERATE_CPU,
                                         .now = 1000 * SECOND};
    json_t *first = mw_operate_status(&account);
    assert_string_equal(of(first, "Ready", "status"), "False");
    assert_string_equal(of(first, "Ready", "reason"), "RolesNotReady");
    assert_string_equal(of(first, "Ready", "message"), "waiting for a");
    assert_string_equal(of(first, "Progressing", "status"), "True");
    assert_string_equal(of(first, "Degraded", "status"), "False");
    assert_string_equal(of(first, "Ready", "lastTransitionTime"), "1970-01-01T00:16:40Z");
    assert_string_equal(json_string_value(json_object_get(first, "roles")), "0/1");
    assert_int_equal(json_integer_value(json_object_get(first, "observedGeneration")), 4);

    json_object_set_new(seen, "Deployment/a", json_pack("{s:i,s:b}", "ready", 1, "current", 1));
    json_object_set(plant, "status", first);
    account.now += 60 * SECOND;
    json_t *second = mw_operate_status(&account);
    assert_string_equal(of(second, "Ready", "status"), "True");
    assert_string_equal(of(second, "Ready", "lastTransitionTime"), "1970-01-01T00:17:40Z");
    assert_string_equal(of(second, "Degraded", "lastTransitionTime"), "1970-01-01T00:16:40Z");
    assert_string_equal(json_string_value(json_object_get(second, "accelerator")), "cpu");

    account.moves = true; /* no scorer has a replica just now */
    json_t *between = mw_operate_status(&account);
    assert_string_equal(of(between, "Ready", "status"), "False");
    assert_string_equal(of(between, "Ready", "message"), "waiting for the scorer's move");
    json_decref(between);
    account.moves = false;

    account.reason = "Conflict";
    account.problem = "Deployment/a: .spec.replicas";
    json_t *third = mw_operate_status(&account);
    assert_string_equal(of(third, "Ready", "status"), "False");
    assert_string_equal(of(third, "Degraded", "status"), "True");
    assert_string_equal(of(third, "Degraded", "message"), "Deployment/a: .spec.replicas");
    account.reason = NULL;
    account.class = -1;
    json_t *fourth = mw_operate_status(&account);
    assert_string_equal(of(fourth, "Degraded", "reason"), "NoAccelerator");
    json_decref(first);
    json_decref(second);
    json_decref(third);
    json_decref(fourth);
    json_decref(plant);
    json_decref(objects);
    json_decref(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(conditions_follow_the_deployments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
