#include "lib/accelerator/find.h"

#include "lib/accelerator/sysfs.h"

#include <dirent.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
    struct mw_accelerators *found;
    const struct mw_accelerator_table *table;
    const char *root;
    mw_err err;
};

/* The names under which a device may be in the table. */
struct names {
    char text[16][MW_ACCELERATOR_PATH];
    size_t n;
};

static void add_name(struct names *names, const char *kind, const char *name)
{
    if (names->n < sizeof names->text / sizeof *names->text) {
        int n = snprintf(names->text[names->n], MW_ACCELERATOR_PATH, "%s:%s", kind, name);
        names->n += n > 0 && n < MW_ACCELERATOR_PATH; /* a longer one is in no table */
    }
}

static const char *match(const struct mw_accelerator_row *row, const struct names *names)
{
    struct mw_span word;
    for (const char *rest = row->lists[MW_ACCELERATOR_MATCH];
         mw_accelerator_next_word(&rest, &word);) {
        char pattern[MW_ACCELERATOR_PATH];
        snprintf(pattern, sizeof pattern, "%.*s", (int)word.size, word.data);
        for (size_t i = 0; i < names->n; i++) {
            if (fnmatch(pattern, names->text[i], 0) == 0) {
                return names->text[i];
            }
        }
    }
    return NULL;
}

/* ---- device nodes ---- */

static void add_node(struct mw_accelerator *device, const char *node)
{
    for (size_t i = 0; i < device->nodes; i++) {
        if (strcmp(device->node[i], node) == 0) {
            return;
        }
    }
    if (device->nodes < MW_ACCELERATOR_NODES_MOST && strlen(node) < MW_ACCELERATOR_PATH) {
        memcpy(device->node[device->nodes++], node, strlen(node) + 1);
    }
}

/* What of /dev below the root fits the pattern. */
static void add_nodes(const struct search *search, struct mw_accelerator *device,
                      const char *pattern)
{
    char path[PATH_MAX];
    glob_t all = {0};
    if (!mw_sysfs_path(path, search->root, pattern)) {
        return;
    }
    size_t skip = strlen(path) - strlen(pattern);
    if (glob(path, 0, NULL, &all) == 0) {
        for (size_t i = 0; i < all.gl_pathc; i++) {
            add_node(device, all.gl_pathv[i] + skip);
        }
    }
    globfree(&all);
}

/* The kernel lists a device's node as a folder in a folder of the device: apex/apex_0. */
static bool add_own_nodes(const struct search *search, struct mw_accelerator *device,
                          const char *pattern)
{
    const char *name = strrchr(pattern, '/') + 1;
    char path[PATH_MAX], node[MW_ACCELERATOR_PATH];
    size_t before = device->nodes;
    glob_t all = {0};
    int n = snprintf(path, sizeof path, "%s/*/%s/", device->folder, name);
    if (device->folder[0] != '\0' && n > 0 && (size_t)n < sizeof path &&
        glob(path, GLOB_ONLYDIR, NULL, &all) == 0) {
        for (size_t i = 0; i < all.gl_pathc; i++) {
            char *folder = all.gl_pathv[i];
            folder[strlen(folder) - 1] = '\0';
            snprintf(node, sizeof node, "%.*s%s", (int)(name - pattern), pattern,
                     strrchr(folder, '/') + 1);
            add_node(device, node);
            if (device->attributes[0] == '\0') {
                snprintf(device->attributes, sizeof device->attributes, "%s", folder);
            }
        }
    }
    globfree(&all);
    if (device->nodes == before && strpbrk(pattern, "*?[") == NULL) {
        add_nodes(search, device, pattern);
    }
    return device->nodes > before;
}

/* "%minor" becomes the number under which NVIDIA's driver made the node. False: it tells none. */
static bool fill_minor(const struct search *search, const struct mw_accelerator *device,
                       char *pattern, size_t capacity)
{
    static const char line[] = "Device Minor:";
    char path[PATH_MAX], text[2048], name[96];
    char *at = strstr(pattern, "%minor");
    if (at == NULL) {
        return true;
    }
    snprintf(name, sizeof name, "/proc/driver/nvidia/gpus/%s", strrchr(device->folder, '/') + 1);
    if (!mw_sysfs_path(path, search->root, name) ||
        !mw_sysfs_read(path, "information", text, sizeof text)) {
        return false;
    }
    const char *minor = strstr(text, line);
    char *end;
    long number = minor == NULL ? -1 : strtol(minor + sizeof line - 1, &end, 10);
    if (number < 0) {
        return false;
    }
    snprintf(at, capacity - (size_t)(at - pattern), "%ld", number);
    return true;
}

static void find_nodes(const struct search *search, struct mw_accelerator *device)
{
    struct mw_span word;
    bool own = device->nodes > 0;
    for (const char *rest = device->row->lists[MW_ACCELERATOR_NODES];
         !own && mw_accelerator_next_word(&rest, &word);) {
        char pattern[MW_ACCELERATOR_PATH];
        snprintf(pattern, sizeof pattern, "%.*s", (int)word.size, word.data);
        own = fill_minor(search, device, pattern, sizeof pattern) &&
              add_own_nodes(search, device, pattern);
    }
    if (!own) {
        const char *nodes = device->row->lists[MW_ACCELERATOR_NODES];
        device->healthy = false;
        snprintf(device->reason, sizeof device->reason, "no device node %s: is its driver loaded?",
                 nodes == NULL ? "" : nodes);
        return;
    }
    for (const char *rest = device->row->lists[MW_ACCELERATOR_SHARED];
         mw_accelerator_next_word(&rest, &word);) {
        char pattern[MW_ACCELERATOR_PATH];
        snprintf(pattern, sizeof pattern, "%.*s", (int)word.size, word.data);
        add_nodes(search, device, pattern);
    }
}

/* ---- devices ---- */

/* Takes the device when its names are in the table: the first row counts. */
static void offer(struct search *search, struct mw_accelerator *device, const struct names *names)
{
    const char *name = NULL;
    for (size_t i = 0; i < search->table->n && name == NULL; i++) {
        device->row = &search->table->row[i];
        name = match(device->row, names);
    }
    if (name == NULL || search->err != MW_OK) {
        return;
    }
    struct mw_accelerators *found = search->found;
    struct mw_accelerator *items = realloc(found->item, (found->n + 1) * sizeof *items);
    if (items == NULL) {
        search->err = MW_ERR_MEMORY;
        return;
    }
    snprintf(device->name, sizeof device->name, "%s", name);
    device->healthy = true;
    find_nodes(search, device);
    found->item = items;
    found->item[found->n++] = *device;
}

/* One that is NULL for the next folder is left out. */
static struct mw_accelerator new_device(const char *kind, const char *name, const char *folder)
{
    struct mw_accelerator device = {.numa = -1};
    snprintf(device.id, sizeof device.id, "%s-%s", kind, name);
    snprintf(device.folder, sizeof device.folder, "%s", folder);
    return device;
}

/* Its own, or that of the controller that it hangs on. */
static int numa_of(const char *folder)
{
    char path[PATH_MAX], text[32];
    if (realpath(folder, path) == NULL) {
        return -1;
    }
    for (;;) {
        char *slash = strrchr(path, '/');
        if (mw_sysfs_read(path, "numa_node", text, sizeof text)) {
            return (int)strtol(text, NULL, 10);
        }
        if (slash == NULL || slash == path || strcmp(slash, "/devices") == 0) {
            return -1;
        }
        *slash = '\0';
    }
}

static void offer_usb(struct search *search, const char *name, const char *folder)
{
    char vendor[16], product[16], bus[16], number[16], id[40], node[40];
    struct names names = {0};
    if (!mw_sysfs_read(folder, "idVendor", vendor, sizeof vendor) ||
        !mw_sysfs_read(folder, "idProduct", product, sizeof product) ||
        !mw_sysfs_read(folder, "busnum", bus, sizeof bus) ||
        !mw_sysfs_read(folder, "devnum", number, sizeof number)) {
        return; /* an interface of a device, or a device that is just leaving */
    }
    struct mw_accelerator device = new_device("usb", name, folder);
    snprintf(id, sizeof id, "%s:%s", vendor, product);
    add_name(&names, "usb", id);
    device.bus = (unsigned)strtoul(bus, NULL, 10);
    snprintf(node, sizeof node, "/dev/bus/usb/%03u/%03lu", device.bus, strtoul(number, NULL, 10));
    add_node(&device, node);
    device.numa = numa_of(folder);
    offer(search, &device, &names);
}

static void add_driver(struct names *names, const char *folder)
{
    char driver[64];
    if (mw_sysfs_link(folder, "driver", driver, sizeof driver)) {
        add_name(names, "driver", driver);
    }
}

static void offer_pci(struct search *search, const char *name, const char *folder)
{
    char vendor[16], code[16], class[16], id[64];
    struct names names = {0};
    if (!mw_sysfs_read(folder, "vendor", vendor, sizeof vendor) ||
        !mw_sysfs_read(folder, "device", code, sizeof code) ||
        !mw_sysfs_read(folder, "class", class, sizeof class)) {
        return;
    }
    struct mw_accelerator device = new_device("pci", name, folder);
    /* "0x10de" */
    snprintf(id, sizeof id, "%s:%s:%s", vendor + 2 * (vendor[0] == '0' && vendor[1] == 'x'),
             code + 2 * (code[0] == '0' && code[1] == 'x'),
             class + 2 * (class[0] == '0' && class[1] == 'x'));
    add_name(&names, "pci", id);
    add_driver(&names, folder);
    device.numa = numa_of(folder);
    offer(search, &device, &names);
}

static void offer_platform(struct search *search, const char *name, const char *folder)
{
    char text[512], path[PATH_MAX];
    struct names names = {0};
    struct mw_accelerator device = new_device("dt", name, folder);
    snprintf(path, sizeof path, "%s/of_node", folder);
    size_t size = mw_sysfs_read_bytes(path, "compatible", text, sizeof text);
    for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
        add_name(&names, "dt", text + at);
    }
    add_driver(&names, folder);
    /* "rknn.0.auto", "rknn.0" and "rknn" are rknn. */
    snprintf(text, sizeof text, "%.*s", (int)strcspn(name, "."), name);
    add_name(&names, "platform", text);
    device.numa = numa_of(folder);
    offer(search, &device, &names);
}

static void offer_bus(struct search *search, const char *bus,
                      void (*offer_one)(struct search *, const char *, const char *))
{
    char path[PATH_MAX], folder[PATH_MAX];
    snprintf(folder, sizeof folder, "/sys/bus/%s/devices", bus);
    DIR *all = mw_sysfs_path(path, search->root, folder) ? opendir(path) : NULL;
    const struct dirent *entry;
    while (all != NULL && (entry = readdir(all)) != NULL) {
        int n = snprintf(folder, sizeof folder, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && n > 0 && (size_t)n < sizeof folder) {
            offer_one(search, entry->d_name, folder);
        }
    }
    if (all != NULL) {
        closedir(all);
    }
}

static bool is_taken(const struct mw_accelerators *found, const char *class, const char *node)
{
    for (size_t i = 0; i < found->n; i++) {
        for (size_t k = 0; k < found->item[i].nodes; k++) {
            if (strcmp(found->item[i].row->class, class) == 0 &&
                strcmp(found->item[i].node[k], node) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The rows of dev:PATTERN: nodes that no device found so far has. */
static void offer_nodes(struct search *search)
{
    for (size_t i = 0; i < search->table->n; i++) {
        const struct mw_accelerator_row *row = &search->table->row[i];
        struct mw_span word;
        for (const char *rest = row->lists[MW_ACCELERATOR_MATCH];
             mw_accelerator_next_word(&rest, &word);) {
            if (word.size < 5 || memcmp(word.data, "dev:/", 5) != 0) {
                continue;
            }
            char pattern[MW_ACCELERATOR_PATH];
            struct mw_accelerator all = {0};
            snprintf(pattern, sizeof pattern, "%.*s", (int)word.size - 4, word.data + 4);
            add_nodes(search, &all, pattern);
            for (size_t k = 0; k < all.nodes; k++) {
                if (is_taken(search->found, row->class, all.node[k])) {
                    continue;
                }
                struct mw_accelerator device = new_device("dev", strrchr(all.node[k], '/') + 1, "");
                struct names names = {0};
                add_node(&device, all.node[k]);
                add_name(&names, "dev", all.node[k]);
                offer(search, &device, &names);
            }
        }
    }
}

static int compare(const void *a, const void *b)
{
    const struct mw_accelerator *first = a, *second = b;
    int order = strcmp(first->row->class, second->row->class);
    return order != 0 ? order : strverscmp(first->id, second->id);
}

mw_err mw_accelerators_find(struct mw_accelerators *found, const struct mw_accelerator_table *table,
                            const char *root)
{
    struct search search = {found, table, root, MW_OK};
    *found = (struct mw_accelerators){0};
    offer_bus(&search, "usb", offer_usb);
    offer_bus(&search, "pci", offer_pci);
    offer_bus(&search, "platform", offer_platform);
    offer_nodes(&search);
    if (search.err != MW_OK) {
        mw_accelerators_clear(found);
    } else if (found->n > 0) {
        qsort(found->item, found->n, sizeof *found->item, compare);
    }
    return search.err;
}

void mw_accelerators_clear(struct mw_accelerators *found)
{
    free(found->item);
    *found = (struct mw_accelerators){0};
}
