/* node_label.h - this node's labels in the cluster: for each class of accelerators that works here
 *
 *   millwright.dev/<class>=true  millwright.dev/<class>.count=2
 *
 * and no label of a class that does not. They are set by a merge patch of the Node, as the pod's
 * service account, and tried again with growing delays until the API server has taken them. */
#ifndef MW_PLATFORM_NODE_LABEL_H
#define MW_PLATFORM_NODE_LABEL_H

#include "lib/accelerator/table.h"
#include "lib/base/loop.h"

struct mw_node_label;

/* account: the folder of the service account's files. name: of the Node. Every class of the table
 * is set or cleared, so that what an earlier process has left does not stay. Errors: NOT_FOUND
 * (this is no pod), IO, NET, MEMORY. */
mw_err mw_node_label_new(struct mw_node_label **label, struct mw_loop *loop, const char *account,
                         const char *name, const struct mw_accelerator_table *table,
                         struct mw_error *error);
void mw_node_label_free(struct mw_node_label *label); /* NULL allowed */

/* So many devices of the class work; told with the next send. */
void mw_node_label_set(struct mw_node_label *label, const char *class, size_t count);
/* Sends what has changed since it was last taken. Returns at once. */
void mw_node_label_send(struct mw_node_label *label);

#endif
