/* device_plugin.h - the messages between a kubelet and a device plugin (device plugin API v1beta1
 * of k8s.io/kubelet), as protocol buffers. Fields, by number:
 *
 *   RegisterRequest      1 version  2 endpoint  3 resource_name  4 options
 *   DevicePluginOptions  1 pre_start_required  2 get_preferred_allocation_available
 *   ListAndWatchResponse 1 device*;  Device: 1 ID  2 health  3 topology;  its 1 node*;  its 1 ID
 *   AllocateRequest and PreferredAllocationRequest   1 container request*
 *   ContainerAllocateRequest and PreStartContainerRequest   1 device id*
 *   ContainerPreferredAllocationRequest   1 available*  2 must include*  3 size
 *   AllocateResponse and PreferredAllocationResponse   1 container response*
 *   ContainerPreferredAllocationResponse   1 device id*
 *   ContainerAllocateResponse  1 environment{1 key 2 value}*  2 mount{1 container path 2 host path
 *                        3 read-only}*  3 device{1 container path 2 host path 3 permissions}*
 *                        5 CDI device{1 name}*
 *
 * Fields that are not known are passed over. Requests are checked whole when they are opened. */
#ifndef MW_KUBELET_DEVICE_PLUGIN_H
#define MW_KUBELET_DEVICE_PLUGIN_H

#include "core/err.h"
#include "core/span.h"
#include "lib/base/file.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_KUBELET_VERSION "v1beta1"
#define MW_KUBELET_REGISTER "/v1beta1.Registration/Register"
#define MW_KUBELET_PLUGIN "/v1beta1.DevicePlugin/"
#define MW_KUBELET_ID 63            /* longest device id, in bytes */
#define MW_KUBELET_CONTAINERS 64    /* most containers of a request that is read */
#define MW_KUBELET_DEVICES_MOST 256 /* most device ids of a container */

/* ---- what a plugin says; all append to `out`, all may fail with MEMORY only ---- */

/* pre_start and preferred: the optional calls that the plugin answers. */
mw_err mw_kubelet_write_options(struct mw_buffer *out, bool pre_start, bool preferred);
/* endpoint: the name of the plugin's socket beside the kubelet's. */
mw_err mw_kubelet_write_register(struct mw_buffer *out, const char *endpoint, const char *resource,
                                 bool pre_start, bool preferred);
/* One device of a ListAndWatchResponse. numa: its node, -1: not known. */
mw_err mw_kubelet_write_device(struct mw_buffer *out, const char *id, bool healthy, int numa);

/* The parts of one container's answer, and then that answer, of any kind, within the whole. */
mw_err mw_kubelet_write_environment(struct mw_buffer *out, const char *key, const char *value);
mw_err mw_kubelet_write_mount(struct mw_buffer *out, const char *container, const char *host,
                              bool read_only);
mw_err mw_kubelet_write_node(struct mw_buffer *out, const char *container, const char *host,
                             const char *permissions);
mw_err mw_kubelet_write_cdi(struct mw_buffer *out, const char *name);
mw_err mw_kubelet_write_preferred(struct mw_buffer *out, struct mw_span id);
mw_err mw_kubelet_write_container(struct mw_buffer *out, struct mw_span container);

/* ---- what a kubelet asks ---- */

/* What is asked for one container; ids borrow the request. */
struct mw_kubelet_container {
    struct mw_span ids[MW_KUBELET_DEVICES_MOST]; /* to allocate, or available ones to choose from */
    size_t n;
    struct mw_span must[MW_KUBELET_DEVICES_MOST]; /* of a preferred allocation only, as size */
    size_t n_must;
    int32_t size;
};

/* Checks an AllocateRequest or (preferred) a PreferredAllocationRequest. Errors: PARSE (no protocol
 * buffer, or a field of another type; an empty id, or one with other than printable ASCII),
 * TOO_LARGE (more than the limits above), both with *why. */
mw_err mw_kubelet_check_request(struct mw_span request, bool preferred, struct mw_why *why);
/* The container at *at (0 at first) of a checked request; false at its end. */
bool mw_kubelet_next_container(struct mw_span request, bool preferred, size_t *at,
                               struct mw_kubelet_container *container);
/* The ids of a PreStartContainerRequest. Errors: as above. */
mw_err mw_kubelet_read_ids(struct mw_span request, struct mw_kubelet_container *container,
                           struct mw_why *why);

#endif
