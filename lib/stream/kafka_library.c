/* kafka_library.c - finds librdkafka and its functions. */
#include "lib/stream/kafka_library.h"

#include <dlfcn.h>
#include <string.h>

struct mw_kafka_library mw_kafka;

mw_err mw_kafka_library_load(struct mw_error *error)
{
    static void *library;
    if (library != NULL) {
        return MW_OK;
    }
    void *opened = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    if (opened == NULL) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "a kafka: stream needs librdkafka (Debian: librdkafka1): %s",
                            dlerror());
    }
    struct mw_kafka_library found;
    const char *missing = NULL;
    void *symbol = NULL;
#define MW_KAFKA_FIND(name)                                 \
    symbol = dlsym(opened, "rd_kafka_" #name);              \
    missing = symbol == NULL ? "rd_kafka_" #name : missing; \
    memcpy(&found.name, &symbol, sizeof(symbol));
    MW_KAFKA_FUNCTIONS(MW_KAFKA_FIND)
#undef MW_KAFKA_FIND
    if (missing != NULL) {
        (void)dlclose(opened);
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "librdkafka is too old: it has no %s; 2.0 or newer is needed", missing);
    }
    mw_kafka = found;
    library = opened;
    return MW_OK;
}
