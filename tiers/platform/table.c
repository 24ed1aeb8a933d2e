#include "tiers/platform/table.h"

#include <stdlib.h>
#include <sys/random.h>

static uint64_t hash_of(const struct mw_table *table, struct mw_span name)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ table->seed;
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(1099511628211);
    }
    return hash ^ (hash >> 32);
}

void *mw_table_find(const struct mw_table *table, struct mw_span name)
{
    if (table->count == 0) {
        return NULL;
    }
    uint64_t hash = hash_of(table, name);
    size_t mask = table->capacity - 1;
    for (size_t i = (size_t)hash & mask; table->slot[i] != NULL; i = (i + 1) & mask) {
        if (table->slot[i]->hash == hash && mw_span_equal(table->slot[i]->name, name)) {
            return table->slot[i];
        }
    }
    return NULL;
}

static void place(struct mw_table *table, struct mw_table_key *key)
{
    size_t mask = table->capacity - 1;
    size_t i = (size_t)key->hash & mask;
    while (table->slot[i] != NULL) {
        i = (i + 1) & mask;
    }
    table->slot[i] = key;
}

static mw_err grow(struct mw_table *table)
{
    size_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
    struct mw_table_key **slot = calloc(capacity, sizeof *slot);
    if (slot == NULL) {
        return MW_ERR_MEMORY;
    }
    if (table->capacity == 0 && getrandom(&table->seed, sizeof table->seed, GRND_NONBLOCK) < 0) {
        table->seed = (uint64_t)(uintptr_t)slot;
    }
    struct mw_table_key **old = table->slot;
    size_t old_capacity = table->capacity;
    table->slot = slot;
    table->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i] != NULL) {
            place(table, old[i]);
        }
    }
    free(old);
    return MW_OK;
}

mw_err mw_table_add(struct mw_table *table, void *entry)
{
    struct mw_table_key *key = entry;
    if (table->count * 4 >= table->capacity * 3) {
        mw_err err = grow(table);
        if (err != MW_OK) {
            return err;
        }
    }
    key->hash = hash_of(table, key->name);
    place(table, key);
    table->count++;
    return MW_OK;
}

void mw_table_remove(struct mw_table *table, void *entry)
{
    struct mw_table_key *key = entry;
    size_t mask = table->capacity - 1;
    size_t hole = (size_t)key->hash & mask;
    while (table->slot[hole] != key) {
        hole = (hole + 1) & mask;
    }
    table->slot[hole] = NULL;
    table->count--;
    /* What probed past the hole moves into it, unless its own place lies behind the hole. */
    for (size_t i = (hole + 1) & mask; table->slot[i] != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)table->slot[i]->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slot[hole] = table->slot[i];
            table->slot[i] = NULL;
            hole = i;
        }
    }
}

void *mw_table_next(const struct mw_table *table, size_t *at)
{
    while (*at < table->capacity) {
        struct mw_table_key *key = table->slot[(*at)++];
        if (key != NULL) {
            return key;
        }
    }
    return NULL;
}

void mw_table_clear(struct mw_table *table, void (*drop)(void *entry))
{
    size_t at = 0;
    void *entry;
    while (drop != NULL && (entry = mw_table_next(table, &at)) != NULL) {
        drop(entry);
    }
    free(table->slot);
    *table = (struct mw_table){0};
}
