/* node_plugin.h - the device plugin of one class of accelerators: its gRPC server, its registration
 * with the kubelet, and what it answers. Of the role node only; see node.h.
 *
 * A kubelet that starts removes all sockets in its folder and makes its own anew. So the plugin
 * compares what is there with what it knows - its own socket, and which kubelet's socket it has
 * registered at - whenever something in the folder changes, and every look, and does what is
 * missing. */
#ifndef MW_PLATFORM_NODE_PLUGIN_H
#define MW_PLATFORM_NODE_PLUGIN_H

#include "lib/accelerator/find.h"
#include "lib/base/loop.h"
#include "tiers/platform/node.h"

struct mw_node_plugin;

struct mw_node_device {
    struct mw_accelerator device;
    int64_t gone;                    /* monotonic time since when it is missing; 0: it is there */
    char given[MW_ACCELERATOR_PATH]; /* node that a container was given last; "": none */
};

/* Makes the plugin of a class, with no devices and not yet serving. Borrows options and class while
 * it lives. NULL: out of memory. */
struct mw_node_plugin *mw_node_plugin_new(struct mw_loop *loop,
                                          const struct mw_node_options *options, const char *class);
void mw_node_plugin_free(struct mw_node_plugin *plugin); /* NULL allowed; not from a callback */

const char *mw_node_plugin_class(const struct mw_node_plugin *plugin);
/* Healthy devices. */
size_t mw_node_plugin_count(const struct mw_node_plugin *plugin);

/* The n devices of the class that a look has found, copied. Tells the log, the kubelet and the CDI
 * file what has changed. */
void mw_node_plugin_update(struct mw_node_plugin *plugin, const struct mw_accelerator *devices,
                           size_t n);
/* Makes all devices unhealthy until the next update. */
void mw_node_plugin_doubt(struct mw_node_plugin *plugin, const char *reason);

/* Serves, and registers, when that is to be done. */
void mw_node_plugin_tend(struct mw_node_plugin *plugin);

#endif
