#include "tiers/training/flat_builder.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are copied as they are");

void mw_flat_fini(struct mw_flat *flat)
{
    free(flat->data);
    *flat = (struct mw_flat){0};
}

/* Room for `size` more bytes in front of what is there; NULL when there is none. */
static uint8_t *push(struct mw_flat *flat, size_t size)
{
    if (flat->failed) {
        return NULL;
    }
    if (size > flat->capacity - flat->used) {
        size_t capacity = flat->capacity == 0 ? 1024 : flat->capacity;
        while (capacity - flat->used < size) {
            capacity *= 2;
        }
        uint8_t *bigger = malloc(capacity);
        if (bigger == NULL) {
            flat->failed = true;
            return NULL;
        }
        if (flat->used > 0) {
            memcpy(bigger + capacity - flat->used, flat->data + flat->capacity - flat->used,
                   flat->used);
        }
        free(flat->data);
        flat->data = bigger;
        flat->capacity = capacity;
    }
    flat->used += size;
    return flat->data + flat->capacity - flat->used;
}

/* Pads so that, once `ahead` more bytes are pushed, the place is a multiple of align. */
static void pad(struct mw_flat *flat, size_t align, size_t ahead)
{
    size_t over = (flat->used + ahead) % align;
    flat->align = align > flat->align ? align : flat->align;
    if (over > 0) {
        uint8_t *place = push(flat, align - over);
        if (place != NULL) {
            memset(place, 0, align - over);
        }
    }
}

static void put(struct mw_flat *flat, const void *bytes, size_t size)
{
    uint8_t *place = push(flat, size);
    if (place != NULL && size > 0) {
        memcpy(place, bytes, size);
    }
}

static uint32_t here(const struct mw_flat *flat)
{
    return (uint32_t)flat->used;
}

uint32_t mw_flat_vector(struct mw_flat *flat, const void *elements, size_t n, size_t size,
                        size_t align)
{
    uint32_t count = (uint32_t)n;
    pad(flat, align > 4 ? align : 4, n * size);
    put(flat, elements, n * size);
    put(flat, &count, sizeof count);
    return here(flat);
}

uint32_t mw_flat_text(struct mw_flat *flat, const char *text)
{
    uint32_t length = (uint32_t)strlen(text);
    pad(flat, 4, (size_t)length + 1);
    put(flat, text, (size_t)length + 1);
    put(flat, &length, sizeof length);
    return here(flat);
}

/* A stored reference is the distance from its own place to the object. */
static void put_reference(struct mw_flat *flat, uint32_t reference)
{
    uint32_t distance = here(flat) + 4 - reference;
    put(flat, &distance, sizeof distance);
}

uint32_t mw_flat_references(struct mw_flat *flat, const uint32_t *references, size_t n)
{
    uint32_t count = (uint32_t)n;
    pad(flat, 4, n * 4);
    for (size_t i = n; i-- > 0;) {
        put_reference(flat, references[i]);
    }
    put(flat, &count, sizeof count);
    return here(flat);
}

void mw_flat_open(struct mw_flat *flat)
{
    memset(flat->field, 0, sizeof flat->field);
    flat->table = flat->used;
}

void mw_flat_u8(struct mw_flat *flat, size_t field, uint8_t value)
{
    put(flat, &value, sizeof value);
    flat->field[field] = here(flat);
}

void mw_flat_u32(struct mw_flat *flat, size_t field, uint32_t value)
{
    pad(flat, 4, 4);
    put(flat, &value, sizeof value);
    flat->field[field] = here(flat);
}

void mw_flat_reference(struct mw_flat *flat, size_t field, uint32_t reference)
{
    if (reference == 0) {
        return;
    }
    pad(flat, 4, 4);
    put_reference(flat, reference);
    flat->field[field] = here(flat);
}

uint32_t mw_flat_close(struct mw_flat *flat)
{
    size_t fields = MW_FLAT_FIELDS;
    while (fields > 0 && flat->field[fields - 1] == 0) {
        fields--;
    }
    uint16_t vtable[2 + MW_FLAT_FIELDS];
    size_t bytes = (2 + fields) * sizeof *vtable;
    int32_t to_vtable;
    pad(flat, 4, 4);
    /* The vtable lies right before its table: the table's first word is the distance between them.
     */
    to_vtable = (int32_t)bytes;
    put(flat, &to_vtable, sizeof to_vtable);
    uint32_t table = here(flat);
    vtable[0] = (uint16_t)bytes;
    vtable[1] = (uint16_t)(table - flat->table);
    for (size_t i = 0; i < fields; i++) {
        vtable[2 + i] = flat->field[i] == 0 ? 0 : (uint16_t)(table - flat->field[i]);
    }
    put(flat, vtable, bytes);
    return table;
}

mw_err mw_flat_finish(struct mw_flat *flat, uint32_t root, const char *identifier,
                      const uint8_t **file)
{
    pad(flat, flat->align > 4 ? flat->align : 4, 8);
    put(flat, identifier, 4);
    put_reference(flat, root);
    *file = flat->failed ? NULL : flat->data + flat->capacity - flat->used;
    return flat->failed ? MW_ERR_MEMORY : MW_OK;
}
