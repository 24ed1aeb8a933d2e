/* process.h - children, locks and the READY handshake. */
#ifndef MW_BASE_PROCESS_H
#define MW_BASE_PROCESS_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mw_process_spec {
    char *const *argv;  /* argv[0] is the path of the program; NULL ends */
    bool ready;         /* pass an inherited descriptor as MILLWRIGHT_READY_FD */
    int nice;           /* added to the niceness; below 0 without the right to it: none is added */
    const char *output; /* file that takes stdout and stderr (appended), or NULL to inherit */
};

/* Starts a child; it dies with this process (PR_SET_PDEATHSIG SIGTERM) and starts with default
 * signals and an empty mask. *ready_fd (may be NULL when !spec->ready) reads "READY" and then end
 * of file; the caller closes it. Does not block beyond fork/exec; an exec that fails is reported
 * here (NOT_FOUND, IO). The child gets a process group of its own, so that Ctrl-C reaches only this
 * process, stdin from /dev/null, and no other descriptor of ours. It dies when the thread that
 * called this ends, so call it from the main one. */
mw_err mw_process_start(const struct mw_process_spec *spec, pid_t *pid, int *ready_fd,
                        struct mw_error *error);

/* Tells the parent that this role's inputs are open; a no-op when nobody asked. */
void mw_process_ready(void);

/* Takes an exclusive lock on a file (made 0600 when missing), writes our pid into it and keeps the
 * descriptor in *fd until closed. BUSY names the pid that holds it. */
mw_err mw_process_lock(const char *path, int *fd, struct mw_error *error);

/* The absolute path of this program. Borrowed, constant. */
const char *mw_process_self(void);

/* Proportional set size of a process in bytes from /proc/PID/smaps_rollup; -1 when it is gone. */
int64_t mw_process_pss(pid_t pid);

#endif
