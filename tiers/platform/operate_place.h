/* operate_place.h - which class of accelerator the scorer of each plant gets: no input, no output.
 *
 * A plant names the classes that it would take, best first. A class other than the CPU is a
 * resource of Kubernetes that a node has so many of (its `allocatable`, as the device plugin
 * reports it). The oldest plant chooses first, so that a plant keeps what it has while others come
 * and go. */
#ifndef MW_PLATFORM_OPERATE_PLACE_H
#define MW_PLATFORM_OPERATE_PLACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Classes, numbered as mw_operate_classes has them; the CPU is the last. */
enum { MW_OPERATE_CLASSES = 8, MW_OPERATE_CPU = MW_OPERATE_CLASSES - 1 };

struct mw_operate_class {
    const char *name;     /* "edgetpu" */
    const char *resource; /* "millwright.dev/edgetpu"; NULL: every node has it */
};
extern const struct mw_operate_class mw_operate_classes[MW_OPERATE_CLASSES];

/* The number of a class, -1 when there is none of that name. */
int mw_operate_class_find(const char *name);

struct mw_operate_node {
    const json_t *labels; /* borrowed */
    bool usable;          /* ready, and pods may be put there */
    int64_t devices[MW_OPERATE_CLASSES];
};

/* What a Node of the API says; labels are borrowed from it. */
void mw_operate_node_read(const json_t *object, struct mw_operate_node *node);
bool mw_operate_node_has_devices(const struct mw_operate_node *node);

/* What the scheduler says of a Pod that it finds no place for because all devices of this class are
 * taken; NULL: it says nothing of the kind. Borrowed from the object. */
const char *mw_operate_pod_lacks(const json_t *pod, int class);

struct mw_operate_seat {
    int preference[MW_OPERATE_CLASSES]; /* classes, best first */
    size_t n;
    int64_t count;          /* devices that it needs, all of one class; 0: one */
    const json_t *selector; /* labels that the node has to have; NULL: any; borrowed */
    unsigned avoid;         /* bit i: class i was tried, and the scheduler found no place */
    int chosen;             /* out: a class; -1: none of them is free */
};

/* seats: the oldest plant first. Nodes without devices may be left out. `left` is memory for
 * n_nodes. */
void mw_operate_place(struct mw_operate_seat *seats, size_t n_seats,
                      const struct mw_operate_node *nodes, size_t n_nodes,
                      int64_t (*left)[MW_OPERATE_CLASSES]);

#endif
