#include "tiers/iot/gateway_url.h"

#include "core/span.h"
#include "core/wire/number.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char tcp[] = "tcp://", rtu[] = "rtu://", iio[] = "iio:";

static bool copy(char *to, size_t capacity, struct mw_span from)
{
    if (from.size == 0 || from.size >= capacity) {
        return false;
    }
    memcpy(to, from.data, from.size);
    to[from.size] = '\0';
    return true;
}

static bool number_in(struct mw_span text, uint64_t least, uint64_t most, int *value)
{
    uint64_t number;
    if (mw_number_parse_u64(text, &number) != MW_OK || number < least || number > most) {
        return false;
    }
    *value = (int)number;
    return true;
}

static mw_err parse_tcp(struct mw_gateway_url *url, const char *text, struct mw_error *error)
{
    size_t size = strcspn(text, ":/?");
    struct mw_span host = {text, size};
    const char *rest = text + size;
    if (*text == '[') {
        size = strcspn(text, "]");
        host = (struct mw_span){text + 1, size - 1};
        rest = text + size + (text[size] == ']');
        if (text[size] != ']') {
            host.size = 0;
        }
    }
    int port = 502;
    bool ok = copy(url->target, sizeof url->target, host) &&
              (*rest == '\0' || (*rest == ':' && number_in(mw_span_of(rest + 1), 1, 65535, &port)));
    if (!ok) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "tcp://%s is no address: tcp://HOST[:PORT] was expected, with a port "
                            "from 1 to 65535",
                            text);
    }
    snprintf(url->port, sizeof url->port, "%d", port);
    return MW_OK;
}

static mw_err set_key(struct mw_gateway_url *url, struct mw_span key, struct mw_span value,
                      struct mw_error *error)
{
    const char *expected = NULL;
    if (mw_span_is(key, "baud")) {
        expected = number_in(value, 300, 4000000, &url->baud) ? NULL : "300 to 4000000";
    } else if (mw_span_is(key, "data")) {
        expected = number_in(value, 7, 8, &url->data_bits) ? NULL : "7 or 8";
    } else if (mw_span_is(key, "stop")) {
        expected = number_in(value, 1, 2, &url->stop_bits) ? NULL : "1 or 2";
    } else if (mw_span_is(key, "parity")) {
        bool known =
            mw_span_is(value, "none") || mw_span_is(value, "even") || mw_span_is(value, "odd");
        expected = known ? NULL : "none, even or odd";
        if (known) {
            url->parity = (char)(value.data[0] - 'a' + 'A');
        }
    } else {
        return mw_error_set(error, MW_ERR_PARSE,
                            "rtu: %.*s is no key: baud, parity, data or stop was expected",
                            (int)key.size, key.data);
    }
    return expected == NULL
               ? MW_OK
               : mw_error_set(error, MW_ERR_RANGE, "rtu: %.*s=%.*s: %s was expected", (int)key.size,
                              key.data, (int)value.size, value.data, expected);
}

static mw_err parse_rtu(struct mw_gateway_url *url, const char *text, struct mw_error *error)
{
    size_t size = strcspn(text, "?");
    if (*text != '/' || !copy(url->target, sizeof url->target, (struct mw_span){text, size})) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "rtu://%s is no serial line: rtu:///dev/ttyUSB0?baud=19200 was "
                            "expected, with the path from the root",
                            text);
    }
    const char *at = text + size;
    while (*at != '\0') {
        at++; /* the ? or the & */
        size_t length = strcspn(at, "&");
        const char *equal = memchr(at, '=', length);
        struct mw_span key = {at, equal == NULL ? length : (size_t)(equal - at)};
        struct mw_span value = {at + length, 0};
        if (equal != NULL) {
            value = (struct mw_span){equal + 1, length - key.size - 1};
        }
        mw_err err = set_key(url, key, value, error);
        if (err != MW_OK) {
            return err;
        }
        at += length;
    }
    return MW_OK;
}

mw_err mw_gateway_url_parse(struct mw_gateway_url *url, const char *text, struct mw_error *error)
{
    *url = (struct mw_gateway_url){.baud = 19200, .parity = 'E', .data_bits = 8, .stop_bits = 1};
    if (strncmp(text, tcp, sizeof tcp - 1) == 0) {
        url->scheme = MW_GATEWAY_TCP;
        return parse_tcp(url, text + sizeof tcp - 1, error);
    }
    if (strncmp(text, rtu, sizeof rtu - 1) == 0) {
        url->scheme = MW_GATEWAY_RTU;
        return parse_rtu(url, text + sizeof rtu - 1, error);
    }
    if (strncmp(text, iio, sizeof iio - 1) == 0) {
        const char *uri = text + sizeof iio - 1;
        bool local =
            strcmp(uri, "local") == 0; /* libiio's ends in a colon, which YAML would take */
        bool xml = strncmp(uri, "xml:", 4) == 0 && uri[4] != '\0';
        url->scheme = MW_GATEWAY_IIO;
        return (local || xml) &&
                       copy(url->target, sizeof url->target, mw_span_of(local ? "local:" : uri))
                   ? MW_OK
                   : mw_error_set(error, MW_ERR_PARSE,
                                  "iio:%.200s is not known: iio:local or iio:xml:FILE was expected",
                                  uri);
    }
    return mw_error_set(error, MW_ERR_UNSUPPORTED,
                        "\"%.200s\" is no address: tcp://HOST[:PORT], rtu:///dev/ttyUSB0 or "
                        "iio:local was expected",
                        text);
}
