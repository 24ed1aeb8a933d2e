/* The address of a broker, as plant.yaml has it: what is taken has a host and a port that is one,
 * and no reason for a refusal shows the password. */
#include "lib/mqtt/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "hUsh:42" /* no other part of an address is likely to hold it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static int is_port(const char *text)
{
    char *end = NULL;
    long port = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && port > 0 && port < 65536;
}

/* One address among several is what it is alone. */
static void try_several(const char *text, mw_err alone)
{
    struct mw_mqtt_urls urls;
    mw_err err = mw_mqtt_urls_parse(&urls, text, NULL);
    require(err != MW_OK || (urls.n >= 1 && urls.n <= MW_MQTT_URLS_MAX));
    require(urls.n > 1 || strchr(text, ',') != NULL || err == alone);
    for (size_t i = 0; err == MW_OK && i < urls.n; i++) {
        require(urls.url[i].host[0] != '\0' && is_port(urls.url[i].port));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1024];
    struct mw_mqtt_url url;
    struct mw_error error = {0};
    if (size >= sizeof text) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    mw_err err = mw_mqtt_url_parse(&url, text, &error);
    if (err == MW_OK) {
        require(url.host[0] != '\0' && is_port(url.port));
    } else {
        require(err == MW_ERR_PARSE || err == MW_ERR_UNSUPPORTED);
        require(error.text[0] != '\0');
        /* Of another scheme the name is shown. */
        require(err == MW_ERR_UNSUPPORTED || strstr(error.text, SECRET) == NULL);
    }
    try_several(text, err);
    return 0;
}
