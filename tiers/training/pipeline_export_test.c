/* pipeline_export_test.c - tests/argo and tests/kubernetes hold what is exported against others;
 * here is what the sanitizers see of it. */
#include "tiers/training/pipeline_export.h"

#include "tiers/training/training_test_plant.h"

#include <jansson.h>

static const char hostile[] =
    "steps:\n"
    "- {name: a, run: [x, \"$(HOME) $$ \\\"\\n\"]}\n"
    "- {name: b, needs: [a], when: parent, accept: [1, 2, 3], accelerator: edgetpu, run: [y]}\n";

typedef mw_err export_fn(const struct mw_pipeline *, const struct mw_pipeline_export_options *,
                         char **, struct mw_error *);

/* The parsed text; NULL when it was refused with this message. */
static json_t *export_with(export_fn *export, const char *yaml, const char *run,
                           const char *machine, const char *refused)
{
    struct test_plant test;
    struct mw_pipeline pipeline;
    struct mw_error why = {0};
    char *text = NULL;
    test_plant_open(&test, "");
    const struct mw_pipeline_export_options with = {.plant = &test.plant,
                                                    .image = "registry/millwright:1",
                                                    .cause = "drift",
                                                    .machine = machine,
                                                    .run = run};
    assert_ok(mw_pipeline_parse(&pipeline, yaml, strlen(yaml), "p.yaml", error));
    mw_err err = export(&pipeline, &with, &text, &why);
    if (err != MW_OK && (refused == NULL || strstr(why.text, refused) == NULL)) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(err == MW_OK, refused == NULL);
    assert_int_equal(text == NULL, refused != NULL);
    json_t *root = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    mw_pipeline_clear(&pipeline);
    test_plant_close(&test);
    return root;
}

static void test_every_step_becomes_a_task_or_a_job(void **state)
{
    (void)state;
    const char *const yaml[] = {mw_pipeline_default, hostile};
    const size_t steps[] = {7, 2};
    for (size_t i = 0; i < 2; i++) {
        json_t *workflow = export_with(mw_pipeline_export_argo, yaml[i], NULL, "m-1", NULL);
        const json_t *templates = json_object_get(json_object_get(workflow, "spec"), "templates");
        assert_int_equal(json_array_size(templates), steps[i] + 1);
        json_t *jobs = export_with(mw_pipeline_export_jobs, yaml[i], "night", NULL, NULL);
        assert_int_equal(json_array_size(json_object_get(jobs, "items")), steps[i]);
        json_decref(workflow);
        json_decref(jobs);
    }
}

static void test_what_would_change_its_meaning_is_refused(void **state)
{
    (void)state;
    const char *odd = "steps:\n- {name: a, run: [\"{{x}}\"]}\n";
    assert_null(export_with(mw_pipeline_export_argo, odd, NULL, NULL, "Argo would replace {{"));
    json_decref(export_with(mw_pipeline_export_jobs, odd, "r", NULL, NULL));
    assert_null(export_with(mw_pipeline_export_argo, hostile, NULL, "{{x}}", "would replace"));
    assert_null(export_with(mw_pipeline_export_jobs, hostile, "r", "\xff", "no UTF-8"));
    assert_null(export_with(mw_pipeline_export_jobs, hostile, "r-", NULL, "run 'r-'"));
    assert_null(export_with(mw_pipeline_export_jobs, hostile, NULL, NULL, "run ''"));
    assert_null(export_with(mw_pipeline_export_argo, "steps:\n- {name: -a, run: [x]}\n", NULL, NULL,
                            "step '-a'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_becomes_a_task_or_a_job),
        cmocka_unit_test(test_what_would_change_its_meaning_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
