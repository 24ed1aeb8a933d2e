/* table.h - a hash table of things that know their own name; constant time for many thousands.
 *
 * Open addressing with linear probing; removal shifts back, so there are no tombstones. The table
 * holds pointers that the caller owns; an entry begins with struct mw_table_key, whose name must
 * stay as it is while the entry is in the table. The hash is FNV-1a (Fowler, Noll, Vo, 1991) from a
 * seed drawn at random, so that nobody outside can choose names that collide. */
#ifndef MW_PLATFORM_TABLE_H
#define MW_PLATFORM_TABLE_H

#include "core/err.h"
#include "core/span.h"

#include <stddef.h>
#include <stdint.h>

struct mw_table_key {
    struct mw_span name; /* lies in the entry's own memory */
    uint64_t hash;       /* the table's */
};

/* {0} is an empty table. */
struct mw_table {
    struct mw_table_key **slot; /* capacity of them, a power of two; NULL: free */
    size_t capacity, count;
    uint64_t seed;
};

/* The entry of that name, or NULL. */
void *mw_table_find(const struct mw_table *table, struct mw_span name);

/* Adds an entry (its first member is the key, with the name set) that is not there yet. MEMORY. */
mw_err mw_table_add(struct mw_table *table, void *entry);

/* Takes an entry out; it is the caller's to free. Not while walking with mw_table_next. */
void mw_table_remove(struct mw_table *table, void *entry);

/* Walks in no special order: start with *at = 0; NULL at the end. */
void *mw_table_next(const struct mw_table *table, size_t *at);

/* Frees every entry with `drop` (may be NULL) and the table's own memory. */
void mw_table_clear(struct mw_table *table, void (*drop)(void *entry));

#endif
