/* slots_saved.c - slots to bytes and back. */
#include "core/update/slots.h"

#include <string.h>

enum { LAYOUT = 1, SLOT_AT = 20, SLOT_BYTES = 44, CRC_AT = 108 };
static const uint8_t magic[4] = {'M', 'W', 'S', 'L'};

/* CRC-32 of IEEE 802.3, reflected, bit by bit: 108 bytes are not worth a table. */
static uint32_t crc32(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0);
        }
    }
    return ~crc;
}

static void put(uint8_t *at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = n; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

void mw_slots_save(struct mw_slots *slots, uint8_t *bytes)
{
    slots->generation++;
    memset(bytes, 0, MW_SLOTS_BYTES);
    memcpy(bytes, magic, sizeof magic);
    bytes[4] = LAYOUT;
    bytes[5] = slots->active;
    bytes[6] = slots->previous;
    bytes[7] = slots->starts_left;
    put(bytes + 8, slots->generation, 4);
    put(bytes + 12, slots->floor, 8);
    for (size_t i = 0; i < MW_SLOTS; i++) {
        uint8_t *at = bytes + SLOT_AT + i * SLOT_BYTES;
        at[0] = (uint8_t)slots->slot[i].state;
        put(at + 4, slots->slot[i].version, 8);
        memcpy(at + 12, slots->slot[i].digest, MW_SLOTS_DIGEST);
    }
    put(bytes + CRC_AT, crc32(bytes, CRC_AT), 4);
}

/* A slot number, or none, whose slot (if any) is in one of two states. */
static bool refers(const struct mw_slots *slots, uint8_t slot, enum mw_slot_state a,
                   enum mw_slot_state b)
{
    return slot == MW_SLOT_NONE ||
           (slot < MW_SLOTS && (slots->slot[slot].state == a || slots->slot[slot].state == b));
}

/* What the functions of slots.c could have left behind: a copy with a right checksum may still come
 * from a program with a mistake, and must not lead this one astray. */
static bool consistent_slot(const struct mw_slots *slots, uint8_t i)
{
    uint64_t version = slots->slot[i].version;
    switch (slots->slot[i].state) {
    case MW_SLOT_EMPTY:
        return true;
    case MW_SLOT_STAGED:
        return i == (slots->active == 0 ? 1 : 0) && version > 0 && version >= slots->floor;
    case MW_SLOT_TRIAL:
        return i == slots->active && version <= slots->floor;
    case MW_SLOT_GOOD:
        return (i == slots->active || i == slots->previous) && version <= slots->floor;
    case MW_SLOT_BAD:
        return i != slots->active && i != slots->previous && version <= slots->floor;
    default:
        return false;
    }
}

static bool consistent(const struct mw_slots *slots)
{
    for (uint8_t i = 0; i < MW_SLOTS; i++) {
        if (!consistent_slot(slots, i)) {
            return false;
        }
    }
    return refers(slots, slots->active, MW_SLOT_TRIAL, MW_SLOT_GOOD) &&
           refers(slots, slots->previous, MW_SLOT_GOOD, MW_SLOT_GOOD) &&
           (slots->previous == MW_SLOT_NONE || slots->previous != slots->active);
}

static bool load(struct mw_slots *slots, const uint8_t *bytes)
{
    if (bytes == NULL || memcmp(bytes, magic, sizeof magic) != 0 || bytes[4] != LAYOUT ||
        get(bytes + CRC_AT, 4) != crc32(bytes, CRC_AT)) {
        return false;
    }
    slots->active = bytes[5];
    slots->previous = bytes[6];
    slots->starts_left = bytes[7];
    slots->generation = (uint32_t)get(bytes + 8, 4);
    slots->floor = get(bytes + 12, 8);
    for (size_t i = 0; i < MW_SLOTS; i++) {
        const uint8_t *at = bytes + SLOT_AT + i * SLOT_BYTES;
        slots->slot[i].state = (enum mw_slot_state)at[0];
        slots->slot[i].version = get(at + 4, 8);
        memcpy(slots->slot[i].digest, at + 12, MW_SLOTS_DIGEST);
    }
    return consistent(slots);
}

mw_err mw_slots_load(struct mw_slots *slots, const uint8_t *copy_a, const uint8_t *copy_b)
{
    struct mw_slots a;
    struct mw_slots b;
    bool whole_a = load(&a, copy_a);
    bool whole_b = load(&b, copy_b);
    if (!whole_a && !whole_b) {
        mw_slots_init(slots);
        return MW_ERR_CORRUPT;
    }
    /* Generations may wrap around: the newer is the one that is ahead by less than half. */
    bool take_a = whole_a && (!whole_b || (int32_t)(a.generation - b.generation) >= 0);
    *slots = take_a ? a : b;
    return MW_OK;
}
