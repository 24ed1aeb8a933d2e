#include "lib/http/form.h"

#include "lib/base/test.h"

static void test_values(void **state)
{
    static const struct {
        const char *body, *value; /* NULL: an error */
        mw_err err;
    } cases[] = {
        {"device_id=14333616", "14333616", MW_OK},
        {"device_id=-14333616", "-14333616", MW_OK},
        {"a=1&device_id=2&device_id=3", "2", MW_OK},
        {"device%5Fid=a+b%2f&x", "a b/", MW_OK},
        {"device_id", "", MW_OK},
        {"device_id=&a", "", MW_OK},
        {"", NULL, MW_ERR_NOT_FOUND},
        {"&&=&", NULL, MW_ERR_NOT_FOUND},
        {"xdevice_id=1&device_idx=1", NULL, MW_ERR_NOT_FOUND},
        {"device_id=%", NULL, MW_ERR_PARSE},
        {"device_id=%4", NULL, MW_ERR_PARSE},
        {"device_id=%4g", NULL, MW_ERR_PARSE},
        {"device_id=1%002", NULL, MW_ERR_PARSE},
        {"device_id=0123456789", NULL, MW_ERR_TOO_LARGE},
        {"device_id=012345678", "012345678", MW_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char value[10] = "";
        mw_err err = mw_http_form_get(mw_span_of(cases[i].body), "device_id", value, sizeof value);
        assert_int_equal(err, cases[i].err);
        if (cases[i].value != NULL) {
            assert_string_equal(value, cases[i].value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
