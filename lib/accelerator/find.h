/* find.h - the accelerators of a machine, as its sysfs shows them.
 *
 * A device is named by where it is plugged in, not by its address, so that one which leaves the bus
 * and comes back - as a Coral USB does when it is given its firmware - is the same device:
 * usb-1-1.4 (the USB port), pci-0000:03:00.0, dt-fdab0000.npu, dev-ethosu0. */
#ifndef MW_ACCELERATOR_FIND_H
#define MW_ACCELERATOR_FIND_H

#include "lib/accelerator/table.h"

#include <limits.h>
#include <stdbool.h>

enum { MW_ACCELERATOR_NODES_MOST = 24, MW_ACCELERATOR_PATH = 96 };

struct mw_accelerator {
    char id[64];
    const struct mw_accelerator_row *row; /* borrows the table */
    char name[64];                        /* the name that matched: "usb:18d1:9302" */
    char folder[PATH_MAX];                /* in sysfs, with the root before it; "": none */
    char attributes[PATH_MAX];            /* of its node in sysfs; "": none */
    char node[MW_ACCELERATOR_NODES_MOST][MW_ACCELERATOR_PATH]; /* without the root; its own first */
    size_t nodes;
    int numa;     /* -1: not known */
    unsigned bus; /* of USB; 0: on none */
    bool healthy;
    char reason[160]; /* why not */
};

struct mw_accelerators {
    struct mw_accelerator *item; /* by class, then id */
    size_t n;
};

/* Looks into root/sys, root/dev and root/proc ("/" or ""; the machine itself). A folder that is not
 * there has nothing in it. All found are healthy, but those without a node. May block as long as a
 * file of sysfs does. *found is replaced. Errors: MEMORY. */
mw_err mw_accelerators_find(struct mw_accelerators *found, const struct mw_accelerator_table *table,
                            const char *root);
void mw_accelerators_clear(struct mw_accelerators *found);

/* Asks a device that is healthy so far whether it still works: its node is there, it answers on its
 * bus, its attributes say what the table wants. May block; sets healthy and reason. */
void mw_accelerator_check(struct mw_accelerator *device, const char *root);

#endif
