#include "lib/base/library.h"

#include "lib/base/test.h"

static void test_functions_are_found(void **state)
{
    size_t (*length)(const char *) = NULL;
    void *handle = NULL;
    const struct mw_library_symbol symbols[] = {{"strlen", &length}};
    (void)state;
    assert_ok(mw_library_open(&handle, "libc.so.6", "libc6", symbols, 1, error));
    assert_non_null(handle);
    assert_int_equal(length("four"), 4);
    mw_library_close(handle);
    mw_library_close(NULL);
}

static void test_what_is_not_there_is_named(void **state)
{
    void *place = NULL, *handle = NULL;
    const struct mw_library_symbol symbols[] = {{"strlen", &place},
                                                {"mw_no_such_function", &place}};
    (void)state;
    assert_refused(mw_library_open(&handle, "libmw-none.so.9", "libmw-none9", symbols, 1, error),
                   MW_ERR_UNSUPPORTED, "libmw-none9");
    assert_null(handle);
    assert_refused(mw_library_open(&handle, "libc.so.6", "libc6", symbols, 2, error),
                   MW_ERR_UNSUPPORTED, "libc.so.6 has no mw_no_such_function");
    assert_null(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_found),
        cmocka_unit_test(test_what_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
