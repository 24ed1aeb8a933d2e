/* check.c - does a device that is there still work? What can be asked without its vendor's runtime,
 * and without disturbing who uses it. */
#include "lib/accelerator/find.h"
#include "lib/accelerator/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { USB_MAJOR = 189, USB_IN_DEVICE = 0x80, USB_GET_STATUS = 0, ANSWER_MS = 1000 };

__attribute__((format(printf, 2, 3))) static void say(struct mw_accelerator *device,
                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(device->reason, sizeof device->reason, format, arguments);
    va_end(arguments);
    device->healthy = false;
}

/* USB: any device has to answer GET_STATUS on its control pipe, whoever has claimed its interfaces.
 * A wedged one does not. One that sleeps is not woken for that. */
static void ask_usb(struct mw_accelerator *device, const char *path)
{
    unsigned char answer[2];
    char power[32];
    struct usbdevfs_ctrltransfer request = {.bRequestType = USB_IN_DEVICE,
                                            .bRequest = USB_GET_STATUS,
                                            .wLength = sizeof answer,
                                            .timeout = ANSWER_MS,
                                            .data = answer};
    if (mw_sysfs_read(device->folder, "power/runtime_status", power, sizeof power) &&
        strcmp(power, "suspended") == 0) {
        return;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno != EACCES && errno != EPERM) { /* we may not ask: nothing is known against it */
            say(device, "%s cannot be opened: %s", device->node[0], strerror(errno));
        }
        return;
    }
    if (ioctl(fd, USBDEVFS_CONTROL, &request) < 0) {
        say(device, "does not answer on the USB bus: %s", strerror(errno));
    }
    close(fd);
}

static void check_node(struct mw_accelerator *device, const char *root)
{
    char path[PATH_MAX];
    struct stat status;
    if (!mw_sysfs_path(path, root, device->node[0]) || stat(path, &status) != 0) {
        say(device, "%s is missing: %s", device->node[0], strerror(errno));
    } else if (!S_ISCHR(status.st_mode)) {
        say(device, "%s is no character device", device->node[0]);
    } else if (device->bus > 0 && major(status.st_rdev) == USB_MAJOR) {
        ask_usb(device, path);
    }
}

/* A device that has fallen off the PCI bus reads as ones. */
static void check_pci(struct mw_accelerator *device)
{
    char bytes[5];
    if (strncmp(device->id, "pci-", 4) == 0 &&
        mw_sysfs_read_bytes(device->folder, "config", bytes, sizeof bytes) == sizeof bytes - 1 &&
        memcmp(bytes, "\xff\xff\xff\xff", 4) == 0) {
        say(device, "does not answer on the PCI bus");
    }
}

/* True when `text` is one of "a|b|c". */
static bool is_one_of(const char *text, struct mw_span values)
{
    size_t from = 0;
    for (size_t i = 0; i <= values.size; i++) {
        if (i == values.size || values.data[i] == '|') {
            struct mw_span value = {values.data + from, i - from};
            if (mw_span_is(value, text)) {
                return true;
            }
            from = i + 1;
        }
    }
    return false;
}

static void check_attribute(struct mw_accelerator *device, struct mw_span word)
{
    const char *equals = memchr(word.data, '=', word.size);
    struct mw_span values = {equals + 1, word.size - (size_t)(equals + 1 - word.data)};
    char name[MW_ACCELERATOR_PATH], text[64];
    const char *const folders[] = {device->attributes, device->folder};
    snprintf(name, sizeof name, "%.*s", (int)(equals - word.data), word.data);
    for (size_t i = 0; i < 2; i++) {
        if (folders[i][0] == '\0') {
            continue;
        }
        if (mw_sysfs_read(folders[i], name, text, sizeof text)) {
            if (!is_one_of(text, values)) {
                say(device, "%s is \"%s\"", name, text);
            }
            return;
        }
        if (errno != ENOENT && errno != EACCES) {
            say(device, "%s cannot be read: %s", name, strerror(errno));
            return;
        }
    }
}

void mw_accelerator_check(struct mw_accelerator *device, const char *root)
{
    struct mw_span word;
    if (device->healthy) {
        check_node(device, root);
    }
    if (device->healthy) {
        check_pci(device);
    }
    for (const char *rest = device->row->lists[MW_ACCELERATOR_HEALTH];
         device->healthy && mw_accelerator_next_word(&rest, &word);) {
        check_attribute(device, word);
    }
}
