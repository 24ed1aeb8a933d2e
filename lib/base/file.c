#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

mw_err mw_buffer_reserve(struct mw_buffer *buffer, size_t extra)
{
    if (extra >= SIZE_MAX / 2 || buffer->size >= SIZE_MAX / 2 - extra) {
        return MW_ERR_MEMORY;
    }
    size_t need = buffer->size + extra + 1; /* the NUL behind */
    if (need > buffer->capacity) {
        size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity * 2;
        if (capacity < need) {
            capacity = need;
        }
        char *data = realloc(buffer->data, capacity);
        if (data == NULL) {
            return MW_ERR_MEMORY;
        }
        buffer->data = data;
        buffer->capacity = capacity;
        data[buffer->size] = 0;
    }
    return MW_OK;
}

mw_err mw_buffer_add(struct mw_buffer *buffer, const void *data, size_t size)
{
    if (mw_buffer_reserve(buffer, size) != MW_OK) {
        return MW_ERR_MEMORY;
    }
    if (size > 0) {
        memcpy(buffer->data + buffer->size, data, size);
    }
    buffer->size += size;
    buffer->data[buffer->size] = 0;
    return MW_OK;
}

mw_err mw_buffer_printf(struct mw_buffer *buffer, const char *format, ...)
{
    if (mw_buffer_reserve(buffer, 0) != MW_OK) {
        return MW_ERR_MEMORY;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = buffer->capacity - buffer->size;
    int n = vsnprintf(buffer->data + buffer->size, room, format, arguments);
    va_end(arguments);
    mw_err err = n < 0 ? MW_ERR_ARGUMENT : MW_OK;
    if (err == MW_OK && (size_t)n >= room) {
        err = mw_buffer_reserve(buffer, (size_t)n);
        if (err == MW_OK) {
            vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, again);
        }
    }
    va_end(again);
    if (err == MW_OK) {
        buffer->size += (size_t)n;
    }
    buffer->data[buffer->size] = 0;
    return err;
}

void mw_buffer_clear(struct mw_buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data != NULL) {
        buffer->data[0] = 0;
    }
}

void mw_buffer_free(struct mw_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct mw_buffer){0};
}

static mw_err read_all(int fd, size_t limit, struct mw_buffer *buffer, const char *path,
                       struct mw_error *error)
{
    size_t before = buffer->size;
    struct stat status;
    size_t expected = 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        expected = (size_t)status.st_size;
        if (expected > limit) {
            return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: larger than %zu bytes", path, limit);
        }
    }
    /* One byte more than expected, so that the end of the file shows in the first round. */
    size_t step = expected + 1;
    for (;;) {
        if (mw_buffer_reserve(buffer, step) != MW_OK) {
            return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", path);
        }
        ssize_t n = read(fd, buffer->data + buffer->size, step);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return mw_error_errno(error, MW_ERR_IO, "%s", path);
        }
        if (n == 0) {
            return MW_OK;
        }
        buffer->size += (size_t)n;
        buffer->data[buffer->size] = 0;
        if (buffer->size - before > limit) {
            return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: larger than %zu bytes", path, limit);
        }
        step = 16384;
    }
}

mw_err mw_file_read(const char *path, size_t limit, struct mw_buffer *buffer,
                    struct mw_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mw_error_errno(error, errno == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_IO, "%s", path);
    }
    size_t before = buffer->size;
    mw_err err = read_all(fd, limit, buffer, path, error);
    if (err != MW_OK && buffer->data != NULL) {
        buffer->size = before;
        buffer->data[before] = 0;
    }
    close(fd);
    return err;
}

static mw_err write_all(int fd, const char *data, size_t size, const char *path,
                        struct mw_error *error)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return mw_error_errno(error, MW_ERR_IO, "%s", path);
        }
        data += n;
        size -= (size_t)n;
    }
    return MW_OK;
}

/* A rename is on disk only once its folder is. */
static mw_err sync_folder_of(const char *path, struct mw_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL) {
        memcpy(folder, ".", 2);
    } else if (length == 0) {
        memcpy(folder, "/", 2);
    } else {
        memcpy(folder, path, length);
        folder[length] = 0;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", folder);
    }
    mw_err err = MW_OK;
    /* Some file systems cannot sync a folder and say EINVAL: nothing more can be asked of them. */
    if (fsync(fd) != 0 && errno != EINVAL) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", folder);
    }
    close(fd);
    return err;
}

/* Where a symbolic link leads, so that it is not the link that a rename replaces; the path itself
 * when it is none or leads nowhere. `real` has PATH_MAX places. */
static const char *follow(const char *path, char *real)
{
    struct stat status;
    bool link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    return link && realpath(path, real) != NULL ? real : path;
}

/* A device, a pipe or a socket: a rename would put a file in its place. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

static mw_err write_through(const char *path, const void *data, size_t size, struct mw_error *error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    mw_err err = write_all(fd, data, size, path, error);
    if (close(fd) != 0 && err == MW_OK) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    return err;
}

static mw_err replace(const char *path, const void *data, size_t size, unsigned mode, bool durable,
                      struct mw_error *error)
{
    char real[PATH_MAX], temporary[PATH_MAX];
    path = follow(path, real);
    if (is_special(path)) {
        return write_through(path, data, size, error);
    }
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", path);
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return mw_error_errno(error, errno == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_IO, "%s", path);
    }
    mw_err err = write_all(fd, data, size, path, error);
    if (err == MW_OK && (fchmod(fd, (mode_t)mode) != 0 || (durable && fsync(fd) != 0))) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    if (close(fd) != 0 && err == MW_OK) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    if (err == MW_OK && rename(temporary, path) != 0) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    if (err != MW_OK) {
        unlink(temporary);
        return err;
    }
    return durable ? sync_folder_of(path, error) : MW_OK;
}

mw_err mw_file_write(const char *path, const void *data, size_t size, unsigned mode,
                     struct mw_error *error)
{
    return replace(path, data, size, mode, true, error);
}

mw_err mw_file_replace(const char *path, const void *data, size_t size, unsigned mode,
                       struct mw_error *error)
{
    return replace(path, data, size, mode, false, error);
}

void mw_file_discard(const char *path)
{
    char real[PATH_MAX];
    path = follow(path, real);
    if (!is_special(path)) {
        (void)unlink(path);
    }
}

mw_err mw_file_make_folder(const char *path, struct mw_error *error)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "the name of a folder is empty");
    }
    if (length >= sizeof part) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", path);
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != 0) {
            continue;
        }
        part[i] = 0;
        /* A folder that is there but may not be written to its parent says EEXIST first on Linux.
         */
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return mw_error_errno(error, MW_ERR_IO, "%s", part);
        }
        part[i] = path[i];
    }
    struct stat status;
    if (stat(path, &status) != 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        return mw_error_set(error, MW_ERR_EXISTS, "%s: is not a folder", path);
    }
    return MW_OK;
}

bool mw_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

mw_err mw_file_join(char *path, size_t capacity, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *between = length > 0 && folder[length - 1] != '/' ? "/" : "";
    int n = snprintf(path, capacity, "%s%s%s", folder, between, name);
    return n < 0 || (size_t)n >= capacity ? MW_ERR_TOO_LARGE : MW_OK;
}
