#include "tiers/platform/operate_run.h"

#include "lib/base/test.h"
#include "tiers/platform/operate_plan.h"

static json_t *make(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

#define PLANT(cluster)                                                                         \
    "{\"metadata\":{\"name\":\"hall\",\"namespace\":\"s\",\"uid\":\"u\"},\"spec\":{\"plant\":" \
    "\"site\",\"broker\":{\"url\":\"mqtt://b:1883\"},\"cluster\":{" cluster "}}}"

/* ---- what is asked for ---- */

static bool wanted(const char *learn, struct mw_operate_run *run)
{
    json_t *plant = make(PLANT("")), *page = json_pack("{s:o}", "learn", make(learn));
    bool is = mw_operate_run_wanted(plant, page, run);
    run->id = run->cause = run->machine = NULL; /* of the page, which goes */
    json_decref(plant);
    json_decref(page);
    return is;
}

static void a_run_has_the_name_of_what_asked_for_it(void **state)
{
    (void)state;
    struct mw_operate_run run;
    assert_true(wanted("{\"started\":true,\"run\":\"0123456789ab\",\"cause\":\"drift\","
                       "\"since\":1767225600.5}",
                       &run));
    assert_string_equal(run.name, "hall-0123456789ab");
    assert_string_equal(run.since, "1767225600.500000");
    assert_true(wanted("{\"started\":true,\"run\":\"ab\",\"cause\":\"first\"}", &run));
    assert_true(wanted("{\"started\":true,\"run\":\"ab\",\"cause\":\"schedule\"}", &run));
    assert_true(wanted("{\"started\":true,\"run\":\"ab\",\"cause\":\"asked\"}", &run));
    assert_string_equal(run.since, "");
}

static void what_is_over_or_odd_asks_for_nothing(void **state)
{
    (void)state;
    struct mw_operate_run run;
    static const char *const learn[] = {
        "{}",
        "[]",
        "{\"started\":true,\"cause\":\"drift\"}", /* the learner runs it itself */
        "{\"refused\":\"no\",\"run\":\"ab\",\"cause\":\"drift\"}",
        "{\"started\":true,\"bundle\":\"sha256:x\",\"run\":\"ab\",\"cause\":\"drift\"}",
        "{\"started\":true,\"run\":\"../x\",\"cause\":\"drift\"}",
        "{\"started\":true,\"run\":\"0123456789abc\",\"cause\":\"drift\"}",
        "{\"started\":true,\"run\":\"ab\",\"cause\":\"--help\"}",
        "{\"started\":true,\"run\":\"ab\",\"cause\":\"drift\",\"machine\":\"A b\"}",
        "{\"started\":true,\"run\":7,\"cause\":\"drift\"}",
    };
    for (size_t i = 0; i < sizeof learn / sizeof *learn; i++) {
        assert_false(wanted(learn[i], &run));
    }
}

/* ---- the objects ---- */

static mw_err export(const struct mw_operate_export *with, char **text, struct mw_error *error)
{
    (void)error;
    assert_string_equal(with->plant->plant, "site");
    assert_string_equal(with->name, "hall");
    json_t *container =
        json_pack("{s:s,s:[{s:s}]}", "image", with->image, "volumeMounts", "name", "data");
    json_t *root =
        with->argo
            ? json_pack("{s:s,s:{},s:{s:[],s:[{s:s},{s:o}]}}", "kind", "Workflow", "metadata",
                        "spec", "volumes", "templates", "name", "DAG", "container", container)
            : json_pack("{s:[{s:s,s:{},s:{s:{s:{s:[],s:[o]}}}}]}", "items", "kind", "Job",
                        "metadata", "spec", "template", "spec", "volumes", "containers", container);
    *text = json_dumps(root, 0);
    json_decref(root);
    return MW_OK;
}

static void objects_are_the_plants_and_dressed_as_its_pods(void **state)
{
    (void)state;
    json_t *plant =
        make(PLANT("\"image\":\"own\",\"secrets\":[\"kafka\"],\"tolerations\":[\"edge\"],"
                   "\"node_selector\":{\"a\":\"b\"}"));
    const struct mw_operate_run run = {.name = "hall-ab", .id = "ab", .cause = "drift"};
    for (int argo = 0; argo < 2; argo++) {
        json_t *objects, *spec, *container;
        assert_int_equal(
            mw_operate_run_objects(plant, &run, "usual", argo == 1, export, &objects, NULL), MW_OK);
        assert_int_equal(json_array_size(objects), 1);
        json_t *object = json_array_get(objects, 0);
        json_t *metadata = json_object_get(object, "metadata");
        assert_string_equal(json_string_value(json_object_get(metadata, "namespace")), "s");
        assert_string_equal(
            json_string_value(json_object_get(
                json_array_get(json_object_get(metadata, "ownerReferences"), 0), "uid")),
            "u");
        spec = json_object_get(object, "spec");
        if (argo == 1) {
            container =
                json_object_get(json_array_get(json_object_get(spec, "templates"), 1), "container");
        } else {
            spec = json_object_get(json_object_get(spec, "template"), "spec");
            container = json_array_get(json_object_get(spec, "containers"), 0);
        }
        assert_string_equal(json_string_value(json_object_get(container, "image")), "own");
        assert_int_equal(json_array_size(json_object_get(container, "volumeMounts")), 2);
        assert_int_equal(json_array_size(json_object_get(spec, "volumes")), 1);
        assert_int_equal(json_array_size(json_object_get(spec, "tolerations")), 1);
        assert_non_null(json_object_get(json_object_get(spec, "nodeSelector"), "a"));
        json_decref(objects);
    }
    json_decref(plant);
}

/* ---- how it goes ---- */

#define JOB(step, needs, suspend, end)                                                             \
    "{\"metadata\":{\"name\":\"r-" step "\",\"labels\":{\"millwright.dev/step\":\"" step           \
    "\"},\"annotations\":{\"millwright.dev/needs\":\"" needs "\"}},\"spec\":{\"suspend\":" suspend \
    "},\"status\":{\"conditions\":[" end "]}}"
#define COMPLETE "{\"type\":\"Complete\",\"status\":\"True\"}"
#define FAILED "{\"type\":\"Failed\",\"status\":\"True\"}"

static void jobs_are_freed_when_what_they_need_is_complete(void **state)
{
    (void)state;
    static const struct {
        const char *jobs, *steps, *free;
        enum mw_operate_run_state state;
    } cases[] = {
        {"[" JOB("a", "", "false", "") "," JOB("b", "a", "true", "") "]", "a", "[]",
         MW_OPERATE_RUNNING},
        {"[" JOB("a", "", "false", COMPLETE) "," JOB("b", "a", "true", "") "," //
         JOB("c", "a,b", "true", "") "]",
         "b", "[\"r-b\"]", MW_OPERATE_RUNNING},
        {"[" JOB("a", "", "false", COMPLETE) "," JOB("b", "a", "false", COMPLETE) "," //
         JOB("c", "a,b", "true", "") "]",
         "c", "[\"r-c\"]", MW_OPERATE_RUNNING},
        {"[" JOB("a", "", "false", COMPLETE) "," JOB("b", "a", "false", COMPLETE) "]", "", "[]",
         MW_OPERATE_SUCCEEDED},
        {"[" JOB("a", "", "false", FAILED) "," JOB("b", "", "true", "") "]", "a", "[]",
         MW_OPERATE_FAILED},
        {"[]", "", "[]", MW_OPERATE_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_operate_run_look look;
        json_t *jobs = make(cases[i].jobs), *expected = make(cases[i].free);
        mw_operate_run_look_at_jobs(jobs, &look);
        assert_int_equal(look.state, cases[i].state);
        assert_string_equal(look.steps, cases[i].steps);
        assert_true(json_equal(look.free, expected));
        json_decref(look.free);
        json_decref(expected);
        json_decref(jobs);
    }
}

static void a_workflow_says_how_it_goes(void **state)
{
    (void)state;
    static const struct {
        const char *status, *steps;
        enum mw_operate_run_state state;
    } cases[] = {
        {"{}", "", MW_OPERATE_RUNNING}, /* the controller has not seen it */
        {"{\"phase\":\"Running\",\"nodes\":{\"1\":{\"type\":\"DAG\",\"phase\":\"Running\","
         "\"templateName\":\"DAG\"},\"2\":{\"type\":\"Pod\",\"phase\":\"Pending\","
         "\"templateName\":\"train\"}}}",
         "train", MW_OPERATE_RUNNING},
        {"{\"phase\":\"Succeeded\"}", "", MW_OPERATE_SUCCEEDED},
        {"{\"phase\":\"Failed\",\"nodes\":{\"2\":{\"type\":\"Pod\",\"phase\":\"Succeeded\","
         "\"templateName\":\"train\"},\"3\":{\"type\":\"Pod\",\"phase\":\"Failed\","
         "\"templateName\":\"validate\",\"message\":\"why\"}}}",
         "validate", MW_OPERATE_FAILED},
        {"{\"phase\":\"Error\"}", "", MW_OPERATE_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_operate_run_look look;
        json_t *workflow = json_pack("{s:o}", "status", make(cases[i].status));
        mw_operate_run_look_at_workflow(workflow, &look);
        assert_int_equal(look.state, cases[i].state);
        assert_string_equal(look.steps, cases[i].steps);
        assert_null(look.free);
        assert_string_equal(look.message, i == 3 ? "why" : "");
        json_decref(workflow);
    }
}

#define POD(step, made, code, message)                                                       \
    "{\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"" made                            \
    "\",\"labels\":{\"millwright.dev/step\":\"" step                                         \
    "\"}},\"status\":{\"containerStatuses\":[{\"name\":\"step\",\"state\":{\"terminated\":{" \
    "\"exitCode\":" code ",\"reason\":\"Error\",\"message\":\"" message "\"}}}]}}"

static void the_last_words_of_a_step_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *pods, *reason;
        bool refused;
    } cases[] = {
        {"[" POD("train", "2", "1", "one\\ntwo\\n") "," POD("train", "1", "1", "old") "]", "two",
         false},
        {"[" POD("train", "1", "3", "x\\n{\\\"reason\\\":\\\"no better\\\"}\\n") "]", "no better",
         true},
        {"[" POD("extract", "1", "1", "another step's") "]", "forbidden", false},
        {"[" POD("train", "1", "137", "") "]", "Error, exit code 137", false},
        {"[{\"metadata\":{\"labels\":{\"millwright.dev/step\":\"train\"}}}]",
         "no pod of it has left a word", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[64];
        bool refused;
        json_t *pods = make(cases[i].pods);
        mw_operate_run_reason(pods, "train", i == 2 ? "forbidden" : "", reason, sizeof reason,
                              &refused);
        assert_string_equal(reason, cases[i].reason);
        assert_int_equal(refused, cases[i].refused);
        json_decref(pods);
    }
}

static void the_newest_runs_are_kept(void **state)
{
    (void)state;
    json_t *jobs = json_array();
    for (int run = 0; run < 5; run++) {
        for (int step = 0; step < 2; step++) {
            json_array_append_new(
                jobs, json_pack("{s:{s:o,s:o,s:{s:o}}}", "metadata", "name",
                                json_sprintf("r%d-%d", run, step), "creationTimestamp",
                                json_sprintf("2026-01-0%dT00:00:00Z", run + 1), "labels",
                                "millwright.dev/run", json_sprintf("r%d", run)));
        }
    }
    json_array_append_new(jobs, make("{\"metadata\":{\"name\":\"by-hand\"}}"));
    json_t *old = mw_operate_run_old(jobs);
    json_t *expected = make("[\"r0-0\",\"r0-1\",\"r1-0\",\"r1-1\"]");
    assert_true(json_equal(old, expected));
    json_decref(expected);
    json_decref(old);
    json_decref(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_the_name_of_what_asked_for_it),
        cmocka_unit_test(what_is_over_or_odd_asks_for_nothing),
        cmocka_unit_test(objects_are_the_plants_and_dressed_as_its_pods),
        cmocka_unit_test(jobs_are_freed_when_what_they_need_is_complete),
        cmocka_unit_test(a_workflow_says_how_it_goes),
        cmocka_unit_test(the_last_words_of_a_step_say_why),
        cmocka_unit_test(the_newest_runs_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
