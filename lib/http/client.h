/* client.h - one HTTP request and its answer (libcurl), for command-line tools: it blocks. */
#ifndef MW_HTTP_CLIENT_H
#define MW_HTTP_CLIENT_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

/* GET when body.data is NULL, else POST of application/json. The answer's body is appended; *status
 * is the HTTP status (also for 4xx and 5xx, which are not errors here). Errors: NET, TIMEOUT (10
 * s). */
mw_err mw_http_request_json(const char *url, struct mw_span body, long *status,
                            struct mw_buffer *answer, struct mw_error *error);

#endif
