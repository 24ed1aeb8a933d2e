#include "lib/stream/wake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_LENGTH 33 /* 16 + 1 + 16 */
/* A folder's time of change moves in ticks of the kernel's clock; a change within this time after
 * the last one may not show in it. */
#define TICK_NS 50000000

uint64_t mw_wake_mask(const char *topic)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *topic != '\0'; topic++) {
        hash = (hash ^ (unsigned char)*topic) * 16777619U;
    }
    return UINT64_C(1) << ((hash ^ (hash >> 16)) & 63);
}

static int open_folder(const char *folder, bool make)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/wake", folder);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return -1;
    }
    if (make) {
        (void)mkdir(path, 0700); /* what is wrong shows at open */
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct sockaddr_un address_of(int folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder, name);
    return address;
}

mw_err mw_wake_init(struct mw_wake *wake, const char *folder, uint64_t mask, struct mw_error *error)
{
    *wake = (struct mw_wake){.folder = -1, .fd = -1};
    wake->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wake->fd < 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s: no socket for a reader", folder);
    }
    uint64_t random = 0;
    wake->folder = open_folder(folder, true);
    if (wake->folder < 0 || getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return MW_OK;
    }
    (void)snprintf(wake->name, sizeof(wake->name), "%016" PRIx64 "-%016" PRIx64, mask, random);
    struct sockaddr_un address = address_of(wake->folder, wake->name);
    if (bind(wake->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        wake->name[0] = '\0';
    }
    return MW_OK;
}

void mw_wake_drain(struct mw_wake *wake)
{
    char byte;
    while (recv(wake->fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0 || errno == EINTR) {
    }
}

void mw_wake_fini(struct mw_wake *wake)
{
    if (wake->name[0] != '\0') {
        (void)unlinkat(wake->folder, wake->name, 0);
    }
    if (wake->fd >= 0) {
        (void)close(wake->fd);
    }
    if (wake->folder >= 0) {
        (void)close(wake->folder);
    }
    *wake = (struct mw_wake){.folder = -1, .fd = -1};
}

void mw_waker_init(struct mw_waker *waker)
{
    *waker = (struct mw_waker){.folder = -1, .fd = -1};
}

static void add_name(struct mw_waker *waker, const char *name)
{
    if (strlen(name) != NAME_LENGTH) {
        return;
    }
    if (waker->n == waker->capacity) {
        size_t capacity = waker->capacity == 0 ? 16 : 2 * waker->capacity;
        void *names = realloc(waker->names, capacity * sizeof(waker->names[0]));
        if (names == NULL) {
            return;
        }
        waker->names = names;
        waker->capacity = capacity;
    }
    memcpy(waker->names[waker->n++], name, NAME_LENGTH + 1);
}

/* Lists the sockets anew when the folder has changed, or may have. */
static bool refresh(struct mw_waker *waker, const char *folder)
{
    if (waker->folder < 0) {
        waker->folder = open_folder(folder, false);
    }
    struct stat status;
    struct timespec now;
    if (waker->folder < 0 || fstat(waker->folder, &status) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return false;
    }
    if (status.st_nlink == 0) { /* the folder was removed, perhaps made again */
        (void)close(waker->folder);
        waker->folder = -1;
        waker->n = 0;
        return false;
    }
    if (status.st_mtim.tv_sec == waker->changed.tv_sec &&
        status.st_mtim.tv_nsec == waker->changed.tv_nsec) {
        return true;
    }
    int listed = openat(waker->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = listed < 0 ? NULL : fdopendir(listed);
    if (names == NULL) {
        if (listed >= 0) {
            (void)close(listed);
        }
        return false;
    }
    waker->n = 0;
    for (const struct dirent *entry = readdir(names); entry != NULL; entry = readdir(names)) {
        add_name(waker, entry->d_name);
    }
    (void)closedir(names);
    int64_t since = ((int64_t)now.tv_sec - status.st_mtim.tv_sec) * 1000000000 +
                    (now.tv_nsec - status.st_mtim.tv_nsec);
    bool settled = since > TICK_NS;
    waker->changed = settled ? status.st_mtim : (struct timespec){0};
    return true;
}

void mw_waker_send(struct mw_waker *waker, const char *folder, uint64_t mask)
{
    if (waker->fd < 0) {
        waker->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (waker->fd < 0 || !refresh(waker, folder)) {
        return;
    }
    for (size_t i = 0; i < waker->n; i++) {
        uint64_t wanted = strtoull(waker->names[i], NULL, 16);
        if ((wanted & mask) == 0) {
            continue;
        }
        struct sockaddr_un address = address_of(waker->folder, waker->names[i]);
        ssize_t sent = sendto(waker->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
                              (const struct sockaddr *)&address, sizeof(address));
        if (sent < 0 && errno == ECONNREFUSED) {
            (void)unlinkat(waker->folder, waker->names[i], 0);
        }
    }
}

void mw_waker_fini(struct mw_waker *waker)
{
    if (waker->fd >= 0) {
        (void)close(waker->fd);
    }
    if (waker->folder >= 0) {
        (void)close(waker->folder);
    }
    free(waker->names);
    mw_waker_init(waker);
}
