/* url.h - the address of a broker: mqtt[s]://[user[:password]@]host[:port][/]
 *
 * User and password may have %XX escapes; a host may be [IPv6]; the port is 1883 when left out, and
 * 8883 with mqtts. Several addresses are separated by commas; a comma in a password is %2C then. */
#ifndef MW_MQTT_URL_H
#define MW_MQTT_URL_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define MW_MQTT_URLS_MAX 8

struct mw_mqtt_url {
    bool secure; /* mqtts: over TLS */
    char host[256], port[8];
    char username[256], password[256]; /* empty: not given */
};

/* PARSE for malformed ones, UNSUPPORTED for another scheme. No error text shows the password. */
mw_err mw_mqtt_url_parse(struct mw_mqtt_url *url, const char *text, struct mw_error *error);

struct mw_mqtt_urls {
    struct mw_mqtt_url url[MW_MQTT_URLS_MAX];
    size_t n; /* at least 1 */
};

/* One or several. Errors: the same, TOO_LARGE (more than MW_MQTT_URLS_MAX). */
mw_err mw_mqtt_urls_parse(struct mw_mqtt_urls *urls, const char *text, struct mw_error *error);

#endif
