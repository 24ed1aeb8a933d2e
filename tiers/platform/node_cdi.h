/* node_cdi.h - the accelerators of a class as a file of the Container Device Interface, for
 * container runtimes that read those: FOLDER/millwright-<class>.json, kind millwright.dev/<class>,
 * a device by its id. */
#ifndef MW_PLATFORM_NODE_CDI_H
#define MW_PLATFORM_NODE_CDI_H

#include "lib/accelerator/find.h"

#define MW_NODE_CDI_VERSION "0.5.0" /* the first that knows hostPath */

/* Replaces the file, as readers see it at once; without a device that has a node it is removed.
 * host_root: what goes before the nodes' paths on the host. The folder is made. Errors: IO, FULL,
 * MEMORY, TOO_LARGE. */
mw_err mw_node_cdi_write(const char *folder, const char *class,
                         const struct mw_accelerator *devices, size_t n, const char *host_root,
                         struct mw_error *error);

/* Removes our files of classes for which is_kept says false. Best effort. */
void mw_node_cdi_sweep(const char *folder, bool (*is_kept)(void *context, const char *class),
                       void *context);

#endif
