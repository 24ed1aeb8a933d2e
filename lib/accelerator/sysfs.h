/* sysfs.h - small files and links of sysfs. Of this folder only. */
#ifndef MW_ACCELERATOR_SYSFS_H
#define MW_ACCELERATOR_SYSFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* root + "/sys/...": false when it does not fit. */
bool mw_sysfs_path(char path[PATH_MAX], const char *root, const char *name);

/* The file's text without white space at its end; cut when it does not fit. False: it cannot be
 * read, and errno tells why. */
bool mw_sysfs_read(const char *folder, const char *name, char *text, size_t capacity);
/* Its bytes, and a NUL behind them; 0: none. */
size_t mw_sysfs_read_bytes(const char *folder, const char *name, char *bytes, size_t capacity);

/* The last part of where a link leads. */
bool mw_sysfs_link(const char *folder, const char *name, char *text, size_t capacity);

#endif
