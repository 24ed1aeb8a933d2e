#include "lib/base/error.h"

#include "lib/base/test.h"

#include <errno.h>

static void layers_add_their_context(void **state)
{
    (void)state;
    struct mw_error error = {0};
    assert_int_equal(mw_error_set(&error, MW_ERR_PARSE, "%s is not a number", "2k"), MW_ERR_PARSE);
    assert_int_equal(mw_error_wrap(&error, "signals.%s", "rate"), MW_ERR_PARSE);
    assert_int_equal(mw_error_wrap(&error, "plant.yaml:%d", 14), MW_ERR_PARSE);
    assert_string_equal(error.text, "plant.yaml:14: signals.rate: 2k is not a number");
    assert_int_equal(error.code, MW_ERR_PARSE);
}

static void text_may_be_its_own_argument(void **state)
{
    (void)state;
    struct mw_error error = {0};
    mw_error_set(&error, MW_ERR_IO, "inner");
    mw_error_set(&error, MW_ERR_NET, "outer (%s)", error.text);
    assert_string_equal(error.text, "outer (inner)");
}

static void errno_adds_its_text_and_disk_full_is_full(void **state)
{
    (void)state;
    struct mw_error error = {0};
    errno = ENOENT;
    assert_int_equal(mw_error_errno(&error, MW_ERR_IO, "a/b"), MW_ERR_IO);
    assert_string_equal(error.text, "a/b: No such file or directory");
    assert_int_equal(errno, ENOENT);
    errno = ENOSPC;
    assert_int_equal(mw_error_errno(&error, MW_ERR_IO, "x"), MW_ERR_FULL);
    errno = EDQUOT;
    assert_int_equal(mw_error_errno(NULL, MW_ERR_IO, "x"), MW_ERR_FULL);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct mw_error error;
    char longer[2 * MW_ERROR_TEXT];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    mw_error_set(&error, MW_ERR_IO, "%s", longer);
    assert_int_equal(strlen(error.text), MW_ERROR_TEXT - 1);
    mw_error_wrap(&error, "before");
    assert_int_equal(strlen(error.text), MW_ERROR_TEXT - 1);
    assert_memory_equal(error.text, "before: xxx", 11);
}

static void why_names_place_and_unit(void **state)
{
    (void)state;
    struct mw_error error;
    struct mw_why why = {"offset out of range", 12};
    assert_int_equal(mw_error_why(&error, MW_ERR_PARSE, &why, "byte"), MW_ERR_PARSE);
    assert_string_equal(error.text, "offset out of range at byte 12");
    why.text = NULL;
    mw_error_why(&error, MW_ERR_MEMORY, &why, NULL);
    assert_string_equal(error.text, "out of memory");
}

static void null_error_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(mw_error_set(NULL, MW_ERR_BUSY, "x"), MW_ERR_BUSY);
    struct mw_why why = {"x", 1};
    assert_int_equal(mw_error_why(NULL, MW_ERR_BUSY, &why, NULL), MW_ERR_BUSY);
}

static void exit_status_tells_bad_input_from_failure(void **state)
{
    (void)state;
    assert_int_equal(mw_error_exit_status(MW_OK), 0);
    assert_int_equal(mw_error_exit_status(MW_ERR_PARSE), 2);
    assert_int_equal(mw_error_exit_status(MW_ERR_NOT_FOUND), 2);
    assert_int_equal(mw_error_exit_status(MW_ERR_FULL), 1);
    assert_int_equal(mw_error_exit_status((mw_err)999), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_add_their_context),
        cmocka_unit_test(text_may_be_its_own_argument),
        cmocka_unit_test(errno_adds_its_text_and_disk_full_is_full),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(why_names_place_and_unit),
        cmocka_unit_test(null_error_is_allowed),
        cmocka_unit_test(exit_status_tells_bad_input_from_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
