/* health.h - the probes of a pod: GET /livez and /readyz on a port of their own.
 *
 * Answered by the role's own loop, so an answer says that the loop turns. Any path but these gives
 * 404; /readyz gives 503 until the role is ready. One request a connection, of at most 2 KiB. */
#ifndef MW_BASE_HEALTH_H
#define MW_BASE_HEALTH_H

#include "lib/base/error.h"
#include "lib/base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_health;

/* Listens on every address, port 0: a free one. Errors: NET, MEMORY. */
mw_err mw_health_new(struct mw_health **health, struct mw_loop *loop, uint16_t port,
                     struct mw_error *error);
void mw_health_free(struct mw_health *health);                  /* before the loop; NULL allowed */
void mw_health_set_ready(struct mw_health *health, bool ready); /* NULL allowed */
uint16_t mw_health_port(const struct mw_health *health);

/* The answer to a request, a constant text; NULL: its first line is not whole yet. */
const char *mw_health_answer(const char *request, size_t size, bool ready);

#endif
