/* errand.h - one piece of work at a time on a thread of its own, for a loop that must not wait.
 *
 * The loop's thread starts a piece of work and may wait for it a while; what is not over by then
 * goes on behind its back. Until mw_errand_wait has said that it is over, what the work touches is
 * the work's alone. All functions are for one thread, the loop's. */
#ifndef MW_BASE_ERRAND_H
#define MW_BASE_ERRAND_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_errand;
typedef void mw_errand_fn(void *context);

/* Makes the thread; after the signals of the loop have been blocked. Errors: MEMORY, IO. */
mw_err mw_errand_new(struct mw_errand **errand, struct mw_error *error);
void mw_errand_free(struct mw_errand *errand); /* waits for what runs; NULL allowed */

/* Runs fn(context) on the thread. Not while another one is under way. */
void mw_errand_start(struct mw_errand *errand, mw_errand_fn *fn, void *context);

/* Waits up to that many microseconds, 0 only looks. True: nothing is under way (any more). */
bool mw_errand_wait(struct mw_errand *errand, int64_t microseconds);

/* A descriptor that is readable when work has ended, until mw_errand_wait has said so. */
int mw_errand_fd(const struct mw_errand *errand);

#endif
