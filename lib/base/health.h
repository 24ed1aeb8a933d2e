/* health.h - what a pod is asked: GET /livez, /readyz and /metrics on a port of their own.
 *
 * Answered by the role's own loop, so an answer says that the loop turns. Any path but these gives
 * 404; /readyz gives 503 until the role is ready, /metrics 404 until somebody can tell them. One
 * request a connection, of at most 2 KiB. A peer that is slow to read holds up nobody. */
#ifndef MW_BASE_HEALTH_H
#define MW_BASE_HEALTH_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_health;

/* Listens on every address, port 0: a free one. Errors: NET, MEMORY. */
mw_err mw_health_new(struct mw_health **health, struct mw_loop *loop, uint16_t port,
                     struct mw_error *error);
void mw_health_free(struct mw_health *health);                  /* before the loop; NULL allowed */
void mw_health_set_ready(struct mw_health *health, bool ready); /* NULL allowed */
/* Who makes the answer to /metrics: appends it to `text`, in Prometheus' text format. */
typedef mw_err mw_health_metrics_fn(void *context, struct mw_buffer *text);
void mw_health_set_metrics(struct mw_health *health, mw_health_metrics_fn *fn, void *context);
uint16_t mw_health_port(const struct mw_health *health);

enum mw_health_question {
    MW_HEALTH_UNFINISHED, /* its first line is not whole yet */
    MW_HEALTH_LIVE,
    MW_HEALTH_READY,
    MW_HEALTH_METRICS,
    MW_HEALTH_OTHER /* a path or a method that is not served */
};
/* What a request of that many bytes asks. */
enum mw_health_question mw_health_question(const char *request, size_t size);

#endif
