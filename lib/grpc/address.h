/* address.h - a path as the address of a Unix socket. */
#ifndef MW_GRPC_ADDRESS_H
#define MW_GRPC_ADDRESS_H

#include "lib/base/error.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Errors: TOO_LARGE. */
static inline mw_err mw_grpc_address(struct sockaddr_un *address, const char *path,
                                     struct mw_error *error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address->sun_path) {
        return mw_error_set(error, MW_ERR_TOO_LARGE,
                            "%s: the path of a socket has at most %zu bytes", path,
                            sizeof address->sun_path - 1);
    }
    memcpy(address->sun_path, path, length + 1);
    return MW_OK;
}

#endif
