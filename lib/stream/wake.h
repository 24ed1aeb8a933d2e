/* wake.h - wakes the readers of a folder after a commit.
 *
 * Each reader binds a datagram socket FOLDER/wake/<mask>-<random>; the writers send one byte to
 * those whose mask shares a bit with the topics of the commit. It is a hint: whatever fails is left
 * out, and a slow poll guarantees progress. A socket that nobody holds any more is removed by the
 * first writer that meets it. Addresses go through /proc/self/fd, because the path of a socket may
 * have 107 bytes only. */
#ifndef MW_STREAM_WAKE_H
#define MW_STREAM_WAKE_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define MW_WAKE_NAME 40 /* 16 hexadecimal digits, '-', 16 more, NUL */

/* A reader's end. fd is always valid after init; it never turns readable where no socket can be
 * bound (a read-only folder). */
struct mw_wake {
    int folder, fd;
    char name[MW_WAKE_NAME]; /* empty when not bound */
};

/* The writer's end: the names found in the folder, as of its time of change. */
struct mw_waker {
    int folder, fd; /* folder is -1 until the first reader has made it */
    struct timespec changed;
    size_t n, capacity;
    char (*names)[MW_WAKE_NAME];
};

/* The bit of a topic. */
uint64_t mw_wake_mask(const char *topic);

/* `folder` is the stream's; IO when no socket can be made at all. */
mw_err mw_wake_init(struct mw_wake *wake, const char *folder, uint64_t mask,
                    struct mw_error *error);
void mw_wake_drain(struct mw_wake *wake);
void mw_wake_fini(struct mw_wake *wake);

void mw_waker_init(struct mw_waker *waker);
/* Wakes the readers of any topic in the mask. Never blocks, reports nothing. */
void mw_waker_send(struct mw_waker *waker, const char *folder, uint64_t mask);
void mw_waker_fini(struct mw_waker *waker);

#endif
