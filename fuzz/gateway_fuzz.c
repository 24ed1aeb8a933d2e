/* The file of a gateway's device: whatever the text, the parser ends and says why it refuses; what
 * it lets through is whole, and its registers make requests that the protocol allows. */
#include "tiers/iot/gateway_file.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mw_gateway_file *file)
{
    struct mw_modbus_batch batch[MW_FEATURES_MAX];
    uint16_t place[MW_FEATURES_MAX];
    uint16_t word[MW_MODBUS_BITS_MAX] = {0};
    size_t n = mw_modbus_batches(file->reg, file->n_features, place, batch), seen = 0;
    for (size_t i = 0; i < n; i++) {
        bool bits = batch[i].table <= MW_MODBUS_DISCRETE;
        if (batch[i].count > (bits ? MW_MODBUS_BITS_MAX : MW_MODBUS_WORDS_MAX) ||
            batch[i].address + batch[i].count > 65536 || batch[i].first != seen) {
            abort();
        }
        for (size_t k = 0; k < batch[i].n; k++, seen++) {
            const struct mw_modbus_register *reg = &file->reg[place[seen]];
            (void)mw_modbus_decode(reg, word + (reg->address - batch[i].address));
        }
    }
    if (seen != file->n_features) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_gateway_file file;
    struct mw_error error = {0};
    mw_err err = mw_gateway_file_parse(&file, (const char *)data, size, "device", &error);
    if (err == MW_OK && file.n_channels == 0) {
        check(&file);
    } else if (err != MW_OK && error.text[0] == '\0') {
        abort();
    }
    mw_gateway_file_clear(&file);
    return 0;
}
