/* name_map.h - from a name to what bears it, in constant time however many there are.
 *
 * Open addressing over FNV-1a hashes (Fowler, Noll and Vo, 1991), at most half full. */
#ifndef MW_IOT_NAME_MAP_H
#define MW_IOT_NAME_MAP_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdint.h>

struct mw_name_entry {
    uint64_t hash;
    struct mw_span name; /* borrowed; data is NULL in an empty place */
    void *value;
};

/* {0} is empty. */
struct mw_name_map {
    struct mw_name_entry *entry;
    size_t n, capacity; /* a power of two */
};

/* NULL when nothing is called so. */
void *mw_name_map_find(const struct mw_name_map *map, struct mw_span name);
/* Adds a name that is not there yet. `name` is borrowed and must outlive the map; value is not
 * NULL. Errors: MEMORY. */
mw_err mw_name_map_add(struct mw_name_map *map, struct mw_span name, void *value);
void mw_name_map_free(struct mw_name_map *map);

#endif
