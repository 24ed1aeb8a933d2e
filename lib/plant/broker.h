/* broker.h - where the plant's MQTT broker is: the URL in plant.yaml, or the one that `up` started.
 */
#ifndef MW_PLANT_BROKER_H
#define MW_PLANT_BROKER_H

#include "lib/plant/plant.h"

struct mw_broker_address {
    char url[2048]; /* mqtt[s]://host:port, or several with commas between them */
    char username[128], password[256]; /* empty: none */
    int version;                       /* enum mw_broker_version */
    const char *ca_file, *certificate_file,
        *key_file; /* borrowed from the plant; "" or NULL: none */
};

/* Takes broker.url with the other keys and the first line of broker.password_file; without a URL
 * reads data/run/broker.json, which `millwright up` wrote. Errors: NOT_FOUND (no broker is running
 * for this data folder), PARSE, IO. */
mw_err mw_plant_broker(const struct mw_plant *plant, struct mw_broker_address *address,
                       struct mw_error *error);

/* Writes data/run/broker.json (mode 0600). */
mw_err mw_plant_broker_write(const struct mw_plant *plant, const struct mw_broker_address *address,
                             struct mw_error *error);

#endif
