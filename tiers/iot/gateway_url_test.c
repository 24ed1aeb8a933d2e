#include "tiers/iot/gateway_url.h"

#include "lib/base/test.h"

static struct mw_gateway_url parse(const char *text)
{
    struct mw_gateway_url url;
    struct mw_error error = {0};
    if (mw_gateway_url_parse(&url, text, &error) != MW_OK) {
        fail_msg("%s: %s", text, error.text);
    }
    return url;
}

static void addresses_are_read(void **state)
{
    (void)state;
    struct mw_gateway_url url = parse("tcp://plc.example");
    assert_int_equal(url.scheme, MW_GATEWAY_TCP);
    assert_string_equal(url.target, "plc.example");
    assert_string_equal(url.port, "502");
    url = parse("tcp://[fe80::1]:1502");
    assert_string_equal(url.target, "fe80::1");
    assert_string_equal(url.port, "1502");
    url = parse("rtu:///dev/ttyUSB0");
    assert_int_equal(url.scheme, MW_GATEWAY_RTU);
    assert_string_equal(url.target, "/dev/ttyUSB0");
    assert_true(url.baud == 19200 && url.parity == 'E' && url.data_bits == 8 && url.stop_bits == 1);
    url = parse("rtu:///dev/ttyS1?baud=9600&parity=none&data=7&stop=2");
    assert_true(url.baud == 9600 && url.parity == 'N' && url.data_bits == 7 && url.stop_bits == 2);
    url = parse("iio:xml:/etc/sensors.xml");
    assert_int_equal(url.scheme, MW_GATEWAY_IIO);
    assert_string_equal(url.target, "xml:/etc/sensors.xml");
    assert_string_equal(parse("iio:local").target, "local:");
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "tcp:/x",
        "tcp://",
        "tcp://:502",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:",
        "tcp://h:5o2",
        "tcp://h/1",
        "tcp://[::1",
        "tcp://[]:1",
        "tcp://[::1]x",
        "rtu://",
        "rtu://ttyUSB0",
        "rtu:///dev/t?",
        "rtu:///dev/t?baud",
        "rtu:///dev/t?baud=",
        "rtu:///dev/t?baud=299",
        "rtu:///dev/t?parity=some",
        "rtu:///dev/t?stop=3",
        "rtu:///dev/t?data=9",
        "rtu:///dev/t?bits=8",
        "rtu:///dev/t?baud=9600&",
        "iio:",
        "iio:usb:",
        "iio:xml:",
        "http://x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mw_gateway_url url;
        struct mw_error error = {0};
        if (mw_gateway_url_parse(&url, bad[i], &error) == MW_OK) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_non_null(strstr(error.text, "expected"));
    }
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[400] = "tcp://";
    struct mw_gateway_url url;
    memset(text + 6, 'h', 300);
    assert_int_equal(mw_gateway_url_parse(&url, text, NULL), MW_ERR_PARSE);
    memcpy(text, "rtu:///", 7);
    assert_int_equal(mw_gateway_url_parse(&url, text, NULL), MW_ERR_PARSE);
    memcpy(text, "iio:xml:", 8);
    assert_int_equal(mw_gateway_url_parse(&url, text, NULL), MW_ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
