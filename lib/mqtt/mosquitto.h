/* mosquitto.h - a private mosquitto: its configuration, its password, its command line. */
#ifndef MW_MQTT_MOSQUITTO_H
#define MW_MQTT_MOSQUITTO_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_mosquitto {
    char program[256]; /* path of the mosquitto binary */
    char config[4096]; /* path of the configuration file */
    char *argv[4];     /* ready for exec; points into this struct */
    uint16_t port;
    char username[32], password[48];
};

/* Looks for mosquitto in PATH and /usr/sbin, takes a free port on the loopback, draws a password
 * and writes mosquitto.conf and mosquitto.passwd (mode 0600) to `folder`. The broker will take this
 * port and this user only, keep no files, run as the current user, and set TCP_NODELAY, without
 * which a round trip waits for delayed acknowledgements. The struct must not move afterwards.
 * Errors: NOT_FOUND (not installed), IO. Blocks for mosquitto_passwd, which hashes the password. */
mw_err mw_mosquitto_prepare(struct mw_mosquitto *mosquitto, const char *folder,
                            struct mw_error *error);

/* True when something accepts connections at the port. Blocks only as long as the loopback does. */
bool mw_mosquitto_accepts(const struct mw_mosquitto *mosquitto);

#endif
