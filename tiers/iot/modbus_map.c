#include "tiers/iot/modbus_map.h"

#include "core/span.h"
#include "core/wire/number.h"
#include "lib/base/decimal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[] = {"coil", "discrete", "holding", "input", NULL};
static const char *const types[] = {"int16",  "uint16",  "int32",   "uint32", "int64",
                                    "uint64", "float32", "float64", NULL};
static const char *const orders[] = {"abcd", "cdab", "badc", "dcba", NULL};

/* --- texts --- */

/* The next word of *text, which moves behind it; empty at the end. */
static struct mw_span next_word(const char **text)
{
    *text += strspn(*text, " \t");
    struct mw_span word = {*text, strcspn(*text, " \t")};
    *text += word.size;
    return word;
}

static int find(const char *const *names, struct mw_span word)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (mw_span_is(word, names[i])) {
            return i;
        }
    }
    return -1;
}

static mw_err parse_table(const char **text, enum mw_modbus_table *table, struct mw_error *error)
{
    struct mw_span word = next_word(text);
    int at = find(tables, word);
    if (at < 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "\"%.*s\" is no kind of register: coil, discrete, holding or input was "
                            "expected",
                            (int)word.size, word.data);
    }
    *table = (enum mw_modbus_table)at;
    return MW_OK;
}

static mw_err parse_address(const char **text, uint16_t *address, struct mw_error *error)
{
    struct mw_span word = next_word(text);
    uint64_t number;
    mw_err err = mw_number_parse_u64(word, &number);
    if (err != MW_OK || number > 65535) {
        return mw_error_set(error, err == MW_ERR_PARSE ? MW_ERR_PARSE : MW_ERR_RANGE,
                            "address \"%.*s\": a number from 0 to 65535 was expected",
                            (int)word.size, word.data);
    }
    *address = (uint16_t)number;
    return MW_OK;
}

static bool takes(struct mw_span word, const char *key, struct mw_span *value)
{
    size_t size = strlen(key);
    if (word.size < size || memcmp(word.data, key, size) != 0) {
        return false;
    }
    *value = (struct mw_span){word.data + size, word.size - size};
    return true;
}

static mw_err parse_extra(struct mw_modbus_register *reg, struct mw_span word,
                          struct mw_error *error)
{
    struct mw_span value;
    if (takes(word, "scale=", &value)) {
        if (mw_decimal_parse(value, '.', &reg->scale) == MW_OK && reg->scale != 0) {
            return MW_OK;
        }
        return mw_error_set(error, MW_ERR_PARSE, "%.*s: a number other than 0 was expected",
                            (int)word.size, word.data);
    }
    if (takes(word, "offset=", &value)) {
        return mw_decimal_parse(value, '.', &reg->offset) == MW_OK
                   ? MW_OK
                   : mw_error_set(error, MW_ERR_PARSE, "%.*s: a number was expected",
                                  (int)word.size, word.data);
    }
    if (takes(word, "order=", &value) && reg->type != MW_MODBUS_BIT) {
        int order = find(orders, value);
        if (order < 0) {
            return mw_error_set(error, MW_ERR_PARSE, "%.*s: abcd, cdab, badc or dcba was expected",
                                (int)word.size, word.data);
        }
        reg->order = (enum mw_modbus_order)order;
        return MW_OK;
    }
    return mw_error_set(
        error, MW_ERR_PARSE, "\"%.*s\" is not known here: scale=S, offset=O%s was expected",
        (int)word.size, word.data, reg->type == MW_MODBUS_BIT ? "" : " or order=abcd");
}

static mw_err parse_type(const char **text, struct mw_modbus_register *reg, struct mw_error *error)
{
    struct mw_span word = next_word(text);
    int type = find(types, word);
    if (type < 0) {
        return mw_error_set(
            error, MW_ERR_PARSE,
            "type \"%.*s\": int16, uint16, int32, uint32, int64, uint64, float32 or "
            "float64 was expected",
            (int)word.size, word.data);
    }
    reg->type = (enum mw_modbus_type)(type + MW_MODBUS_INT16);
    return MW_OK;
}

mw_err mw_modbus_register_parse(struct mw_modbus_register *out, const char *text,
                                struct mw_error *error)
{
    struct mw_modbus_register reg = {.order = MW_MODBUS_DEVICE, .scale = 1};
    mw_err err = parse_table(&text, &reg.table, error);
    if (err == MW_OK) {
        err = parse_address(&text, &reg.address, error);
    }
    if (err == MW_OK && reg.table >= MW_MODBUS_HOLDING) {
        err = parse_type(&text, &reg, error);
    }
    for (struct mw_span word = next_word(&text); err == MW_OK && word.size > 0;
         word = next_word(&text)) {
        err = parse_extra(&reg, word, error);
    }
    if (err == MW_OK && reg.address + mw_modbus_register_size(&reg) > 65536) {
        err = mw_error_set(error, MW_ERR_RANGE,
                           "address %u: %u registers from there reach beyond 65535, the last one",
                           (unsigned)reg.address, mw_modbus_register_size(&reg));
    }
    if (err == MW_OK) {
        *out = reg;
    }
    return err;
}

mw_err mw_modbus_write_parse(struct mw_modbus_write *out, const char *text, struct mw_error *error)
{
    struct mw_modbus_write write = {0};
    mw_err err = parse_table(&text, &write.table, error);
    if (err == MW_OK && write.table != MW_MODBUS_COIL && write.table != MW_MODBUS_HOLDING) {
        err = mw_error_set(error, MW_ERR_PARSE,
                           "a write to %s: coil or holding was expected, the others can only be "
                           "read",
                           tables[write.table]);
    }
    if (err == MW_OK) {
        err = parse_address(&text, &write.address, error);
    }
    if (err != MW_OK) {
        return err;
    }
    unsigned most = write.table == MW_MODBUS_COIL ? 1 : 65535;
    struct mw_span sign = next_word(&text), word = next_word(&text), rest = next_word(&text);
    uint64_t number;
    if (!mw_span_is(sign, "=") || rest.size > 0 || mw_number_parse_u64(word, &number) != MW_OK ||
        number > most) {
        return mw_error_set(error, MW_ERR_PARSE, "\"= VALUE\" was expected, from 0 to %u", most);
    }
    write.value = (uint16_t)number;
    *out = write;
    return MW_OK;
}

/* --- requests --- */

unsigned mw_modbus_register_size(const struct mw_modbus_register *reg)
{
    switch (reg->type) {
    case MW_MODBUS_BIT:
    case MW_MODBUS_INT16:
    case MW_MODBUS_UINT16:
        return 1;
    case MW_MODBUS_INT32:
    case MW_MODBUS_UINT32:
    case MW_MODBUS_FLOAT32:
        return 2;
    case MW_MODBUS_INT64:
    case MW_MODBUS_UINT64:
    case MW_MODBUS_FLOAT64:
        return 4;
    }
    return 1;
}

bool mw_modbus_registers_overlap(const struct mw_modbus_register *a,
                                 const struct mw_modbus_register *b)
{
    return a->table == b->table && a->address < b->address + mw_modbus_register_size(b) &&
           b->address < a->address + mw_modbus_register_size(a);
}

static bool before(const struct mw_modbus_register *a, const struct mw_modbus_register *b)
{
    return a->table < b->table || (a->table == b->table && a->address < b->address);
}

static bool joins(const struct mw_modbus_batch *batch, const struct mw_modbus_register *reg)
{
    unsigned most = reg->type == MW_MODBUS_BIT ? MW_MODBUS_BITS_MAX : MW_MODBUS_WORDS_MAX;
    return batch->table == reg->table && batch->address + batch->count == reg->address &&
           batch->count + mw_modbus_register_size(reg) <= most;
}

size_t mw_modbus_batches(const struct mw_modbus_register *reg, size_t n, uint16_t *place,
                         struct mw_modbus_batch *batch)
{
    for (size_t i = 0; i < n; i++) { /* insertion: a hundred at most, once */
        size_t at = i;
        for (; at > 0 && before(&reg[i], &reg[place[at - 1]]); at--) {
            place[at] = place[at - 1];
        }
        place[at] = (uint16_t)i;
    }
    size_t batches = 0;
    for (size_t i = 0; i < n; i++) {
        const struct mw_modbus_register *next = &reg[place[i]];
        if (batches == 0 || !joins(&batch[batches - 1], next)) {
            batch[batches++] = (struct mw_modbus_batch){
                .table = next->table, .address = next->address, .first = i};
        }
        struct mw_modbus_batch *last = &batch[batches - 1];
        last->count = (uint16_t)(last->count + mw_modbus_register_size(next));
        last->n++;
    }
    return batches;
}

/* --- numbers --- */

static uint64_t bits_of(const struct mw_modbus_register *reg, const uint16_t *word)
{
    unsigned n = mw_modbus_register_size(reg);
    bool words = reg->order == MW_MODBUS_CDAB || reg->order == MW_MODBUS_DCBA;
    bool bytes = reg->order == MW_MODBUS_BADC || reg->order == MW_MODBUS_DCBA;
    uint64_t bits = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned w = word[words ? n - 1 - i : i];
        bits = bits << 16 | (bytes ? (w << 8 & 0xff00U) | w >> 8 : w);
    }
    return bits;
}

double mw_modbus_decode(const struct mw_modbus_register *reg, const uint16_t *word)
{
    uint64_t bits = bits_of(reg, word);
    uint32_t low = (uint32_t)bits;
    double raw = 0;
    float single;
    switch (reg->type) {
    case MW_MODBUS_BIT:
        raw = bits != 0;
        break;
    case MW_MODBUS_INT16:
        raw = (int16_t)(uint16_t)bits;
        break;
    case MW_MODBUS_INT32:
        raw = (int32_t)low;
        break;
    case MW_MODBUS_INT64:
        raw = (double)(int64_t)bits;
        break;
    case MW_MODBUS_UINT16:
    case MW_MODBUS_UINT32:
    case MW_MODBUS_UINT64:
        raw = (double)bits;
        break;
    case MW_MODBUS_FLOAT32:
        memcpy(&single, &low, sizeof single);
        raw = (double)single;
        break;
    case MW_MODBUS_FLOAT64:
        memcpy(&raw, &bits, sizeof raw);
        break;
    }
    return raw * reg->scale + reg->offset;
}
