/* text.c - JSON being written into a buffer of fixed size. */
#include "core/wire/number.h"
#include "core/wire/wire_internal.h"

void mw_wire_text_raw(struct mw_wire_text *text, const char *data, size_t size)
{
    if (size > 0 && text->size <= text->capacity && size <= text->capacity - text->size) {
        memcpy(text->data + text->size, data, size);
    }
    text->size += size;
}

void mw_wire_text_literal(struct mw_wire_text *text, const char *literal)
{
    mw_wire_text_raw(text, literal, strlen(literal));
}

static void put_key(struct mw_wire_text *text, const char *key)
{
    mw_wire_text_literal(text, ",\"");
    mw_wire_text_literal(text, key);
    mw_wire_text_literal(text, "\":");
}

void mw_wire_text_quoted(struct mw_wire_text *text, struct mw_span value)
{
    mw_wire_text_literal(text, "\"");
    mw_wire_text_raw(text, value.data, value.size);
    mw_wire_text_literal(text, "\"");
}

void mw_wire_text_string(struct mw_wire_text *text, const char *key, struct mw_span value)
{
    put_key(text, key);
    mw_wire_text_quoted(text, value);
}

void mw_wire_text_number_u64(struct mw_wire_text *text, uint64_t value)
{
    char number[MW_NUMBER_TEXT];
    mw_wire_text_raw(text, number, mw_number_print_u64(number, value));
}

void mw_wire_text_number_f32(struct mw_wire_text *text, float value)
{
    char number[MW_NUMBER_TEXT];
    mw_wire_text_raw(text, number, mw_number_print_f32(number, value));
}

void mw_wire_text_u64(struct mw_wire_text *text, const char *key, uint64_t value)
{
    put_key(text, key);
    mw_wire_text_number_u64(text, value);
}

void mw_wire_text_time(struct mw_wire_text *text, const char *key, int64_t microseconds)
{
    char number[MW_NUMBER_TEXT];
    put_key(text, key);
    mw_wire_text_raw(text, number, mw_number_print_time(number, microseconds));
}

void mw_wire_text_f32(struct mw_wire_text *text, const char *key, float value)
{
    put_key(text, key);
    mw_wire_text_number_f32(text, value);
}

void mw_wire_text_device(struct mw_wire_text *text, struct mw_span device, struct mw_span machine)
{
    mw_wire_text_literal(text, "{\"v\":1");
    mw_wire_text_string(text, "device", device);
    if (machine.size > 0 && !mw_span_equal(machine, device)) {
        mw_wire_text_string(text, "machine", machine);
    }
}

bool mw_wire_device_valid(struct mw_span device, struct mw_span machine)
{
    return mw_name_valid(device) && (machine.size == 0 || mw_name_valid(machine));
}

mw_err mw_wire_text_end(const struct mw_wire_text *text, size_t *length)
{
    if (text->size > text->capacity) {
        return MW_ERR_TOO_SMALL;
    }
    *length = text->size;
    return MW_OK;
}
