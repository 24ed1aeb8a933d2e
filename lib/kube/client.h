/* client.h - requests to the Kubernetes API on a role's epoll loop (libcurl's multi interface).
 *
 * Nothing here blocks and nothing is tried again: who asked knows what is worth another attempt,
 * and backoff.h says when. All functions are for the loop's thread. */
#ifndef MW_KUBE_CLIENT_H
#define MW_KUBE_CLIENT_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/kube/config.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define MW_KUBE_LINE_MOST (4u << 20)    /* bytes of an object in a watch; etcd's limit is 1.5 MiB */
#define MW_KUBE_ANSWER_MOST (32u << 20) /* bytes of any other answer */

struct mw_kube;
struct mw_kube_request; /* under way */

/* Borrows loop and config while it lives. Errors: MEMORY, NET. */
mw_err mw_kube_new(struct mw_kube **kube, struct mw_loop *loop, const struct mw_kube_config *config,
                   struct mw_error *error);
void mw_kube_free(struct mw_kube *kube); /* drops what is under way without a call; NULL allowed */
struct mw_loop *mw_kube_loop(const struct mw_kube *kube);

struct mw_kube_answer {
    long status;         /* of HTTP; 0: no answer came */
    json_t *body;        /* borrowed; NULL: none, or no JSON */
    int64_t retry_after; /* microseconds that the server asked to wait; -1: it did not */
    const char *text; /* what went wrong, the server's own words where it has some; "" with 2xx */
};

/* Called once, unless the request is cancelled; may send and cancel others. */
typedef void mw_kube_done_fn(void *context, const struct mw_kube_answer *answer);
/* One line of an answer with status 200. Must neither send nor cancel. False ends the request,
 * whose answer then has status 200. */
typedef bool mw_kube_on_line_fn(void *context, struct mw_span line);

struct mw_kube_call {
    const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
    const char *path;   /* "/api/v1/nodes?limit=100", escaped; borrowed for the call */
    const char *server; /* another one, "http://host:port", which gets no token; NULL: the API */
    const char *type;   /* of the body; NULL: application/json */
    const json_t *body; /* borrowed for the call; NULL: none */
    int64_t idle;       /* microseconds without a byte after which it has failed; 0: 30 s */
    mw_kube_on_line_fn *on_line; /* NULL: the whole body comes with the answer */
    mw_kube_done_fn *done;
    void *context;
};

/* *request may be NULL when it is never cancelled. Errors: MEMORY, IO (the token cannot be read).
 */
mw_err mw_kube_send(struct mw_kube *kube, const struct mw_kube_call *call,
                    struct mw_kube_request **request, struct mw_error *error);
void mw_kube_cancel(struct mw_kube *kube, struct mw_kube_request *request); /* NULL allowed */

/* Is this worth another attempt: no answer, 429, 5xx, or a timeout that the server reported? */
bool mw_kube_may_retry(const struct mw_kube_answer *answer);

#endif
