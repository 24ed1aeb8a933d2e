/* golden.c - golden.bin: inputs and the scores that a runtime must reproduce. */
#include "lib/artifact/bundle_parts.h"

#define GOLDEN_HEAD 12
#define GOLDEN_MAX 65536 /* vectors */

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static float read_f32(const unsigned char *at)
{
    uint32_t bits = read_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

mw_err mw_golden_open(struct mw_span bytes, size_t n_features, struct mw_golden *golden,
                      struct mw_error *error)
{
    const unsigned char *data = (const unsigned char *)bytes.data;
    *golden = (struct mw_golden){0};
    if (bytes.size < GOLDEN_HEAD || memcmp(data, "MWG1", 4) != 0) {
        return mw_error_set(error, MW_ERR_PARSE, "golden.bin: does not start with MWG1");
    }
    uint32_t count = read_u32(data + 4), features = read_u32(data + 8);
    if (features != n_features) {
        return mw_error_set(error, MW_ERR_PARSE, "golden.bin: %u features, the bundle has %zu",
                            features, n_features);
    }
    if (count == 0 || count > GOLDEN_MAX) {
        return mw_error_set(error, MW_ERR_RANGE, "golden.bin: %u vectors", count);
    }
    if (bytes.size - GOLDEN_HEAD != (size_t)count * (n_features + 1) * 4) {
        return mw_error_set(error, MW_ERR_PARSE, "golden.bin: %zu bytes are not %u vectors of %u",
                            bytes.size, count, features);
    }
    *golden = (struct mw_golden){count, features, data + GOLDEN_HEAD};
    return MW_OK;
}

float mw_golden_vector(const struct mw_golden *golden, uint32_t i, float *inputs)
{
    const unsigned char *at = golden->vectors + (size_t)i * (golden->features + 1) * 4;
    for (uint32_t j = 0; j < golden->features; j++, at += 4) {
        inputs[j] = read_f32(at);
    }
    return read_f32(at);
}
