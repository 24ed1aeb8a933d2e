/* guard.h - which requests a server on a person's own machine may answer.
 *
 * A page from anywhere can make a browser send requests to 127.0.0.1, and with a name that it
 * rebinds to that address even read the answers. So the Host must be one that no page can choose,
 * and an Origin, when there is one, the very same site. */
#ifndef MW_HTTP_GUARD_H
#define MW_HTTP_GUARD_H

#include <stdbool.h>

/* Host header against the address that is bound: that address, localhost, 127.0.0.1 or [::1], with
 * any port. With `any` (all addresses are bound) also every address in numbers and this machine's
 * own name: a rebound name is none of these. NULL is refused. */
bool mw_http_host_allowed(const char *host, const char *address, bool any);

/* Origin header: none, or http://<host>. */
bool mw_http_origin_allowed(const char *origin, const char *host);

/* Content-Type: application/json, with or without parameters. */
bool mw_http_type_is_json(const char *type);
/* Content-Type: application/x-www-form-urlencoded, likewise. */
bool mw_http_type_is_form(const char *type);

#endif
