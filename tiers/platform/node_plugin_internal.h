/* node_plugin_internal.h - what the files of node_plugin share. */
#ifndef MW_PLATFORM_NODE_PLUGIN_INTERNAL_H
#define MW_PLATFORM_NODE_PLUGIN_INTERNAL_H

#include "lib/grpc/client.h"
#include "lib/grpc/server.h"
#include "tiers/platform/node_plugin.h"

#include <sys/un.h>
#include <time.h>

enum { MW_NODE_WATCHERS = 8 }; /* ListAndWatch calls at a time; a kubelet has one */

/* Which kubelet it is that listens at its socket. */
struct mw_node_kubelet {
    uint64_t device, inode;
    struct timespec made;
};

struct mw_node_plugin {
    struct mw_loop *loop;
    const struct mw_node_options *options;
    char class[MW_ACCELERATOR_CLASS + 1];
    char resource[MW_ACCELERATOR_CLASS + 32], endpoint[MW_ACCELERATOR_CLASS + 32];

    struct mw_node_device *device;
    size_t n;
    bool has_cdi; /* the CDI file says what `device` says, so that its names may be given out */

    struct mw_grpc_server *server;
    struct mw_grpc_call *watcher[MW_NODE_WATCHERS];
    size_t watchers;
    char refused[MW_ERROR_TEXT]; /* what was logged last about a socket that cannot be made */

    struct mw_grpc_client *client; /* of a registration; not needed any more once it has ended */
    bool registering, registered;
    struct mw_node_kubelet kubelet; /* that it was tried with last */
    int64_t next_try;               /* monotonic */
    unsigned failures;
    struct mw_loop_watch *retry;
};

/* Answers one call of the kubelet; context is the plugin. */
void mw_node_answer(void *context, struct mw_grpc_call *call, const char *method,
                    struct mw_span request);
/* Tells all who watch which devices there are. */
void mw_node_tell(struct mw_node_plugin *plugin);

#endif
