/* test_tree.h - a machine's sysfs, /dev and /proc as a folder, as a test wants them. Its device
 * nodes are links to /dev/null, which is a character device that every machine has. */
#ifndef MW_ACCELERATOR_TEST_TREE_H
#define MW_ACCELERATOR_TEST_TREE_H

#include "lib/base/file.h"
#include "lib/base/test.h"

#include <limits.h>

struct test_tree {
    char root[64];
};

static inline void tree_make(struct test_tree *tree)
{
    test_folder_make(tree->root);
}

/* The path of a name below the root, whose folder is there then. */
static inline void tree_path(const struct test_tree *tree, const char *name, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    assert_int_equal(mw_file_join(path, PATH_MAX, tree->root, name), MW_OK);
    memcpy(folder, path, strlen(path) + 1);
    *strrchr(folder, '/') = '\0';
    assert_ok(mw_file_make_folder(folder, error));
}

static inline void tree_write(const struct test_tree *tree, const char *name, const char *text)
{
    char path[PATH_MAX];
    tree_path(tree, name, path);
    assert_ok(mw_file_replace(path, text, strlen(text), 0644, error));
}

static inline void tree_link(const struct test_tree *tree, const char *name, const char *target)
{
    char path[PATH_MAX];
    tree_path(tree, name, path);
    assert_int_equal(symlink(target, path), 0);
}

static inline void tree_node(const struct test_tree *tree, const char *name)
{
    tree_link(tree, name, "/dev/null");
}

static inline void tree_remove(const struct test_tree *tree, const char *name)
{
    char path[PATH_MAX];
    tree_path(tree, name, path);
    test_folder_remove(path);
}

/* A file in the folder of a device. */
static inline void tree_attribute(const struct test_tree *tree, const char *folder,
                                  const char *name, const char *text)
{
    char path[PATH_MAX];
    assert_int_equal(mw_file_join(path, sizeof path, folder, name), MW_OK);
    tree_write(tree, path, text);
}

/* A USB device at a port, "1-1.4", with its node. */
static inline void tree_usb(const struct test_tree *tree, const char *port, const char *vendor,
                            const char *product, unsigned bus, unsigned number)
{
    char folder[128], text[32];
    snprintf(folder, sizeof folder, "sys/bus/usb/devices/%s", port);
    tree_attribute(tree, folder, "idVendor", vendor);
    tree_attribute(tree, folder, "idProduct", product);
    snprintf(text, sizeof text, "%u\n", bus);
    tree_attribute(tree, folder, "busnum", text);
    snprintf(text, sizeof text, "%u\n", number);
    tree_attribute(tree, folder, "devnum", text);
    tree_attribute(tree, folder, "authorized", "1\n");
    snprintf(folder, sizeof folder, "dev/bus/usb/%03u/%03u", bus, number);
    tree_node(tree, folder);
}

static inline void tree_pci(const struct test_tree *tree, const char *address, const char *vendor,
                            const char *device, const char *class)
{
    char folder[128];
    snprintf(folder, sizeof folder, "sys/bus/pci/devices/%s", address);
    tree_attribute(tree, folder, "vendor", vendor);
    tree_attribute(tree, folder, "device", device);
    tree_attribute(tree, folder, "class", class);
}

/* A Coral on PCIe with its driver's node and attributes. */
static inline void tree_apex(const struct test_tree *tree, const char *address, unsigned number,
                             int numa, const char *status)
{
    char folder[128], text[64];
    tree_pci(tree, address, "0x1ac1\n", "0x089a\n", "0x0880ff\n");
    snprintf(folder, sizeof folder, "sys/bus/pci/devices/%s", address);
    snprintf(text, sizeof text, "%d\n", numa);
    tree_attribute(tree, folder, "numa_node", text);
    snprintf(folder, sizeof folder, "sys/bus/pci/devices/%s/apex/apex_%u", address, number);
    tree_attribute(tree, folder, "status", status);
    snprintf(text, sizeof text, "dev/apex_%u", number);
    tree_node(tree, text);
}

#endif
