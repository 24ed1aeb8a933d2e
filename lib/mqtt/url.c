#include "lib/mqtt/url.h"

#include "core/span.h"

#include <stdio.h>
#include <stdlib.h>

static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Copies without the escapes; false when it does not fit or is malformed. */
static bool unescape(struct mw_span from, char *to, size_t capacity)
{
    size_t n = 0;
    for (size_t i = 0; i < from.size; i++) {
        int c = (unsigned char)from.data[i];
        if (c == '%') {
            if (from.size - i < 3) {
                return false;
            }
            int high = hexadecimal(from.data[i + 1]);
            int low = hexadecimal(from.data[i + 2]);
            c = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (c == 0 || n + 1 >= capacity) {
            return false;
        }
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return true;
}

static bool parse_user(struct mw_mqtt_url *url, struct mw_span text)
{
    const char *colon = memchr(text.data, ':', text.size);
    size_t name = colon == NULL ? text.size : (size_t)(colon - text.data);
    struct mw_span password = {NULL, 0};
    if (colon != NULL) {
        password = (struct mw_span){colon + 1, text.size - name - 1};
    }
    return name > 0 &&
           unescape((struct mw_span){text.data, name}, url->username, sizeof(url->username)) &&
           unescape(password, url->password, sizeof(url->password));
}

static bool parse_port(struct mw_mqtt_url *url, struct mw_span text)
{
    if (text.size == 0 || text.size > 5) {
        return false;
    }
    memcpy(url->port, text.data, text.size);
    url->port[text.size] = '\0';
    if (strspn(url->port, "0123456789") != text.size) {
        return false;
    }
    long port = strtol(url->port, NULL, 10);
    return port > 0 && port < 65536;
}

static bool parse_host(struct mw_mqtt_url *url, struct mw_span text)
{
    size_t size = 0;
    size_t begin = 0;
    if (text.size > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.size);
        if (end == NULL) {
            return false;
        }
        begin = 1;
        size = (size_t)(end - text.data) - 1;
    } else {
        const char *colon = memchr(text.data, ':', text.size);
        size = colon == NULL ? text.size : (size_t)(colon - text.data);
    }
    if (size == 0 || size >= sizeof(url->host) || memchr(text.data + begin, ',', size) != NULL) {
        return false;
    }
    memcpy(url->host, text.data + begin, size);
    url->host[size] = '\0';
    size_t rest = begin + size + begin; /* behind the bracket, if there was one */
    if (rest == text.size) {
        memcpy(url->port, url->secure ? "8883" : "1883", 5);
        return true;
    }
    return text.data[rest] == ':' &&
           parse_port(url, (struct mw_span){text.data + rest + 1, text.size - rest - 1});
}

mw_err mw_mqtt_url_parse(struct mw_mqtt_url *url, const char *text, struct mw_error *error)
{
    static const char plain[] = "mqtt://";
    static const char secure[] = "mqtts://";
    memset(url, 0, sizeof(*url));
    url->secure = strncmp(text, secure, sizeof(secure) - 1) == 0;
    if (!url->secure && strncmp(text, plain, sizeof(plain) - 1) != 0) {
        const char *colon = strstr(text, "://");
        int shown = colon == NULL || colon - text > 16 ? 0 : (int)(colon - text);
        return mw_error_set(
            error, MW_ERR_UNSUPPORTED,
            "broker's address begins with \"%.*s\", and not with mqtt:// or mqtts://", shown, text);
    }
    struct mw_span rest = mw_span_of(text + (url->secure ? sizeof(secure) : sizeof(plain)) - 1);
    if (rest.size > 0 && rest.data[rest.size - 1] == '/') {
        rest.size--;
    }
    size_t host = 0;
    for (size_t i = 0; i < rest.size; i++) {
        host = rest.data[i] == '@' ? i + 1 : host;
    }
    bool ok = host == 0 || parse_user(url, (struct mw_span){rest.data, host - 1});
    ok = ok && parse_host(url, (struct mw_span){rest.data + host, rest.size - host});
    if (!ok) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "broker's address is not mqtt[s]://[user[:password]@]host[:port]");
    }
    return MW_OK;
}

/* The comma before the next address; NULL: this one is the last. */
static const char *end_of(const char *text)
{
    for (const char *comma = strchr(text, ','); comma != NULL; comma = strchr(comma + 1, ',')) {
        const char *next = comma + 1 + strspn(comma + 1, " ");
        if (strncmp(next, "mqtt://", 7) == 0 || strncmp(next, "mqtts://", 8) == 0) {
            return comma;
        }
    }
    return NULL;
}

mw_err mw_mqtt_urls_parse(struct mw_mqtt_urls *urls, const char *text, struct mw_error *error)
{
    urls->n = 0;
    for (const char *at = text; at != NULL;) {
        const char *end = end_of(at);
        size_t size = end == NULL ? strlen(at) : (size_t)(end - at);
        if (urls->n == MW_MQTT_URLS_MAX) {
            return mw_error_set(error, MW_ERR_TOO_LARGE, "more than %d addresses of brokers",
                                MW_MQTT_URLS_MAX);
        }
        char *copy = strndup(at, size);
        if (copy == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        mw_err err = mw_mqtt_url_parse(&urls->url[urls->n], copy, error);
        free(copy);
        if (err != MW_OK) {
            return err;
        }
        urls->n++;
        at = end == NULL ? NULL : end + 1 + strspn(end + 1, " ");
    }
    return MW_OK;
}
