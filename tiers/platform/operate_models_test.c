#include "tiers/platform/operate_models.h"

#include "lib/base/test.h"

#define BUNDLE "sha256:00112233445566778899aabbccddeeff"

static json_t *make(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static json_t *rollout(const char *action)
{
    return json_pack("{s:{s:s,s:s,s:i},s:{s:s,s:s,s:s*}}", "metadata", "name", "r",
                     "creationTimestamp", "2026-01-01T00:00:10Z", "generation", 1, "spec", "plant",
                     "hall", "bundle", BUNDLE, "action", action);
}

static const char *of(const json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));
    return text == NULL ? "" : text;
}

static const char *reason(const json_t *status)
{
    return of(json_array_get(json_object_get(status, "conditions"), 0), "reason");
}

static struct mw_operate_rollout_step step(const json_t *object, const char *page)
{
    struct mw_operate_rollout_step made;
    json_t *value = make(page);
    mw_operate_rollout_next(object, value, 0, &made);
    json_decref(value);
    return made;
}

#define PAGE(time, state)                                                         \
    "{\"rollouts\":[{\"id\":\"r-2\",\"bundle\":\"" BUNDLE "\",\"state\":\"" state \
    "\",\"reason\":\"because\",\"time\":" time                                    \
    "},{\"id\":\"r-1\",\"bundle\":\"sha256:x\",\"state\""                         \
    ":\"done\"}]}"

static void a_rollout_is_asked_for_once_and_followed(void **state)
{
    (void)state;
    json_t *object = rollout(NULL);
    struct mw_operate_rollout_step first = step(object, "{\"rollouts\":[]}");
    assert_null(first.status);
    assert_string_equal(of(first.ask, "action"), "start");
    assert_string_equal(of(first.ask, "bundle"), BUNDLE);
    json_t *answer = make("{\"id\":\"r-2\",\"state\":\"canary\",\"reason\":\"\"}");
    json_object_set_new(object, "status",
                        mw_operate_rollout_asked(object, first.ask, 200, answer, "", 0));
    assert_string_equal(of(json_object_get(object, "status"), "id"), "r-2");
    assert_false(mw_operate_rollout_is_over(object));
    struct mw_operate_rollout_step second = step(object, PAGE("1767225600", "done"));
    assert_null(second.ask);
    assert_string_equal(reason(second.status), "Done");
    json_object_set_new(object, "status", second.status);
    assert_true(mw_operate_rollout_is_over(object));
    json_decref(first.ask);
    json_decref(answer);
    json_decref(object);
}

static void one_that_was_not_written_down_is_found_again(void **state)
{
    (void)state;
    json_t *object = rollout(NULL);
    struct mw_operate_rollout_step made = step(object, PAGE("1767225611", "canary"));
    assert_null(made.ask);
    assert_string_equal(of(made.status, "id"), "r-2");
    json_decref(made.status);
    made = step(object, PAGE("1767225609", "done")); /* begun before: another one's */
    assert_non_null(made.ask);
    assert_null(made.status);
    json_decref(made.ask);
    json_decref(object);
}

static void halting_is_asked_for_with_the_id(void **state)
{
    (void)state;
    json_t *object = rollout("halt");
    json_object_set_new(
        object, "status",
        json_pack("{s:s,s:s,s:s}", "id", "r-2", "state", "canary", "stage", "start"));
    struct mw_operate_rollout_step made = step(object, PAGE("1", "canary"));
    assert_string_equal(of(made.ask, "action"), "halt");
    assert_string_equal(of(made.ask, "id"), "r-2");
    json_t *answer = make("{\"id\":\"r-2\",\"state\":\"halted\"}");
    json_object_set_new(object, "status",
                        mw_operate_rollout_asked(object, made.ask, 200, answer, "", 0));
    assert_true(mw_operate_rollout_is_over(object));
    json_decref(answer);
    json_decref(made.ask);
    json_decref(made.status);
    json_decref(object);
}

static void what_is_refused_is_final_and_what_waits_is_not(void **state)
{
    (void)state;
    json_t *object = rollout(NULL);
    json_t *ask = make("{\"action\":\"start\"}");
    json_object_set_new(object, "status",
                        mw_operate_rollout_asked(object, ask, 409, NULL, "another", 0));
    assert_string_equal(reason(json_object_get(object, "status")), "Waiting");
    assert_false(mw_operate_rollout_is_over(object));
    struct mw_operate_rollout_step made = step(object, "{\"rollouts\":[]}");
    assert_non_null(made.ask);
    json_decref(made.ask);
    json_object_set_new(object, "status",
                        mw_operate_rollout_asked(object, ask, 404, NULL, "no such bundle", 0));
    assert_string_equal(reason(json_object_get(object, "status")), "Refused");
    assert_true(mw_operate_rollout_is_over(object));
    json_decref(ask);
    json_decref(object);
}

static void bundles_say_which_one_is_in_use(void **state)
{
    (void)state;
    json_t *plant = make("{\"metadata\":{\"name\":\"hall\",\"namespace\":\"n\",\"uid\":\"u\"}}");
    json_t *page =
        make("{\"in_use\":\"" BUNDLE "\",\"model\":{\"bundle\":\"" BUNDLE
             "\",\"version\":7,\"cause\":\"drift\",\"metrics\":{\"auc\":1}},"
             "\"rollouts\":[{\"id\":\"r-1\",\"bundle\":\"" BUNDLE "\",\"state\":\"done\"}]}");
    json_t *known = make("{\"hall-old\":{\"metadata\":{\"name\":\"hall-old\"},\"spec\":{\"plant\":"
                         "\"hall\",\"digest\":\"sha256:old\"},\"status\":{\"metrics\":\"m\"}}}");
    json_t *bundles = mw_operate_bundles(plant, known, page, 0);
    assert_int_equal(json_array_size(bundles), 2);
    const json_t *fresh = json_array_get(bundles, 0), *old = json_array_get(bundles, 1);
    assert_string_equal(of(json_object_get(fresh, "metadata"), "name"), "hall-0011223344556677");
    assert_string_equal(reason(json_object_get(fresh, "status")), "InUse");
    assert_string_equal(of(json_object_get(fresh, "status"), "rollout"), "r-1 done");
    assert_string_equal(of(json_object_get(fresh, "status"), "metrics"), "{\"auc\":1}");
    assert_string_equal(reason(json_object_get(old, "status")), "NotInUse");
    assert_string_equal(of(json_object_get(old, "status"), "metrics"), "m");
    json_decref(bundles);
    json_decref(known);
    json_decref(page);
    json_decref(plant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollout_is_asked_for_once_and_followed),
        cmocka_unit_test(one_that_was_not_written_down_is_found_again),
        cmocka_unit_test(halting_is_asked_for_with_the_id),
        cmocka_unit_test(what_is_refused_is_final_and_what_waits_is_not),
        cmocka_unit_test(bundles_say_which_one_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
