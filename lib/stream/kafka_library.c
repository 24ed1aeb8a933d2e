/* kafka_library.c - finds librdkafka and its functions. */
#include "lib/stream/kafka_library.h"

#include "lib/base/library.h"

struct mw_kafka_library mw_kafka;

mw_err mw_kafka_library_load(struct mw_error *error)
{
    static void *library;
    if (library != NULL) {
        return MW_OK;
    }
    struct mw_kafka_library found;
    const struct mw_library_symbol symbols[] = {
#define MW_KAFKA_SYMBOL(name) {"rd_kafka_" #name, &found.name},
        MW_KAFKA_FUNCTIONS(MW_KAFKA_SYMBOL)
#undef MW_KAFKA_SYMBOL
    };
    mw_err err = mw_library_open(&library, "librdkafka.so.1", "librdkafka1", symbols,
                                 sizeof symbols / sizeof *symbols, error);
    if (err != MW_OK) {
        return err;
    }
    mw_kafka = found;
    return MW_OK;
}
