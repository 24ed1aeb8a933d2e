#include "lib/stream/kafka_url.h"

#include "lib/base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *option(const struct mw_kafka_url *url, const char *wanted)
{
    const char *name = NULL;
    const char *value = NULL;
    const char *found = NULL;
    for (size_t at = 0; mw_kafka_url_option(url, &at, &name, &value);) {
        found = strcmp(name, wanted) == 0 ? value : found; /* the last one holds */
    }
    return found;
}

static void hosts_alone_take_the_defaults(void **state)
{
    (void)state;
    static const char *const locations[] = {"//a:9092,b:9093", "//a:9092,b:9093/",
                                            "//a:9092,b:9093?", "//a:9092,b:9093/?&"};
    for (size_t i = 0; i < 4; i++) {
        struct mw_kafka_url url;
        assert_int_equal(mw_kafka_url_parse(&url, locations[i], NULL), MW_OK);
        assert_string_equal(url.brokers, "a:9092,b:9093");
        assert_true(url.create);
        assert_int_equal(url.partitions, 4);
        assert_int_equal(url.replication, 0);
        assert_int_equal(url.retention_age, -1);
        assert_int_equal(url.retention_size, -1);
        assert_int_equal(url.options.size, 0);
        mw_kafka_url_clear(&url);
    }
}

static void own_names_are_taken_and_the_rest_is_librdkafkas(void **state)
{
    (void)state;
    struct mw_kafka_url url;
    assert_int_equal(
        mw_kafka_url_parse(&url,
                           "//h?create=false&partitions=12&replication=3&retention_age=86400000"
                           "&retention_size=-1&security.protocol=ssl&ssl.ca.location=%2fa%26b"
                           "&partitions=6&security.protocol=sasl_ssl",
                           NULL),
        MW_OK);
    assert_string_equal(url.brokers, "h");
    assert_false(url.create);
    assert_int_equal(url.partitions, 6);
    assert_int_equal(url.replication, 3);
    assert_int_equal(url.retention_age, 86400000);
    assert_string_equal(option(&url, "security.protocol"), "sasl_ssl");
    assert_string_equal(option(&url, "ssl.ca.location"), "/a&b");
    assert_null(option(&url, "create"));
    mw_kafka_url_clear(&url);
}

static void malformed_ones_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *location, *text;
    } cases[] = {
        {"", "expected kafka://HOST"},
        {"h:9092", "expected kafka://HOST"},
        {"//", "expected kafka://HOST"},
        {"//?partitions=1", "expected kafka://HOST"},
        {"//h/topic", "nothing but"},
        {"//h?partitions", "not NAME=VALUE"},
        {"//h?=3", "not NAME=VALUE"},
        {"//h?partitions=0", "from 1 to 10000"},
        {"//h?partitions=-1", "from 1 to 10000"},
        {"//h?partitions=3x", "from 1 to 10000"},
        {"//h?partitions=99999999999999999999", "from 1 to 10000"},
        {"//h?retention_age=-2", "from -1"},
        {"//h?create=yes", "true or false"},
        {"//h?debug=%4", "malformed %XX"},
        {"//h?debug=%00", "malformed %XX"},
        {"//h?acks=1", "set by the stream"},
        {"//h?isolation.level=read_uncommitted", "set by the stream"},
        {"//h?transactional.id=x", "set by the stream"},
        {"//h?config=/no/such/file", "/no/such/file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_kafka_url url;
        struct mw_error error = {0};
        mw_err err = mw_kafka_url_parse(&url, cases[i].location, &error);
        if (err == MW_OK || strstr(error.text, cases[i].text) == NULL) {
            fail_msg("%s: \"%s\"", cases[i].location, error.text);
        }
        mw_kafka_url_clear(&url);
    }
}

static mw_err parse_with_file(const char *text, struct mw_kafka_url *url, struct mw_error *error)
{
    char path[] = "/tmp/mw-kafka-url-XXXXXX";
    char location[96];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    (void)snprintf(location, sizeof location, "//h?client.rack=uri&config=%s", path);
    mw_err err = mw_kafka_url_parse(url, location, error);
    (void)unlink(path);
    return err;
}

static void a_file_comes_before_the_uri(void **state)
{
    (void)state;
    struct mw_kafka_url url;
    struct mw_error error = {0};
    assert_int_equal(parse_with_file("# who we are\n\n sasl.username = plant \r\n"
                                     "sasl.password=a=b%20#c\nclient.rack=file",
                                     &url, &error),
                     MW_OK);
    assert_string_equal(option(&url, "sasl.username"), "plant");
    assert_string_equal(option(&url, "sasl.password"), "a=b%20#c");
    assert_string_equal(option(&url, "client.rack"), "uri");
    mw_kafka_url_clear(&url);

    assert_int_equal(parse_with_file("ssl.ca.location=x\nnonsense\n", &url, &error),
                     MW_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, ":2: expected NAME=VALUE"));
    mw_kafka_url_clear(&url);
    assert_int_equal(parse_with_file("\nacks=0\n", &url, &error), MW_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, ":2: option acks"));
    mw_kafka_url_clear(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_alone_take_the_defaults),
        cmocka_unit_test(own_names_are_taken_and_the_rest_is_librdkafkas),
        cmocka_unit_test(malformed_ones_are_refused),
        cmocka_unit_test(a_file_comes_before_the_uri),
    };
    return cmocka_run_group_tests_name("kafka_url", tests, NULL, NULL);
}
