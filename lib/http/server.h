/* server.h - HTTP, or HTTPS, on a role's epoll loop (libmicrohttpd, external polling, no threads).
 *
 * Refuses a Host or an Origin that guard.h does not allow (403), a POST that is not
 * application/json, nor a form where one is taken (415), or is over 1 MiB (413), and other methods
 * (405). At most 64 connections at a time. */
#ifndef MW_HTTP_SERVER_H
#define MW_HTTP_SERVER_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/loop.h"

#include <stdint.h>

struct mw_http_server;

struct mw_http_request {
    const char *method;  /* "GET", "POST" */
    const char *path;    /* "/api/events", without the query */
    struct mw_span body; /* empty for GET */
    const void *handle;  /* for mw_http_query */
};

/* The handler fills these; body is taken and freed by the server. */
struct mw_http_response {
    unsigned status;          /* 200 unless set */
    const char *content_type; /* constant; "application/json" unless set */
    struct mw_buffer body;
};

/* Returns true when it handled the path; false gives 404. Errors are the handler's to phrase:
 * mw_http_fail writes {"error": text} with the status that fits the code. */
typedef bool mw_http_handler(void *context, const struct mw_http_request *request,
                             struct mw_http_response *response);

struct mw_http_options {
    const char *address; /* in numbers, "127.0.0.1", or "localhost" */
    uint16_t port;       /* 0: a free one */
    mw_http_handler *handler;
    void *context;
    const char *certificate, *key; /* PEM texts, copied; NULL: without TLS */
    /* Paths to which a form may be posted, as application/x-www-form-urlencoded (form.h); NULL: no
     * path. */
    bool (*takes_form)(const char *path);
    bool any_host; /* devices ask by names that are not known here; for what no page gains by */
};

/* Borrows the loop. BUSY: the port is taken; ARGUMENT: no address, or the library cannot use
 * certificate and key; NET. */
mw_err mw_http_server_new(struct mw_http_server **server, struct mw_loop *loop,
                          const struct mw_http_options *options, struct mw_error *error);
/* Whether a server could be made at that address and port just now; opens and closes it. Errors: as
 * above. */
mw_err mw_http_server_probe(const char *address, uint16_t port, struct mw_error *error);
void mw_http_server_free(struct mw_http_server *server);
uint16_t mw_http_server_port(const struct mw_http_server *server);

/* The value of a query argument or NULL; borrowed for the call of the handler. */
const char *mw_http_query(const struct mw_http_request *request, const char *name);

void mw_http_fail(struct mw_http_response *response, mw_err code, const char *text);

#endif
