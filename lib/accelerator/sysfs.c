#include "lib/accelerator/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool mw_sysfs_path(char path[PATH_MAX], const char *root, const char *name)
{
    size_t length = strlen(root);
    length -= length > 0 && root[length - 1] == '/';
    int n = snprintf(path, PATH_MAX, "%.*s%s", (int)length, root, name);
    return n > 0 && n < PATH_MAX;
}

/* -1: it cannot be read. */
static ssize_t read_file(const char *folder, const char *name, char *bytes, size_t capacity)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    ssize_t size = read(fd, bytes, capacity - 1);
    int why = errno;
    close(fd);
    errno = why;
    if (size >= 0) {
        bytes[size] = '\0';
    }
    return size;
}

bool mw_sysfs_read(const char *folder, const char *name, char *text, size_t capacity)
{
    ssize_t size = read_file(folder, name, text, capacity);
    if (size < 0) {
        return false;
    }
    while (size > 0 && strchr(" \n\t", text[size - 1]) != NULL) {
        text[--size] = '\0';
    }
    return true;
}

size_t mw_sysfs_read_bytes(const char *folder, const char *name, char *bytes, size_t capacity)
{
    ssize_t size = read_file(folder, name, bytes, capacity);
    return size < 0 ? 0 : (size_t)size;
}

bool mw_sysfs_link(const char *folder, const char *name, char *text, size_t capacity)
{
    char path[PATH_MAX], target[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    ssize_t size =
        n > 0 && (size_t)n < sizeof path ? readlink(path, target, sizeof target - 1) : -1;
    if (size <= 0) {
        return false;
    }
    target[size] = '\0';
    const char *slash = strrchr(target, '/');
    n = snprintf(text, capacity, "%s", slash == NULL ? target : slash + 1);
    return n > 0 && (size_t)n < capacity;
}
