/* hang.c - preloaded by a test: whoever opens a file named "status" is held up while the file that
 * MILLWRIGHT_HANG_WHILE names is there, as a driver holds up who reads an attribute of a wedged
 * device. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int open(const char *path, int flags, ...)
{
    static int (*next)(const char *, int, ...);
    const char *gate = getenv("MILLWRIGHT_HANG_WHILE");
    size_t length = strlen(path);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? (mode_t)va_arg(arguments, int) : 0;
    va_end(arguments);
    if (next == NULL) {
        next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    }
    if (length > 7 && strcmp(path + length - 7, "/status") == 0 && gate != NULL) {
        while (access(gate, F_OK) == 0) {
            usleep(10000);
        }
    }
    return next(path, flags, mode);
}
