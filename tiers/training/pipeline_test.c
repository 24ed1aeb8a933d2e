/* pipeline_test.c - pipeline.yaml and the local runner. The steps that it runs are this program
 * itself: `say NAME STATUS [TEXT]` notes NAME in ./order of the work folder and ends with STATUS.
 */
#include "tiers/training/pipeline.h"

#include "tiers/training/training_test_plant.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>

static mw_err parse(struct mw_pipeline *pipeline, const char *text, struct mw_error *error)
{
    *error = (struct mw_error){0};
    return mw_pipeline_parse(pipeline, text, strlen(text), "p.yaml", error);
}

static void assert_wrong(const char *text, mw_err code, const char *message)
{
    struct mw_pipeline pipeline;
    struct mw_error error;
    mw_err err = parse(&pipeline, text, &error);
    if (err != code || strstr(error.text, message) == NULL) {
        fail_msg("%d \"%s\", expected %d \"%s\"", (int)err, error.text, (int)code, message);
    }
    assert_int_equal(error.code, err);
    assert_int_equal(pipeline.n, 0);
}

static void test_the_built_in_pipeline_is_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"extract",  "drift", "train",  "quantize",
                                        "validate", "sign",  "publish"};
    struct mw_pipeline pipeline;
    assert_ok(mw_pipeline_read(&pipeline, NULL, error));
    assert_int_equal(pipeline.n, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(pipeline.step[i].name, names[i]);
        assert_string_equal(pipeline.step[i].run.item[0], names[i]);
        assert_true(pipeline.step[i].accept[0]);
        assert_int_equal(pipeline.step[i].accept[3], i == 1);
    }
    mw_pipeline_clear(&pipeline);
}

static void test_steps_run_after_what_they_need(void **state)
{
    (void)state;
    struct mw_pipeline pipeline;
    struct mw_error error;
    assert_int_equal(parse(&pipeline,
                           "steps:\n"
                           "- {name: d, needs: [b, c], run: [x]}\n"
                           "- {name: c, needs: [a], run: [x]}\n"
                           "- {name: b, needs: [a], run: [x], accelerator: cpu}\n"
                           "- {name: a, run: [x]}\n",
                           &error),
                     MW_OK);
    const char *order[] = {"a", "c", "b", "d"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(pipeline.step[i].name, order[i]);
    }
    mw_pipeline_clear(&pipeline);
}

static void test_what_is_wrong_is_named_with_its_line(void **state)
{
    (void)state;
    assert_wrong("", MW_ERR_PARSE, "p.yaml:1: ");
    assert_wrong("steps: []\n", MW_ERR_PARSE, "without a step");
    assert_wrong("stages: []\n", MW_ERR_PARSE, "p.yaml:1: 'steps:' was expected");
    assert_wrong("steps:\n- name: a\n  run: [x]\n  needz: [b]\n", MW_ERR_PARSE, "p.yaml:4: needz");
    assert_wrong("steps:\n- name: a\n", MW_ERR_PARSE, "p.yaml:2: a step needs a name and run");
    assert_wrong("steps:\n- name: a\n  name: b\n  run: [x]\n", MW_ERR_PARSE,
                 "p.yaml:3: name: given twice");
    assert_wrong("steps:\n- name: A b\n  run: [x]\n", MW_ERR_PARSE, "p.yaml:2: name");
    assert_wrong("steps:\n- {name: a, run: [x]}\n- {name: a, run: [x]}\n", MW_ERR_PARSE,
                 "p.yaml:3: name: a is there already, on line 2");
    assert_wrong("steps:\n- {name: a, needs: [b], run: [x]}\n", MW_ERR_PARSE,
                 "p.yaml:2: a needs b, which is no step");
    assert_wrong("steps:\n- {name: a, run: []}\n", MW_ERR_PARSE, "a subcommand was expected");
    assert_wrong("steps:\n- {name: a, run: [{x: y}]}\n", MW_ERR_PARSE, "p.yaml:2");
    assert_wrong("steps:\n- {name: a, run: [\"${wrok}/x\"]}\n", MW_ERR_PARSE,
                 "p.yaml:2: ${wrok} is no variable");
    assert_wrong("steps:\n- {name: a, run: [\"${work\"]}\n", MW_ERR_PARSE, "no closing brace");
    assert_wrong("steps:\n- {name: a, when: sometimes, run: [x]}\n", MW_ERR_PARSE,
                 "sometimes is no variable");
    assert_wrong("steps:\n- {name: a, accept: [0, 256], run: [x]}\n", MW_ERR_PARSE,
                 "256 is no exit code");
    static const char *const odd[] = {"Edge TPU", "''", "x/y/z", "/x", "x/", "-x", "x."};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char text[96];
        snprintf(text, sizeof text, "steps:\n- name: a\n  accelerator: %s\n  run: [x]\n", odd[i]);
        assert_wrong(text, MW_ERR_PARSE, "p.yaml:3: accelerator");
    }
    assert_wrong("steps:\n- &s {name: a, run: [x]}\n- *s\n", MW_ERR_PARSE, "anchors");
    assert_wrong("steps:\n- {name: !!str a, run: [x]}\n", MW_ERR_PARSE, "tags");
    assert_wrong("steps:\n- {name: a, run: [x]}\n---\nsteps: []\n", MW_ERR_PARSE, "one document");
    assert_wrong("steps:\n- {name: a, run: [x]}\nmore: 1\n", MW_ERR_PARSE, "p.yaml:3");
    assert_wrong("steps:\n- {name: a, run: [\"x\\0y\"]}\n", MW_ERR_PARSE, "NUL");
    assert_wrong("steps:\n- {name: a, run: [x\n", MW_ERR_PARSE, "p.yaml:");
}

static void test_cycles_are_refused(void **state)
{
    (void)state;
    assert_wrong("steps:\n- {name: a, needs: [a], run: [x]}\n", MW_ERR_PARSE, "a cycle");
    assert_wrong("steps:\n- {name: z, run: [x]}\n- {name: a, needs: [c], run: [x]}\n"
                 "- {name: b, needs: [a, z], run: [x]}\n- {name: c, needs: [b], run: [x]}\n",
                 MW_ERR_PARSE, "a cycle");
}

static void test_what_is_too_much_is_refused(void **state)
{
    (void)state;
    struct mw_buffer text = {0};
    assert_int_equal(mw_buffer_printf(&text, "steps:\n"), MW_OK);
    for (int i = 0; i < 65; i++) {
        assert_int_equal(mw_buffer_printf(&text, "- {name: s%d, run: [x]}\n", i), MW_OK);
    }
    assert_wrong(text.data, MW_ERR_TOO_LARGE, "more than 64 steps");
    mw_buffer_clear(&text);
    assert_int_equal(mw_buffer_printf(&text, "steps:\n- name: a\n  run: ["), MW_OK);
    for (int i = 0; i < 65; i++) {
        assert_int_equal(mw_buffer_printf(&text, "x,"), MW_OK);
    }
    assert_int_equal(mw_buffer_printf(&text, "]\n"), MW_OK);
    assert_wrong(text.data, MW_ERR_TOO_LARGE, "more than 64 items");
    mw_buffer_clear(&text);
    for (int i = 0; i < MW_PIPELINE_TEXT_MAX; i++) {
        assert_int_equal(mw_buffer_add(&text, "#", 1), MW_OK);
    }
    assert_int_equal(mw_buffer_add(&text, "\n", 1), MW_OK);
    assert_wrong(text.data, MW_ERR_TOO_LARGE, "more than 65536 bytes");
    mw_buffer_free(&text);
}

static void test_variables_are_replaced_or_leave_the_argument_out(void **state)
{
    (void)state;
    char work[] = "/w", empty[] = "";
    char *values[MW_PIPELINE_VARIABLES] = {[MW_PIPELINE_WORK] = work, [MW_PIPELINE_SINCE] = empty};
    char *text = NULL;
    assert_ok(mw_pipeline_expand("a${work}b${work}", values, &text, error));
    assert_string_equal(text, "a/wb/w");
    free(text);
    assert_ok(mw_pipeline_expand("costs 5$ {work}", values, &text, error));
    assert_string_equal(text, "costs 5$ {work}");
    free(text);
    assert_ok(mw_pipeline_expand("--since=${since}", values, &text, error));
    assert_null(text);
    assert_ok(mw_pipeline_expand("${parent}/${work}", values, &text, error));
    assert_null(text);
    assert_int_equal(mw_pipeline_expand("${}", values, &text, NULL), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_pipeline_expand("${work", values, &text, NULL), MW_ERR_PARSE);
}

/* --- running --- */

static struct mw_pipeline_report report; /* large */
static int told;

static void count_steps(void *context, const struct mw_pipeline *pipeline, size_t step, bool ended)
{
    (void)context;
    assert_true(step < pipeline->n);
    told += ended ? 1 : 0;
}

/* Runs the steps; *order gets what they noted, separated by blanks. */
static void run_steps(const char *yaml, char *order, size_t size)
{
    struct test_plant test;
    struct mw_pipeline pipeline;
    struct mw_buffer noted = {0}, log = {0};
    struct mw_error why;
    test_plant_open(&test, "");
    struct mw_pipeline_run_options with = {.plant = &test.plant,
                                           .work = test.folder,
                                           .cause = "manual",
                                           .machine = "m-1",
                                           .on_step = count_steps};
    told = 0;
    if (parse(&pipeline, yaml, &why) != MW_OK) {
        fail_msg("%s", why.text);
    }
    assert_ok(mw_pipeline_run(&pipeline, &with, &report, error));
    assert_ok(mw_file_read(test_plant_path(&test, "order"), 4096, &noted, error));
    snprintf(order, size, "%s", noted.data);
    assert_ok(mw_file_read(test_plant_path(&test, "one.log"), 4096, &log, error));
    assert_string_equal(log.data, "one is done\n");
    mw_buffer_free(&noted);
    mw_buffer_free(&log);
    report.step = NULL; /* borrowed from the pipeline */
    mw_pipeline_clear(&pipeline);
    test_plant_close(&test);
}

#define STEP_ONE "- {name: one, run: [say, \"${work}\", one, 0, \"one is done\"]}\n"

static void test_a_run_ends_with_the_last_step(void **state)
{
    (void)state;
    char order[256];
    run_steps(
        "steps:\n"
        "- {name: two, needs: [one], accept: [3], run: [say, \"${work}\", two, 3, \"${parent}\"]}\n"
        "- {name: never, when: parent, run: [say, \"${work}\", never, 0]}\n"
        "- {name: three, needs: [two], run: [say, \"${work}\", \"${machine}\", 0]}\n" STEP_ONE,
        order, sizeof order);
    assert_string_equal(order, "one two m-1 ");
    assert_int_equal(report.state, MW_PIPELINE_DONE);
    assert_int_equal(report.n, 4);
    assert_int_equal(told, 3);
    assert_string_equal(report.bundle,
                        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    assert_int_equal(report.version, 7);
}

static void test_a_refusal_ends_the_run_with_its_reason(void **state)
{
    (void)state;
    char order[256];
    run_steps("steps:\n" STEP_ONE "- {name: two, needs: [one], run: [say, \"${work}\", two, 3, "
              "\"millwright validate: not better\"]}\n"
              "- {name: three, needs: [two], run: [say, \"${work}\", three, 0]}\n",
              order, sizeof order);
    assert_string_equal(order, "one two ");
    assert_int_equal(report.state, MW_PIPELINE_REFUSED);
    assert_string_equal(report.reason, "not better");
}

static void test_a_failure_ends_the_run_with_its_reason(void **state)
{
    (void)state;
    char order[256];
    run_steps("steps:\n" STEP_ONE "- {name: two, needs: [one], run: [say, \"${work}\", two, 1]}\n",
              order, sizeof order);
    assert_int_equal(report.state, MW_PIPELINE_FAILED);
    assert_string_equal(report.reason, "exit status 1");
    run_steps("steps:\n" STEP_ONE
              "- {name: two, needs: [one], run: [say, \"${work}\", two, 15, kill]}\n",
              order, sizeof order);
    assert_int_equal(report.state, MW_PIPELINE_FAILED);
    assert_string_equal(report.reason, "ended by signal 15");
}

static void test_what_needs_an_accelerator_does_not_run_here(void **state)
{
    (void)state;
    struct test_plant test;
    struct mw_pipeline pipeline;
    struct mw_error why;
    test_plant_open(&test, "");
    struct mw_pipeline_run_options with = {
        .plant = &test.plant, .work = test.folder, .cause = "manual"};
    assert_int_equal(parse(&pipeline,
                           "steps:\n" STEP_ONE
                           "- {name: two, accelerator: edgetpu, run: [say, \"${work}\", two, 0]}\n",
                           &why),
                     MW_OK);
    assert_string_equal(pipeline.step[1].accelerator, "edgetpu");
    assert_int_equal(mw_pipeline_run(&pipeline, &with, &report, &why), MW_ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "line 3: two needs accelerator edgetpu"));
    assert_false(mw_file_exists(test_plant_path(&test, "order")));
    mw_pipeline_clear(&pipeline);
    test_plant_close(&test);
}

/* As the pods of an exported pipeline do. The first step notes for all which model is in use. */
static void test_a_step_runs_by_itself(void **state)
{
    (void)state;
    struct test_plant test;
    struct mw_pipeline pipeline;
    struct mw_pipeline_ran ran;
    struct mw_error why;
    struct mw_buffer text = {0};
    test_plant_open(&test, "");
    struct mw_pipeline_run_options with = {
        .plant = &test.plant, .work = test.folder, .cause = "manual"};
    const char *yaml =
        "steps:\n"
        "- {name: one, run: [say, \"${work}\", \"${cause}\", 3]}\n"
        "- {name: two, when: parent, run: [say, \"${work}\", \"${parent_digest}\", 0]}\n";
    assert_int_equal(parse(&pipeline, yaml, &why), MW_OK);
    assert_ok(mw_pipeline_run_one(&pipeline.step[0], &with, &ran, error));
    assert_true(ran.ran);
    assert_int_equal(ran.status, 3);
    assert_ok(mw_file_read(test_plant_path(&test, "in_use.digest"), 128, &text, error));
    assert_int_equal(text.size, 0);
    assert_ok(mw_pipeline_run_one(&pipeline.step[1], &with, &ran, error));
    assert_false(ran.ran);
    const char *digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const char *path = test_plant_path(&test, "in_use.digest");
    assert_ok(mw_file_write(path, digest, strlen(digest), 0600, error));
    assert_ok(mw_pipeline_run_one(&pipeline.step[1], &with, &ran, error));
    assert_true(ran.ran && ran.status == 0);
    assert_ok(mw_file_read(test_plant_path(&test, "order"), 4096, &text, error));
    assert_string_equal(
        text.data,
        "manual sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef ");
    assert_ok(mw_file_write(path, "nonsense", 8, 0600, error));
    assert_int_equal(mw_pipeline_run_one(&pipeline.step[1], &with, &ran, &why), MW_ERR_PARSE);
    mw_buffer_free(&text);
    mw_pipeline_clear(&pipeline);
    test_plant_close(&test);
}

static void test_old_runs_are_removed_and_nothing_else(void **state)
{
    (void)state;
    struct test_plant test;
    char path[160];
    test_plant_open(&test, "");
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/learn/run-%d/parent", test.plant.data, i);
        assert_ok(mw_file_make_folder(path, error));
        snprintf(path, sizeof path, "%s/learn/run-%d/extract.json", test.plant.data, i);
        assert_ok(mw_file_write(path, "{}", 2, 0600, error));
        const struct timespec age[2] = {{1000 + i, 0}, {1000 + i, 0}};
        assert_int_equal(utimensat(AT_FDCWD, path, age, 0), 0);
    }
    snprintf(path, sizeof path, "%s/learn/mine", test.plant.data);
    assert_ok(mw_file_make_folder(path, error));
    mw_pipeline_tidy(&test.plant, 2);
    assert_true(mw_file_exists(path));
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/learn/run-%d", test.plant.data, i);
        assert_int_equal(mw_file_exists(path), i >= 2);
    }
    test_plant_close(&test);
}

static void test_the_report_is_json(void **state)
{
    (void)state;
    struct mw_buffer json = {0};
    report = (struct mw_pipeline_report){.state = MW_PIPELINE_REFUSED,
                                         .step = "validate",
                                         .reason = "not \"better\"",
                                         .n = 1,
                                         .ran = {{.name = "validate", .ran = true, .status = 3}}};
    assert_int_equal(mw_pipeline_print_json(&report, &json), MW_OK);
    json_t *root = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "result")), "refused");
    assert_string_equal(json_string_value(json_object_get(root, "reason")), "not \"better\"");
    assert_int_equal(json_array_size(json_object_get(root, "steps")), 1);
    json_decref(root);
    mw_buffer_free(&json);
}

/* What a step of these tests does. */
static int say(char **argv)
{
    char path[256];
    snprintf(path, sizeof path, "%s/order", argv[0]);
    FILE *order = fopen(path, "ae");
    if (order == NULL) {
        return 99;
    }
    fprintf(order, "%s ", argv[1]);
    fclose(order);
    printf(
        "{\"bundle\":\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
        "\"version\":7}\n");
    if (argv[3] != NULL && strcmp(argv[3], "kill") == 0) {
        fflush(stdout);
        raise(atoi(argv[2])); /* as a step that somebody kills */
    }
    if (argv[3] != NULL) {
        fprintf(stderr, "%s\n", argv[3]);
    }
    return atoi(argv[2]);
}

int main(int argc, char **argv)
{
    if (argc > 4 && strcmp(argv[1], "say") == 0) {
        return say(argv + 2);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_built_in_pipeline_is_whole),
        cmocka_unit_test(test_steps_run_after_what_they_need),
        cmocka_unit_test(test_what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(test_cycles_are_refused),
        cmocka_unit_test(test_what_is_too_much_is_refused),
        cmocka_unit_test(test_variables_are_replaced_or_leave_the_argument_out),
        cmocka_unit_test(test_a_run_ends_with_the_last_step),
        cmocka_unit_test(test_a_refusal_ends_the_run_with_its_reason),
        cmocka_unit_test(test_a_failure_ends_the_run_with_its_reason),
        cmocka_unit_test(test_what_needs_an_accelerator_does_not_run_here),
        cmocka_unit_test(test_a_step_runs_by_itself),
        cmocka_unit_test(test_old_runs_are_removed_and_nothing_else),
        cmocka_unit_test(test_the_report_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
