/* flatbuffer.h - reads a FlatBuffer that may be hostile, without trusting one byte of it.
 *
 * Layout (all numbers little endian; every offset is checked against the file before it is
 * followed):
 *
 *   file    u32 offset of the root table; 4 bytes file identifier; ...
 *   table   i32 distance back to its vtable; fields at the places that the vtable says
 *   vtable  u16 bytes of the vtable; u16 bytes of the table; u16 place of field 0, 1, ... in the
 *           table (0: absent, the default holds)
 *   vector  u32 number of elements; the elements. A vector of tables holds u32 offsets, each
 * counted from its own place string  a vector of bytes and a NUL that does not count
 *
 * A field that refers to a table, vector or string is a u32 offset counted from its own place.
 * Functions return false when the bytes are malformed; an absent field is not an error.
 */
#ifndef MW_CORE_MODEL_FLATBUFFER_H
#define MW_CORE_MODEL_FLATBUFFER_H

#include "core/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_FLATBUFFER_SIZE_MAX ((size_t)INT32_MAX) /* offsets must not wrap */

struct mw_table {
    struct mw_span file;
    size_t at;     /* place of the table; 0 means absent */
    size_t vtable; /* place of its vtable */
    size_t fields; /* number of fields that the vtable has */
    size_t bytes;  /* of the table */
};

struct mw_vector {
    struct mw_span file;
    size_t at;    /* place of element 0 */
    size_t count; /* elements; 0 when absent */
    size_t width; /* bytes of an element */
};

/* The root table of a file with that 4-byte identifier. The file may be unaligned. */
bool mw_table_root(struct mw_span file, const char *identifier, struct mw_table *root);

/* Scalars of field number `field` (0 and up), or `absent` when the table does not have it. */
bool mw_table_u8(const struct mw_table *table, size_t field, uint8_t absent, uint8_t *value);
bool mw_table_i32(const struct mw_table *table, size_t field, int32_t absent, int32_t *value);
bool mw_table_u32(const struct mw_table *table, size_t field, uint32_t absent, uint32_t *value);
bool mw_table_u64(const struct mw_table *table, size_t field, uint64_t absent, uint64_t *value);
bool mw_table_f32(const struct mw_table *table, size_t field, float absent, float *value);

/* References. Absent gives a table with at 0, a vector with count 0, an empty span. */
bool mw_table_table(const struct mw_table *table, size_t field, struct mw_table *value);
bool mw_table_vector(const struct mw_table *table, size_t field, size_t width,
                     struct mw_vector *value);
bool mw_table_string(const struct mw_table *table, size_t field, struct mw_span *value);

/* Element i < count. Vectors of numbers were checked whole when opened; a table is checked here. */
bool mw_vector_table(const struct mw_vector *vector, size_t i, struct mw_table *value);
int32_t mw_vector_i32(const struct mw_vector *vector, size_t i);
int64_t mw_vector_i64(const struct mw_vector *vector, size_t i);
float mw_vector_f32(const struct mw_vector *vector, size_t i);

#endif
