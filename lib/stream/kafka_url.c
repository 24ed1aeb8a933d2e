/* kafka_url.c - reads the location of a Kafka stream and the file of options. */
#include "lib/stream/kafka_url.h"

#include "core/wire/number.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX 65536 /* bytes of a file of options */

/* Set by the stream, or at odds with what it promises. */
static const char *const reserved[] = {
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "metadata.broker.list",
    "partitioner",
    "request.required.acks",
    "transactional.id",
};

static mw_err parse_int(const char *name, const char *value, int64_t low, int64_t high,
                        int64_t *number, struct mw_error *error)
{
    uint64_t parsed = 0;
    bool negative = value[0] == '-';
    struct mw_span digits = mw_span_of(value + negative);
    if (mw_number_parse_u64(digits, &parsed) == MW_OK && parsed <= INT64_MAX) {
        *number = negative ? -(int64_t)parsed : (int64_t)parsed;
        if (*number >= low && *number <= high) {
            return MW_OK;
        }
    }
    return mw_error_set(error, MW_ERR_ARGUMENT, "%s=%.40s: expected a number from %lld to %lld",
                        name, value, (long long)low, (long long)high);
}

static mw_err add_option(struct mw_kafka_url *url, const char *name, const char *value,
                         struct mw_error *error)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return mw_error_set(error, MW_ERR_ARGUMENT,
                                "option %s is set by the stream itself: leave it out", name);
        }
    }
    mw_err err = mw_buffer_add(&url->options, name, strlen(name) + 1);
    err = err == MW_OK ? mw_buffer_add(&url->options, value, strlen(value) + 1) : err;
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

/* `file` tells a line of the file from a part of the URI: in there every name is librdkafka's. */
static mw_err take(struct mw_kafka_url *url, const char *name, const char *value, bool file,
                   struct mw_error *error)
{
    static const struct {
        const char *name;
        int64_t low, high;
    } numbers[] = {{"partitions", 1, 10000},
                   {"replication", 0, 100},
                   {"retention_age", -1, INT64_MAX},
                   {"retention_size", -1, INT64_MAX}};
    if (file) {
        return add_option(url, name, value, error);
    }
    if (strcmp(name, "config") == 0) {
        return MW_OK; /* read before */
    }
    if (strcmp(name, "create") == 0) {
        url->create = strcmp(value, "true") == 0;
        return url->create || strcmp(value, "false") == 0
                   ? MW_OK
                   : mw_error_set(error, MW_ERR_ARGUMENT, "create=%.40s: expected true or false",
                                  value);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) != 0) {
            continue;
        }
        int64_t number = 0;
        mw_err err = parse_int(name, value, numbers[i].low, numbers[i].high, &number, error);
        if (err == MW_OK) {
            url->partitions = i == 0 ? (int)number : url->partitions;
            url->replication = i == 1 ? (int)number : url->replication;
            url->retention_age = i == 2 ? number : url->retention_age;
            url->retention_size = i == 3 ? number : url->retention_size;
        }
        return err;
    }
    return add_option(url, name, value, error);
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL) {
        text[--size] = '\0';
    }
    return text;
}

static mw_err read_config(struct mw_kafka_url *url, const char *path, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, CONFIG_MAX, &text, error);
    char *rest = text.data;
    for (unsigned number = 1; err == MW_OK && rest != NULL; number++) {
        char *line = trim(strsep(&rest, "\n"));
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        char *value = strchr(line, '=');
        if (value == NULL || value == line) {
            err = mw_error_set(error, MW_ERR_ARGUMENT, "%s:%u: expected NAME=VALUE", path, number);
            break;
        }
        *value++ = '\0';
        err = take(url, trim(line), trim(value), true, error);
        if (err != MW_OK && error != NULL) {
            (void)mw_error_wrap(error, "%s:%u", path, number);
        }
    }
    mw_buffer_free(&text);
    return err;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Resolves %XX in place; false for a malformed one or a NUL. */
static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || high + low == 0) {
            return false;
        }
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

/* Takes name=value pairs apart; with `config_only` just the files. */
static mw_err parse_query(struct mw_kafka_url *url, const char *query, bool config_only,
                          struct mw_error *error)
{
    char *copy = strdup(query);
    char *rest = copy;
    mw_err err = copy == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
    while (err == MW_OK && rest != NULL) {
        char *name = strsep(&rest, "&");
        char *value = strchr(name, '=');
        if (name[0] == '\0') {
            continue;
        }
        if (value == NULL || value == name) {
            err = mw_error_set(error, MW_ERR_ARGUMENT,
                               "\"%.40s\" behind the ? of the URI is not NAME=VALUE", name);
            break;
        }
        *value++ = '\0';
        if (!unescape(value)) {
            err = mw_error_set(error, MW_ERR_ARGUMENT, "%s: malformed %%XX in its value", name);
        } else if (!config_only) {
            err = take(url, name, value, false, error);
        } else if (strcmp(name, "config") == 0) {
            err = read_config(url, value, error);
        }
    }
    free(copy);
    return err;
}

mw_err mw_kafka_url_parse(struct mw_kafka_url *url, const char *location, struct mw_error *error)
{
    *url = (struct mw_kafka_url){
        .create = true, .partitions = 4, .retention_age = -1, .retention_size = -1};
    const char *hosts = strncmp(location, "//", 2) == 0 ? location + 2 : NULL;
    size_t size = hosts == NULL ? 0 : strcspn(hosts, "/?");
    if (size == 0 || size >= sizeof(url->brokers)) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "\"kafka:%.60s\": expected kafka://HOST:PORT[,HOST:PORT...]", location);
    }
    memcpy(url->brokers, hosts, size);
    const char *rest = hosts + size + (hosts[size] == '/' ? 1 : 0);
    if (*rest != '\0' && *rest != '?') {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "kafka://%s/: nothing but ?NAME=VALUE may follow the hosts",
                            url->brokers);
    }
    if (*rest == '\0') {
        return MW_OK;
    }
    mw_err err = parse_query(url, rest + 1, true, error);
    return err == MW_OK ? parse_query(url, rest + 1, false, error) : err;
}

void mw_kafka_url_clear(struct mw_kafka_url *url)
{
    if (url->options.data != NULL) { /* a password may be among them */
        explicit_bzero(url->options.data, url->options.capacity);
    }
    mw_buffer_free(&url->options);
}

bool mw_kafka_url_option(const struct mw_kafka_url *url, size_t *at, const char **name,
                         const char **value)
{
    if (*at >= url->options.size) {
        return false;
    }
    *name = url->options.data + *at;
    *value = *name + strlen(*name) + 1;
    *at = (size_t)(*value - url->options.data) + strlen(*value) + 1;
    return true;
}
