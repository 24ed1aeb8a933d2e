/* url.h - the address of a broker: mqtt[s]://[user[:password]@]host[:port][/]
 *
 * User and password may have %XX escapes; a host may be [IPv6]; the port is 1883 when left out, and
 * 8883 with mqtts. */
#ifndef MW_MQTT_URL_H
#define MW_MQTT_URL_H

#include "lib/base/error.h"

#include <stdbool.h>

struct mw_mqtt_url {
    bool secure; /* mqtts: over TLS */
    char host[256], port[8];
    char username[256], password[256]; /* empty: not given */
};

/* PARSE for malformed ones, UNSUPPORTED for another scheme. No error text shows the password. */
mw_err mw_mqtt_url_parse(struct mw_mqtt_url *url, const char *text, struct mw_error *error);

#endif
