#include "lib/artifact/firmware.h"

#include "lib/artifact/test_bundle.h"
#include "lib/artifact/test_place.h"

/* The test's model has two features; the firmware has four. */
static void test_other_features_are_refused(void **state)
{
    struct mw_bundle bundle;
    struct mw_runner runner;
    struct mw_buffer file = {0};
    (void)state;
    test_bundle_build(&bundle, 0.5F);
    assert_ok(mw_runner_init(&runner, &bundle, error));
    assert_refused(mw_firmware_model(&runner, NULL, &file, error), MW_ERR_UNSUPPORTED,
                   "reads 2 features");
    mw_runner_clear(&runner);
    mw_buffer_free(&file);
}

static void test_names(void **state)
{
    struct mw_buffer file = {0};
    char name[MW_FIRMWARE_NAME];
    (void)state;
    assert_int_equal(mw_buffer_add(&file, "hello", 5), MW_OK);
    mw_firmware_name(&file, name);
    assert_string_equal(name, "2cf24dba5fb0a30e-model.tflite");
    mw_buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_features_are_refused),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
