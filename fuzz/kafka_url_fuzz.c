/* The location of a Kafka stream, with its query; files that it names are left alone. */
#include "lib/stream/kafka_url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    struct mw_kafka_url url;
    struct mw_error error = {0};
    if (strstr(text, "config=") == NULL) {
        mw_err err = mw_kafka_url_parse(&url, text, &error);
        if (err == MW_OK) {
            const char *name = NULL;
            const char *value = NULL;
            for (size_t at = 0; mw_kafka_url_option(&url, &at, &name, &value);) {
                if (name[0] == '\0' || url.partitions < 1 || url.brokers[0] == '\0') {
                    abort();
                }
            }
        }
        mw_kafka_url_clear(&url);
    }
    free(text);
    return 0;
}
