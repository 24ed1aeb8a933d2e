/* tar.h - files in memory as a tar archive, in the form of POSIX.1-1988 ("ustar").
 *
 *   per member: a header of 512 bytes (name, mode, owner 0, size, time 0, checksum), then the
 *   content, filled up with NUL to a multiple of 512; after the last one 1,024 bytes of NUL
 *
 * The same members in the same order give the same bytes. Archives are only written here: container
 * runtimes and registries read them. */
#ifndef MW_ARTIFACT_TAR_H
#define MW_ARTIFACT_TAR_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

/* Append to `out` a folder (mode 0755), a file (mode 0644, below 8 GiB), and the end. `name` is a
 * path without a leading slash, of 1 to 99 bytes; a folder's is given without the trailing one.
 * ARGUMENT, MEMORY. */
mw_err mw_tar_add_folder(struct mw_buffer *out, const char *name, struct mw_error *error);
mw_err mw_tar_add_file(struct mw_buffer *out, const char *name, struct mw_span content,
                       struct mw_error *error);
mw_err mw_tar_end(struct mw_buffer *out, struct mw_error *error);

#endif
