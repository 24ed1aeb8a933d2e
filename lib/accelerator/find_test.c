#include "lib/accelerator/find.h"

#include "lib/accelerator/test_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

struct machine {
    struct test_tree tree;
    struct mw_accelerator_table table;
    struct mw_accelerators found;
};

static int set_up(void **state)
{
    static struct machine machine;
    machine = (struct machine){0};
    tree_make(&machine.tree);
    assert_ok(mw_accelerator_table_make(&machine.table, NULL, error));
    *state = &machine;
    return 0;
}

static int tear_down(void **state)
{
    struct machine *machine = *state;
    mw_accelerators_clear(&machine->found);
    mw_accelerator_table_clear(&machine->table);
    test_folder_remove(machine->tree.root);
    return 0;
}

static void look(struct machine *machine)
{
    mw_accelerators_clear(&machine->found);
    assert_int_equal(mw_accelerators_find(&machine->found, &machine->table, machine->tree.root),
                     MW_OK);
    for (size_t i = 0; i < machine->found.n; i++) {
        mw_accelerator_check(&machine->found.item[i], machine->tree.root);
    }
}

/* The only device there is. */
static const struct mw_accelerator *only(struct machine *machine, const char *class, const char *id,
                                         const char *node)
{
    look(machine);
    assert_int_equal(machine->found.n, 1);
    const struct mw_accelerator *device = &machine->found.item[0];
    assert_string_equal(device->row->class, class);
    assert_string_equal(device->id, id);
    assert_string_equal(device->node[0], node);
    return device;
}

static void expect_healthy(const struct mw_accelerator *device)
{
    assert_string_equal(device->reason, "");
    assert_true(device->healthy);
}

static void expect_ill(const struct mw_accelerator *device, const char *part)
{
    assert_false(device->healthy);
    assert_non_null(strstr(device->reason, part));
}

static void test_a_machine_without_any(void **state)
{
    struct machine *machine = *state;
    look(machine);
    assert_int_equal(machine->found.n, 0);
    tree_usb(&machine->tree, "1-1", "046d", "c31c", 1, 2); /* a keyboard */
    tree_pci(&machine->tree, "0000:00:02.0", "0x8086", "0x4680", "0x030000");
    look(machine);
    assert_int_equal(machine->found.n, 0);
}

/* The device that has been given its firmware is the same device at another address. */
static void test_coral_usb_in_both_of_its_ids(void **state)
{
    struct machine *machine = *state;
    tree_usb(&machine->tree, "1-1.4", "1a6e\n", "089a\n", 1, 4);
    tree_write(&machine->tree, "sys/bus/usb/devices/1-1.4:1.0/bInterfaceClass", "fe\n");
    const struct mw_accelerator *device =
        only(machine, "edgetpu", "usb-1-1.4", "/dev/bus/usb/001/004");
    expect_healthy(device);
    assert_string_equal(device->name, "usb:1a6e:089a");
    assert_int_equal(device->bus, 1);
    tree_remove(&machine->tree, "sys/bus/usb/devices/1-1.4");
    tree_remove(&machine->tree, "dev/bus/usb/001/004");
    look(machine);
    assert_int_equal(machine->found.n, 0);
    tree_usb(&machine->tree, "1-1.4", "18d1\n", "9302\n", 1, 5);
    device = only(machine, "edgetpu", "usb-1-1.4", "/dev/bus/usb/001/005");
    expect_healthy(device);
    assert_string_equal(device->name, "usb:18d1:9302");
}

static void test_a_usb_device_that_may_not_or_cannot_work(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_usb(tree, "2-3", "18d1", "9302", 2, 7);
    tree_write(tree, "sys/bus/usb/devices/2-3/authorized", "0\n");
    expect_ill(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/002/007"), "authorized is \"0\"");
    tree_write(tree, "sys/bus/usb/devices/2-3/authorized", "1\n");
    tree_write(tree, "sys/bus/usb/devices/2-3/power/runtime_status", "error\n");
    expect_ill(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/002/007"),
               "power/runtime_status is \"error\"");
    tree_write(tree, "sys/bus/usb/devices/2-3/power/runtime_status", "suspended\n");
    expect_healthy(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/002/007"));
    tree_remove(tree, "dev/bus/usb/002/007");
    expect_ill(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/002/007"),
               "/dev/bus/usb/002/007 is missing");
    tree_write(tree, "dev/bus/usb/002/007", "");
    expect_ill(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/002/007"), "no character device");
}

/* A node of the USB major, behind which no device of this machine is. */
static void test_a_usb_device_that_does_not_answer(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    char path[PATH_MAX];
    tree_usb(tree, "2-3", "18d1", "9302", 127, 127);
    tree_remove(tree, "dev/bus/usb/127/127");
    tree_path(tree, "dev/bus/usb/127/127", path);
    if (mknod(path, S_IFCHR | 0600, makedev(189, 127 * 128 - 2)) != 0) {
        skip(); /* only root may */
    }
    tree_write(tree, "sys/bus/usb/devices/2-3/power/runtime_status", "suspended\n");
    expect_healthy(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/127/127"));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 || errno == EPERM || errno == EACCES) {
        skip(); /* this machine lets nobody open such a node, or has the device */
    }
    tree_write(tree, "sys/bus/usb/devices/2-3/power/runtime_status", "active\n");
    expect_ill(only(machine, "edgetpu", "usb-2-3", "/dev/bus/usb/127/127"), "cannot be opened");
}

static void test_coral_pcie(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_apex(tree, "0000:03:00.0", 0, 1, "ALIVE\n");
    const struct mw_accelerator *device =
        only(machine, "edgetpu", "pci-0000:03:00.0", "/dev/apex_0");
    expect_healthy(device);
    assert_int_equal(device->numa, 1);
    tree_write(tree, "sys/bus/pci/devices/0000:03:00.0/apex/apex_0/status", "DEAD\n");
    expect_ill(only(machine, "edgetpu", "pci-0000:03:00.0", "/dev/apex_0"), "status is \"DEAD\"");
    tree_write(tree, "sys/bus/pci/devices/0000:03:00.0/config", "\xff\xff\xff\xff");
    expect_ill(only(machine, "edgetpu", "pci-0000:03:00.0", "/dev/apex_0"), "PCI bus");
    tree_remove(tree, "sys/bus/pci/devices/0000:03:00.0/apex");
    look(machine);
    assert_int_equal(machine->found.item[0].nodes, 0);
    expect_ill(&machine->found.item[0], "/dev/apex_[0-9]*: is its driver loaded?");
}

/* The node's number is the driver's, not the order on the bus; a sound function is none. */
static void test_nvidia(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_pci(tree, "0000:01:00.0", "0x10de\n", "0x2684\n", "0x030000\n");
    tree_pci(tree, "0000:01:00.1", "0x10de\n", "0x22ba\n", "0x040300\n");
    look(machine);
    expect_ill(&machine->found.item[0], "is its driver loaded?");
    tree_write(tree, "proc/driver/nvidia/gpus/0000:01:00.0/information",
               "Model: \t\t NVIDIA\nDevice Minor: \t 3\n");
    tree_node(tree, "dev/nvidia0");
    tree_node(tree, "dev/nvidia3");
    tree_node(tree, "dev/nvidiactl");
    tree_node(tree, "dev/nvidia-uvm");
    const struct mw_accelerator *device =
        only(machine, "nvidia", "pci-0000:01:00.0", "/dev/nvidia3");
    expect_healthy(device);
    assert_int_equal(device->nodes, 3);
    assert_string_equal(device->node[1], "/dev/nvidiactl");
    assert_string_equal(device->node[2], "/dev/nvidia-uvm");
}

static void add_compatible(const struct test_tree *tree, const char *name, const char *text,
                           size_t size)
{
    char path[PATH_MAX], file[128];
    snprintf(file, sizeof file, "sys/bus/platform/devices/%s/of_node/compatible", name);
    tree_path(tree, file, path);
    assert_ok(mw_file_replace(path, text, size, 0644, error));
}

static void test_tegra(void **state)
{
    struct machine *machine = *state;
    static const char compatible[] = "nvidia,tegra210-gm20b\0nvidia,gm20b";
    add_compatible(&machine->tree, "57000000.gpu", compatible, sizeof compatible);
    tree_node(&machine->tree, "dev/nvhost-gpu");
    tree_node(&machine->tree, "dev/nvhost-ctrl-gpu");
    tree_node(&machine->tree, "dev/nvmap");
    const struct mw_accelerator *device =
        only(machine, "nvidia", "dt-57000000.gpu", "/dev/nvhost-gpu");
    expect_healthy(device);
    assert_int_equal(device->nodes, 3);
}

static void test_hailo_and_intel(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_pci(tree, "0000:04:00.0", "0x1e60\n", "0x2864\n", "0x120000\n");
    tree_write(tree, "sys/bus/pci/devices/0000:04:00.0/hailo_chardev/hailo0/dev", "235:0\n");
    tree_node(tree, "dev/hailo0");
    tree_pci(tree, "0000:00:0b.0", "0x8086\n", "0x7d1d\n", "0x120000\n");
    tree_link(tree, "sys/bus/pci/devices/0000:00:0b.0/driver",
              "../../../bus/pci/drivers/intel_vpu");
    tree_write(tree, "sys/bus/pci/devices/0000:00:0b.0/accel/accel0/dev", "261:0\n");
    tree_node(tree, "dev/accel/accel0");
    look(machine);
    assert_int_equal(machine->found.n, 2);
    assert_string_equal(machine->found.item[0].row->class, "hailo");
    assert_string_equal(machine->found.item[0].node[0], "/dev/hailo0");
    assert_string_equal(machine->found.item[1].row->class, "intel-npu");
    assert_string_equal(machine->found.item[1].node[0], "/dev/accel/accel0");
    expect_healthy(&machine->found.item[1]);
}

static void test_rockchip_with_either_driver(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    static const char compatible[] = "rockchip,rk3588-rknpu";
    add_compatible(tree, "fdab0000.npu", compatible, sizeof compatible);
    tree_write(tree, "sys/bus/platform/devices/fdab0000.npu/drm/renderD129/dev", "226:129\n");
    tree_node(tree, "dev/dri/renderD129");
    expect_healthy(only(machine, "rockchip-npu", "dt-fdab0000.npu", "/dev/dri/renderD129"));
    tree_remove(tree, "sys/bus/platform/devices/fdab0000.npu/drm");
    tree_node(tree, "dev/rknpu");
    expect_healthy(only(machine, "rockchip-npu", "dt-fdab0000.npu", "/dev/rknpu"));
    tree_remove(tree, "sys/bus/platform/devices/fdab0000.npu");
    tree_write(tree, "sys/bus/platform/devices/rknn/accel/accel0/dev", "261:0\n");
    tree_node(tree, "dev/accel/accel0");
    expect_healthy(only(machine, "rockchip-npu", "dt-rknn", "/dev/accel/accel0"));
}

static void test_ethos_u_on_a_bus_or_behind_messages(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_node(tree, "dev/ethosu0");
    expect_healthy(only(machine, "ethos-u", "dev-ethosu0", "/dev/ethosu0"));
    static const char compatible[] = "fsl,imx93-npu\0arm,ethos-u65";
    add_compatible(tree, "4a900000.npu", compatible, sizeof compatible);
    tree_write(tree, "sys/bus/platform/devices/4a900000.npu/ethosu/ethosu0/dev", "510:0\n");
    expect_healthy(only(machine, "ethos-u", "dt-4a900000.npu", "/dev/ethosu0")); /* and once */
}

/* The node of the controller counts; ports are in the order that a person counts them. */
static void test_where_a_usb_device_hangs(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_write(tree, "sys/devices/pci0000:00/0000:00:14.0/numa_node", "1\n");
    tree_write(tree, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-10/idVendor", "18d1\n");
    tree_write(tree, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-10/idProduct", "9302\n");
    tree_write(tree, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-10/busnum", "1\n");
    tree_write(tree, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-10/devnum", "10\n");
    tree_node(tree, "dev/bus/usb/001/010");
    tree_link(tree, "sys/bus/usb/devices/1-10",
              "../../../devices/pci0000:00/0000:00:14.0/usb1/1-10");
    tree_usb(tree, "1-2", "18d1", "9302", 1, 3);
    look(machine);
    assert_int_equal(machine->found.n, 2);
    assert_string_equal(machine->found.item[0].id, "usb-1-2");
    assert_int_equal(machine->found.item[0].numa, -1);
    assert_string_equal(machine->found.item[1].id, "usb-1-10");
    assert_int_equal(machine->found.item[1].numa, 1);
}

static void test_a_row_of_the_user(void **state)
{
    struct machine *machine = *state;
    const struct test_tree *tree = &machine->tree;
    tree_write(tree, "own.yaml",
               "accelerators:\n"
               "  my-npu:\n"
               "    match: [pci:1234:5678:*, dev:/dev/mynpu*]\n"
               "    nodes: /dev/mynpu[0-9]\n"
               "    shared: /dev/mynpuctl\n"
               "    environment: [MYNPU=1, MODE=fast]\n"
               "    mounts: /usr/lib/libmynpu.so\n"
               "    health: state=ok|idle\n"
               "  edgetpu:\n"
               "    match: usb:1234:abcd\n");
    char path[PATH_MAX];
    tree_path(tree, "own.yaml", path);
    mw_accelerator_table_clear(&machine->table);
    assert_ok(mw_accelerator_table_make(&machine->table, path, error));
    tree_pci(tree, "0000:05:00.0", "0x1234", "0x5678", "0x120000");
    tree_write(tree, "sys/bus/pci/devices/0000:05:00.0/mynpu/mynpu1/state", "idle\n");
    tree_node(tree, "dev/mynpu1");
    tree_node(tree, "dev/mynpuctl");
    tree_usb(tree, "1-1", "1234", "abcd", 1, 2);
    look(machine);
    assert_int_equal(machine->found.n, 2); /* a node that a device has is no other device */
    assert_string_equal(machine->found.item[0].id, "usb-1-1");
    const struct mw_accelerator *device = &machine->found.item[1];
    assert_string_equal(device->id, "pci-0000:05:00.0");
    assert_string_equal(device->row->lists[MW_ACCELERATOR_ENVIRONMENT], "MYNPU=1 MODE=fast");
    assert_int_equal(device->nodes, 2);
    expect_healthy(device);
    tree_write(tree, "sys/bus/pci/devices/0000:05:00.0/mynpu/mynpu1/state", "hung\n");
    look(machine);
    expect_ill(&machine->found.item[1], "state is \"hung\"");
}

static void test_files_that_are_refused(void **state)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"accelerators:\n  x:\n    nodes: /dev/x\n", "f.yaml: accelerators.x: has no match"},
        {"accelerators:\n  x:\n    match: isa:1\n", "f.yaml:3: match: \"isa:1\" is not usb:"},
        {"accelerators:\n  x:\n    match: 'usb:'\n", "is not usb:"},
        {"accelerators:\n  x:\n    match: []\n    nodes: /dev/x\n", "has no match"},
        {"accelerators:\n  x:\n    match: ''\n", "match: is empty"},
        {"accelerators:\n  x:\n    nodes: /etc/passwd\n", "is not a path below /dev/"},
        {"accelerators:\n  x:\n    nodes: /dev/../etc/passwd\n", "is not a path below /dev/"},
        {"accelerators:\n  x:\n    mounts: etc\n", "is not an absolute path"},
        {"accelerators:\n  x:\n    environment: A\n", "is not NAME=VALUE"},
        {"accelerators:\n  x:\n    health: ../../x=1\n", "is not FILE=VALUE"},
        {"accelerators:\n  X:\n    match: usb:1:1\n", "CLASS of at most 32"},
        {"accelerators:\n  x: usb:1:1\n", "CLASS of at most 32"},
        {"accelerators:\n  x:\n    matches: usb:1:1\n", "no such list"},
        {"other: 1\n", "f.yaml:1: other"},
    };
    struct mw_accelerator_table table;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mw_error error = {0};
        mw_err err = mw_accelerator_table_parse(&table, mw_span_of(bad[i].text), "f.yaml", &error);
        if (err == MW_OK || strstr(error.text, bad[i].part) == NULL) {
            fail_msg("%s gave %d \"%s\"", bad[i].text, (int)err, error.text);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_machine_without_any),
        TEST(test_coral_usb_in_both_of_its_ids),
        TEST(test_a_usb_device_that_may_not_or_cannot_work),
        TEST(test_a_usb_device_that_does_not_answer),
        TEST(test_coral_pcie),
        TEST(test_nvidia),
        TEST(test_tegra),
        TEST(test_hailo_and_intel),
        TEST(test_rockchip_with_either_driver),
        TEST(test_ethos_u_on_a_bus_or_behind_messages),
        TEST(test_where_a_usb_device_hangs),
        TEST(test_a_row_of_the_user),
        TEST(test_files_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
