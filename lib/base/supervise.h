/* supervise.h - keeps a set of child processes running on a loop.
 *
 * A child that ends is started again after a delay that doubles from 0.1 s to 10 s and falls back
 * once it has run for 30 s. Children are started in the order they were added, each once those
 * before it that are not `apart` have said READY (or, with a probe, once the probe says so), and
 * stopped in the reverse order with SIGTERM, then after 5 s SIGKILL. Everything runs on the loop's
 * thread. */
#ifndef MW_BASE_SUPERVISE_H
#define MW_BASE_SUPERVISE_H

#include "lib/base/error.h"
#include "lib/base/loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct mw_supervisor;

struct mw_child_spec {
    const char *name;             /* "bridge"; borrowed */
    char *const *argv;            /* borrowed; argv[0] is the program's path */
    const char *output;           /* log file, or NULL to inherit; borrowed */
    int nice;                     /* as in struct mw_process_spec */
    bool apart;                   /* those behind it do not wait for it */
    bool (*probe)(void *context); /* NULL: the child says READY itself; else asked every 20 ms */
    void *context;
};

/* on_ready (may be NULL) is called once, when every child has been ready for the first time;
 * on_stopped when mw_supervisor_stop has ended all. */
struct mw_supervisor_options {
    void (*on_ready)(void *context);
    void (*on_stopped)(void *context);
    void *context;
};

/* Takes over SIGCHLD on this loop. */
mw_err mw_supervisor_new(struct mw_supervisor **supervisor, struct mw_loop *loop,
                         const struct mw_supervisor_options *options, struct mw_error *error);
void mw_supervisor_free(struct mw_supervisor *supervisor); /* kills what still runs */

/* Adds a child; it starts as soon as those before it are ready. */
mw_err mw_supervisor_add(struct mw_supervisor *supervisor, const struct mw_child_spec *spec,
                         struct mw_error *error);

/* Ends one child with SIGTERM, after 5 s with SIGKILL; it is started again soon. NOT_FOUND. */
mw_err mw_supervisor_restart(struct mw_supervisor *supervisor, const char *name);

/* The same, and it is not started again; its name is free once it has ended. NOT_FOUND. */
mw_err mw_supervisor_remove(struct mw_supervisor *supervisor, const char *name);

/* Begins to stop all; on_stopped follows. Calling it again sends SIGKILL at once. */
void mw_supervisor_stop(struct mw_supervisor *supervisor);

/* The pid of a child, 0 while it is down. */
pid_t mw_supervisor_pid(const struct mw_supervisor *supervisor, const char *name);

#endif
