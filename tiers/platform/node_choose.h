/* node_choose.h - which of several free accelerators a container should get.
 *
 * Those of one NUMA node go together; on one NUMA node those on different USB buses go first, since
 * a bus shares its bandwidth; then those that are first by name, so that the same question has the
 * same answer. */
#ifndef MW_PLATFORM_NODE_CHOOSE_H
#define MW_PLATFORM_NODE_CHOOSE_H

#include "lib/accelerator/find.h"

#include <stddef.h>
#include <stdint.h>

struct mw_node_wish {
    const struct mw_span *available; /* ids; those that must be in may be among them */
    size_t n;
    const struct mw_span *must; /* ids that have to be in */
    size_t n_must;
    size_t size; /* how many, `must` included */
};

/* Puts the ids chosen, at most `size`, those that must be in first, into chosen (size of them) and
 * returns how many there are; fewer when not so many are available. Ids that are not among the n
 * devices are taken last. reason (may be NULL): for people, what decided. */
size_t mw_node_choose(const struct mw_accelerator *devices, size_t n,
                      const struct mw_node_wish *wish, struct mw_span *chosen, const char **reason);

#endif
