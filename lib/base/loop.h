/* loop.h - the one epoll loop of a role.
 *
 * Everything runs on the thread that calls mw_loop_run, except mw_loop_stop and mw_loop_wake, which
 * any thread may call. Callbacks may add and remove watchers and timers, their own included. */
#ifndef MW_BASE_LOOP_H
#define MW_BASE_LOOP_H

#include "lib/base/error.h"

#include <stdint.h>

struct mw_loop;
struct mw_loop_watch; /* a file descriptor or a timer being watched */

/* EPOLLIN | EPOLLOUT bits in events. */
typedef void mw_loop_fd_fn(void *context, uint32_t events);
typedef void mw_loop_fn(void *context);

mw_err mw_loop_new(struct mw_loop **loop, struct mw_error *error);
void mw_loop_free(struct mw_loop *loop); /* frees remaining watchers; closes no caller's fd */

/* Watches fd (borrowed; remove the watch before closing it). events: EPOLLIN and/or EPOLLOUT,
 * level-triggered, or 0 to rest. A hang-up or an error comes as all the events asked for. `watch`
 * may be NULL here and below when it is never removed before the loop. Errors: IO (a regular file
 * cannot be watched), MEMORY. */
mw_err mw_loop_add_fd(struct mw_loop *loop, int fd, uint32_t events, mw_loop_fd_fn *fn,
                      void *context, struct mw_loop_watch **watch, struct mw_error *error);
mw_err mw_loop_set_events(struct mw_loop *loop, struct mw_loop_watch *watch, uint32_t events);

/* Calls fn after `delay` microseconds, then every `interval` (0: once; the watch stays valid and
 * can be set again until removed). */
mw_err mw_loop_add_timer(struct mw_loop *loop, int64_t delay, int64_t interval, mw_loop_fn *fn,
                         void *context, struct mw_loop_watch **watch, struct mw_error *error);
/* Sets a timer anew; delay < 0 disarms it. A timer set inside a round fires in the next one at the
 * earliest. */
void mw_loop_set_timer(struct mw_loop *loop, struct mw_loop_watch *watch, int64_t delay,
                       int64_t interval);

/* Calls fn once after all events of each round have been handled: where a role commits what the
 * round gathered. */
mw_err mw_loop_add_after(struct mw_loop *loop, mw_loop_fn *fn, void *context,
                         struct mw_loop_watch **watch, struct mw_error *error);

/* Stops watching and frees the watch; safe inside callbacks; NULL is allowed. */
void mw_loop_remove(struct mw_loop *loop, struct mw_loop_watch *watch);

/* Calls fn for SIGTERM, SIGINT, SIGHUP or SIGCHLD through a signalfd. The signal is blocked in the
 * process, so call it before threads start. */
typedef void mw_loop_signal_fn(void *context, int signal);
mw_err mw_loop_add_signals(struct mw_loop *loop, const int *signals, unsigned n,
                           mw_loop_signal_fn *fn, void *context, struct mw_error *error);

/* Runs until mw_loop_stop. Errors: IO. */
mw_err mw_loop_run(struct mw_loop *loop, struct mw_error *error);
void mw_loop_stop(struct mw_loop *loop);
void mw_loop_wake(struct mw_loop *loop); /* makes one round happen soon */

#endif
