/* flat_builder.h - writes a FlatBuffer, from its end to its start.
 *
 * A FlatBuffer holds references forward only, so what is referred to is written first and lies
 * behind. A reference handed out here is the distance of an object from the end of the buffer.
 * Alignment is counted from the end too; mw_flat_finish pads the start so that it holds from there
 * as well. The same calls give the same bytes. Source: FlatBuffers internals (flatbuffers.dev),
 * "Encoding". */
#ifndef MW_TRAINING_FLAT_BUILDER_H
#define MW_TRAINING_FLAT_BUILDER_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_FLAT_FIELDS 16 /* fields of a table, at most */

/* {0} is empty; mw_flat_fini frees. A failed allocation sets `failed`, later calls do nothing. */
struct mw_flat {
    uint8_t *data; /* capacity bytes, the newest `used` at the end */
    size_t capacity, used, align;
    bool failed;
    uint32_t field[MW_FLAT_FIELDS]; /* places of the open table's fields; 0: absent */
    size_t table;                   /* `used` when the table was opened */
};

void mw_flat_fini(struct mw_flat *flat);

/* A vector of n elements of `size` bytes (1, 4 or 8) in the host's order, its data aligned to
 * `align` (at least size). */
uint32_t mw_flat_vector(struct mw_flat *flat, const void *elements, size_t n, size_t size,
                        size_t align);
uint32_t mw_flat_text(struct mw_flat *flat, const char *text);
/* A vector of references to tables. */
uint32_t mw_flat_references(struct mw_flat *flat, const uint32_t *references, size_t n);

/* A table: open, set fields by number (each once; a reference of 0 is left out), close. */
void mw_flat_open(struct mw_flat *flat);
void mw_flat_u8(struct mw_flat *flat, size_t field, uint8_t value);
void mw_flat_u32(struct mw_flat *flat, size_t field, uint32_t value);
void mw_flat_reference(struct mw_flat *flat, size_t field, uint32_t reference);
uint32_t mw_flat_close(struct mw_flat *flat);

/* Writes the root and the four characters of the file's identifier. Then the file is the `used`
 * bytes at *file, inside data. Errors: MEMORY. */
mw_err mw_flat_finish(struct mw_flat *flat, uint32_t root, const char *identifier,
                      const uint8_t **file);

#endif
