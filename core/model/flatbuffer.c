#include "core/model/flatbuffer.h"

#include <string.h>

static bool inside(struct mw_span file, size_t at, size_t bytes)
{
    return at <= file.size && bytes <= file.size - at;
}

/* The next four assume that the place was checked. */
static uint16_t load_u16(struct mw_span file, size_t at)
{
    const uint8_t *p = (const uint8_t *)file.data + at;
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t load_u32(struct mw_span file, size_t at)
{
    const uint8_t *p = (const uint8_t *)file.data + at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t load_u64(struct mw_span file, size_t at)
{
    return (uint64_t)load_u32(file, at) | (uint64_t)load_u32(file, at + 4) << 32;
}

static float load_f32(struct mw_span file, size_t at)
{
    const uint32_t bits = load_u32(file, at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Follows the u32 offset stored at `at`, itself already checked. */
static bool follow(struct mw_span file, size_t at, size_t *target)
{
    const uint32_t offset = load_u32(file, at);
    if (offset == 0 || offset > file.size - at) {
        return false;
    }
    *target = at + offset;
    return true;
}

static bool open_table(struct mw_span file, size_t at, struct mw_table *table)
{
    int64_t vtable;
    size_t vtable_bytes;

    if (at == 0 || !inside(file, at, 4)) {
        return false;
    }
    vtable = (int64_t)at - (int32_t)load_u32(file, at);
    if (vtable < 0 || !inside(file, (size_t)vtable, 4)) {
        return false;
    }
    vtable_bytes = load_u16(file, (size_t)vtable);
    if (vtable_bytes < 4 || vtable_bytes % 2 != 0 || !inside(file, (size_t)vtable, vtable_bytes)) {
        return false;
    }
    table->file = file;
    table->at = at;
    table->vtable = (size_t)vtable;
    table->fields = vtable_bytes / 2 - 2;
    table->bytes = load_u16(file, (size_t)vtable + 2);
    return table->bytes >= 4 && inside(file, at, table->bytes);
}

bool mw_table_root(struct mw_span file, const char *identifier, struct mw_table *root)
{
    size_t at;

    if (file.data == NULL || file.size > MW_FLATBUFFER_SIZE_MAX || !inside(file, 0, 8) ||
        memcmp(file.data + 4, identifier, 4) != 0 || !follow(file, 0, &at)) {
        return false;
    }
    return open_table(file, at, root);
}

/* Finds a field of `bytes`; *at is 0 when it is absent. */
static bool find(const struct mw_table *table, size_t field, size_t bytes, size_t *at)
{
    size_t place;

    *at = 0;
    if (table->at == 0 || field >= table->fields) {
        return true;
    }
    place = load_u16(table->file, table->vtable + 4 + 2 * field);
    if (place == 0) {
        return true;
    }
    if (place < 4 || place > table->bytes || bytes > table->bytes - place) {
        return false;
    }
    *at = table->at + place;
    return true;
}

bool mw_table_u8(const struct mw_table *table, size_t field, uint8_t absent, uint8_t *value)
{
    size_t at;
    if (!find(table, field, 1, &at)) {
        return false;
    }
    *value = at == 0 ? absent : (uint8_t)table->file.data[at];
    return true;
}

bool mw_table_i32(const struct mw_table *table, size_t field, int32_t absent, int32_t *value)
{
    size_t at;
    if (!find(table, field, 4, &at)) {
        return false;
    }
    *value = at == 0 ? absent : (int32_t)load_u32(table->file, at);
    return true;
}

bool mw_table_u32(const struct mw_table *table, size_t field, uint32_t absent, uint32_t *value)
{
    size_t at;
    if (!find(table, field, 4, &at)) {
        return false;
    }
    *value = at == 0 ? absent : load_u32(table->file, at);
    return true;
}

bool mw_table_u64(const struct mw_table *table, size_t field, uint64_t absent, uint64_t *value)
{
    size_t at;
    if (!find(table, field, 8, &at)) {
        return false;
    }
    *value = at == 0 ? absent : load_u64(table->file, at);
    return true;
}

bool mw_table_f32(const struct mw_table *table, size_t field, float absent, float *value)
{
    size_t at;
    if (!find(table, field, 4, &at)) {
        return false;
    }
    *value = at == 0 ? absent : load_f32(table->file, at);
    return true;
}

bool mw_table_table(const struct mw_table *table, size_t field, struct mw_table *value)
{
    size_t at;
    size_t target;

    *value = (struct mw_table){.file = table->file};
    if (!find(table, field, 4, &at)) {
        return false;
    }
    if (at == 0) {
        return true;
    }
    return follow(table->file, at, &target) && open_table(table->file, target, value);
}

bool mw_table_vector(const struct mw_table *table, size_t field, size_t width,
                     struct mw_vector *value)
{
    size_t at;
    size_t target;

    *value = (struct mw_vector){.file = table->file, .width = width};
    if (!find(table, field, 4, &at)) {
        return false;
    }
    if (at == 0) {
        return true;
    }
    if (!follow(table->file, at, &target) || !inside(table->file, target, 4)) {
        return false;
    }
    value->count = load_u32(table->file, target);
    value->at = target + 4;
    return value->count <= (table->file.size - value->at) / width;
}

bool mw_table_string(const struct mw_table *table, size_t field, struct mw_span *value)
{
    struct mw_vector bytes;

    *value = (struct mw_span){NULL, 0};
    if (!mw_table_vector(table, field, 1, &bytes)) {
        return false;
    }
    if (bytes.at != 0) {
        *value = (struct mw_span){table->file.data + bytes.at, bytes.count};
    }
    return true;
}

bool mw_vector_table(const struct mw_vector *vector, size_t i, struct mw_table *value)
{
    size_t target;
    return i < vector->count && follow(vector->file, vector->at + 4 * i, &target) &&
           open_table(vector->file, target, value);
}

int32_t mw_vector_i32(const struct mw_vector *vector, size_t i)
{
    return (int32_t)load_u32(vector->file, vector->at + 4 * i);
}

int64_t mw_vector_i64(const struct mw_vector *vector, size_t i)
{
    return (int64_t)load_u64(vector->file, vector->at + 8 * i);
}

float mw_vector_f32(const struct mw_vector *vector, size_t i)
{
    return load_f32(vector->file, vector->at + 4 * i);
}
