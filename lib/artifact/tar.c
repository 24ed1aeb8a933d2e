#include "lib/artifact/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 512, NAME_MOST = 99, CHECKSUM_AT = 148, CHECKSUM_SIZE = 8 };

#define SIZE_MOST (UINT64_C(1) << 33) /* eleven octal digits */

/* The fields of a header that are not empty; the others are NUL. Numbers are octal text. */
struct header {
    char name[100], mode[8], owner[8], group[8], size[12], time[12], checksum[CHECKSUM_SIZE];
    char type, link[100], magic[6], version[2], rest[BLOCK - 265];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static mw_err add(struct mw_buffer *out, const void *data, size_t size, struct mw_error *error)
{
    mw_err err = size == 0 ? MW_OK : mw_buffer_add(out, data, size);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "tar: out of memory");
}

/* The sum of all bytes, the checksum's own taken as spaces. */
static void set_checksum(struct header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;
    memset(header->checksum, ' ', sizeof header->checksum);
    for (size_t i = 0; i < sizeof *header; i++) {
        sum += bytes[i];
    }
    (void)snprintf(header->checksum, sizeof header->checksum, "%06o", sum & 0777777U);
}

static mw_err add_header(struct mw_buffer *out, const char *name, char type, unsigned mode,
                         uint64_t size, struct mw_error *error)
{
    struct header header = {.type = type, .magic = "ustar", .version = {'0', '0'}};
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MOST || name[0] == '/' || size >= SIZE_MOST) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "tar: %.100s: not a name or too large", name);
    }
    memcpy(header.name, name, length);
    (void)snprintf(header.mode, sizeof header.mode, "%07o", mode);
    (void)snprintf(header.owner, sizeof header.owner, "%07o", 0U);
    (void)snprintf(header.group, sizeof header.group, "%07o", 0U);
    (void)snprintf(header.size, sizeof header.size, "%011" PRIo64, size);
    (void)snprintf(header.time, sizeof header.time, "%011o", 0U);
    set_checksum(&header);
    return add(out, &header, sizeof header, error);
}

mw_err mw_tar_add_folder(struct mw_buffer *out, const char *name, struct mw_error *error)
{
    char path[NAME_MOST + 2];
    int n = snprintf(path, sizeof path, "%s/", name);
    return n < (int)sizeof path
               ? add_header(out, path, '5', 0755, 0, error)
               : mw_error_set(error, MW_ERR_ARGUMENT, "tar: %.100s: name too long", name);
}

mw_err mw_tar_add_file(struct mw_buffer *out, const char *name, struct mw_span content,
                       struct mw_error *error)
{
    static const char zeros[BLOCK];
    size_t rest = content.size % BLOCK;
    mw_err err = add_header(out, name, '0', 0644, content.size, error);
    err = err == MW_OK ? add(out, content.data, content.size, error) : err;
    return err == MW_OK && rest > 0 ? add(out, zeros, BLOCK - rest, error) : err;
}

mw_err mw_tar_end(struct mw_buffer *out, struct mw_error *error)
{
    static const char zeros[2 * BLOCK];
    return add(out, zeros, sizeof zeros, error);
}
