/* node.h - role node: the accelerators of this machine, for Kubernetes.
 *
 * Looks into sysfs again and again, and serves the kubelet one device plugin a class: a socket
 * millwright-<class>.sock beside the kubelet's, the resource millwright.dev/<class>. The devices
 * are looked at on a thread of their own, because one that is wedged may hold up who asks it: while
 * that look does not return, all are reported unhealthy.
 *
 * A device that has gone is reported unhealthy at once and forgotten after a while; one that comes
 * back at its port is the same one. */
#ifndef MW_PLATFORM_NODE_H
#define MW_PLATFORM_NODE_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_node_options {
    char *sysfs_root;   /* sys, dev and proc are looked for below it */
    char *host_root;    /* what goes before /dev in the paths that the kubelet is told */
    char *accelerators; /* file with the user's rows of the table; "": none */
    char *kubelet;      /* folder of the kubelet's socket and the plugins' */
    char *cdi;          /* folder of CDI files; "": none are written */
    char *node_name;    /* of this node, to label it; "": it is not labelled */
    char *account;      /* folder of the service account that may */
    int64_t interval;   /* microseconds between looks */
    int64_t patience;   /* microseconds that a look may take */
    int64_t forget;     /* microseconds after which a device that has gone is forgotten */
};

/* Runs until stopped. Errors: those of the table's file and of the loop. */
mw_err mw_node_run(const struct mw_node_options *options, struct mw_error *error);

/* Prints what is found, as a table or as JSON. Exits are the caller's. */
mw_err mw_node_list(const struct mw_node_options *options, bool json, struct mw_error *error);

#endif
