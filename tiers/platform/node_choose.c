#include "tiers/platform/node_choose.h"

#include <stdio.h>
#include <string.h>

/* What is known of an id; NULL: nothing. */
static const struct mw_accelerator *device_of(const struct mw_accelerator *devices, size_t n,
                                              struct mw_span id)
{
    for (size_t i = 0; i < n; i++) {
        if (mw_span_is(id, devices[i].id)) {
            return &devices[i];
        }
    }
    return NULL;
}

static bool is_in(struct mw_span id, const struct mw_span *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (mw_span_equal(id, ids[i])) {
            return true;
        }
    }
    return false;
}

/* Names as a person orders them: usb-1-2 before usb-1-10. */
static bool is_before(struct mw_span a, struct mw_span b)
{
    char first[64], second[64];
    snprintf(first, sizeof first, "%.*s", (int)a.size, a.data);
    snprintf(second, sizeof second, "%.*s", (int)b.size, b.data);
    return strverscmp(first, second) < 0;
}

struct choice {
    const struct mw_accelerator *devices;
    size_t n_devices;
    const struct mw_node_wish *wish;
    struct mw_span *chosen;
    size_t n;
};

/* How many of a NUMA node could be had. */
static size_t room_on(const struct choice *choice, int numa)
{
    size_t room = 0;
    for (size_t i = 0; i < choice->wish->n; i++) {
        const struct mw_accelerator *device =
            device_of(choice->devices, choice->n_devices, choice->wish->available[i]);
        room += device != NULL && device->numa == numa;
    }
    return room;
}

/* Smaller is better: strangers last, then those of another NUMA node than the first one's, then
 * those whose USB bus has been chosen from. A first one is best where all would find room. */
static unsigned cost_of(const struct choice *choice, struct mw_span id)
{
    const struct mw_accelerator *device = device_of(choice->devices, choice->n_devices, id);
    if (device == NULL) {
        return 1000000;
    }
    const struct mw_accelerator *first =
        choice->n == 0 ? NULL : device_of(choice->devices, choice->n_devices, choice->chosen[0]);
    unsigned cost = 0;
    if (first != NULL) {
        cost += device->numa == first->numa ? 0 : 1000;
    } else {
        cost += room_on(choice, device->numa) >= choice->wish->size ? 0 : 1000;
    }
    for (size_t i = 0; i < choice->n && device->bus > 0; i++) {
        const struct mw_accelerator *other =
            device_of(choice->devices, choice->n_devices, choice->chosen[i]);
        cost += other != NULL && other->bus == device->bus;
    }
    return cost;
}

static const char *reason_of(const struct choice *choice)
{
    bool one_node = true;
    for (size_t i = 1; i < choice->n; i++) {
        const struct mw_accelerator *first =
            device_of(choice->devices, choice->n_devices, choice->chosen[0]);
        const struct mw_accelerator *device =
            device_of(choice->devices, choice->n_devices, choice->chosen[i]);
        one_node &= first != NULL && device != NULL && first->numa == device->numa;
    }
    if (choice->n < 2) {
        return "the first by name";
    }
    return one_node ? "of one NUMA node, spread over USB buses"
                    : "no NUMA node has so many: spread over several";
}

size_t mw_node_choose(const struct mw_accelerator *devices, size_t n,
                      const struct mw_node_wish *wish, struct mw_span *chosen, const char **reason)
{
    struct choice choice = {devices, n, wish, chosen, 0};
    for (size_t i = 0; i < wish->n_must && choice.n < wish->size; i++) {
        chosen[choice.n++] = wish->must[i];
    }
    while (choice.n < wish->size) {
        const struct mw_span *best = NULL;
        unsigned best_cost = 0;
        for (size_t i = 0; i < wish->n; i++) {
            const struct mw_span *id = &wish->available[i];
            unsigned cost = cost_of(&choice, *id);
            if (is_in(*id, chosen, choice.n)) {
                continue;
            }
            if (best == NULL || cost < best_cost || (cost == best_cost && is_before(*id, *best))) {
                best = id;
                best_cost = cost;
            }
        }
        if (best == NULL) {
            break;
        }
        chosen[choice.n++] = *best;
    }
    if (reason != NULL) {
        *reason = reason_of(&choice);
    }
    return choice.n;
}
