/* operate_pipeline_test.c - runs of the pipeline against an API server that follows a script. An
 * Event goes out beside the next request, and either may come first: both get the same answer. */
#include "lib/kube/test_server.h"
#include "tiers/platform/operate_internal.h"

#define NONE "{\"items\":[]}"
#define JOB(name, step, needs, suspend, end)                                                       \
    "{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"millwright.dev/step\":\"" step             \
    "\"},\"annotations\":{\"millwright.dev/needs\":\"" needs "\"}},\"spec\":{\"suspend\":" suspend \
    "},\"status\":{\"conditions\":[{\"type\":\"" end "\",\"status\":\"True\"}]}}"
#define LIST(items) "{\"items\":[" items "]}"
#define FOUND_NOTHING                           \
    {.status = "200 OK", .body = NONE},         \
    {                                           \
        .status = "404 Not Found", .body = "{}" \
    }
#define TWICE(code, text)            \
    {.status = code, .body = text},  \
    {                                \
        .status = code, .body = text \
    }

struct scene {
    struct test_server server;
    struct mw_operate operate;
    struct mw_operate_options options;
    struct mw_operate_item item;
    size_t asked; /* requests to wait for */
    enum mw_operate_phase phase;
};

static int exported; /* how often the Jobs were planned */

static mw_err export(const struct mw_operate_export *with, char **text, struct mw_error *error)
{
    (void)with;
    (void)error;
    exported++;
    *text = strdup("{\"items\":[{\"kind\":\"Job\",\"metadata\":{\"name\":\"a\"},\"spec\":{"
                   "\"template\":{\"spec\":{\"volumes\":[],\"containers\":[{}]}}}}]}");
    return MW_OK;
}

static void go(void *context)
{
    struct scene *scene = context;
    mw_operate_pipeline_go(&scene->item);
}

static void do_nothing(void *context)
{
    (void)context;
}

static void open_scene(struct scene *scene, const struct test_step *steps, size_t n)
{
    memset(scene, 0, sizeof *scene);
    test_server_start(&scene->server, steps, n);
    scene->options = (struct mw_operate_options){.image = "image", .export = export};
    scene->operate = (struct mw_operate){.options = &scene->options,
                                         .role = {.loop = scene->server.loop},
                                         .kube = scene->server.kube,
                                         .leads = true};
    scene->item = (struct mw_operate_item){
        .key = {.name = mw_span_of("s/hall")},
        .operate = &scene->operate,
        .object = json_pack("{s:{s:s,s:s,s:s},s:{s:{s:s}}}", "metadata", "name", "hall",
                            "namespace", "s", "uid", "u", "spec", "broker", "url", "mqtt://b:1883"),
        .told = json_object()};
    assert_non_null(scene->item.object);
    snprintf(scene->item.address, sizeof scene->item.address, "%s", scene->server.config.server);
    exported = 0;
    assert_ok(mw_loop_add_timer(scene->server.loop, -1, 0, do_nothing, scene, &scene->operate.work,
                                error));
    assert_ok(mw_loop_add_timer(scene->server.loop, 10000, 10000, go, scene, NULL, error));
}

static void close_scene(struct scene *scene)
{
    test_server_stop(&scene->server);
    mw_operate_pipeline_drop(&scene->item);
    json_decref(scene->item.object);
    json_decref(scene->item.told);
}

static void page_asks(struct scene *scene, const char *run)
{
    json_t *page =
        json_pack("{s:{s:b,s:s,s:s}}", "learn", "started", 1, "run", run, "cause", "drift");
    mw_operate_pipeline_page(&scene->item, page);
    json_decref(page);
}

static bool is_there(void *context)
{
    const struct scene *scene = context;
    return scene->server.n_asked >= scene->asked && scene->item.run.phase == scene->phase;
}

static void wait_for(struct scene *scene, size_t asked, enum mw_operate_phase phase)
{
    scene->asked = asked;
    scene->phase = phase;
    run_until(scene->server.loop, is_there, scene);
}

static void assert_newest(const struct scene *scene, const char *run, const char *reason)
{
    const json_t *condition;
    const char *newest = mw_operate_pipeline_newest(&scene->item, &condition);
    assert_non_null(newest);
    assert_string_equal(newest, run);
    assert_string_equal(json_string_value(json_object_get(condition, "reason")), reason);
}

static bool was_asked(const struct scene *scene, const char *request, const char *body)
{
    for (size_t i = 0; i < scene->server.n_asked; i++) {
        if (strcmp(scene->server.asked[i], request) == 0 &&
            strstr(scene->server.sent[i], body) != NULL) {
            return true;
        }
    }
    return false;
}

static void what_is_said_is_of_the_run_that_it_names(void **state)
{
    static const struct test_step steps[] = {
        FOUND_NOTHING,
        {.status = "201 Created", .body = "{}"},
        TWICE("200 OK", LIST(JOB("r-a", "a", "", "false", "Complete"))),
        TWICE("200 OK", NONE),
    };
    struct scene scene;
    (void)state;
    open_scene(&scene, steps, sizeof steps / sizeof *steps);
    page_asks(&scene, "ab");
    wait_for(&scene, 7, MW_OPERATE_RUN_OVER);
    assert_newest(&scene, "hall-ab", "Succeeded");
    page_asks(&scene, "cd"); /* the server says nothing any more */
    wait_for(&scene, 8, MW_OPERATE_FINDS);
    assert_string_equal(scene.item.run.name, "hall-cd");
    assert_newest(&scene, "hall-ab", "Succeeded");
    close_scene(&scene);
}

static void what_was_refused_is_planned_anew(void **state)
{
    static const struct test_step steps[] = {
        FOUND_NOTHING,
        TWICE("422 Unprocessable Entity", "{\"message\":\"no such image\"}"),
        {.status = "201 Created", .body = "{}"},
    };
    struct scene scene;
    (void)state;
    open_scene(&scene, steps, sizeof steps / sizeof *steps);
    page_asks(&scene, "ab");
    wait_for(&scene, 5, MW_OPERATE_FOLLOWS);
    assert_int_equal(exported, 2);
    assert_newest(&scene, "hall-ab", "Running");
    close_scene(&scene);
}

static void a_job_is_freed_when_its_turn_has_come(void **state)
{
    static const struct test_step steps[] = {
        FOUND_NOTHING,
        {.status = "201 Created", .body = "{}"},
        TWICE("200 OK", LIST(JOB("r-a", "a", "", "false", "Complete") "," //
                             JOB("r-b", "b", "a", "true", "Suspended"))),
    };
    struct scene scene;
    (void)state;
    open_scene(&scene, steps, sizeof steps / sizeof *steps);
    page_asks(&scene, "ab");
    wait_for(&scene, 6, MW_OPERATE_FOLLOWS);
    assert_true(was_asked(&scene, "POST /apis/batch/v1/namespaces/s/jobs?fieldManager=millwright",
                          "\"uid\":\"u\""));
    assert_true(was_asked(
        &scene, "GET /apis/batch/v1/namespaces/s/jobs?labelSelector=millwright.dev%2Frun%3Dhall-ab",
        ""));
    assert_true(was_asked(&scene, "PATCH /apis/batch/v1/namespaces/s/jobs/r-b",
                          "\r\n\r\n{\"spec\":{\"suspend\":false}}"));
    close_scene(&scene);
}

static void a_run_that_failed_is_told_and_the_next_one_waits(void **state)
{
    static const struct test_step steps[] = {
        FOUND_NOTHING,
        {.status = "201 Created", .body = "{}"},
        TWICE("200 OK", LIST(JOB("r-a", "a", "", "false", "Failed"))),
        {.status = "200 OK",
         .body = LIST("{\"metadata\":{\"labels\":{\"millwright.dev/step\":\"a\"}},\"status\":{"
                      "\"containerStatuses\":[{\"name\":\"step\",\"state\":{\"terminated\":{"
                      "\"exitCode\":1,\"message\":\"no rows\"}}}]}}")},
        TWICE("200 OK", "{}"),
        {.status = "200 OK", .body = NONE},
    };
    struct scene scene;
    (void)state;
    open_scene(&scene, steps, sizeof steps / sizeof *steps);
    page_asks(&scene, "ab");
    wait_for(&scene, 9, MW_OPERATE_RUN_OVER);
    assert_newest(&scene, "hall-ab", "Failed");
    assert_true(was_asked(&scene, "POST /api/run", "\"refused\":\"step a: no rows\""));
    page_asks(&scene, "cd");
    assert_int_equal(scene.item.run.phase, MW_OPERATE_RUN_OVER);
    assert_string_equal(scene.item.run.name, "hall-ab");
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_of_the_run_that_it_names),
        cmocka_unit_test(what_was_refused_is_planned_anew),
        cmocka_unit_test(a_job_is_freed_when_its_turn_has_come),
        cmocka_unit_test(a_run_that_failed_is_told_and_the_next_one_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
