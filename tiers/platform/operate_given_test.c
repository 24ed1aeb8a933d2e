#include "tiers/platform/operate_given.h"

#include "lib/base/test.h"

#define MODELS "registry:5000/models:1"

/* A pod of a Plant with cluster.models, with that state of its container `prepare`. */
static json_t *pod_with(const char *state)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"spec\":{\"volumes\":[{\"name\":\"data\"},{\"name\":\"models\",\"image\":"
             "{\"reference\":\"" MODELS "\"}}]},"
             "\"status\":{\"initContainerStatuses\":[{\"name\":\"prepare\",%s}]}}",
             state);
    json_t *pod = json_loads(text, 0, NULL);
    assert_non_null(pod);
    return pod;
}

static void assert_says(const char *state, const char *reason, const char *words)
{
    json_t *pod = pod_with(state), *lacks = mw_operate_given_lacks(pod);
    if (reason == NULL) {
        assert_null(lacks);
    } else {
        assert_non_null(lacks);
        assert_string_equal(json_string_value(json_object_get(lacks, "reason")), reason);
        const char *text = json_string_value(json_object_get(lacks, "text"));
        /* Only who refused them and ended well has others. */
        assert_int_equal(json_is_true(json_object_get(lacks, "goes_on")),
                         strstr(state, "\"exitCode\":0") != NULL);
        if (strstr(text, words) == NULL || strstr(text, "cluster.models: " MODELS) != text) {
            fail_msg("'%s' is not in '%s'", words, text);
        }
    }
    json_decref(lacks);
    json_decref(pod);
}

static void a_pod_tells_what_it_lacks(void **state)
{
    (void)state;
    assert_says("\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}", NULL, NULL);
    assert_says("\"state\":{\"running\":{}}", NULL, NULL);
    assert_says("\"state\":{\"terminated\":{\"exitCode\":1,\"message\":\"\\u201cx\\u201d\"}}",
                "ModelsRefused", ": ???x???");
    assert_says("\"state\":{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}", NULL, NULL);
    assert_says("\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":"
                "\"Back-off pulling image \\\"" MODELS "\\\": not found\"}}",
                "ModelsNotMounted", "ImagePullBackOff: Back-off pulling");
    /* Of Millwright's own image: no word about models. */
    assert_says("\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":"
                "\"Back-off pulling image \\\"millwright:1\\\"\"}}",
                NULL, NULL);
    assert_says("\"state\":{\"waiting\":{\"reason\":\"CreateContainerError\",\"message\":"
                "\"failed to mkdir\"}}",
                "ModelsNotMounted", "needs a container runtime with image volumes");
    assert_says("\"state\":{\"terminated\":{\"exitCode\":1,\"message\":\"first\\nthe reason\\n\"}}",
                "ModelsRefused", ": the reason");
    assert_says(
        "\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}},"
        "\"lastState\":{\"terminated\":{\"exitCode\":1,\"message\":\"the reason\"}}",
        "ModelsRefused", ": the reason");
    assert_says("\"state\":{\"terminated\":{\"exitCode\":1}}", "ModelsRefused", ": ");
    assert_says("\"state\":{\"terminated\":{\"exitCode\":1,\"message\":\"{\\\"level\\\":"
                "\\\"error\\\",\\\"reason\\\":\\\"older\\\"}\\n\"}}",
                "ModelsRefused", ": older");
    assert_says("\"state\":{\"terminated\":{\"exitCode\":0,\"message\":\"older\"}}",
                "ModelsRefused", ": older; the plant goes on with its own");
}

static void a_pod_without_models_lacks_none(void **state)
{
    (void)state;
    json_t *pod = pod_with("\"state\":{\"waiting\":{\"reason\":\"CreateContainerError\"}}");
    json_object_del(json_object_get(pod, "spec"), "volumes");
    assert_null(mw_operate_given_lacks(pod));
    json_object_clear(pod);
    assert_null(mw_operate_given_lacks(pod));
    json_decref(pod);
}

static void a_pod_that_does_not_run_is_the_worst(void **state)
{
    (void)state;
    json_t *lacks = json_pack("{s:{s:b},s:{s:s},s:{s:b}}", "a", "goes_on", 1, "b", "reason",
                              "ModelsNotMounted", "c", "goes_on", 1);
    assert_ptr_equal(mw_operate_given_worst(lacks), json_object_get(lacks, "b"));
    json_object_del(lacks, "b");
    assert_non_null(mw_operate_given_worst(lacks));
    json_object_clear(lacks);
    assert_null(mw_operate_given_worst(lacks));
    json_decref(lacks);
}

static void a_dropped_volume_is_seen(void **state)
{
    (void)state;
    json_t *pod = pod_with("\"state\":{}");
    json_t *sent =
        json_pack("{s:{s:{s:O}}}", "spec", "template", "spec", json_object_get(pod, "spec"));
    json_t *answer = json_deep_copy(sent);
    assert_false(mw_operate_given_dropped(sent, answer));
    json_t *spec = json_object_get(json_object_get(answer, "spec"), "template");
    json_object_del(json_object_get(spec, "spec"), "volumes");
    assert_true(mw_operate_given_dropped(sent, answer));
    json_t *other = json_pack("{s:s}", "kind", "Service"); /* has no pods */
    assert_false(mw_operate_given_dropped(other, other));
    json_decref(other);
    json_decref(answer);
    json_decref(sent);
    json_decref(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_tells_what_it_lacks),
        cmocka_unit_test(a_pod_without_models_lacks_none),
        cmocka_unit_test(a_pod_that_does_not_run_is_the_worst),
        cmocka_unit_test(a_dropped_volume_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
