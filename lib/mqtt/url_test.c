#include "lib/mqtt/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *username, *password;
    } good[] = {
        {"mqtt://broker", "broker", "1883", "", ""},
        {"mqtts://broker", "broker", "8883", "", ""},
        {"mqtts://[::1]:1", "::1", "1", "", ""},
        {"mqtt://broker:18830/", "broker", "18830", "", ""},
        {"mqtt://u@127.0.0.1", "127.0.0.1", "1883", "u", ""},
        {"mqtt://u:p%40%3a%2F@h:1", "h", "1", "u", "p@:/"},
        {"mqtt://u:a:b@c@h", "h", "1883", "u", "a:b@c"},
        {"mqtt://[::1]", "::1", "1883", "", ""},
        {"mqtt://[fe80::1]:1884", "fe80::1", "1884", "", ""},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct mw_mqtt_url url;
        struct mw_error error = {0};
        assert_int_equal(mw_mqtt_url_parse(&url, good[i].text, &error), MW_OK);
        assert_int_equal(url.secure, good[i].text[4] == 's');
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.port, good[i].port);
        assert_string_equal(url.username, good[i].username);
        assert_string_equal(url.password, good[i].password);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    const char *const other[] = {"", "broker", "mqttss://broker", "http://broker", "mqtt:broker"};
    struct mw_mqtt_url url;
    struct mw_error error = {0};
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        assert_int_equal(mw_mqtt_url_parse(&url, other[i], &error), MW_ERR_UNSUPPORTED);
    }
    const char *const wrong[] = {"mqtt://",
                                 "mqtts://",
                                 "mqtt://:1883",
                                 "mqtt://h:",
                                 "mqtt://h:0",
                                 "mqtt://h:65536",
                                 "mqtt://h:12x",
                                 "mqtt://@h",
                                 "mqtt://:secret@h",
                                 "mqtt://u:secret%4@h",
                                 "mqtt://u:secret%zz@h",
                                 "mqtt://u:secret%00@h",
                                 "mqtt://[::1",
                                 "mqtt://[]",
                                 "mqtt://[::1]1883",
                                 "mqtt://u:secret@",
                                 "mqtt://h:123456"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        mw_err err = mw_mqtt_url_parse(&url, wrong[i], &error);
        if (err != MW_ERR_PARSE) {
            fail_msg("%s: %s", wrong[i], mw_err_text(err));
        }
        assert_null(strstr(error.text, "secret"));
    }
}

static void test_several(void **state)
{
    (void)state;
    struct mw_mqtt_urls urls;
    struct mw_error error = {0};
    assert_int_equal(mw_mqtt_urls_parse(&urls, "mqtt://h", &error), MW_OK);
    assert_int_equal(urls.n, 1);
    assert_int_equal(
        mw_mqtt_urls_parse(&urls, "mqtt://u:a,b@h:1, mqtts://[::1],mqtt://h3/", &error), MW_OK);
    assert_int_equal(urls.n, 3);
    assert_string_equal(urls.url[0].password, "a,b");
    assert_string_equal(urls.url[1].host, "::1");
    assert_true(urls.url[1].secure);
    assert_string_equal(urls.url[2].host, "h3");
    const char *const wrong[] = {"mqtt://a,b:1883", "mqtt://a,", "mqtt://a,mqtt://", ",mqtt://a",
                                 "mqtt://a,http://b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (mw_mqtt_urls_parse(&urls, wrong[i], &error) == MW_OK) {
            fail_msg("%s", wrong[i]);
        }
    }
    assert_int_equal(mw_mqtt_urls_parse(&urls,
                                        "mqtt://a,mqtt://a,mqtt://a,mqtt://a,mqtt://a,mqtt://a,"
                                        "mqtt://a,mqtt://a,mqtt://a",
                                        &error),
                     MW_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_several),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
