#include "tiers/iot/name_map.h"

#include <stdlib.h>

static uint64_t hash_of(struct mw_span name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* The place of a name, or the empty one where it belongs. The map is never full. */
static struct mw_name_entry *place_of(const struct mw_name_map *map, struct mw_span name,
                                      uint64_t hash)
{
    size_t at = (size_t)hash & (map->capacity - 1);
    while (map->entry[at].name.data != NULL &&
           (map->entry[at].hash != hash || !mw_span_equal(map->entry[at].name, name))) {
        at = (at + 1) & (map->capacity - 1);
    }
    return &map->entry[at];
}

void *mw_name_map_find(const struct mw_name_map *map, struct mw_span name)
{
    return map->n == 0 ? NULL : place_of(map, name, hash_of(name))->value;
}

static mw_err grow(struct mw_name_map *map)
{
    struct mw_name_map larger = {.n = map->n,
                                 .capacity = map->capacity == 0 ? 16 : map->capacity * 2};
    larger.entry = calloc(larger.capacity, sizeof *larger.entry);
    if (larger.entry == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entry[i].name.data != NULL) {
            *place_of(&larger, map->entry[i].name, map->entry[i].hash) = map->entry[i];
        }
    }
    free(map->entry);
    *map = larger;
    return MW_OK;
}

mw_err mw_name_map_add(struct mw_name_map *map, struct mw_span name, void *value)
{
    if (map->n * 2 >= map->capacity && grow(map) != MW_OK) {
        return MW_ERR_MEMORY;
    }
    uint64_t hash = hash_of(name);
    *place_of(map, name, hash) = (struct mw_name_entry){hash, name, value};
    map->n++;
    return MW_OK;
}

void mw_name_map_free(struct mw_name_map *map)
{
    free(map->entry);
    *map = (struct mw_name_map){0};
}
