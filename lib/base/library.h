/* library.h - functions of a shared library that is loaded only by who needs it, so that a process
 * without Kafka, Modbus or IIO does not pay for theirs. */
#ifndef MW_BASE_LIBRARY_H
#define MW_BASE_LIBRARY_H

#include "lib/base/error.h"

#include <stddef.h>

struct mw_library_symbol {
    const char *name;
    void *place; /* of a pointer to that function */
};

/* Opens a library by its soname and sets the places. *handle is for mw_library_close; NULL after an
 * error, and some places may then be set. package: Debian's, which the error names. UNSUPPORTED: it
 * is not there, or lacks one of them. */
mw_err mw_library_open(void **handle, const char *soname, const char *package,
                       const struct mw_library_symbol *symbols, size_t n, struct mw_error *error);
void mw_library_close(void *handle); /* NULL allowed */

#endif
