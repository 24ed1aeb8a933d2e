/* node_edit.h - what a container is given with its accelerators, once for the kubelet's answers and
 * for CDI files: device nodes, mounts, and environment
 *
 *   MILLWRIGHT_ACCELERATOR_<CLASS>=/dev/...,/dev/...   the devices' own nodes
 *
 * besides what the table says. */
#ifndef MW_PLATFORM_NODE_EDIT_H
#define MW_PLATFORM_NODE_EDIT_H

#include "lib/accelerator/find.h"

struct mw_node_edits {
    void (*environment)(void *context, const char *name, const char *value);
    void (*mount)(void *context, const char *container, const char *host); /* read-only */
    void (*node)(void *context, const char *container, const char *host);  /* rw */
    void *context;
};

/* devices: n of one class, each with a node. A node that several share comes once. */
void mw_node_edit(const struct mw_accelerator *const *devices, size_t n, const char *host_root,
                  const struct mw_node_edits *edits);

#endif
