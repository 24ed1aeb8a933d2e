/* file.h - files whole: read, replace atomically, make folders; and a growing byte buffer. */
#ifndef MW_BASE_FILE_H
#define MW_BASE_FILE_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A byte buffer on the heap; {0} is empty. data always has a NUL behind size once it is not NULL.
 */
struct mw_buffer {
    char *data;
    size_t size, capacity;
};
mw_err mw_buffer_add(struct mw_buffer *buffer, const void *data, size_t size);
mw_err mw_buffer_printf(struct mw_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
mw_err mw_buffer_reserve(struct mw_buffer *buffer, size_t extra); /* room for extra more bytes */
void mw_buffer_clear(struct mw_buffer *buffer);                   /* keeps the memory */
void mw_buffer_free(struct mw_buffer *buffer);

/* Appends the whole file; TOO_LARGE past `limit` bytes. The error names the path. */
mw_err mw_file_read(const char *path, size_t limit, struct mw_buffer *buffer,
                    struct mw_error *error);

/* Replaces the file atomically and durably (temporary file, fsync, rename, fsync of the folder).
 * A symbolic link that leads somewhere stays: what it leads to is replaced. So does a device or a
 * pipe (/dev/stdout), which is written to instead. */
mw_err mw_file_write(const char *path, const void *data, size_t size, unsigned mode,
                     struct mw_error *error);

/* The same without the fsyncs: readers see the old file or the new one, a power cut may leave
 * neither. For what is rewritten every second. */
mw_err mw_file_replace(const char *path, const void *data, size_t size, unsigned mode,
                       struct mw_error *error);

/* Removes a file that was not written to its end; a link to it stays, and so does a device or a
 * pipe. */
void mw_file_discard(const char *path);

/* mkdir -p with mode 0700 for what is made. */
mw_err mw_file_make_folder(const char *path, struct mw_error *error);

bool mw_file_exists(const char *path);

/* "folder/name" into path (borrowed buffer). TOO_LARGE when it does not fit. */
mw_err mw_file_join(char *path, size_t capacity, const char *folder, const char *name);

#endif
