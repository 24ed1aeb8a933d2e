#include "tiers/platform/operate_schema.h"

#include "lib/base/file.h"
#include "lib/base/test.h"
#include "lib/kube/yaml.h"
#include "lib/plant/plant.h"

/* What `millwright operate --crds` prints is what is committed. */
static void the_committed_definitions_are_those_of_the_tables(void **state)
{
    struct mw_buffer made = {0}, committed = {0};
    size_t index;
    json_t *crd, *crds = mw_operate_schema_crds();
    (void)state;
    assert_non_null(crds);
    json_array_foreach(crds, index, crd)
    {
        assert_int_equal(mw_buffer_printf(&made, "---\n"), MW_OK);
        assert_int_equal(mw_kube_yaml_print(crd, &made), MW_OK);
    }
    assert_ok(
        mw_file_read(MW_SOURCE_DIR "/deploy/crds/millwright.yaml", 1 << 20, &committed, error));
    if (strcmp(made.data, committed.data) != 0) {
        fail_msg(
            "deploy/crds/millwright.yaml is old: millwright operate --crds prints the new one");
    }
    mw_buffer_free(&made);
    mw_buffer_free(&committed);
    json_decref(crds);
}

static void every_option_has_a_schema(void **state)
{
    (void)state;
    for (const struct mw_option *option = mw_plant_options; option->key != NULL; option++) {
        json_t *schema = mw_operate_schema_option(option);
        assert_non_null(json_object_get(schema, "description"));
        bool ranged = option->type == MW_OPTION_DURATION || option->type == MW_OPTION_SIZE;
        assert_int_equal(ranged, json_object_get(schema, "pattern") != NULL &&
                                     option->type != MW_OPTION_NAME);
        json_decref(schema);
    }
    assert_true(mw_operate_schema_omits("data"));
    assert_true(mw_operate_schema_omits("reference.port"));
    assert_false(mw_operate_schema_omits("plant"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_committed_definitions_are_those_of_the_tables),
        cmocka_unit_test(every_option_has_a_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
